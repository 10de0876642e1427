"""The style of all figures, light and dark."""

from importlib.resources import as_file, files

import matplotlib.pyplot as plt


def use(dark: bool = False) -> None:
    """Set matplotlib to the course's style, from now on.

    Args:
        dark: light lines on a dark page.
    """
    name = "dark.mplstyle" if dark else "light.mplstyle"
    with as_file(files("course_lib.viz") / name) as path:
        plt.style.use(path)
