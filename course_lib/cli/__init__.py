"""The command ``course``: data, training, evaluation and results from a terminal."""

import argparse
import os
import sys
from collections.abc import Sequence

from course_lib import __version__
from course_lib.cli.data import add_data
from course_lib.cli.evaluate import add_evaluate
from course_lib.cli.generation import add_sample, add_train_gan
from course_lib.cli.results import add_results
from course_lib.cli.train import add_train

EXAMPLES = """\
examples:
  course data list
  course data fetch pets --root data
  course train unet --data streets --size 96 128 --epochs 5 --out runs/streets
  course evaluate unet-pets --data pets --root data --split test --json
  course train-gan dcgan --data shapes --condition plain --out runs/dcgan
  course sample dcgan-mnist --out sheet.png
  course results run --missing --device auto
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status.

    What a user can mend is one line on standard error and status 2; Ctrl-C is status 130.
    """
    args = _parser().parse_args(argv)
    try:
        return args.run(args) or 0
    except KeyboardInterrupt as interruption:
        print(f"\ncourse: {interruption or 'interrupted'}", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader (head, less) has closed; nothing is left to be said to anyone.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, FileNotFoundError, NotADirectoryError, PermissionError, ImportError) as e:
        print(f"course: {e}", file=sys.stderr)
        return 2
    except KeyError as error:
        print(f"course: {error.args[0]}", file=sys.stderr)
        return 2
    except (FloatingPointError, OSError) as error:
        print(f"course: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="course",
        description="Segment and Generate: data, training, evaluation and results.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"course {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    add_data(commands)
    add_train(commands)
    add_evaluate(commands)
    add_train_gan(commands)
    add_sample(commands)
    add_results(commands)
    return parser
