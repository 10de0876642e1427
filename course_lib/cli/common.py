"""Options that several commands share."""

import argparse
from pathlib import Path


def root_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--root``."""
    parser.add_argument("--root", type=Path, help="folder of the data (default: COURSE_DATA)")


def data_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--data``, ``--root`` and ``--size``."""
    parser.add_argument("--data", required=True, help="name of a data set, see: course data list")
    root_option(parser)
    parser.add_argument("--size", type=int, nargs="+", metavar="PIXELS", help="height and width")


def size_of(values: list[int] | None) -> tuple[int, int] | None:
    """Return height and width of ``--size``, if it was given."""
    if values is None:
        return None
    if len(values) > 2 or min(values) < 1:
        raise ValueError(f"--size is {values}; give a side, or height and width, in pixels.")
    return values[0], values[-1]
