"""The command `python -m tools.book`."""

from tools.book.build import main
from tools.common import run_main

if __name__ == "__main__":
    run_main(main)
