"""Draw the figures of the chapters: `python -m tools.figures.NAME` writes what a test compares."""
