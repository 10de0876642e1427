"""The adversarial loop plays the game as written, and something is learned."""

import dataclasses
from pathlib import Path

import pytest
import torch
from torch import nn

from course_lib.data import Augment
from course_lib.losses import ADVERSARIAL_LOSSES
from course_lib.train import GANConfig, draw_samples, train_gan
from tests.train.small_sets import same
from tests.train.tiny_game import SIZE, by_hand, pictures, players, weights

QUIET = {"device": "cpu", "progress": False}


def close(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor], tolerance: float = 2e-5) -> None:
    assert a.keys() == b.keys()
    for key, value in a.items():
        torch.testing.assert_close(value, b[key], rtol=1e-3, atol=tolerance, msg=key)


CASES = {
    **{loss: {"loss": loss} for loss in ADVERSARIAL_LOSSES},
    "critic steps": {"critic_steps": 3},
    "two rates": {"lr": 1e-3, "lr_discriminator": 3e-4, "betas": (0.0, 0.9)},
    "wgan-gp": {"loss": "wasserstein", "penalty": "gradient", "critic_steps": 2},
    "r1": {"penalty": "r1", "penalty_weight": 0.7},
    "r3gan": {"loss": "relativistic", "penalty": "r1-r2", "penalty_weight": 0.7},
    "lazy r1": {"penalty": "r1", "penalty_weight": 0.7, "penalty_every": 3, "critic_steps": 2},
}


@pytest.mark.filterwarnings("ignore:A critic without a penalty")
@pytest.mark.parametrize("classes", [0, 2])
@pytest.mark.parametrize("options", CASES.values(), ids=CASES)
def test_the_loop_plays_the_game_that_is_written_by_hand(options, classes) -> None:
    config = GANConfig(steps=4, batch_size=6, **{"lr": 1e-3, **options})
    mine, theirs = players(classes=classes), players(classes=classes)
    start = weights(*mine)
    train_gan(*mine, pictures(), config=config, **QUIET)
    by_hand(theirs, pictures(), config)
    close(weights(*mine), weights(*theirs))
    moved = [k for k, v in weights(*mine).items() if not torch.equal(v, start[k])]
    assert len(moved) == len(start)  # every weight of both players learned


def test_a_lazy_penalty_is_applied_as_often_as_said() -> None:
    seen = []

    class Watched(nn.Module):
        size, in_channels, num_classes = (SIZE, SIZE), 1, 0

        def __init__(self) -> None:
            super().__init__()
            self.score = nn.Linear(SIZE * SIZE, 1)

        def forward(self, images: torch.Tensor, labels: torch.Tensor | None = None):
            seen.append(images.requires_grad and images.is_leaf)  # only a penalty asks for that
            return self.score(images.flatten(1))[:, 0]

    config = GANConfig(
        steps=4, batch_size=6, critic_steps=2, penalty="r1", penalty_every=3, log_every=4
    )
    train_gan(players()[0], Watched(), pictures(), config=config, **QUIET)
    assert sum(seen) == 3  # at turns 0, 3 and 6 of 8


@pytest.mark.parametrize("penalty", ["r1", "gradient"])
def test_the_discriminator_sees_augmented_images_only(monkeypatch, penalty: str) -> None:
    """Real, generated and a penalty's; the penalty is taken behind the augmentation."""
    seen, read = [], []

    class Shifted(nn.Module):
        def __init__(self, *, target: float) -> None:
            super().__init__()
            self.register_buffer("p", torch.zeros(()))

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images + 10

        def adjust(self, logits: torch.Tensor, num_images: int) -> None:
            read.append((logits.shape, logits.requires_grad, num_images))

    class Watched(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.score = nn.Linear(SIZE * SIZE, 1)

        def forward(self, images: torch.Tensor, labels: torch.Tensor | None = None):
            leaf = images.requires_grad and images.is_leaf  # only a penalty asks for that
            seen.append((float(images.detach().min()) > 8, leaf))
            return self.score(images.flatten(1))[:, 0]

    monkeypatch.setattr("course_lib.train.adversarial.DiscriminatorAugment", Shifted)
    generator = players()[0]
    start = weights(generator)
    config = GANConfig(steps=2, batch_size=6, critic_steps=2, ada_target=0.6, penalty=penalty)
    train_gan(generator, Watched(), pictures(), config=config, **QUIET)
    assert len(seen) == 2 * (2 * 3 + 1) and all(augmented for augmented, _ in seen)
    assert sum(leaf for _, leaf in seen) == 4
    assert read == [((6,), False, 6)] * 4
    assert not same(start, weights(generator))


@pytest.mark.parametrize(("critic_steps", "half_life"), [(1, 20.0), (3, 8.0)])
def test_the_generator_ends_with_the_average(critic_steps: int, half_life: float) -> None:
    """Its half-life is in real images, those of all the discriminator's turns."""
    config = GANConfig(
        steps=12, batch_size=6, lr=1e-2, ema_images=half_life, critic_steps=critic_steps
    )
    mine, theirs = players(), players()
    train_gan(*mine, pictures(), config=config, **QUIET)
    average = by_hand(theirs, pictures(), config)
    close(weights(mine[0]), weights(average), 1e-4)
    assert not same(weights(mine[0]), weights(theirs[0]))
    assert not mine[0].training


def test_something_is_learned() -> None:
    """Pictures of two kinds: samples come nearer to them, and both kinds are drawn."""
    train_set = pictures(256)
    models = players(norm="batch", seed=1)
    before = draw_samples(models[0], 100).float()
    config = GANConfig(steps=250, batch_size=32, lr=2e-3, log_every=25)
    history = train_gan(*models, train_set, config=config, **QUIET)
    after = draw_samples(models[0], 100).float()
    clean = torch.stack([train_set.images[k::2].float().mean(0) for k in (0, 1)])

    def distances(samples: torch.Tensor) -> torch.Tensor:
        return torch.cdist(samples.flatten(1), clean.flatten(1)) / SIZE  # grey levels

    assert distances(after).amin(1).mean() < 0.5 * distances(before).amin(1).mean()
    counts = distances(after).argmin(1).bincount(minlength=2)
    assert counts.min() >= 10
    assert history.column("images") == [32 * 25 * i for i in range(1, 11)]
    assert history.warnings == []


def test_a_class_is_drawn_when_it_is_asked_for() -> None:
    models = players(norm="batch", classes=2, seed=1)
    config = GANConfig(steps=250, batch_size=32, lr=2e-3, log_every=50)
    train_gan(*models, pictures(256), config=config, **QUIET)
    for label, sign in ((0, 1), (1, -1)):
        drawn = draw_samples(models[0], 40, labels=label).float()
        upper, lower = drawn[:, :, : SIZE // 2].mean(), drawn[:, :, SIZE // 2 :].mean()
        assert sign * (upper - lower) > 60  # of 150 grey levels


def test_evaluations_are_asked_for_when_due_and_see_the_generator_that_is_kept() -> None:
    seen = []

    def evaluate(model: nn.Module) -> dict[str, float]:
        seen.append(weights(model))
        return {"score": float(len(seen))}

    models = players()
    # Due between two readings too: every 3 steps here, and what is read every 4.
    config = GANConfig(steps=10, batch_size=6, log_every=4, ema_images=50.0)
    history = train_gan(
        *models, pictures(), config=config, evaluate=evaluate, evaluate_every=3, **QUIET
    )
    assert [r["step"] for r in history.steps] == [3, 4, 6, 8, 9, 10]
    assert [r["step"] for r in history.steps if "score" in r] == [3, 6, 9, 10]
    assert history.column("score") == [1.0, 2.0, 3.0, 4.0]
    assert same(seen[-1], weights(models[0]))


@pytest.mark.parametrize("options", [{}, {"ema_images": 100.0}])
def test_sheets_come_from_fixed_noise(tmp_path: Path, options) -> None:
    config = GANConfig(steps=5, batch_size=6, sample_every=2, log_every=2, **options)
    for name, change in (("a", {}), ("b", {"log_every": 5})):
        train_gan(
            *players(),
            pictures(),
            config=dataclasses.replace(config, **change),
            out_dir=tmp_path / name,
            **QUIET,
        )
    sheets = sorted((tmp_path / "a" / "samples").iterdir())
    assert [sheet.name for sheet in sheets] == [f"step-{step:07d}.png" for step in (2, 4, 5)]
    for sheet in sheets:
        assert sheet.read_bytes() == (tmp_path / "b" / "samples" / sheet.name).read_bytes()
    assert sheets[0].read_bytes() != sheets[2].read_bytes()


@pytest.mark.parametrize(
    "options",
    [
        {"precision": "bf16"},
        {"channels_last": True},
        {"precision": "bf16", "penalty": "r1", "loss": "hinge"},
        {"ada_target": 0.6},
        {"augment": Augment(flip=True)},
    ],
)
def test_every_other_option_trains(options) -> None:
    config = GANConfig(steps=6, batch_size=8, lr=1e-3, log_every=3, **options)
    models = players()
    start = weights(*models)
    history = train_gan(*models, pictures(), config=config, **QUIET)
    assert all(v.isfinite().all() for v in weights(*models).values())
    assert not any(torch.equal(v, start[k]) for k, v in weights(*models).items())
    assert len(history.steps) == 2
    assert ("augmentation" in history.steps[0]) == ("ada_target" in options)
    assert all(p.dtype == torch.float32 for p in models[0].parameters())
    again = players()
    train_gan(*again, pictures(), config=config, **QUIET)
    assert same(weights(*models), weights(*again))


def test_bf16_stays_near_float32() -> None:
    config = GANConfig(steps=20, batch_size=8, lr=1e-3, log_every=20)
    losses = {}
    for precision in ("no", "bf16"):
        models = players()
        history = train_gan(
            *models, pictures(), config=dataclasses.replace(config, precision=precision), **QUIET
        )
        losses[precision] = history.column("discriminator_loss")[-1]
    assert losses["bf16"] == pytest.approx(losses["no"], rel=0.05)
    assert losses["bf16"] != losses["no"]


def test_an_error_in_the_generators_turn_leaves_the_discriminator_able_to_learn() -> None:
    models = players()

    def full(module: nn.Module, inputs: object, output: object) -> None:
        if not next(module.parameters()).requires_grad:
            raise MemoryError

    hook = models[1].register_forward_hook(full)
    config = GANConfig(steps=2, batch_size=6)
    with pytest.raises(MemoryError):
        train_gan(*models, pictures(), config=config, **QUIET)
    hook.remove()
    assert all(p.requires_grad for p in models[1].parameters())
    with pytest.raises(ValueError, match="evaluate_every is 0"):
        train_gan(*models, pictures(), config=config, evaluate_every=0, **QUIET)


def test_a_layer_that_was_frozen_stays_frozen() -> None:
    generator, discriminator = players()
    first = next(discriminator.parameters()).requires_grad_(False)
    before = first.clone()
    config = GANConfig(steps=2, batch_size=6, lr=1e-2)
    train_gan(generator, discriminator, pictures(), config=config, **QUIET)
    assert torch.equal(first, before) and not first.requires_grad
    assert all(p.requires_grad for p in list(discriminator.parameters())[1:])
