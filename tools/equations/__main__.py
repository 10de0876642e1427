"""The command `python -m tools.equations`."""

from tools.common import run_main
from tools.equations.commands import main

if __name__ == "__main__":
    run_main(main)
