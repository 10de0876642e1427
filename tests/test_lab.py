"""What every lab does first."""

import random

import numpy as np
import pytest
import torch

from course_lib import lab


@pytest.fixture(autouse=True)
def _no_scale_from_outside(monkeypatch):
    monkeypatch.delenv("COURSE_SCALE", raising=False)


def test_it_says_in_one_line_what_was_chosen(capsys):
    started = lab.start(scale="smoke", seed=3, device="cpu")
    assert started == lab.Lab(scale="smoke", seed=3, device=torch.device("cpu"))
    out = capsys.readouterr().out
    assert out.startswith("scale smoke · seed 3 · cpu (") and out.count("\n") == 1


def test_everything_random_is_seeded():
    def numbers():
        return random.random(), np.random.rand(), torch.rand(()).item()

    lab.start(seed=7, device="cpu")
    first = numbers()
    lab.start(seed=7, device="cpu")
    assert numbers() == first
    lab.start(seed=8, device="cpu")
    assert numbers() != first


def test_the_environment_has_the_last_word_on_the_scale(monkeypatch):
    monkeypatch.setenv("COURSE_SCALE", "smoke")
    assert lab.start(scale="full", device="cpu").scale == "smoke"
    monkeypatch.setenv("COURSE_SCALE", "huge")
    with pytest.raises(
        ValueError, match="COURSE_SCALE is 'huge'; choose one of smoke, quick, full"
    ):
        lab.start(scale="full", device="cpu")
    monkeypatch.setenv("COURSE_SCALE", "")
    assert lab.start(scale="full", device="cpu").scale == "full"


@pytest.mark.parametrize(("scale", "value"), (("smoke", 1), ("quick", 3), ("full", 40)))
def test_pick_takes_the_value_of_the_scale(scale, value):
    started = lab.start(scale=scale, device="cpu")
    assert started.pick(smoke=1, quick=3, full=40) == value


@pytest.mark.parametrize(
    ("options", "said"),
    (
        ({"scale": "Quick"}, "scale is 'Quick'"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 1.5}, "seed is 1.5"),
        ({"seed": 2**32}, "0 to 2"),
        ({"device": "gpu"}, "device is 'gpu'; use"),
        ({"device": "cuda:99"}, "device is 'cuda:99', (but|which)"),
        ({"device": "mps:7"}, "device is 'mps:7', which cannot be used here"),
    ),
)
def test_wrong_input_says_what_to_do(options, said):
    with pytest.raises(ValueError, match=said):
        lab.start(**{"device": "cpu"} | options)


def test_auto_finds_a_device():
    started = lab.start(device="auto")
    assert torch.zeros(1, device=started.device).device.type == started.device.type


def test_what_is_said_and_holds_is_silent(capsys, monkeypatch):
    started = lab.start(scale="quick", device="cpu")
    capsys.readouterr()
    for strict in ("", "strict"):
        monkeypatch.setenv("COURSE_SAID", strict)
        for holds in (True, np.True_, torch.tensor(True)):
            started.said("All is well.", holds)
    assert capsys.readouterr().out == ""


def test_what_is_said_and_does_not_hold_stops_the_build_and_nobody_else(capsys, monkeypatch):
    started = lab.start(scale="quick", device="cpu")
    monkeypatch.delenv("COURSE_SAID", raising=False)
    started.said("All is well.", False)
    assert "otherwise than the page says: “All is well.”" in capsys.readouterr().out
    monkeypatch.setenv("COURSE_SAID", "strict")
    for holds in (False, np.False_, torch.tensor(False)):
        with pytest.raises(AssertionError, match="the page says what is not so.*All is well"):
            started.said("All is well.", holds)
    lab.start(scale="smoke", device="cpu").said("All is well.", False)  # too short to tell


@pytest.mark.parametrize("holds", (None, 1, "yes", torch.tensor(0.5)))
def test_what_is_said_is_true_or_false(holds):
    with pytest.raises(ValueError, match="True or False is needed"):
        lab.start(scale="smoke", device="cpu").said("All is well.", holds)
