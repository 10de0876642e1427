"""The adversarial losses: stable where a discriminator is sure, and strict about what they take."""

import pytest
import torch

from course_lib.losses import ADVERSARIAL_LOSSES, discriminator_loss, generator_loss

LOUD = torch.tensor([-1e4, -90.0, 0.0, 90.0, 1e4])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", ADVERSARIAL_LOSSES)
def test_sure_outputs_give_finite_losses_and_slopes(kind: str, dtype: torch.dtype) -> None:
    real, fake = (LOUD.to(dtype).clone().requires_grad_() for _ in range(2))
    for loss in (discriminator_loss(real, fake, kind=kind), generator_loss(fake, kind=kind)):
        assert loss.ndim == 0 and loss.dtype == dtype and loss.isfinite()
        slopes = torch.autograd.grad(loss, [real, fake], allow_unused=True)
        assert all(slope is None or slope.isfinite().all() for slope in slopes)


def test_a_generator_that_is_seen_through_still_learns_unless_the_game_is_minimax() -> None:
    for kind in ADVERSARIAL_LOSSES:
        fake = torch.tensor([-30.0], requires_grad=True)
        (slope,) = torch.autograd.grad(generator_loss(fake, kind=kind), fake)
        assert slope <= 0  # upwards: to be taken for real
        assert (slope.abs() < 1e-9) == (kind == "minimax"), kind


@pytest.mark.parametrize("kind", ADVERSARIAL_LOSSES)
def test_real_and_fake_batches_may_differ_in_size_and_each_counts_as_one_mean(kind: str) -> None:
    real, fake = torch.randn(6), torch.randn(4)
    once = discriminator_loss(real, fake, kind=kind)
    torch.testing.assert_close(discriminator_loss(real.repeat(3), fake, kind=kind), once)
    torch.testing.assert_close(discriminator_loss(real, fake.repeat(2), kind=kind), once)
    torch.testing.assert_close(
        generator_loss(fake.repeat(2), kind=kind), generator_loss(fake, kind=kind)
    )


@pytest.mark.parametrize(
    ("outputs", "said"),
    [
        (torch.zeros(4, 1), r"shape \(4, 1\), wanted \(B,\), one number for each image"),
        (torch.zeros(()), r"shape \(\), wanted \(B,\)"),
        (torch.zeros(0), r"shape \(0,\), wanted \(B,\)"),
        (torch.zeros(4, dtype=torch.int64), "torch.int64, wanted floating-point logits"),
    ],
)
def test_outputs_that_are_not_one_number_for_each_image_are_refused(outputs, said) -> None:
    good = torch.zeros(4)
    with pytest.raises(ValueError, match=f"real: got .*{said}"):
        discriminator_loss(outputs, good)
    with pytest.raises(ValueError, match=f"fake: got .*{said}"):
        discriminator_loss(good, outputs)
    with pytest.raises(ValueError, match=f"fake: got .*{said}"):
        generator_loss(outputs)


@pytest.mark.parametrize("loss", [lambda k: discriminator_loss(LOUD, LOUD, kind=k),
                                  lambda k: generator_loss(LOUD, kind=k)])  # fmt: skip
def test_an_unknown_loss_is_refused_with_the_known_ones(loss) -> None:
    with pytest.raises(ValueError, match=r"'wgan'; choose one of minimax, .*wasserstein"):
        loss("wgan")
