"""The VAE-GAN's loop: whose gradient reaches whom, exact resume, and that it learns."""

import copy
from pathlib import Path

import pytest
import torch
from torch import nn

from course_lib.data.augment import stream_seed
from course_lib.losses import discriminator_loss, gaussian_kl, generator_loss
from course_lib.models import VAE, VAEGAN
from course_lib.train import VAEGANConfig, train_vaegan
from tests.train.small_sets import same
from tests.train.tiny_game import SIZE, move_average, pictures

QUIET = {"device": "cpu", "progress": False}


def make(seed: int = 0) -> VAEGAN:
    torch.manual_seed(seed)
    return VAEGAN(size=SIZE, latent_dim=3, width=4, judge_width=4)


def sgd(model: nn.Module, lr: float, betas: tuple[float, float]) -> torch.optim.Optimizer:
    """Plain descent: Adam hides a wrong scale."""
    return torch.optim.SGD(model.parameters(), lr=lr)


def test_one_step_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every network moves along the gradient of its own loss, alone, and by its own scale."""
    monkeypatch.setattr("course_lib.train.vaegan.make_adam", sgd)
    model = make()
    old = copy.deepcopy(model)
    config = VAEGANConfig(
        steps=1, batch_size=6, lr=1e-3, lr_discriminator=5e-3, beta=0.6, feature_weight=3.0, r1=0.0
    )
    train_vaegan(model, pictures(), config=config, **QUIET)

    real = next(iter(pictures().batches(6, seed=0)))[0]
    torch.manual_seed(stream_seed(0, 0, 0, 0))
    posterior = old.encoder(real)
    z = posterior.sample()
    fresh_code = torch.randn(6, 3)

    def decode(code: torch.Tensor) -> torch.Tensor:
        return old.decoder(code)

    judge = copy.deepcopy(old.discriminator)
    fakes = decode(z).detach(), decode(fresh_code).detach()
    loss = sum(0.5 * discriminator_loss(judge(real), judge(f)) for f in fakes)
    for p, g in zip(
        judge.parameters(), torch.autograd.grad(loss, list(judge.parameters())), strict=True
    ):
        p.data -= 5e-3 * g
    check(model.discriminator, judge)

    again = decode(z)
    gap = judge.judge(again)[1] - judge.judge(real)[1]
    like = 0.5 * gap.square().sum() / 6
    taken = 0.5 * (generator_loss(judge(again)) + generator_loss(judge(decode(fresh_code))))
    losses = {
        "encoder": like + 0.6 * gaussian_kl(*posterior).sum() / 6,
        "decoder": 3.0 * like / gap[0].numel() + taken,
    }
    for name, own in losses.items():
        part = getattr(old, name)
        weights = list(part.parameters())
        for p, g in zip(weights, torch.autograd.grad(own, weights, retain_graph=True), strict=True):
            p.grad = g
    for name in losses:
        part = getattr(old, name)
        with torch.no_grad():
            for p in part.parameters():
                p -= 1e-3 * p.grad
        check(getattr(model, name), part)


def test_steps_by_hand_with_penalty_and_average(monkeypatch: pytest.MonkeyPatch) -> None:
    """The penalty in every second step, with twice the weight; the average is what is kept."""
    monkeypatch.setattr("course_lib.train.vaegan.make_adam", sgd)
    model, now = make(), make()
    average = copy.deepcopy(now)
    config = VAEGANConfig(
        steps=3, batch_size=6, lr=1e-3, loss="hinge", r1=3.0, r1_every=2, ema_images=20.0
    )
    train_vaegan(model, pictures(), config=config, **QUIET)
    batches = list(pictures().batches(6, seed=0))
    for step in range(3):
        torch.manual_seed(stream_seed(0, 0, step, 0))
        real = batches[step][0]
        posterior = now.encoder(real)
        z = posterior.sample()
        again, fresh = now.decoder(z), now.decoder(torch.randn(6, 3))
        judge, weights = now.discriminator, list(now.discriminator.parameters())
        loss = sum(
            0.5 * discriminator_loss(judge(real), judge(f.detach()), kind="hinge")
            for f in (again, fresh)
        )
        if step in (0, 2):
            at = real.clone().requires_grad_()
            (slope,) = torch.autograd.grad(judge(at).sum(), at, create_graph=True)
            loss = loss + 2 * 3.0 / 2 * slope.square().sum((1, 2, 3)).mean()
        descend(weights, torch.autograd.grad(loss, weights))
        gap = judge.judge(again)[1] - judge.judge(real)[1].detach()
        like = 0.5 * gap.square().sum() / 6
        taken = 0.5 * sum(generator_loss(judge(f), kind="hinge") for f in (again, fresh))
        losses = {
            now.encoder: like + gaussian_kl(*posterior).sum() / 6,
            now.decoder: like / gap[0].numel() + taken,
        }
        slopes = {
            part: torch.autograd.grad(own, list(part.parameters()), retain_graph=True)
            for part, own in losses.items()
        }
        for part, slope in slopes.items():
            descend(list(part.parameters()), slope)
        move_average(average, now, step, 0.5 ** (6 / 20.0))
    check(model, average)
    assert not same(now, average)


def descend(weights: list[nn.Parameter], slopes: tuple[torch.Tensor, ...]) -> None:
    with torch.no_grad():
        for p, g in zip(weights, slopes, strict=True):
            p -= 1e-3 * g


def check(ours: nn.Module, theirs: nn.Module) -> None:
    for (name, a), b in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert torch.allclose(a, b, rtol=1e-4, atol=1e-6), name


@pytest.mark.parametrize(
    ("weights", "still"),
    [
        # Without divergence and features nothing speaks to the encoder: the game does not.
        ({"beta": 0.0, "no_features": True}, "encoder"),
        ({"beta": 5.0, "lr": 1e-12}, "decoder"),
    ],
)
def test_the_game_does_not_reach_the_encoder(monkeypatch, weights, still) -> None:
    monkeypatch.setattr("course_lib.train.vaegan.make_adam", sgd)
    options = dict(weights)
    if options.pop("no_features", False):

        def judge(self: nn.Module, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            features = self.layers(images)
            return self.score(features.flatten(1)).flatten(), torch.zeros_like(features) * features

        monkeypatch.setattr("course_lib.models.vaegan.FeatureDiscriminator.judge", judge)
    model = make()
    before = copy.deepcopy(model)
    config = VAEGANConfig(
        **{"steps": 3, "batch_size": 6, "lr": 0.1, "lr_discriminator": 0.1} | options
    )
    train_vaegan(model, pictures(), config=config, **QUIET)
    assert same(getattr(model, still), getattr(before, still))
    assert not same(model.discriminator, before.discriminator)  # and that one is stepped


def test_no_gradient_is_left_in_anybody(monkeypatch: pytest.MonkeyPatch) -> None:
    """The trap: what the decoder's loss leaves in the discriminator joins its next step."""
    model = make()
    train_vaegan(model, pictures(), config=VAEGANConfig(steps=2, batch_size=6), **QUIET)
    assert all(p.grad is None for p in model.parameters())


def test_a_stopped_run_goes_on_bit_for_bit(tmp_path: Path) -> None:
    config = VAEGANConfig(steps=11, batch_size=6, log_every=2, ema_images=30.0, sample_every=5)
    whole, again = make(), make()
    train_vaegan(whole, pictures(), config=config, **QUIET)

    def stop(model: nn.Module) -> dict[str, float]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_vaegan(
            make(),
            pictures(),
            config=config,
            out_dir=tmp_path,
            evaluate=stop,
            evaluate_every=7,
            **QUIET,
        )
    assert (tmp_path / "checkpoint.pt").exists()
    history = train_vaegan(again, pictures(), config=config, out_dir=tmp_path, **QUIET)
    assert same(whole, again) and history.steps[-1]["step"] == 11
    assert (tmp_path / "samples" / "step-0000010.png").exists()


def test_it_learns() -> None:
    """Reconstructions tell the two kinds of bars apart, and samples are of both."""
    data = pictures(96)
    model = make(1)
    config = VAEGANConfig(steps=300, batch_size=24, lr=3e-3, log_every=25)
    history = train_vaegan(model, data, config=config, **QUIET)
    images = next(iter(data.batches(96, shuffle=False)))[0]
    again = model.reconstruct(images)
    top = (again[:, 0, :4].mean((1, 2)) > again[:, 0, 4:].mean((1, 2))).long()
    assert ((1 - top) == data.targets).double().mean() > 0.95
    assert history.column("features")[-1] < history.column("features")[0] * 10
    assert {"divergence", "pixels", "told_apart", "diversity"} <= history.steps[-1].keys()


def test_what_does_not_fit_is_refused() -> None:
    config = VAEGANConfig(steps=1, batch_size=6)
    with pytest.raises(ValueError, match="got a VAE;"):
        train_vaegan(VAE(size=SIZE), pictures(), config=config, **QUIET)
    with pytest.raises(ValueError, match="takes images of 1x8x8"):
        train_vaegan(make(), pictures(size=12), config=config, **QUIET)
    with pytest.raises(ValueError, match="one batch needs 6"):
        train_vaegan(make(), pictures(3), config=config, **QUIET)
    with pytest.raises(ValueError, match="loss is 'wasserstein'"):
        VAEGANConfig(steps=1, loss="wasserstein")
