"""The figures that are drawn by code: `python -m tools.figures` writes them, tests compare them."""
