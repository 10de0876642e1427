"""The claims on the ring, at a size of seconds."""

from pathlib import Path

import pytest
import torch

from course_lib import data
from course_lib.losses import discriminator_loss, r1_penalty
from course_lib.recipes.ring import CONFIGS
from course_lib.results import Context, load
from course_lib.results.claims import ring


def context(folder, seed=0):
    return Context(seed, "cpu", None, folder / "run", smoke=True, results_dir=folder)


@pytest.mark.parametrize("name", ring.CANDIDATES)
def test_a_candidate_is_measured(name, tmp_path):
    got = ring._measure(context(tmp_path), name)
    assert set(got.metrics) == {"modes", "all_modes", "modes_touched", "high_quality", "divergence"}
    assert got.metrics["modes"] <= got.metrics["modes_touched"] <= 8
    assert len(got.curves["modes"]) == len(got.curves["steps"]) > 8
    assert len(got.arrays["samples"]) == ring.KEPT


def test_all_candidates_begin_alike_and_get_the_same_number_of_updates():
    full = ring.GAME.steps
    configs = [ring.side_by_side(CONFIGS[n], 10, seed=3, steps=full) for n in ring.CANDIDATES]
    assert configs[0].batch_size == 1280
    same = {(c.steps, c.batch_size, c.lr, c.lr_discriminator, c.betas, c.seed) for c in configs}
    assert len(same) == 1
    (g, d), (again, _) = ring.networks(3), ring.networks(3)
    assert torch.equal(g.head.weight, again.head.weight)
    assert not torch.equal(g.head.weight, ring.networks(4)[0].head.weight)
    assert g.latent_dim == 256 and d.body[0].out_features == 64


def test_games_side_by_side_are_the_games_one_by_one():
    """Three networks on three parts of a batch: outputs, and steps of Adam with R1."""
    pairs = [tuple(n.double() for n in ring.networks(seed)) for seed in (1, 2, 3)]
    many = ring.SideBySide([d for _, d in pairs])
    x = torch.randn(12, 2, dtype=torch.float64)
    wanted = torch.cat([d(part) for (_, d), part in zip(pairs, x.chunk(3), strict=True)])
    torch.testing.assert_close(many(x), wanted)
    z = torch.randn(6, ring.LATENT_DIM, dtype=torch.float64)
    drawn = torch.cat([g(part) for (g, _), part in zip(pairs, z.chunk(3), strict=True)])
    together = ring.SideBySide([g for g, _ in pairs])
    torch.testing.assert_close(together(z), drawn)
    assert together.latent_dim == ring.LATENT_DIM

    def step(network, points):
        optimizer = torch.optim.Adam(network.parameters(), lr=1e-2, eps=1e-20)
        loss = discriminator_loss(network(points), network(points + 1), kind="hinge")
        (loss + 0.1 * r1_penalty(network, points)).backward()
        optimizer.step()

    step(many, x)
    for index, ((_, d), part) in enumerate(zip(pairs, x.chunk(3), strict=True)):
        step(d, part)
        torch.testing.assert_close(many.weights[1][index].T, d.body[2].weight)
        torch.testing.assert_close(many.biases[2][index][0], d.head.bias)


def test_perfect_samples_would_be_counted_as_such(monkeypatch, tmp_path):
    samples = torch.stack([data.ring(ring.NUM_SAMPLES, std=ring.STD, seed=s) for s in range(10)])
    monkeypatch.setattr(ring, "play", lambda *_: (samples, samples[None, :, :1000], [0]))
    got = ring._measure(context(tmp_path, seed=4), "hinge")
    metrics = got.metrics
    assert (metrics["modes"], metrics["all_modes"], metrics["modes_touched"]) == (8, 1, 8)
    assert metrics["high_quality"] == pytest.approx(0.989, abs=0.005)
    assert metrics["divergence"] < 0.005 and got.curves["modes"] == [8]
    wanted = [pytest.approx(x, abs=6e-3) for x in samples[4, :3].tolist()]
    assert got.arrays["samples"][:3] == wanted  # of its own seed


def test_every_candidate_has_its_claim_with_ten_seeds():
    assert [c.name for c in ring.CLAIMS] == [ring.claim_name(n) for n in ring.CANDIDATES]
    assert all(claim.seeds == tuple(range(10)) for claim in ring.CLAIMS)


def test_the_numbers_that_the_chapter_names():
    text = (Path(__file__).resolve().parents[2] / "book/math/gan.md").read_text(encoding="utf-8")
    assert f"the same {ring.GAME.steps:,} updates" in text
    assert f"{ring.NUM_SAMPLES:,} samples from each run" in text
    assert round(ring.FOUND * ring.NUM_SAMPLES) == 100  # "a hundred of them"
    assert all(f"{{result}}`{claim.name}:divergence" in text for claim in ring.CLAIMS)


def test_the_sentences_about_the_measured_table_hold():
    """If a new measurement breaks one of these, the text below the table has to change."""
    got = {name: load(ring.claim_name(name)) for name in ring.CANDIDATES}
    plain, cured, steady = got["non-saturating"], got["non-saturating-r1"], got["wgan-gp"]
    assert min(cured.values("modes")) == 8
    assert 10 * cured.mean("divergence") < plain.mean("divergence")
    assert max(plain.values("high_quality")) > max(cured.values("high_quality"))
    assert abs(plain.mean("high_quality") - cured.mean("high_quality")) < 0.05
    assert got["minimax"].mean("high_quality") < 0.2
    for name in ("minimax", "non-saturating", "least-squares", "hinge"):
        assert got[name].mean("divergence") > 5 * steady.mean("divergence"), name
        assert min(got[name].values("modes")) < 8, name
    assert steady.mean("high_quality") < cured.mean("high_quality")
