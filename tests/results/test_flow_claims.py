"""The claims of flows, each at a size of seconds."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from course_lib.data import ImageSet, to_float
from course_lib.data.points import mixture_log_density, spiral
from course_lib.models import Flow, LatentFlow
from course_lib.recipes.flow import (
    MEMORY,
    PLANE,
    PLANE_GANS,
    RECIPES,
    STEPS,
    memory_recipe,
    plane_centres,
)
from course_lib.results import CLAIMS
from course_lib.results.claim import Context
from course_lib.results.claims import flow_guidance
from course_lib.results.claims.flow import PLANE_WIDTHS, SOLVED, _kernel_nats
from course_lib.train import draw_samples, load_checkpoint, save_checkpoint


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context(0, "cpu", None, tmp_path / "runs" / "claim" / "seed-0", True, tmp_path)


def keep_small_flow(context: Context) -> None:
    """Put a small untrained flow where the training of this seed is looked for."""
    recipe = RECIPES["flow", "digits"]
    train = recipe.smoke.load("train")
    small = replace(recipe, network={"widths": (8, 12), "heads": 2})
    path = context.run_of("flow-digits") / "model.safetensors"
    path.parent.mkdir(parents=True)
    save_checkpoint(path, small.build(train, 0), {**small.card(train), "data": "few"})


def test_every_recipe_has_its_claim_with_three_seeds() -> None:
    for recipe in RECIPES.values():
        claim = CLAIMS[recipe.name]
        assert claim.seeds == (0, 1, 2) and claim.checkpoint == claim.name
        assert claim.measure.keywords["recipe"] is recipe
    assert {task for kind, task in RECIPES if kind == "flow"} == set(STEPS)


@pytest.mark.parametrize("pair", RECIPES, ids=" ".join)
def test_networks_keep_their_budget(pair: tuple[str, str]) -> None:
    recipe = RECIPES[pair]
    channels = 1 if pair[1] == "digits" else 3
    few = torch.randint(256, (2, channels, 32, 32), dtype=torch.uint8)
    classes = tuple("0123456789")
    model = recipe.build(ImageSet(few, torch.zeros(2, dtype=torch.int64), classes), seed=0)
    assert isinstance(model, Flow)
    assert sum(p.numel() for p in model.parameters()) <= 3_000_000


@pytest.mark.slow
@pytest.mark.parametrize("name", ["flow-digits", "ddpm-digits", "patch-flow-digits"])
def test_a_claim_measures_and_keeps_the_flow(context: Context, name: str) -> None:
    measured = CLAIMS[name].measure(context)
    for key in ("cfd", "val_score", "sample_seconds", "copied_pixels", "named", "asked_class"):
        assert key in measured.metrics
    model, card = measured.trained
    path = context.out_dir / "model.safetensors"
    save_checkpoint(path, model, {**card, "data": "few"})
    again, _ = load_checkpoint(path)
    pictures = draw_samples(model, 4).int(), draw_samples(again, 4).int()
    assert (pictures[0] - pictures[1]).abs().max() <= 2  # stored as float16


@pytest.mark.slow
def test_the_claim_on_codes_says_what_the_autoencoder_costs(context: Context) -> None:
    measured = CLAIMS["latent-flow-digits"].measure(context)
    metrics = measured.metrics
    assert metrics["floor_cfd"] > metrics["real_cfd"] > 0
    assert metrics["network_parameters"] < metrics["parameters"]
    model, card = measured.trained
    assert isinstance(model, LatentFlow)
    path = context.out_dir / "model.safetensors"
    save_checkpoint(path, model, {**card, "data": "few"})
    again, _ = load_checkpoint(path)
    assert draw_samples(again, 4).shape == (4, 1, 32, 32)
    # The autoencoder is the shipped one still, and the codes are scaled.
    shipped = load_checkpoint("vqvae-digits")[0].codes
    for ours, theirs in zip(model.codes.parameters(), shipped.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    images = to_float(RECIPES["latent-flow", "digits"].smoke.load("train").images)
    assert (model.encode(images).std((0, 2, 3)) - 1).abs().max() < 1e-3


def test_an_autoencoder_of_other_images_is_refused() -> None:
    recipe = RECIPES["latent-flow", "digits"]
    colour = replace(recipe, smoke=RECIPES["flow", "shapes"].smoke)
    with pytest.raises(ValueError, match="vqvae-digits takes images of 1x32x32 .* has 3x32x32"):
        colour.build(colour.smoke.load("train"), 0)
    with pytest.raises(ValueError, match="holds a VAE; a flow on codes needs a VQ-VAE"):
        replace(recipe, autoencoder="vae-digits").build(recipe.smoke.load("train"), 0)


@pytest.mark.slow
def test_solvers_are_asked_with_as_many_evaluations(context: Context) -> None:
    keep_small_flow(context)
    measured = CLAIMS["flow-solvers-digits"].measure(context)
    for solver in SOLVED:
        assert len(measured.curves[f"{solver}_cfd"]) == 2
        assert len(measured.curves[f"{solver}_seconds"]) == 2
    assert "the flow of this seed" in measured.data


@pytest.mark.slow
def test_solvers_ask_the_shipped_flow_where_no_training_is_kept(context: Context) -> None:
    measured = CLAIMS["flow-solvers-digits"].measure(context)
    assert measured.curves["euler_cfd"] != measured.curves["midpoint_cfd"]
    assert "the shipped flow" in measured.data


def test_guidance_is_chosen_on_validation_images(context: Context, monkeypatch) -> None:
    seen: list[str] = []

    def scores(samples, real, context):
        seen.append(real.split)
        k = len(seen) - 1
        return {"cfd": (5.0, 3.0, 4.0)[k], "named": (0.9, 0.2, 0.3)[k]}

    monkeypatch.setattr(flow_guidance, "_judged", scores)
    keep_small_flow(context)
    measured = CLAIMS["flow-guidance-digits"].measure(context)
    assert seen == ["val", "val", "test"]
    assert measured.metrics["guidance"] == 2.0 and measured.metrics["cfd"] == 4.0
    assert measured.metrics["surest_guidance"] == 1.5
    assert measured.curves["cfd"] == [5.0, 3.0]
    assert "the flow of this seed" in measured.data


def test_classes_are_asked_in_turn(context: Context) -> None:
    """Real digits, their classes in turn, are what was asked for; in another order they are not."""
    test = RECIPES["flow", "digits"].smoke.load("test")
    first = [int((test.targets == k).nonzero()[0]) for k in range(test.num_classes)]
    images = test.images[first].repeat(4, 1, 1, 1)
    assert flow_guidance._judged(images, test, context)["asked_class"] > 0.8
    assert flow_guidance._judged(images.roll(1, 0), test, context)["asked_class"] < 0.2


@pytest.mark.slow
def test_copies_are_counted_for_each_size(context: Context) -> None:
    measured = CLAIMS["flow-memory"].measure(context)
    for num in MEMORY:
        assert 0 <= measured.metrics[f"copied_pixels_{num}"] <= 1
        assert memory_recipe(num).data.num_train == num
        assert measured.metrics[f"gap_{num}_0"] > 0 <= measured.metrics[f"floor_{num}_4"]


def test_the_plane(context: Context) -> None:
    measured = CLAIMS["flow-plane"].measure(context)
    for name in ("ring", "grid", "spiral"):
        gap = measured.metrics[f"{name}_nats"] - measured.metrics[f"{name}_true_nats"]
        assert measured.metrics[f"{name}_gap"] == pytest.approx(gap)
        assert abs(measured.metrics[f"{name}_true_kernel_gap"]) < 1
        for who in ("flow", "em", *PLANE_GANS):
            assert measured.metrics[f"{name}_{who}_kernel_gap"] > 0
            assert measured.metrics[f"{name}_{who}_train_seconds"] > 0


def test_the_ruler_of_samples_is_a_mean_of_gaussians() -> None:
    samples, held_out, test = torch.randn(3, 40, 2, generator=torch.Generator().manual_seed(0))
    wanted = min(
        (-mixture_log_density(held_out, samples, width).mean().item(), width)
        for width in PLANE_WIDTHS
    )[1]
    got = _kernel_nats(samples, held_out, test)
    assert got == pytest.approx(-mixture_log_density(test, samples, wanted).mean().item(), abs=1e-3)


def test_all_are_shown_as_many_points() -> None:
    for game in PLANE_GANS.values():
        shown = game.steps * game.critic_steps * game.batch_size
        assert shown == PLANE.steps * PLANE.batch_size


def test_the_centres_of_the_spiral_are_those_of_its_points() -> None:
    drawn = spiral(500, std=0.0)
    assert torch.cdist(drawn, plane_centres("spiral")).amin(1).max() < 0.01


@pytest.mark.parity
def test_the_step_time_is_that_of_equal_networks(context: Context) -> None:
    metrics = CLAIMS["flow-step-time"].measure(context).metrics
    assert metrics["difference"] < 1e-3 and metrics["ratio"] > 0
    assert metrics["computed_ratio"] > 0 and metrics["computed_quick_share"] > 0
