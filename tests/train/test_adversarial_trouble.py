"""What goes wrong in a game is said, with a cure: before it starts, or while it is played."""

import math
import warnings
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from course_lib.data import ImageSet
from course_lib.models import DCGANDiscriminator, DCGANGenerator
from course_lib.train import GANConfig, GANHistory, train_gan
from course_lib.train.gan_history import diversity, told_apart
from tests.train.small_sets import saved
from tests.train.tiny_game import SIZE, pictures, players, weights

QUIET = {"device": "cpu", "progress": False}
PLAYERS = ("generator", "discriminator")


def reading(step: int, loss: float, apart: float, variety: float) -> dict[str, float]:
    return {
        "step": step,
        "discriminator_loss": loss,
        "told_apart": apart,
        "diversity": variety,
    }


def watched(rows: list[tuple[float, float, float]], loss: str = "hinge") -> list[str]:
    """The warnings after readings of (loss, told apart, diversity), one every 100 steps."""
    history = GANHistory()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number, row in enumerate(rows, start=1):
            history.steps.append(reading(100 * number, *row))
            history.look_for_trouble(loss)
    return history.warnings


HEALTHY, WON, ALIKE = (0.9, 0.8, 0.9), (0.01, 1.0, 0.9), (0.9, 0.8, 0.1)


def test_a_healthy_game_is_left_in_peace() -> None:
    assert watched([HEALTHY] * 20) == []
    assert watched([HEALTHY, WON, WON, HEALTHY, WON, WON, HEALTHY]) == []  # never three in a row
    assert watched([ALIKE] * 5) == []  # every generator begins like this


def test_a_discriminator_that_has_won_is_named_once_with_a_cure() -> None:
    (said,) = watched([HEALTHY] + [WON] * 6)
    for part in ("has won", "0.0100", 'penalty="r1"', "lr_discriminator"):
        assert part in said
    assert watched([HEALTHY] + [WON] * 6, loss="wasserstein") == []


def test_a_generator_that_repeats_itself_is_named_once_with_a_cure() -> None:
    (said,) = watched([HEALTHY] + [ALIKE] * 6)
    for part in ("repeats itself", "10%", "lower learning rate"):
        assert part in said
    (late,) = watched([ALIKE] * 12)  # it never had any variety
    assert "repeats itself" in late
    assert len(watched([HEALTHY] + [(0.01, 1.0, 0.1)] * 3)) == 2


def test_the_warning_is_given_as_a_warning_and_kept() -> None:
    history = GANHistory(steps=[reading(s, *WON) for s in (1, 2, 3)])
    with pytest.warns(UserWarning, match="has won"):
        history.look_for_trouble("non-saturating")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        history.look_for_trouble("non-saturating")  # not again
    assert len(history.warnings) == 1


def test_told_apart_is_the_area_under_the_curve() -> None:
    from sklearn.metrics import roc_auc_score

    real, fake = torch.randn(40) + 0.5, torch.randn(30)
    expected = roc_auc_score([1] * 40 + [0] * 30, torch.cat([real, fake]).numpy())
    assert told_apart(real, fake).item() == pytest.approx(expected, abs=1e-6)
    assert told_apart(torch.ones(5), torch.ones(5)) == 0.5
    assert told_apart(torch.tensor([2.0]), torch.tensor([1.0])) == 1.0


def test_diversity_of_constructed_batches() -> None:
    real = torch.rand(16, 3, 32, 32)
    assert diversity(real, real.flip(0)).item() == pytest.approx(1, rel=1e-5)
    assert diversity(real, real[:1].expand(16, -1, -1, -1)).item() < 1e-3
    assert diversity(real, torch.cat([real[:8], real[:8]])).item() < 1e-3  # each has a twin
    assert diversity(real, 0.5 * real).item() == pytest.approx(0.5, rel=1e-5)
    # Noise of single pixels, on one picture, does not pass for variety.
    bars = torch.nn.functional.interpolate(torch.rand(16, 3, 4, 4), size=32)
    noisy = bars[:1] + 0.3 * (torch.rand(16, 3, 32, 32) - 0.5)
    assert diversity(bars, noisy).item() < 0.3
    assert diversity(real[:1], real[:1]) == 1


def test_a_discriminator_that_wins_is_noticed_by_the_loop() -> None:
    """Pictures of one colour against a generator that hardly learns."""
    data = ImageSet(
        torch.full((32, 1, 8, 8), 255, dtype=torch.uint8), torch.zeros(32).long(), ("x",)
    )
    config = GANConfig(
        steps=100, batch_size=8, lr=1e-6, lr_discriminator=3e-2, log_every=5, loss="non-saturating"
    )
    with pytest.warns(UserWarning, match="has won"):
        history = train_gan(*players(), data, config=config, **QUIET)
    assert history.column("told_apart")[-1] == 1.0


class Explodes(nn.Module):
    """A discriminator whose logits are NaN from some call on."""

    in_channels, size, num_classes = 1, (SIZE, SIZE), 0

    def __init__(self, calls: int) -> None:
        super().__init__()
        self.score, self.left = nn.Linear(SIZE * SIZE, 1), calls

    def forward(self, images: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        self.left -= 1
        return self.score(images.flatten(1))[:, 0] + (math.nan if self.left < 0 else 0.0)


def test_a_loss_that_is_not_finite_names_its_step() -> None:
    config = GANConfig(steps=20, batch_size=6, log_every=4)
    # Three calls a step: the 19th is the first of step 7.
    with pytest.raises(FloatingPointError, match=r"At step 7 of 20 the .* is nan.*try lr=2e-4"):
        train_gan(players()[0], Explodes(18), pictures(), config=config, **QUIET)


@pytest.mark.parametrize("checkpoint_every", [None, 2, 3])
def test_the_last_checkpoint_is_from_before_that_step(tmp_path: Path, checkpoint_every) -> None:
    config = GANConfig(
        steps=20, batch_size=6, log_every=4, checkpoint_every=checkpoint_every, lr=1e-3
    )
    with pytest.raises(FloatingPointError, match="The last checkpoint is from before"):
        train_gan(
            players()[0], Explodes(15), pictures(), config=config, out_dir=tmp_path, **QUIET
        )  # NaN from step 6 on
    assert saved(tmp_path)["step"] < 6
    for part in PLAYERS:
        assert all(v.isfinite().all() for v in saved(tmp_path, part).values())


class SpoilsItsGradient(nn.Module):
    """A generator whose update number `after` turns its weights to NaN; no loss shows it before."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.inner, self.updates = players()[0], 0
        self.latent_dim, self.out_channels, self.size = 6, 1, (SIZE, SIZE)

        def spoil(gradient: Tensor) -> Tensor:
            self.updates += 1
            return gradient * torch.nan if self.updates == after else gradient

        next(self.inner.parameters()).register_hook(spoil)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.inner(z, labels)


@pytest.mark.parametrize("after", [6, 8, 12])  # between two readings, at one, in the last step
def test_an_update_that_spoils_the_weights_is_never_saved(tmp_path: Path, after: int) -> None:
    config = GANConfig(steps=12, batch_size=6, log_every=4, ema_images=20.0)
    judge, judged = players()[1], []
    watch = {"evaluate": lambda net: judged.append(net) or {}, "evaluate_every": 4}
    with pytest.raises(FloatingPointError, match=r"step (7|8|12) of 12"):
        train_gan(
            SpoilsItsGradient(after),
            judge,
            pictures(),
            config=config,
            out_dir=tmp_path,
            **watch,
            **QUIET,
        )
    step = saved(tmp_path)["step"]
    assert step == (after - 1) // 4 * 4 == 4 * len(judged)  # broken ones are not judged
    for state in (*(saved(tmp_path, n) for n in PLAYERS), saved(tmp_path, "ema")["model"]):
        assert all(v.isfinite().all() for v in state.values())


def test_the_names_of_the_record_are_not_free_for_scores() -> None:
    config = GANConfig(steps=2, batch_size=6)
    scores = {"evaluate": lambda _: {"diversity": 1.0, "cfd": 2.0, "images": 3}}
    with pytest.raises(ValueError, match="scores called diversity, images"):
        train_gan(*players(), pictures(), config=config, **scores, **QUIET)


def test_an_evaluation_leaves_the_modes_of_the_players_as_they_were() -> None:
    config, modes = GANConfig(steps=4, batch_size=6), []
    generator, discriminator = players("batch")
    frozen = generator.layers[1].eval()  # one layer that its owner keeps in evaluation mode
    generator.layers[0].register_forward_hook(lambda m, *_: modes.append(m.training))

    def evaluate(net: nn.Module) -> dict[str, float]:
        assert not torch.is_grad_enabled()
        net.eval()
        return {}

    watch = {"evaluate": evaluate, "evaluate_every": 1}
    train_gan(generator, discriminator, pictures(), config=config, **watch, **QUIET)
    assert modes == [True] * 8  # two calls in each step
    assert not frozen.training


def test_a_critic_without_a_bound_is_warned_about() -> None:
    config = GANConfig(steps=1, batch_size=6, loss="wasserstein")
    with pytest.warns(UserWarning, match='no bound on its slope.*penalty="gradient"'):
        train_gan(*players(), pictures(), config=config, **QUIET)
    bounded = GANConfig(steps=1, batch_size=6, loss="wasserstein", penalty="gradient")
    with warnings.catch_warnings(record=True) as said:
        train_gan(*players(), pictures(), config=bounded, **QUIET)
    assert said == []


def test_class_ids_that_do_not_exist_are_found_before_the_game() -> None:
    wrong = pictures()
    wrong.targets[3] = 2
    with pytest.raises(ValueError, match="the set's class ids go from 0 to 2; with 2 classes"):
        train_gan(*players(classes=2), wrong, config=GANConfig(steps=1, batch_size=6), **QUIET)


def test_a_diverging_learning_rate_is_named_or_stopped() -> None:
    config = GANConfig(steps=40, batch_size=8, lr=1e4, log_every=4)
    models = players("none")
    try:
        with warnings.catch_warnings(record=True):
            history = train_gan(*models, pictures(), config=config, **QUIET)
    except FloatingPointError as error:
        assert "learning rate may be too high" in str(error)
        assert "step" in str(error)
    else:
        assert history.warnings
        assert all(v.isfinite().all() for v in weights(*models).values())


def wide(size: int | tuple[int, int], channels: int = 1, classes: int = 0) -> list[nn.Module]:
    shape = {"width": 4, "size": size, "num_classes": classes}
    return [
        DCGANGenerator(latent_dim=6, out_channels=channels, **shape),
        DCGANDiscriminator(in_channels=channels, **shape),
    ]


SMALL = GANConfig(steps=1, batch_size=6)
REFUSED = {
    "grey images into a colour model": (
        lambda: (*wide(8, channels=3), pictures(), SMALL),
        r"makes images of 3x8x8 .* has 1x8x8.*Build the model with 1 channel",
    ),
    "colour images into a grey model": (
        lambda: (*wide(8), pictures(channels=3), SMALL),
        r"makes images of 1x8x8 .* has 3x8x8",
    ),
    "28 pixels into 32": (
        lambda: (*wide(32), pictures(size=28), SMALL),
        r"makes images of 1x32x32 .* has 1x28x28.*load the set with size=\(32, 32\)",
    ),
    "an odd size": (
        lambda: (*wide(8), pictures(size=9), SMALL),
        r"has 1x9x9.*size=\(8, 8\)",
    ),
    "a discriminator of another size": (
        lambda: (wide(8)[0], wide(16)[1], pictures(), SMALL),
        "discriminator takes images of 1x16x16",
    ),
    "fewer images than a batch": (
        lambda: (*wide(8), pictures(5), SMALL),
        "has 5 images, and one batch needs 6; lower batch_size",
    ),
    "no images": (lambda: (*wide(8), pictures(2).subset([]), SMALL), "is empty"),
    "a batch of one with BatchNorm": (
        lambda: (*wide(16), pictures(size=16), GANConfig(steps=1, batch_size=1)),
        "(dis|gen).*or and the (dis|gen).*or normalises over the batch.*without BatchNorm",
    ),
    "players of different classes": (
        lambda: (wide(8, classes=2)[0], wide(8)[1], pictures(), SMALL),
        r"different numbers of classes: \[0, 2\]",
    ),
    "classes that the data do not have": (
        lambda: (*wide(8, classes=3), pictures(), SMALL),
        r"know 3 classes; bars.*has 2",
    ),
    "a path length without styles": (
        lambda: (*wide(8), pictures(), GANConfig(steps=1, batch_size=6, path_length_weight=1.0)),
        "DCGANGenerator has no styles",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_refused_with_a_cure(name: str) -> None:
    make, said = REFUSED[name]
    generator, discriminator, data, config = make()
    before = weights(generator, discriminator)
    with pytest.raises(ValueError, match=said):
        train_gan(generator, discriminator, data, config=config, **QUIET)
    assert all(torch.equal(v, before[k]) for k, v in weights(generator, discriminator).items())


def test_a_batch_of_one_trains_without_batch_norm() -> None:
    models = players("layer")
    start = weights(*models)
    history = train_gan(
        *models, pictures(), config=GANConfig(steps=3, batch_size=1, lr=1e-3), **QUIET
    )
    assert not any(torch.equal(v, start[k]) for k, v in weights(*models).items())
    assert history.column("diversity") == [1.0]


def test_a_set_as_large_as_one_batch_is_enough() -> None:
    history = train_gan(*players(), pictures(6), config=SMALL, **QUIET)
    assert history.column("images") == [6]


def test_a_penalty_with_batch_norm_in_the_discriminator_is_warned_of() -> None:
    config = GANConfig(steps=1, batch_size=6, penalty="gradient")
    with pytest.warns(UserWarning, match='BatchNorm.*DCGANDiscriminator.norm="layer"'):
        train_gan(*wide(16), pictures(size=16), config=config, **QUIET)
    with warnings.catch_warnings(record=True) as said:
        train_gan(*players("layer", size=16), pictures(size=16), config=config, **QUIET)
    assert said == []


def test_half_precision_on_a_cpu_is_refused() -> None:
    config = GANConfig(steps=1, batch_size=6, precision="fp16")
    with pytest.raises(ValueError, match='use "bf16" or "no"'):
        train_gan(*players(), pictures(), config=config, **QUIET)


def test_a_sheet_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "samples").write_text("")  # a file in place of the folder
    config = GANConfig(steps=1, batch_size=4, log_every=1, sample_every=1)
    with pytest.raises(OSError, match=r"step-0000001.png cannot be written \(.*\). Choose another"):
        train_gan(*players(), pictures(), config=config, out_dir=tmp_path, **QUIET)
