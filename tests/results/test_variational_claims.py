"""The claims of generators by a code, each at a size of seconds."""

from pathlib import Path

import pytest
import torch

from course_lib.models import VAEGAN, CodeGenerator, generator_of
from course_lib.recipes.variational import COMPARED_ON, FAMILIES, LONG, RECIPES
from course_lib.results import CLAIMS
from course_lib.results.claim import Context
from course_lib.results.claims import inversion
from course_lib.train import draw_samples, load_checkpoint, save_checkpoint


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context(0, "cpu", None, tmp_path / "runs" / "claim" / "seed-0", True, tmp_path)


def test_every_family_stands_on_both_sets_with_three_seeds() -> None:
    for family in FAMILIES:
        for task in COMPARED_ON:
            claim = CLAIMS[f"{family}-{task}"]
            assert claim.seeds == (0, 1, 2)
            assert claim.measure.keywords["recipe"] is RECIPES[family, task]
            # All of digits ship; of shapes the one that is trained for longer does.
            assert claim.checkpoint == (claim.name if task == "digits" else None)
    for task in COMPARED_ON:
        claim = CLAIMS[f"vqvae-{task}-long"]
        assert claim.checkpoint == claim.name
        assert claim.measure.keywords["recipe"] is LONG[task]


@pytest.mark.parametrize("name", ["vae-digits", "cvae-shapes", "vqvae-digits", "vaegan-shapes"])
def test_a_claim_measures_and_keeps_the_generator(context: Context, name: str) -> None:
    measured = CLAIMS[name].measure(context)
    wanted = {"cfd", "reconstruction_mse", "reconstruction_ssim", "copied_pixels"}
    assert wanted <= measured.metrics.keys()
    own = {"vae": "elbo", "cvae": "sigma", "vqvae": "perplexity", "vaegan": "gap_radius"}
    assert own[name.split("-")[0]] in measured.metrics
    if name.endswith("digits"):  # its classifier is shipped
        assert 0 <= measured.metrics["named"] <= 1
    model, card = measured.trained
    path = save_checkpoint(
        context.out_dir / "m.safetensors", model, {**card, "data": "x"}, half=False
    )
    again, _ = load_checkpoint(path)
    ours, theirs = (draw_samples(generator_of(m), 3) for m in (model, again))
    assert (ours.int() - theirs.int()).abs().float().mean() < 1


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["vae-binarised-mnist", "vqvae-cifar10"])
def test_the_measuring_sticks(context: Context, real_data: Path, name: str) -> None:
    place = Context(0, "cpu", real_data, context.out_dir, True, context.results_dir)
    measured = CLAIMS[name].measure(place)
    if name == "vqvae-cifar10":
        assert measured.metrics["bits_per_dim"] > 5 and measured.metrics["perplexity"] >= 1
        assert isinstance(measured.trained[0], CodeGenerator)
        # An untrained prior finds all codes equally likely.
        assert measured.metrics["bits_per_dim_uniform"] == pytest.approx(
            measured.metrics["bits_per_dim"], abs=0.05
        )
    else:
        # Untrained: a coin for each pixel, 543 nats.
        assert 400 < measured.metrics["nats"] <= measured.metrics["nats_by_elbo"] + 1


def test_the_classifier_of_shapes(context: Context) -> None:
    measured = CLAIMS["classifier-shapes"].measure(context)
    assert {"test_accuracy", "sure", "val_score"} == measured.metrics.keys()
    assert CLAIMS["vae-shapes"].after == ("sample-features", "classifier-shapes")


def test_inversion_judges_digits_beside_strangers(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    generator = VAEGAN(latent_dim=3, width=4, judge_width=4)  # stands in for the trained one
    monkeypatch.setattr(inversion, "load_checkpoint", lambda name: (generator, {"size": (32, 32)}))
    metrics = CLAIMS["inversion-digits"].measure(context).metrics
    assert CLAIMS["inversion-digits"].main in metrics
    kinds = ("shapes", "negatives", "scrambled", "grey_scenes")
    assert all(
        0 <= metrics[f"auroc_{kind}{way}"] <= 1 for kind in kinds for way in ("", "_at_once")
    )
    # The descent starts where the encoder ends, and keeps the best that it met.
    assert metrics["error_digits"] <= metrics["error_digits_at_once"]
    again = CLAIMS["inversion-digits"].measure(context).metrics
    assert again == metrics


def test_strangers_are_no_digits_and_differ() -> None:
    known = torch.randint(256, (4, 1, 32, 32), dtype=torch.uint8)
    planted = inversion._strangers(known, 4, 0)
    assert all(p.shape == known.shape and p.dtype == torch.uint8 for p in planted.values())
    assert torch.equal(planted["scrambled"].flatten().sort().values, known.flatten().sort().values)
    assert not torch.equal(planted["scrambled"], known)
    assert planted["shapes"].flatten(1).amax(1).min() == 255


def test_the_quantiser_is_timed_beside_the_library(context: Context) -> None:
    metrics = CLAIMS["quantiser-speed"].measure(context).metrics
    assert metrics["same_codes"] == 1 and metrics["times_library"] > 1
