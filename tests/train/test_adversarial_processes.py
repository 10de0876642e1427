"""Two processes play one game: the same weights in both, and the gradients of one process."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from course_lib.train import GANConfig
from tests.train.small_sets import same
from tests.train.tiny_game import SIZE, by_hand, pictures, players, weights

WORKER = """
import sys, torch
from course_lib.train import Engine, GANConfig, train_gan
sys.path.insert(0, {folder!r})
from tiny_game import pictures, players, weights
engine = Engine(device="cpu")
assert engine.world_size == 2, engine.world_size
models = players({norm!r}, {classes}, seed=engine.rank, size={size})  # the main one's count
history = train_gan(
    *models,
    pictures(size={size}),
    config=GANConfig(**{options!r}),
    out_dir={out!r} + "/run",
    device="cpu",
    progress=False,
)
torch.save(
    {{"weights": weights(*models), "steps": history.steps}}, {out!r} + f"/{{engine.rank}}.pt"
)
"""
OPTIONS = {"steps": 5, "batch_size": 4, "lr": 1e-3, "log_every": 5}
CASES = {
    "plain": ("layer", 0, {}),
    "classes": ("layer", 2, {"loss": "hinge"}),
    "penalty": (
        "none",
        0,
        {"loss": "wasserstein", "penalty": "gradient", "critic_steps": 2, "penalty_every": 2},
    ),
}


def in_two_processes(
    folder: Path, norm: str, classes: int, options: dict, size: int = SIZE
) -> list[dict]:
    script = folder / "worker.py"
    here = str(Path(__file__).parent)
    text = WORKER.format(
        folder=here, norm=norm, classes=classes, options=options, size=size, out=str(folder)
    )
    script.write_text(text)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    subprocess.run([*command, "--nproc-per-node=2", str(script)], check=True, timeout=600)
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in (0, 1)]


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_two_processes_compute_the_gradients_of_one(tmp_path: Path, name: str) -> None:
    """`by_hand` plays both processes' parts, with their noise, and averages their gradients."""
    norm, classes, options = CASES[name]
    options = OPTIONS | options
    first, second = in_two_processes(tmp_path, norm, classes, options)
    assert same(first["weights"], second["weights"])
    assert first["steps"][0]["images"] == 5 * 2 * 4 * options.get("critic_steps", 1)
    models = players(norm, classes)
    start = weights(*models)
    by_hand(models, pictures(), GANConfig(**options), world=2)
    for key, value in weights(*models).items():
        assert value.isfinite().all()
        # Between two means the last bias cancels; all other weights learn.
        assert torch.equal(value, start[key]) == (key == "1.score.bias")
        torch.testing.assert_close(first["weights"][key], value, rtol=1e-3, atol=2e-5, msg=key)


@pytest.mark.slow
def test_with_batch_norm_both_end_with_the_same_finite_weights(tmp_path: Path) -> None:
    """Its statistics differ by process while they train; in the end all have the main one's."""
    options = OPTIONS | {"ema_images": 40.0, "ada_target": 0.6, "penalty": "r1", "penalty_every": 2}
    first, second = in_two_processes(tmp_path, "batch", 0, options, size=16)
    assert same(first["weights"], second["weights"])
    assert all(value.isfinite().all() for value in first["weights"].values())
    assert first["steps"][0]["augmentation"] == second["steps"][0]["augmentation"]
    saved = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)
    assert saved["world_size"] == 2
