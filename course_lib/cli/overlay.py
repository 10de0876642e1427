"""``course overlay``: an instructor's private folder of graded sets."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from course_lib.grading import personal, sets


@dataclass(frozen=True, kw_only=True)
class New:
    """Make an overlay: a folder with a secret, from which each learner's variant is drawn.

    Args:
        folder: to make. Keep it out of every public repository.
    """

    folder: tyro.conf.Positional[Path]

    def run(self) -> int:
        """Make it."""
        sets.new_overlay(self.folder)
        print(f"{self.folder} has a secret now, and a README that says what else may stand there.")
        return 0


@dataclass(frozen=True, kw_only=True)
class Check:
    """Say what is wrong with an overlay, and with the graded sets that it adds to.

    Args:
        folder: the overlay.
        exercises: folder of the public graded sets; ``None``: the course's own.
    """

    folder: tyro.conf.Positional[Path]
    exercises: Path | None = None

    def run(self) -> int:
        """Look; the status is 1 if something is wrong."""
        public = self.exercises if self.exercises is not None else personal.public_sets()
        problems = sets.overlay_problems(self.folder, public)
        for problem in problems:
            print(problem)
        if problems:
            return 1
        folders = personal.set_folders(self.folder, self.exercises)
        for name in sorted({name for folder in folders for name in sets.names(folder)}):
            found = sets.load(name, folders)
            said = "; ".join(found.problems()) or f"{found.count()} variants, in order"
            print(f"{name:24s} {said}")
        return 0


@dataclass(frozen=True, kw_only=True)
class Show:
    """Write one learner's variant of a set, as learners get it, without a course folder.

    Args:
        folder: the overlay.
        assignment: the set.
        learner: whose variant.
        out: the notebook to write.
        answers: with answers and hidden tests.
        exercises: folder of the public graded sets; ``None``: the course's own.
    """

    folder: tyro.conf.Positional[Path]
    assignment: tyro.conf.Positional[str]
    learner: tyro.conf.Positional[str]
    out: Path
    answers: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    exercises: Path | None = None

    def run(self) -> int:
        """Write it, and say which parameters the learner has."""
        found = sets.load(self.assignment, personal.set_folders(self.folder, self.exercises))
        made = found.render(self.learner, sets.secret_of(self.folder))
        self.out.write_text(personal.text_of(made.source, self.assignment, self.answers), "utf-8")
        for name, value in made.parameters.items():
            print(f"{name:16s} {value}")
        return 0


Actions = (
    Annotated[New, tyro.conf.subcommand("new")]
    | Annotated[Check, tyro.conf.subcommand("check")]
    | Annotated[Show, tyro.conf.subcommand("show")]
)


def parse(words: list[str]) -> New | Check | Show:
    """Return what these words ask for."""
    return tyro.cli(Actions, args=words, prog="course overlay")
