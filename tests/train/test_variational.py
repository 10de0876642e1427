"""The loop that trains by a likelihood: by hand, resumed bit for bit, and what it says."""

import copy
import math
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn
from torchvision.io import read_image

from course_lib.data import Augment, ImageSet, binarise, to_float
from course_lib.data.augment import stream_seed
from course_lib.losses import gaussian_kl, log_likelihood
from course_lib.models import CVAE, VAE, VQVAE, CodeGenerator
from course_lib.train import VariationalConfig, train_variational
from course_lib.train.objectives import prior_terms
from course_lib.train.variational import learning_rate, weight
from tests.train.small_sets import same
from tests.train.tiny_game import SIZE, move_average, pictures, players

QUIET = {"device": "cpu", "progress": False}
SMALL = {"in_channels": 1, "size": SIZE, "width": 4}


def make(kind: str) -> nn.Module:
    torch.manual_seed(0)
    codes = {**SMALL, "width": 8, "dim": 3, "num_codes": 8, "halvings": 1}
    if kind == "vae":
        return VAE(latent_dim=3, likelihood="bernoulli", **SMALL)
    if kind == "sigma":
        return VAE(latent_dim=3, **SMALL)
    if kind == "cvae":
        return CVAE(num_classes=2, latent_dim=3, **SMALL)
    if kind == "vqvae":
        return VQVAE(likelihood="logistic", **codes)
    return CodeGenerator(
        codes=codes,
        prior={"width": 8, "layers": 1, "heads": 2, "num_classes": 2, "dropout": 0.1},
    )


KINDS = {
    "vae": {"binarise": "sample", "ema_images": 30.0, "anneal": 5},
    "sigma": {"schedule": "cosine", "warm_up": 3, "clip_norm": 1.0, "free_bits": 0.05},
    "cvae": {"precision": "bf16"},
    "vqvae": {},
    "prior": {"ema_images": 30.0},
}


class PowerCut(Exception):
    """What no loop expects."""


def stopping(after: int, error: type[BaseException] | None) -> dict[str, object]:
    calls = []

    def evaluate(model: nn.Module) -> dict[str, float]:
        calls.append(model)
        if len(calls) == after:
            if error is None:
                os.kill(os.getpid(), signal.SIGINT)
            else:
                raise error
        return {}

    return {"evaluate": evaluate, "evaluate_every": 2}


@pytest.mark.parametrize("error", [PowerCut, None], ids=["power cut", "ctrl-c"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_stopped_run_goes_on_bit_for_bit(tmp_path: Path, kind: str, error) -> None:
    config = VariationalConfig(
        steps=13, batch_size=6, log_every=2, sample_every=6, lr=3e-3, **KINDS[kind]
    )
    whole = make(kind)
    expected = train_variational(
        whole, pictures(), config=config, out_dir=tmp_path / "whole", **QUIET
    )
    with pytest.raises((PowerCut, KeyboardInterrupt)):
        train_variational(
            make(kind),
            pictures(),
            config=config,
            out_dir=tmp_path / "cut",
            **stopping(4, error),
            **QUIET,
        )
    again = make(kind)
    history = train_variational(again, pictures(), config=config, out_dir=tmp_path / "cut", **QUIET)
    assert same(whole, again)
    assert not same(whole, make(kind))
    for name in ("loss", "log_likelihood", "perplexity", "nats"):
        assert [r.get(name) for r in history.steps if r["step"] % 2 == 0] == [
            r.get(name) for r in expected.steps if r["step"] % 2 == 0
        ]
    assert (tmp_path / "cut" / "samples" / "step-0000012.png").exists()
    assert not again.training


def test_the_steps_by_hand() -> None:
    """A plain loop with plain Adam gives the same weights."""
    config = VariationalConfig(steps=6, batch_size=6, beta=0.7, anneal=4, binarise="sample")
    model = make("vae")
    twin = copy.deepcopy(model)
    train_variational(model, pictures(), config=config, **QUIET)
    adam = torch.optim.Adam(twin.parameters(), lr=1e-3)
    batches = [b for e in range(2) for b in pictures().batches(6, seed=0, epoch=e)]
    twin.train()
    for step in range(6):
        torch.manual_seed(stream_seed(0, 0, step, 0))
        images = batches[step][0]
        images = torch.where(torch.rand(images.shape) < (images + 1) / 2, 1.0, -1.0)
        posterior = twin.encoder(images)
        z = posterior.mean + (posterior.logvar / 2).exp() * torch.randn(6, 3)
        raw = twin.decoder.pixels(z).location
        bce = nn.functional.binary_cross_entropy_with_logits(raw, (images + 1) / 2, reduction="sum")
        variance = posterior.logvar.exp()
        kl = 0.5 * (posterior.mean**2 + variance - 1 - variance.log()).sum()
        loss = (bce + 0.7 * min(1.0, step / 4) * kl) / 6
        adam.zero_grad()
        loss.backward()
        adam.step()
    for (name, ours), theirs in zip(
        model.state_dict().items(), twin.state_dict().values(), strict=True
    ):
        assert torch.allclose(ours, theirs, atol=2e-5), name


@pytest.mark.parametrize("kind", ["cvae", "prior"])
def test_the_steps_by_hand_with_labels_and_all_options(monkeypatch, kind: str) -> None:
    """Schedule, clipping and average, with plain descent: Adam hides a wrong scale."""
    monkeypatch.setattr(
        "course_lib.train.variational.make_adam",
        lambda model, lr, betas: torch.optim.SGD(model.parameters(), lr=lr),
    )
    options = {"beta": 0.7, "anneal": 4} if kind == "cvae" else {}
    config = VariationalConfig(
        steps=6,
        batch_size=6,
        lr=0.05,
        schedule="cosine",
        warm_up=3,
        clip_norm=0.5,
        ema_images=20.0,
        **options,
    )
    model = make(kind)
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    if kind == "prior":  # one that has opinions
        nn.init.normal_(model.prior.next.weight, 0.0, 0.3)
    twin, average = copy.deepcopy(model), copy.deepcopy(model)
    learner = twin.prior if kind == "prior" else twin
    train_variational(model, pictures(), config=config, **QUIET)
    batches = [b for e in range(2) for b in pictures().batches(6, seed=0, epoch=e)]
    twin.eval()
    for step in range(6):
        torch.manual_seed(stream_seed(0, 0, step, 0))
        images, labels = batches[step]
        if kind == "cvae":
            posterior = twin.encoder(images, labels)
            z = posterior.mean + (posterior.logvar / 2).exp() * torch.randn(6, 3)
            likely = log_likelihood(twin.decoder.pixels(z, labels), images).mean()
            kl = gaussian_kl(*posterior).sum(1).mean()
            loss = 0.7 * min(1.0, step / 4) * kl - likely
        else:
            logits = twin.prior(twin.codes.encode(images), labels).flatten(0, 2)
            loss = nn.functional.cross_entropy(
                logits, twin.codes.encode(images).flatten(), reduction="sum"
            ) / (6 * twin.prior.length)
        gradients = torch.autograd.grad(loss, list(learner.parameters()))
        norm = sum(g.square().sum() for g in gradients).sqrt()
        rate = 0.05 * 0.5 * (1 + math.cos(math.pi * step / 6)) * min(1.0, (step + 1) / 3)
        with torch.no_grad():
            for p, g in zip(learner.parameters(), gradients, strict=True):
                p -= rate * g * min(1.0, 0.5 / norm)
        move_average(average, twin, step, 0.5 ** (6 / 20.0))
    for (name, ours), theirs in zip(model.named_parameters(), average.parameters(), strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-4, atol=1e-6), name
    assert not same(twin, average)


@pytest.mark.parametrize("kind", KINDS)
def test_it_learns(kind: str) -> None:
    """On bars with noise each objective falls, and reconstructions or bounds are those of bars."""
    config = VariationalConfig(
        steps=150,
        batch_size=24,
        lr=5e-3,
        log_every=10,
        binarise=KINDS[kind].get("binarise", "none"),
    )
    history = train_variational(make(kind), pictures(96), config=config, **QUIET)
    loss = history.column("loss")
    assert loss[-1] < loss[0] - 0.1 * abs(loss[0])


def test_of_a_code_generator_the_prior_alone_learns() -> None:
    model = make("prior")
    codes = {k: v.clone() for k, v in model.codes.state_dict().items()}
    prior = {k: v.clone() for k, v in model.prior.state_dict().items()}
    config = VariationalConfig(steps=3, batch_size=6)
    train_variational(model, pictures(), config=config, **QUIET)
    assert all(torch.equal(codes[k], v) for k, v in model.codes.state_dict().items())
    assert not all(torch.equal(prior[k], v) for k, v in model.prior.state_dict().items())


def test_a_prior_goes_on_with_its_own_codes_only(tmp_path: Path) -> None:
    """What is frozen is not taken over from the folder: others are another run."""
    config = VariationalConfig(steps=3, batch_size=6)
    train_variational(make("prior"), pictures(), config=config, out_dir=tmp_path, **QUIET)
    train_variational(make("prior"), pictures(), config=config, out_dir=tmp_path, **QUIET)
    other = make("prior")
    with torch.no_grad():
        other.codes.quantiser.codebook[0, 0] += 1e-3
    before = copy.deepcopy(other)
    with pytest.raises(
        ValueError, match=r"weights of the autoencoder \(\w{16} there, \w{16} here\)"
    ):
        train_variational(other, pictures(), config=config, out_dir=tmp_path, **QUIET)
    assert same(other, before)


def test_it_is_judged_in_eval_mode() -> None:
    """A codebook that followed the images that one judges by would learn from them."""
    modes: list[bool] = []

    def evaluate(model: nn.Module) -> dict[str, float]:
        modes.extend(module.training for module in model.modules())
        with torch.no_grad():
            model(to_float(pictures(24, seed=5).images))
        return {}

    config = VariationalConfig(steps=6, batch_size=6)
    asked, left = make("vqvae"), make("vqvae")
    every = {"evaluate": evaluate, "evaluate_every": 2}
    train_variational(asked, pictures(), config=config, **every, **QUIET)
    train_variational(left, pictures(), config=config, **QUIET)
    assert modes and not any(modes)
    assert same(asked, left)


def test_the_codebook_of_a_vqvae_learns() -> None:
    """The trap: a codebook that never moves while the reconstruction improves."""
    model = make("vqvae")
    before = model.quantiser.codebook.clone()
    history = train_variational(
        model, pictures(), config=VariationalConfig(steps=4, batch_size=6, log_every=1), **QUIET
    )
    assert (model.quantiser.codebook - before).abs().amax(1).min() > 1e-3
    assert 1 <= history.column("perplexity")[-1] <= 8


def test_a_collapse_is_told_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("course_lib.train.variational_history.WARM_UP", 30)
    config = VariationalConfig(steps=60, batch_size=24, lr=1e-2, beta=500.0, log_every=5)
    with pytest.warns(UserWarning, match="posterior has collapsed.*anneal.*free_bits"):
        history = train_variational(make("sigma"), pictures(96), config=config, **QUIET)
    assert history.column("active")[-1] == 0 and len(history.warnings) == 1


def test_free_bits_keep_the_code_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same training but for the floor."""
    monkeypatch.setattr("course_lib.train.variational_history.WARM_UP", 30)
    config = VariationalConfig(
        steps=250, batch_size=24, lr=1e-2, beta=500.0, free_bits=0.2, log_every=25
    )
    history = train_variational(make("sigma"), pictures(96), config=config, **QUIET)
    assert not history.warnings and history.column("divergence")[-1] > 0.3


def test_an_untrained_model_is_no_collapse() -> None:
    config = VariationalConfig(steps=8, batch_size=24, log_every=1)
    assert not train_variational(make("sigma"), pictures(96), config=config, **QUIET).warnings


def test_dead_codes_are_told_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("course_lib.train.variational_history.WARM_UP", 6)
    torch.manual_seed(0)
    model = VQVAE(in_channels=1, size=SIZE, width=8, dim=2, num_codes=256, halvings=1, restart=0)
    with torch.no_grad():  # all codes far away but one
        model.quantiser.codebook.add_(1000)[0].zero_()
        model.quantiser.sums.copy_(model.quantiser.counts[:, None] * model.quantiser.codebook)
    config = VariationalConfig(steps=12, batch_size=24, log_every=2)
    with pytest.warns(UserWarning, match="codebook dies.*restart=0.1"):
        train_variational(model, pictures(96), config=config, **QUIET)


def test_schedules_are_pure_functions() -> None:
    config = VariationalConfig(
        steps=100, lr=0.1, schedule="cosine", warm_up=10, anneal=20, beta=2.0
    )
    assert learning_rate(config, 0) == pytest.approx(0.01)
    assert learning_rate(config, 50) == pytest.approx(0.05)
    assert learning_rate(config, 99) < 1e-4
    assert [weight(config, s) for s in (0, 10, 20, 90)] == pytest.approx([0, 1, 2, 2])


def test_constant_images_do_no_harm() -> None:
    same_grey = ImageSet(
        torch.full((12, 1, SIZE, SIZE), 130, dtype=torch.uint8), torch.zeros(12).long(), ("a",)
    )
    for kind in ("sigma", "vqvae"):
        config = VariationalConfig(steps=40, batch_size=6, lr=1e-2)
        model = make(kind)
        train_variational(model, same_grey, config=config, **QUIET)
        grey = to_float(same_grey.images)
        with torch.no_grad():
            again = model.reconstruct(grey)
        assert (again - grey).abs().max() < 0.3  # no NaN, and the grey has been learned


@pytest.mark.parametrize(
    ("kind", "data", "options", "word"),
    [
        ("vae", pictures(), {}, 'set binarise="sample"'),
        ("sigma", pictures(), {"binarise": "sample"}, "has no bound"),
        ("sigma", pictures(4), {"batch_size": 6}, "one batch needs 6"),
        ("sigma", pictures(size=12), {}, "Build the model with 1 channel"),
        ("vqvae", pictures(), {"ema_images": 10.0}, "an average already"),
        ("vqvae", pictures(), {"beta": 4.0}, "beta is 4.0, and a VQVAE has no divergence"),
        ("vqvae", pictures(), {"anneal": 5, "free_bits": 0.1}, "anneal is 5, free_bits is 0.1"),
        (
            "cvae",
            pictures().subset([0, 1, 2, 3, 4, 5]),
            {"evaluate_every": 0},
            "evaluate_every is 0",
        ),
    ],
)
def test_what_does_not_fit_is_refused(kind, data, options, word) -> None:
    every = {k: options.pop(k) for k in ("evaluate_every",) if k in options}
    config = VariationalConfig(**{"steps": 2, "batch_size": 6} | options)
    with pytest.raises(ValueError, match=word):
        train_variational(make(kind), data, config=config, **every, **QUIET)


def test_classes_that_the_model_does_not_know_are_refused() -> None:
    data = pictures()
    data.targets = data.targets + 1
    with pytest.raises(ValueError, match="class ids go from 1 to 2"):
        train_variational(
            make("cvae"), data, config=VariationalConfig(steps=1, batch_size=6), **QUIET
        )


@pytest.mark.parametrize("augment", [Augment(rotate=20.0), Augment(colour=0.2)])
def test_an_augmentation_that_makes_grey_pixels_is_refused(augment: Augment) -> None:
    data = pictures()
    data.images = (data.images > 127).to(torch.uint8) * 255
    config = VariationalConfig(steps=1, batch_size=6, augment=augment)
    with pytest.raises(ValueError, match="makes grey pixels"):
        train_variational(make("vae"), data, config=config, **QUIET)
    flips = replace(config, augment=Augment(flip=True))
    train_variational(make("vae"), data, config=flips, **QUIET)


def test_the_codes_of_a_prior_hold_no_graph() -> None:
    model, data = make("prior"), pictures()
    kept: list[tuple[int, ...]] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda x: kept.append(x.shape) or x, lambda x: x):
        prior_terms(model, to_float(data.images[:2]), data.targets[:2])
    pictures_kept = [shape for shape in kept if len(shape) == 4 and shape[-1] == SIZE]
    assert kept and not pictures_kept


def test_another_kind_of_model_is_refused() -> None:
    with pytest.raises(ValueError, match="got a DCGANGenerator"):
        train_variational(
            players()[0], pictures(), config=VariationalConfig(steps=1, batch_size=6), **QUIET
        )


def test_binarising() -> None:
    grey = torch.full((40_000,), 0.5)
    drawn = binarise(grey)
    assert set(drawn.tolist()) == {-1.0, 1.0} and drawn.mean().item() == pytest.approx(
        0.5, abs=0.03
    )
    assert not torch.equal(drawn, binarise(grey))
    assert binarise(torch.tensor([-1.0, 1.0]).expand(100, 2)).unique(dim=0).tolist() == [[-1, 1]]
    assert binarise(torch.tensor([-0.1, 0.1]), "threshold").tolist() == [-1, 1]
    assert torch.equal(binarise(grey, "none"), grey)
    seeds = [torch.Generator().manual_seed(3) for _ in range(2)]
    assert torch.equal(*(binarise(grey, generator=seed) for seed in seeds))
    with pytest.raises(ValueError, match="how is 'dither'"):
        binarise(grey, "dither")


def test_the_bound_that_is_noted_is_the_bound() -> None:
    """The mean that the history holds equals the parts, computed apart."""
    config = VariationalConfig(steps=1, batch_size=24, beta=0.3, free_bits=0.1)
    model = make("sigma")
    twin = copy.deepcopy(model)
    reading = train_variational(model, pictures(), config=config, **QUIET).steps[0]
    images = next(iter(pictures().batches(24, seed=0)))[0]
    torch.manual_seed(stream_seed(0, 0, 0, 0))
    pixels, posterior, _ = twin(images)
    likely, kl = log_likelihood(pixels, images), gaussian_kl(*posterior)
    assert reading["log_likelihood"] == pytest.approx(likely.mean().item(), rel=1e-5)
    assert reading["divergence"] == pytest.approx(kl.sum(1).mean().item(), rel=1e-4)
    assert reading["elbo"] == pytest.approx((likely - kl.sum(1)).mean().item(), rel=1e-5)


@pytest.mark.parametrize(("batch", "columns"), [(12, 8), (5, 5), (8, 8)])
def test_each_reconstruction_stands_below_its_image(tmp_path: Path, batch: int, columns: int):
    """Also where the batch fills no whole rows."""
    model = make("sigma")
    model.reconstruct = lambda images: -torch.ones_like(images)  # black
    grey = torch.full((batch, 1, SIZE, SIZE), 200, dtype=torch.uint8)
    config = VariationalConfig(steps=1, batch_size=batch, sample_every=1)
    data = ImageSet(grey, torch.zeros(batch).long(), ("a",))
    train_variational(model, data, config=config, out_dir=tmp_path, **QUIET)
    sheet = read_image(str(tmp_path / "samples" / "step-0000001.png"))[0]
    assert sheet.shape == (2 * (SIZE + 2) + 2, columns * (SIZE + 2) + 2)
    assert (sheet[2 : 2 + SIZE, 2 : 2 + SIZE] > 100).all()
    below = sheet[SIZE + 4 : 2 * SIZE + 4]
    assert not below.any()
