"""Training as a command that is killed, and in two processes."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch

from tests.train.small_sets import same, saved

COMMAND = [
    *("train", "unet", "--data", "streets", "--size", "16", "24", "--limit", "40", "--epochs", "3"),
    *("--batch-size", "4", "--widths", "8", "12", "--dropout", "0.3", "--ema", "0.9", "--quiet"),
    *("--checkpoint-every", "3", "--device", "cpu", "--norm", "group"),
]


HELD = """
import os, sys, time
from pathlib import Path
from course_lib.cli import main
from course_lib.train.run import Run

save = Run.save

def save_and_wait(run):
    save(run)
    if run.progress.step and run.engine.is_main:  # in the middle of an epoch
        Path(os.environ["HELD"]).touch()
        time.sleep(900)

Run.save = save_and_wait
sys.exit(main())
"""


def launch(out: Path, processes: int, held: Path | None = None) -> subprocess.Popen[bytes]:
    """The command; with `held` it makes that file at its first save in mid-epoch, and waits."""
    command = ["-m", "course_lib.cli"]
    environment = dict(os.environ)
    if held is not None:
        script = held.with_suffix(".py")
        script.write_text(HELD)
        command, environment["HELD"] = [str(script)], str(held)
    if processes > 1:
        run = ("-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}")
        command = [*run, *command]
    return subprocess.Popen(
        [sys.executable, *command, *COMMAND, "--out", str(out)], env=environment
    )


def kill_everything(process: subprocess.Popen[bytes]) -> None:
    """As a power cut would; torchrun's workers are no members of its process group."""
    family = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
    for member in family:
        member.kill()
    psutil.wait_procs(family)
    process.wait()


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
def test_a_killed_command_goes_on_bit_for_bit(tmp_path: Path, processes: int) -> None:
    assert launch(tmp_path / "whole", processes).wait(timeout=900) == 0
    held = tmp_path / "held"
    killed = launch(tmp_path / "killed", processes, held)
    deadline = time.monotonic() + 900
    while not held.exists():
        assert killed.poll() is None, "the run ended before it was held"
        assert time.monotonic() < deadline
        time.sleep(0.05)
    kill_everything(killed)
    assert saved(tmp_path / "killed")["step"]
    assert not (tmp_path / "killed" / "model.safetensors").exists()
    assert launch(tmp_path / "killed", processes).wait(timeout=900) == 0
    whole, resumed = tmp_path / "whole", tmp_path / "killed"
    state = torch.load(whole / "checkpoint.pt", weights_only=True)
    assert state["world_size"] == processes  # it did not silently train alone
    assert same(saved(whole, "model"), saved(resumed, "model"))
    assert same(saved(whole, "ema")["model"], saved(resumed, "ema")["model"])
    assert same(saved(whole)["best"], saved(resumed)["best"])
    files = [(tmp_path / n / "model.safetensors").read_bytes() for n in ("whole", "killed")]
    assert files[0] == files[1]


WORKER = """
import sys, torch
from course_lib.models import UNet
from course_lib.train import Engine, TrainConfig, train_supervised
sys.path.insert(0, {folder!r})
from small_sets import masks
torch.manual_seed(0)
model = UNet(widths=(8, 12), norm="group")
config = TrainConfig(epochs=2, batch_size={batch}, lr=0.1, optimizer="sgd", log_every=2)
history = train_supervised(
    model, masks(), masks(), config=config, device="cpu", progress=False
)
engine = Engine(device="cpu")
assert engine.world_size == {world}, engine.world_size
if engine.is_main:
    torch.save({{"model": model.state_dict(), "epochs": history.epochs}}, {out!r})
"""


@pytest.mark.slow
def test_two_processes_compute_one_processs_gradients(tmp_path: Path) -> None:
    """GroupNorm, because BatchNorm's statistics depend on how a batch is shared out."""
    results = {}
    for world, batch in ((1, 8), (2, 4)):
        out, script = tmp_path / f"{world}.pt", tmp_path / f"worker{world}.py"
        script.write_text(
            WORKER.format(folder=str(Path(__file__).parent), batch=batch, world=world, out=str(out))
        )
        command = [sys.executable, str(script)]
        if world > 1:
            command[1:1] = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
        subprocess.run(command, check=True, timeout=300)
        results[world] = torch.load(out, weights_only=True)
    for key, value in results[1]["model"].items():
        torch.testing.assert_close(results[2]["model"][key], value, rtol=1e-4, atol=1e-6)
    for a, b in zip(results[1]["epochs"], results[2]["epochs"], strict=True):
        assert a["train_loss"] == pytest.approx(b["train_loss"], rel=1e-5)
        assert a["val_accuracy"] == pytest.approx(b["val_accuracy"], abs=2e-3)
