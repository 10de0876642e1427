"""``course data``: list, fetch and verify data sets."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from course_lib.data import available, fetch, verify
from course_lib.data.names import CARDS


@dataclass(frozen=True, kw_only=True)
class List:
    """List the data sets, and which can be read here.

    Args:
        root: folder of the data; ``None``: COURSE_DATA, then the download folder.
    """

    root: Path | None = None

    def run(self) -> int:
        """Print a line for each; a folder that cannot be read is one of the answers."""
        for card in CARDS.values():
            try:
                state = "here" if available(card.name, self.root) else "-"
            except OSError as error:
                state = f"cannot be read ({error.strerror or error})"
            print(f"{card.name:15s} {state:5s} {card.purpose}")
        return 0


@dataclass(frozen=True, kw_only=True)
class Fetch:
    """Download a data set, with progress and checksum.

    Args:
        name: of the data set, see `course data list`.
        root: folder to put it in; ``None``: the download folder.
    """

    name: tyro.conf.Positional[str]
    root: Path | None = None

    def run(self) -> int:
        """Fetch it and say where it is."""
        print(f"{self.name} is in {fetch(self.name, self.root)}")
        return 0


@dataclass(frozen=True, kw_only=True)
class Verify:
    """Check that a data set is whole and readable.

    Args:
        name: of the data set, see `course data list`.
        root: folder of the data; ``None``: COURSE_DATA, then the download folder.
    """

    name: tyro.conf.Positional[str]
    root: Path | None = None

    def run(self) -> int:
        """Print each problem on standard error."""
        problems = verify(self.name, self.root)
        for problem in problems:
            print(f"course: {problem}", file=sys.stderr)
        if not problems:
            print(f"{self.name} is whole")
        return 1 if problems else 0


Actions = (
    Annotated[List, tyro.conf.subcommand("list")]
    | Annotated[Fetch, tyro.conf.subcommand("fetch")]
    | Annotated[Verify, tyro.conf.subcommand("verify")]
)


def parse(words: list[str]) -> List | Fetch | Verify:
    """Return what these words ask for."""
    return tyro.cli(Actions, args=words, prog="course data")
