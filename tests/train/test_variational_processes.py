"""Two processes learn one codebook: the same in both, from the vectors of both."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

WORKER = """
import sys, torch
from course_lib.models import VQVAE
from course_lib.ops import VectorQuantizer
from course_lib.train import Engine, VariationalConfig, train_variational
sys.path.insert(0, {folder!r})
from tiny_game import pictures
engine = Engine(device="cpu")
assert engine.world_size == 2, engine.world_size
torch.manual_seed(engine.rank)  # the main one's weights count
model = VQVAE(in_channels=1, size=8, width=8, dim=3, num_codes=6, halvings=1, restart=0.2)
config = VariationalConfig(steps=6, batch_size=4, lr=1e-3, log_every=3)
history = train_variational(model, pictures(), config=config, device="cpu", progress=False)

torch.manual_seed(0)
quantiser = VectorQuantizer(num_codes=5, dim=2, restart=0)
z = torch.randn(4, 2, 3, 3)
quantiser(z[2 * engine.rank : 2 * engine.rank + 2])
state = {{"model": model.state_dict(), "quantiser": quantiser.state_dict(), "steps": history.steps}}
torch.save(state, {out!r} + f"/{{engine.rank}}.pt")
"""


@pytest.mark.slow
def test_two_processes_keep_one_codebook(tmp_path: Path) -> None:
    script = tmp_path / "worker.py"
    script.write_text(WORKER.format(folder=str(Path(__file__).parent), out=str(tmp_path)))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    subprocess.run([*command, "--nproc-per-node=2", str(script)], check=True, timeout=600)
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    for part in ("model", "quantiser"):
        for name, value in first[part].items():
            assert torch.equal(value, second[part][name]), name
    assert first["steps"][-1]["perplexity"] == second["steps"][-1]["perplexity"]

    from course_lib.ops import VectorQuantizer

    torch.manual_seed(0)
    alone = VectorQuantizer(num_codes=5, dim=2, restart=0)
    alone(torch.randn(4, 2, 3, 3))  # the vectors of both at once
    for name, value in alone.state_dict().items():
        assert torch.allclose(value, first["quantiser"][name], atol=1e-6), name
