"""Measures what takes long: `python -m tools.bench grading`."""
