"""Measured results: the list of claims, the runner that measures them, the tables pages show."""

from course_lib.results.claim import Claim, Context, Measurement
from course_lib.results.claims import CLAIMS
from course_lib.results.files import Result
from course_lib.results.runner import run
from course_lib.results.tables import Table, format_value, load, table

__all__ = [
    "CLAIMS",
    "Claim",
    "Context",
    "Measurement",
    "Result",
    "Table",
    "format_value",
    "load",
    "run",
    "table",
]
