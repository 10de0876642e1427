"""Commands that keep the course together; run from the root, `python -m tools.NAME --help`.

Not installed with the package: learners never need them.
"""
