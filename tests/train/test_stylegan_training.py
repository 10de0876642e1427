"""StyleGAN in the adversarial loop: its whole recipe, and what the path length penalty does."""

import math
from types import SimpleNamespace

import pytest
import torch

from course_lib.data import ImageSet
from course_lib.losses import path_length_penalty
from course_lib.models import StyleGANDiscriminator, StyleGANGenerator
from course_lib.train import Engine, GANConfig, draw_samples, train_gan
from course_lib.train.game import path_length


def pair(**options: object) -> tuple[StyleGANGenerator, StyleGANDiscriminator]:
    torch.manual_seed(0)
    common = {"size": 8, "channels": (8, 6), **options}
    return (
        StyleGANGenerator(latent_dim=4, style_dim=6, out_channels=1, **common),
        StyleGANDiscriminator(in_channels=1, **common),
    )


def pictures(num: int = 24) -> ImageSet:
    """Squares of two sizes: class 0 is small, class 1 is large."""
    labels = torch.arange(num) % 2
    images = torch.zeros(num, 1, 8, 8, dtype=torch.uint8)
    images[:, :, 3:5, 3:5] = 255
    images[labels == 1, :, 1:7, 1:7] = 255
    return ImageSet(images, labels.to(torch.uint8), ("small", "large"), task="classification")


@pytest.mark.parametrize("precision", ["no", "bf16"])
@pytest.mark.parametrize("classes", [0, 2])
def test_the_whole_recipe_runs_and_changes_both_players(precision: str, classes: int) -> None:
    generator, discriminator = pair(num_classes=classes)
    before = [p.detach().clone() for net in (generator, discriminator) for p in net.parameters()]
    config = GANConfig(
        steps=4,
        batch_size=6,
        lr=2e-3,
        betas=(0.0, 0.99),
        penalty="r1",
        penalty_weight=0.3,
        penalty_every=2,
        path_length_weight=2.0,
        path_length_every=2,
        ada_target=0.6,
        ema_images=6.0,
        precision=precision,
        channels_last=True,
        log_every=2,
    )
    history = train_gan(
        generator, discriminator, pictures(), config=config, device="cpu", progress=False
    )
    assert all(math.isfinite(r["discriminator_loss"]) for r in history.steps)
    after = [p.detach() for net in (generator, discriminator) for p in net.parameters()]
    assert all(a.isfinite().all() for a in after)
    moved = [not torch.equal(a, b) for a, b in zip(after, before, strict=True)]
    assert all(moved), moved
    assert float(generator.style_mean.abs().sum()) > 0
    assert draw_samples(generator, 3).shape == (3, 1, 8, 8)


def test_labels_come_to_mean_something() -> None:
    """With labels, the two kinds of squares are told apart by how bright the samples are."""
    generator, discriminator = pair(num_classes=2)
    config = GANConfig(
        steps=150,
        batch_size=16,
        lr=5e-3,
        betas=(0.0, 0.99),
        penalty="r1",
        penalty_weight=0.1,
        penalty_every=4,
        log_every=150,
    )
    train_gan(generator, discriminator, pictures(), config=config, device="cpu", progress=False)
    small, large = (
        draw_samples(generator, 16, labels=label).float().mean() / 255 for label in (0, 1)
    )
    assert large - small > 0.25  # 36 bright pixels of 64, and 4


def test_the_path_penalty_comes_as_often_as_said_and_weighs_as_much_more(monkeypatch) -> None:
    losses, backward = [], Engine.backward

    def noted(engine: Engine, loss: torch.Tensor) -> None:
        losses.append(loss.item())
        backward(engine, loss)

    monkeypatch.setattr(Engine, "backward", noted)
    target = "course_lib.train.adversarial.path_length"
    monkeypatch.setattr(target, lambda generator, *_: 0 * generator.colour.sum() + 100)
    config = GANConfig(steps=7, batch_size=6, path_length_weight=2.0, path_length_every=3)
    train_gan(*pair(), pictures(), config=config, device="cpu", progress=False)
    # Two losses a step, and the penalty in the first, fourth and seventh: 2 * 3 * 100.
    assert [place for place, loss in enumerate(losses) if loss == 600] == [2, 9, 16]
    assert len(losses) == 2 * 7 + 3


def test_processes_share_one_average_of_the_lengths() -> None:
    generator, _ = pair()
    runs = [
        SimpleNamespace(path_length=torch.zeros(()), engine=SimpleNamespace(**engine))
        for engine in (
            {"sum": lambda mean: mean, "world_size": 1},
            {"sum": lambda mean: mean + 3, "world_size": 2},  # the other process has 3
        )
    ]
    penalties = []
    for run in runs:
        torch.manual_seed(1)
        penalties.append(path_length(generator, torch.zeros(6, 1, 8, 8), None, run))
    assert penalties[0] == penalties[1] > 0  # this turn's is of the process's own images
    assert float(runs[0].path_length) > 0
    torch.testing.assert_close(runs[1].path_length, (runs[0].path_length + 3) / 2)


def lengths(generator: StyleGANGenerator, num: int = 256) -> torch.Tensor:
    """Lengths of J^T y for many styles, all with one noise image each."""
    generator_state = torch.Generator().manual_seed(9)
    z = torch.randn(num, 4, generator=generator_state)
    y = torch.randn(num, 1, 8, 8, generator=generator_state) / 8
    w = generator.mapping(z).detach().requires_grad_()
    images = generator.synthesis(w, noise="none")
    (gradient,) = torch.autograd.grad((images * y).sum(), w)
    return gradient.norm(dim=1)


def test_the_path_penalty_makes_lengths_even() -> None:
    generator, _ = pair()
    optimizer = torch.optim.Adam(generator.parameters(), lr=5e-3, betas=(0.0, 0.99))
    start, mean = lengths(generator), torch.zeros(())
    torch.manual_seed(1)
    for _ in range(150):
        w = generator.mapping(torch.randn(32, 4))
        penalty, mean = path_length_penalty(
            generator.synthesis(w, noise="none"), w, mean, decay=0.1
        )
        optimizer.zero_grad()
        penalty.backward()
        optimizer.step()
    end = lengths(generator)
    spread = [float(x.std() / x.mean()) for x in (start, end)]
    assert spread[1] < 0.8 * spread[0], spread
    assert float(end.mean()) > 1e-3, "even, because nothing moves the image any more"
