"""Every displayed equation is labelled, tested, and as it was when its test was last read."""

from __future__ import annotations

from tools.equations import commands as equations


def test_equations_tests_and_lock_file_are_in_step():
    problems = equations.problems_of()
    assert not problems, "\n" + "\n".join(problems)


def test_there_are_equations():
    """An empty search would pass everything."""
    assert len(equations.collect()) > 20
