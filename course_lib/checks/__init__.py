"""A learner's instant checks: one function per exercise, `check(my_function) -> Report`.

    >>> from course_lib import checks
    >>> checks.an_exercise(my_function)          # doctest: +SKIP

Adding an exercise `NAME`: write `course_lib/checks/NAME.py` with a function `NAME(student, *,
seed=None) -> Report`, a list `MISTAKES` and a function `reference`; add one import line here. Its
notebook is `notebooks/exercises/NAME.ipynb`. `tests/exercises/` then tests it without further work.
"""

from __future__ import annotations

from course_lib.checks.accuracy import accuracy
from course_lib.checks.conv2d import conv2d
from course_lib.checks.conv_output import conv_output
from course_lib.checks.core import Mistake, Property, Report, Result, assert_close, grade
from course_lib.checks.flip_together import flip_together
from course_lib.checks.iou import iou
from course_lib.checks.match_skip import match_skip

# One line per exercise, in the order of the labs: from course_lib.checks.NAME import NAME

__all__ = [
    "Mistake",
    "Property",
    "Report",
    "Result",
    "accuracy",
    "assert_close",
    "conv2d",
    "conv_output",
    "flip_together",
    "grade",
    "iou",
    "match_skip",
]
