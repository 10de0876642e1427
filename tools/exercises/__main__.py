"""The command `python -m tools.exercises`."""

from tools.common import run_main
from tools.exercises.commands import main

if __name__ == "__main__":
    run_main(main)
