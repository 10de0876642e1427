"""The command `python -m tools.bench`."""

from tools.bench.grading import main
from tools.common import run_main

if __name__ == "__main__":
    run_main(main)
