"""The claims on the ring, at a size of seconds."""

from pathlib import Path

import numpy as np
import pytest
import torch

from course_lib import data
from course_lib.data import ring_centres
from course_lib.losses import discriminator_loss, r1_penalty
from course_lib.recipes.ring import CONFIGS
from course_lib.results import Context, load
from course_lib.results.claims import ring, ring_film

CHAPTER = Path(__file__).resolve().parents[2] / "book/math/gan.md"
PLAIN = ("minimax", "non-saturating", "least-squares", "hinge", "relativistic")
PENALISED = ("non-saturating-r1", "non-saturating-r1-r2", "relativistic-r1-r2")


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
    text = CHAPTER.read_text(encoding="utf-8")
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
    penalised = [got[name] for name in (*PENALISED, "wgan-gp")]
    others = [got[name] for name in PLAIN]
    sharpest = max(max(result.values("high_quality")) for result in penalised)
    assert sum(max(result.values("high_quality")) > sharpest for result in others) > 1
    for result in penalised:  # as many good samples on average, within the spread
        apart = result.mean("high_quality") - plain.mean("high_quality")
        assert abs(apart) < plain.std("high_quality")
    assert got["minimax"].mean("high_quality") < 0.2
    for name in PLAIN:
        assert got[name].mean("divergence") > 5 * steady.mean("divergence"), name
        assert got[name].std("divergence") > 0.04, name  # "the deviations are large"
        assert min(got[name].values("modes")) < 8, name
        if name != "minimax":
            assert got[name].mean("high_quality") > 0.4, name
    # pairing alone, and with both penalties
    paired = got["relativistic"]
    spread = max(plain.std("divergence"), paired.std("divergence"))
    assert abs(paired.mean("divergence") - plain.mean("divergence")) < spread / 2
    for name in PENALISED:
        assert got[name].mean("divergence") < 0.004 and min(got[name].values("modes")) >= 7, name
        assert 10 * got[name].mean("divergence") < plain.mean("divergence"), name
        assert min(got[name].values("modes_touched")) == 8, name  # "all modes are found"
    both = [got[name] for name in ("non-saturating-r1-r2", "relativistic-r1-r2")]
    spread = max(result.std("divergence") for result in both)
    assert abs(both[0].mean("divergence") - both[1].mean("divergence")) < spread
    # WGAN-GP's sharpness, beside that of R1
    spread = max(steady.std("high_quality"), cured.std("high_quality"))
    assert abs(steady.mean("high_quality") - cured.mean("high_quality")) < spread
    assert CONFIGS["wgan-gp"].critic_steps == 2 and ring.GAME.critic_steps == 1


def test_the_settings_that_the_table_names():
    page = CHAPTER.read_text(encoding="utf-8")
    assert "Adam has the rate 0.002 and $\\beta_1 = 0.5$ for every row" in page
    assert all(c.lr == 0.002 and c.betas[0] == 0.5 for c in CONFIGS.values())
    rows = [line.split("|") for line in page.splitlines() if "`ring-" in line]
    assert len(rows) == len(ring.CANDIDATES)
    for cells in rows:
        (name,) = {claim.split(":")[0] for claim in "".join(cells).split("`ring-")[1:]}
        config, said = CONFIGS[name], cells[2].strip()
        assert cells[1].strip().lower().replace(" ", "-") == config.loss
        weight = "" if config.penalty == "none" else f"{config.penalty_weight:g}"
        wanted = {
            "none": "–",
            "r1": f"R1, $\\gamma = {weight}$",
            "r1-r2": f"R1 and R2, $\\gamma = {weight}$ each",
            "gradient": f"gradient penalty, $\\lambda = {weight}$; two steps of the discriminator",
        }
        assert said == wanted[config.penalty]


def frame_counts(samples):
    """Good samples at each of the eight centres."""
    distances = torch.cdist(torch.tensor(samples), ring_centres(8))
    nearest = distances.argmin(1)[distances.amin(1) < 3 * ring.STD]
    return torch.bincount(nearest, minlength=8)


def test_what_is_said_of_the_two_games_that_are_watched():
    """The slider's descriptions, and the sentences below it."""
    result = load("ring-film")
    (run,) = result.runs
    steps = [int(step) for step in result.curves("steps")[0]]
    left, right = (result.curves(f"{name}_modes")[0] for name in ring_film.GAMES)
    page = CHAPTER.read_text(encoding="utf-8")
    frames = page.split("```{explorer} gan-ring")[1].split("```")[0]
    said = [line for line in frames.splitlines() if line.startswith("- ")]
    assert len(said) == len(steps)
    for line, step, a, b in zip(said, steps, left, right, strict=True):
        assert line.startswith(f"- {step:,}: ")
        assert f"Left {a:.0f} of the eight heaps found, right {b:.0f}." in line
    assert right[-1] == 8
    # the lower right (the eighth centre): more and more surely real, and nobody is there
    answers = np.array(run["arrays"]["non-saturating_answers"])
    x, y = ring_centres(8)[7].tolist()
    half = (ring_film.PLACES - 1) / 2
    row, column = (round((v / ring_film.EXTENT + 1) * half) for v in (y, x))
    there = answers[:, row, column]
    assert min(there[5:]) > 80 and there[-1] > 90
    for index in range(5, len(steps)):
        counts = frame_counts(run["arrays"]["non-saturating_samples"][index])
        assert counts[7] == 0, steps[index]
    assert min(frame_counts(run["arrays"]["non-saturating-r1_samples"][-1])) > 0
    assert run["seed"] == 0


def test_what_the_samples_of_seed_0_are_said_to_show():
    counts = {}
    for name in ring.CANDIDATES:
        (run,) = [run for run in load(ring.claim_name(name)).runs if run["seed"] == 0]
        counts[name] = frame_counts(run["arrays"]["samples"])
    assert counts["minimax"].sum() < 20
    assert counts["non-saturating"].argmin() == 7 and counts["non-saturating"][7] <= 1
    assert counts["least-squares"].argmin() == 6 and counts["least-squares"][6] <= 1
    assert counts["hinge"].nonzero().flatten().tolist() == [0, 1, 5, 6, 7]
    for name in (*PENALISED, "wgan-gp"):
        assert counts[name].min() >= 4, name


def test_a_film_is_measured(tmp_path):
    got = ring_film._measure(context(tmp_path))
    assert set(got.metrics) == {f"{name}_modes" for name in ring_film.GAMES}
    assert len(got.curves["steps"]) == ring_film.NUM_FRAMES + 1
    for name in ring_film.GAMES:
        assert np.array(got.arrays[f"{name}_samples"]).shape == (11, ring_film.KEPT, 2)
        answers = np.array(got.arrays[f"{name}_answers"])
        assert answers.shape == (11, 33, 33) and answers.min() >= 0 and answers.max() <= 100
    first, second = (got.arrays[f"{name}_samples"][0] for name in ring_film.GAMES)
    assert first == second  # the same networks, the same noise
