"""The command `python -m tools.notebooks`."""

from tools.common import run_main
from tools.notebooks.commands import main

if __name__ == "__main__":
    run_main(main)
