"""A question to commit an answer to before a cell runs: works in a static page too."""

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Guess:
    """What a learner may choose from, and later what came out.

    Attributes:
        options: the answers, in the order in which they are shown.
        radio: the widget with one button for each.
        widget: the question with its buttons; a cell whose last line is the guess shows it.
    """

    options: tuple[str, ...]
    radio: Any
    widget: Any

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Any:
        return self.widget._repr_mimebundle_(include=include, exclude=exclude)

    def reveal(self, answer: str, why: str = "") -> Any:
        """Show what came out beside what was chosen.

        The two are linked in the browser: a reader of the page who changes the choice sees the
        sentence that belongs to it, without a kernel.

        Args:
            answer: the option that came out, best computed from the run.
            why: one sentence that explains it.

        Returns:
            A widget; make it the last line of a cell.

        Raises:
            ValueError: the answer is none of the options.
        """
        import ipywidgets

        if answer not in self.options:
            raise ValueError(f"the answer is {answer!r}; the options are {list(self.options)}.")
        out = f"<b>Came out:</b> {html.escape(answer)}." + (f" {html.escape(why)}" if why else "")
        said = [
            f"You chose: {html.escape(option)}."
            + (" So it came out." if option == answer else " It came out otherwise.")
            for option in self.options
        ]
        chosen = ipywidgets.Stack(
            [ipywidgets.HTML(text) for text in said], selected_index=self.radio.index
        )
        ipywidgets.jslink((self.radio, "index"), (chosen, "selected_index"))
        return ipywidgets.VBox([ipywidgets.HTML(out), chosen])


def predict(question: str, options: Sequence[str]) -> Guess:
    """Ask a question whose answer the next run gives; nothing is chosen at first.

    Args:
        question: plain text.
        options: at least two answers, all different, plain text.

    Returns:
        The guess; make it the last line of a cell. `guess.reveal(answer)` comes after the run.

    Raises:
        ValueError: fewer than two options, or one of them twice.
        ImportError: ipywidgets is not installed.
    """
    try:
        import ipywidgets
    except ImportError as error:
        raise ImportError(
            "viz.predict needs ipywidgets: pip install ipywidgets, then restart the kernel."
        ) from error
    if len(options) < 2 or len(set(options)) != len(options):
        raise ValueError(f"got the options {list(options)}; two or more are needed, all different.")
    radio = ipywidgets.RadioButtons(
        options=list(options), index=None, layout={"width": "auto", "max_width": "640px"}
    )
    title = ipywidgets.HTML(f"<b>Your answer first.</b> {html.escape(question)}")
    return Guess(tuple(options), radio, ipywidgets.VBox([title, radio]))
