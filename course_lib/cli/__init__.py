"""The command ``course``: data, training, evaluation and results from a terminal.

Each command is a frozen dataclass: its fields are the options, its docstring is the help, its
method `run` does the work. What is trained comes from `course_lib.recipes`; nothing has a second
default here. A command's module is imported when it is asked for, so that ``course --help`` does
not wait for torch.
"""

import difflib
import os
import signal
import sys
from collections.abc import Sequence
from typing import Protocol

from course_lib import __version__
from course_lib.cli.console import make_speakable, stopping_at_once

COMMANDS = {
    "data": "list, fetch and verify data sets",
    "train": "train a network on labelled images",
    "evaluate": "judge a checkpoint on images that it has never seen",
    "train-gan": "train a generator and its opponent",
    "train-code": "train a generator by a code: VAE, CVAE, VQ-VAE, VAE-GAN",
    "train-flow": "train a flow or a diffusion",
    "sample": "draw a sheet of samples from a generator",
    "results": "the list of claims, and their measurement",
    "overlay": "an instructor's private folder: secret, variants, hidden tests",
    "release": "make from exercises what learners get",
    "collect": "take in what learners handed in",
    "grade": "judge what was handed in, in sandboxes",
    "formgrader": "a page for points by hand and comments",
    "feedback": "a page for each learner: points, reasons, hints, comments",
    "export": "grades as a table, for a spreadsheet or a learning platform",
    "similarity": "which submissions resemble each other",
    "report": "how the class did, on one page",
    "grade-now": "grade on request, what comes into a shared folder",
    "practice-class": "a made-up class, and what it hands in",
    "doctor": "is everything here that the course needs?",
}
EXAMPLES = """\
  course doctor
  course data list
  course data fetch pets --root data
  course train unet --data streets --size 96 128 --epochs 5 --out runs/streets
  course evaluate unet-pets --data pets --root data --split test --json
  course train-gan dcgan --data shapes --condition plain --out runs/dcgan
  course train-code vae --data digits --out runs/vae
  course train-flow flow --data shapes --condition plain --out runs/flow
  course sample dcgan-mnist --out sheet.png
  course results run --missing --device auto
  course release unet --init --course my-course
  course collect unet downloads.zip --course my-course --platform moodle
  course grade unet --course my-course
  course feedback unet --course my-course
  course export unet --course my-course --format moodle"""
LISTED = "\n".join(f"  {name:14s} {purpose}" for name, purpose in COMMANDS.items())
HELP = f"""\
usage: course COMMAND ...        course COMMAND --help tells a command's options

Segment and Generate: data, training, evaluation and results.

commands:
{LISTED}

examples:
{EXAMPLES}"""


class Command(Protocol):
    """What the words of a command line ask for."""

    def run(self) -> int:
        """Do it; return the exit status."""
        ...


def parse(words: Sequence[str]) -> Command:
    """Return the command that these words ask for.

    Raises:
        ValueError: for an unknown command.
        SystemExit: after help (status 0), or after saying what is wrong with an option (2).
    """
    name, rest = (words[0], list(words[1:])) if words else ("--help", [])
    if name in ("-h", "--help", "--version"):
        print(f"course {__version__}" if name == "--version" else HELP)
        raise SystemExit(0 if words else 2)
    if name == "data":
        from course_lib.cli import data

        return data.parse(rest)
    if name == "train":
        from course_lib.cli import train

        return train.parse(rest)
    if name == "evaluate":
        from course_lib.cli import evaluate

        return evaluate.parse(rest)
    if name in ("train-gan", "sample"):
        from course_lib.cli import generation

        return generation.parse(rest) if name == "train-gan" else generation.parse_sample(rest)
    if name == "train-code":
        from course_lib.cli import codes

        return codes.parse(rest)
    if name == "train-flow":
        from course_lib.cli import flows

        return flows.parse(rest)
    if name in ("feedback", "export", "similarity", "report"):
        from course_lib.cli import grades

        return grades.parse(name, rest)
    if name in ("formgrader", "grade-now"):
        from course_lib.cli import watch

        return watch.parse(name, rest)
    if name == "results":
        from course_lib.cli import results

        return results.parse(rest)
    if name == "overlay":
        from course_lib.cli import overlay

        return overlay.parse(rest)
    if name in ("release", "collect", "grade", "practice-class"):
        from course_lib.cli import grading

        if name == "practice-class":
            return grading.parse_practice(rest)
        if name == "release":
            return grading.parse_release(rest)
        return grading.parse_collect(rest) if name == "collect" else grading.parse_grade(rest)
    if name == "doctor":
        from course_lib.cli import doctor

        return doctor.parse(rest)
    near = difflib.get_close_matches(name, COMMANDS, 1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"there is no command {name!r}.{hint} There are {', '.join(COMMANDS)}.")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status.

    0 is success; 1 a fault of the machine or of the run, or a finding that is not in order; 2 what
    the user can mend, said in a line on standard error; 130 Ctrl-C; 141 a reader of the output that
    went away before the end. ``COURSE_DEBUG=1`` shows where an error came from.
    """
    make_speakable()
    try:
        with stopping_at_once():
            command = parse(sys.argv[1:] if argv is None else argv)
        status = command.run()
        sys.stdout.flush()
        return status
    except KeyboardInterrupt as interruption:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second one has nothing left to stop
        _say(str(interruption) or "interrupted")
        return 130
    except BrokenPipeError:
        # The reader (head, less) has closed: nothing more can be said, and the work is not done.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:
        if os.environ.get("COURSE_DEBUG"):
            raise
        _say(_in_one_line(error))
        return 2 if isinstance(error, MENDABLE) else 1


MENDABLE = (
    ValueError,
    FileNotFoundError,
    NotADirectoryError,
    PermissionError,
    ImportError,
    KeyError,
)


def _say(text: str) -> None:
    print(f"course: {text}", file=sys.stderr)


def _in_one_line(error: Exception) -> str:
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    text = " ".join(text.split())
    missing = error.name.partition(".")[0] if isinstance(error, ImportError) and error.name else ""
    if missing in ("nbgrader", "nbformat", "jupyter_client"):
        return f"{text}: pip install -e '.[grading]' in the course's folder"
    if isinstance(error, MemoryError) or "llocate memory" in text or "out of memory" in text:
        return f"the memory is full; use fewer or smaller images, or a smaller batch ({text[:200]})"
    if isinstance(error, (*MENDABLE, OSError, FloatingPointError)) and text:
        return text
    return f"{type(error).__name__}: {text or 'no more is known'} (COURSE_DEBUG=1 shows where)"
