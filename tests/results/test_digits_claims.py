"""The drawn digits beside MNIST's: what is measured, and what the shipped classifier scores."""

from pathlib import Path

import pytest

from course_lib.data import load
from course_lib.recipes.classifier import DIGITS
from course_lib.results import CLAIMS
from course_lib.results import load as load_result
from course_lib.results.claim import Context
from course_lib.results.claims import digits
from course_lib.train import evaluate, load_checkpoint


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context(0, "cpu", None, tmp_path / "runs" / "claim" / "seed-0", True, tmp_path)


def test_each_kind_is_tested_on_the_other(context: Context) -> None:
    """With drawn digits in the place of MNIST's."""
    other = DIGITS.smoke.load("test")
    measured = digits._cross(context, DIGITS, DIGITS)
    assert measured.metrics["cross_accuracy"] == measured.metrics["test_accuracy"]
    assert measured.fingerprint == other.fingerprint
    assert sum(map(sum, measured.arrays["cross_confusion"])) == len(other)
    assert CLAIMS["classifier-digits"].measure.keywords["other"].data.name == "mnist"
    assert CLAIMS["classifier-mnist"].measure.keywords["other"] is DIGITS


def test_the_shipped_classifier_reproduces_its_score() -> None:
    model, card = load_checkpoint("simple-cnn-digits")
    accuracy = evaluate(model, load("digits", "test", size=32, num=2000)).accuracy
    assert accuracy == pytest.approx(card["score"]["test_accuracy"], abs=0.01)


@pytest.mark.slow
@pytest.mark.real_data
def test_the_shipped_classifier_reproduces_its_score_on_mnist(real_data: Path) -> None:
    model, card = load_checkpoint("simple-cnn-digits")
    test = load("mnist", "test", size=32, root=real_data)
    accuracy = evaluate(model, test).accuracy
    assert accuracy == pytest.approx(card["score"]["cross_accuracy"], abs=0.002)


def test_the_two_kinds_are_alike_both_ways() -> None:
    for name in ("classifier-digits", "classifier-mnist"):
        result = load_result(name)
        assert min(result.values("cross_accuracy")) > 0.9, name
        assert min(result.values("test_accuracy")) > 0.97, name
