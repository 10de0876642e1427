"""An adversarial run that is stopped goes on exactly: bit for bit, whatever stopped it."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from course_lib.models import StyleGANDiscriminator, StyleGANGenerator
from course_lib.train import GANConfig, TrainConfig, train_gan, train_supervised
from tests.train.small_sets import same, saved
from tests.train.tiny_game import SIZE, pictures, players, weights

QUIET = {"device": "cpu", "progress": False}


class PowerCut(Exception):
    """What no loop expects."""


def stopping(after: int, stop) -> dict[str, object]:
    """An evaluation that calls `stop` the `after`-th time."""
    calls = []

    def evaluate(model: nn.Module) -> dict[str, float]:
        calls.append(model)
        if len(calls) == after:
            stop()
        return {}

    return {"evaluate": evaluate, "evaluate_every": 2}


def power_cut() -> None:
    raise PowerCut


def ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


CASES = {
    "plain": {},
    "batch norm": {"norm": "batch"},
    "classes": {"classes": 2},
    "everything": {
        "ema_images": 40.0,
        "penalty": "r1",
        "penalty_every": 3,
        "critic_steps": 2,
        "ada_target": 0.6,
        "lr_discriminator": 3e-4,
    },
    "wgan-gp, bf16": {"loss": "wasserstein", "penalty": "gradient", "precision": "bf16"},
}


@pytest.mark.parametrize("stop", [power_cut, ctrl_c])
@pytest.mark.parametrize("options", CASES.values(), ids=CASES)
def test_a_stopped_run_goes_on_bit_for_bit(tmp_path: Path, options, stop) -> None:
    shape = {k: v for k, v in options.items() if k in ("norm", "classes")}
    rest = {k: v for k, v in options.items() if k not in shape}
    # 4 batches of 6 in an epoch of 24: the stop at step 6 lies in the middle of an epoch.
    config = GANConfig(steps=14, batch_size=6, lr=1e-3, log_every=2, sample_every=7, **rest)
    whole = players(**shape)
    expected = train_gan(*whole, pictures(), config=config, out_dir=tmp_path / "whole", **QUIET)
    with pytest.raises((PowerCut, KeyboardInterrupt)) as caught:
        train_gan(
            *players(**shape),
            pictures(),
            config=config,
            out_dir=tmp_path / "cut",
            **stopping(3, stop),
            **QUIET,
        )
    step = saved(tmp_path / "cut")["step"]
    if stop is ctrl_c:
        assert "start the same run again" in str(caught.value)
        assert step == 6
    else:
        assert step == 4
    resumed = players(**shape, seed=1)  # their own weights do not matter any more
    history = train_gan(*resumed, pictures(), config=config, out_dir=tmp_path / "cut", **QUIET)
    assert same(weights(*whole), weights(*resumed))
    for mine, theirs in zip(history.steps, expected.steps, strict=True):
        mine, theirs = ({k: v for k, v in r.items() if k != "seconds"} for r in (mine, theirs))
        assert mine == theirs
    sheet = Path("samples", "step-0000014.png")
    assert (tmp_path / "whole" / sheet).read_bytes() == (tmp_path / "cut" / sheet).read_bytes()


def test_checkpoints_between_two_readings_keep_what_was_noted(tmp_path: Path) -> None:
    config = GANConfig(steps=12, batch_size=6, log_every=6, checkpoint_every=4)
    whole = players()
    expected = train_gan(*whole, pictures(), config=config, **QUIET)
    with pytest.raises(PowerCut):
        train_gan(
            *players(),
            pictures(),
            config=config,
            out_dir=tmp_path,
            **stopping(1, power_cut) | {"evaluate_every": 6},
            **QUIET,
        )
    assert saved(tmp_path)["step"] == 4
    resumed = players()
    history = train_gan(*resumed, pictures(), config=config, out_dir=tmp_path, **QUIET)
    assert same(weights(*whole), weights(*resumed))
    assert history.column("generator_loss") == expected.column("generator_loss")


def test_a_finished_run_is_not_played_again(tmp_path: Path) -> None:
    config = GANConfig(steps=4, batch_size=6, log_every=2, ema_images=30.0)
    first = players()
    history = train_gan(*first, pictures(), config=config, out_dir=tmp_path, **QUIET)
    written = json.loads((tmp_path / "history.json").read_text())
    assert written == {"steps": history.steps, "warnings": history.warnings}
    again = players(seed=1)
    train_gan(*again, pictures(), config=config, out_dir=tmp_path, **QUIET)
    assert same(weights(*first), weights(*again))


def test_a_finished_run_goes_on_with_more_steps_as_if_it_had_never_ended(tmp_path: Path) -> None:
    config = GANConfig(steps=14, batch_size=6, lr=1e-3, log_every=4, ema_images=40.0)
    whole, parts = players(), players()
    train_gan(*whole, pictures(), config=config, **QUIET)
    for steps in (6, 14):
        history = train_gan(
            *parts,
            pictures(),
            config=dataclasses.replace(config, steps=steps),
            out_dir=tmp_path,
            **QUIET,
        )
    assert same(weights(*whole), weights(*parts))
    assert history.column("step") == [4, 6, 8, 12, 14]
    shorter = dataclasses.replace(config, steps=10)
    with pytest.raises(ValueError, match="has already made 14 steps, and 10 are asked for"):
        train_gan(*players(), pictures(), config=shorter, out_dir=tmp_path, **QUIET)


@pytest.mark.parametrize(
    ("change", "models", "data", "said"),
    [
        ({"lr": 1e-2}, {}, {}, "lr"),
        ({"loss": "hinge"}, {}, {}, "loss"),
        ({}, {"norm": "none"}, {}, "the discriminator's layers"),
        ({}, {}, {"seed": 5}, r"data \("),
    ],
)
def test_a_folder_of_another_run_is_refused(tmp_path: Path, change, models, data, said) -> None:
    config = GANConfig(steps=2, batch_size=6, log_every=1)
    train_gan(*players(), pictures(), config=config, out_dir=tmp_path, **QUIET)
    with pytest.raises(ValueError, match=f"belongs to another run: .*{said}"):
        train_gan(
            *players(**models),
            pictures(**data),
            config=dataclasses.replace(config, **change),
            out_dir=tmp_path,
            **QUIET,
        )


def test_reading_and_saving_more_often_is_the_same_run(tmp_path: Path) -> None:
    config = GANConfig(steps=4, batch_size=6, log_every=4)
    with pytest.raises(PowerCut):
        slow = dataclasses.replace(config, steps=4, log_every=2)
        train_gan(
            *players(),
            pictures(),
            config=slow,
            out_dir=tmp_path,
            **stopping(2, power_cut),
            **QUIET,
        )
    resumed, whole = players(), players()
    train_gan(*resumed, pictures(), config=config, out_dir=tmp_path, **QUIET)
    train_gan(*whole, pictures(), config=config, **QUIET)
    assert same(weights(*whole), weights(*resumed))


def test_reading_less_often_after_a_stop_is_the_same_run(tmp_path: Path) -> None:
    """13 steps were noted since the last reading; from now on one is due every 15."""
    config = GANConfig(steps=48, batch_size=6, log_every=20, checkpoint_every=33)
    with pytest.raises(PowerCut):
        cut = {"evaluate_every": 40, **{"evaluate": stopping(1, power_cut)["evaluate"]}}
        train_gan(*players(), pictures(), config=config, out_dir=tmp_path, **cut, **QUIET)
    assert saved(tmp_path)["step"] == 33
    resumed, whole = players(), players()
    other = dataclasses.replace(config, log_every=15)
    history = train_gan(*resumed, pictures(), config=other, out_dir=tmp_path, **QUIET)
    expected = train_gan(*whole, pictures(), config=other, **QUIET)
    assert same(weights(*whole), weights(*resumed))
    assert history.column("step") == [20, 45, 48]
    for reading in (-1, -2):  # means over steps 31 to 45, and over 46 to 48
        mine, theirs = (h.column("generator_loss")[reading] for h in (history, expected))
        assert mine == pytest.approx(theirs, rel=1e-6)


def test_scores_of_any_number_type_are_saved_and_read_back(tmp_path: Path) -> None:
    def evaluate(model: nn.Module) -> dict[str, float]:
        return {"array": np.float64(0.5), "tensor": torch.tensor(2.0)}

    config = GANConfig(steps=2, batch_size=6, log_every=2)
    options = {"evaluate": evaluate, "out_dir": tmp_path, **QUIET}
    train_gan(*players(), pictures(), config=config, **options)
    more = dataclasses.replace(config, steps=4)
    history = train_gan(*players(), pictures(), config=more, **options)
    assert history.column("array") == [0.5, 0.5] and history.column("tensor") == [2.0, 2.0]
    assert json.loads((tmp_path / "history.json").read_text())["steps"] == history.steps


def test_what_is_no_checkpoint_of_a_game_is_refused(tmp_path: Path) -> None:
    config = GANConfig(steps=2, batch_size=6)
    (tmp_path / "checkpoint.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(ValueError, match="is damaged .*: delete it to start anew"):
        train_gan(*players(), pictures(), config=config, out_dir=tmp_path, **QUIET)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 2))
    supervised = TrainConfig(epochs=1, batch_size=6)
    folder = tmp_path / "supervised"
    train_supervised(model, pictures(), config=supervised, out_dir=folder, progress=False)
    with pytest.raises(ValueError, match=r"kind of training \(TrainConfig there, GANConfig here\)"):
        train_gan(*players(), pictures(), config=config, out_dir=folder, **QUIET)


WORKER = """
import sys, time
from pathlib import Path
from course_lib.train import GANConfig, train_gan
from course_lib.train.run import Run
sys.path.insert(0, {folder!r})
from tiny_game import pictures, players
save = Run.save

def save_and_wait(run):
    save(run)
    if len(sys.argv) > 2 and run.progress.step < 60:
        Path(sys.argv[2]).touch()
        time.sleep(600)

Run.save = save_and_wait
config = GANConfig(
    steps=60, batch_size=6, lr=1e-3, log_every=2, ema_images=50.0, checkpoint_every=25
)
train_gan(
    *players(), pictures(), config=config, out_dir=sys.argv[1], device="cpu", progress=False
)
"""


@pytest.mark.slow
def test_a_killed_process_goes_on_bit_for_bit(tmp_path: Path) -> None:
    script = tmp_path / "worker.py"
    script.write_text(WORKER.format(folder=str(Path(__file__).parent)))

    def launch(name: str, *held: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, str(script), str(tmp_path / name), *held])

    assert launch("whole").wait(timeout=600) == 0
    held = tmp_path / "held"  # made at the first save, after which the run waits
    process = launch("killed", str(held))
    deadline = time.monotonic() + 600
    while not held.exists():
        assert process.poll() is None, "the run ended before it was held"
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.kill()
    process.wait()
    assert saved(tmp_path / "killed")["step"] == 25
    assert launch("killed").wait(timeout=600) == 0
    for part in ("generator", "discriminator"):
        assert same(saved(tmp_path / "whole", part), saved(tmp_path / "killed", part))
    averages = [saved(tmp_path / name, "ema")["model"] for name in ("whole", "killed")]
    assert same(*averages)


def test_players_with_other_settings_are_another_run(tmp_path: Path) -> None:
    """What no weight shows: shares, groups, slopes."""
    config = GANConfig(steps=2, batch_size=6)
    shape = {"size": SIZE, "channels": (4, 4)}

    def pair(mixing: float, group_size: int) -> list[nn.Module]:
        generator = StyleGANGenerator(out_channels=1, mixing=mixing, **shape)
        return [generator, StyleGANDiscriminator(in_channels=1, group_size=group_size, **shape)]

    train_gan(*pair(0.9, 3), pictures(), config=config, out_dir=tmp_path, **QUIET)
    more = dataclasses.replace(config, steps=3)
    with pytest.raises(ValueError, match=r"generator.mixing \(0.9 there, 0.5 here\)"):
        train_gan(*pair(0.5, 3), pictures(), config=more, out_dir=tmp_path, **QUIET)
    with pytest.raises(ValueError, match=r"discriminator.group_size \(3 there, 2 here\)"):
        train_gan(*pair(0.9, 2), pictures(), config=more, out_dir=tmp_path, **QUIET)
    train_gan(*pair(0.9, 3), pictures(), config=more, out_dir=tmp_path, **QUIET)
