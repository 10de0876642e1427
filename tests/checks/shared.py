"""Answers to exercises of one kind, whichever lab they belong to."""

from __future__ import annotations


def letters(answer):
    """A prediction: a letter, or a number where one is asked for."""
    return lambda: answer


def causes(module, **changes):
    """A diagnosis: right but for the runs that are named."""
    return lambda: {**module.reference(), **changes}


def with_an_error(function):
    """A test that breaks off."""
    raise RuntimeError("not finished")


def by_the_name(function):
    """A test that asks what the function is called, which it is not told."""
    assert function.__name__ == "reference"
