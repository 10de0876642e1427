"""The adversarial losses: stable where a discriminator is sure, and strict about what they take."""

import pytest
import torch

from course_lib.losses import ADVERSARIAL_LOSSES, discriminator_loss, generator_loss

LOUD = torch.tensor([-1e4, -90.0, 0.0, 90.0, 1e4])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", ADVERSARIAL_LOSSES)
def test_sure_outputs_give_finite_losses_and_slopes(kind: str, dtype: torch.dtype) -> None:
    real, fake = (LOUD.to(dtype).clone().requires_grad_() for _ in range(2))
    losses = discriminator_loss(real, fake, kind=kind), generator_loss(fake, kind=kind, real=real)
    for loss in losses:
        assert loss.ndim == 0 and loss.dtype == dtype and loss.isfinite()
        slopes = torch.autograd.grad(loss, [real, fake], allow_unused=True)
        assert all(slope is None or slope.isfinite().all() for slope in slopes)


def test_a_generator_that_is_seen_through_still_learns_unless_the_game_is_minimax() -> None:
    for kind in ADVERSARIAL_LOSSES:
        fake = torch.tensor([-30.0], requires_grad=True)
        loss = generator_loss(fake, kind=kind, real=torch.zeros(1))
        (slope,) = torch.autograd.grad(loss, fake)
        assert slope <= 0  # upwards: to be taken for real
        assert (slope.abs() < 1e-9) == (kind == "minimax"), kind


@pytest.mark.parametrize("kind", [kind for kind in ADVERSARIAL_LOSSES if kind != "relativistic"])
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


def test_relativistic_losses_compare_the_members_of_a_pair() -> None:
    """Against the binary cross-entropy of the difference, and blind to what both share."""
    real, fake = torch.randn(2, 7, dtype=torch.float64)
    entropy = torch.nn.functional.binary_cross_entropy_with_logits
    ones = torch.ones(7, dtype=torch.float64)
    first = discriminator_loss(real, fake, kind="relativistic")
    second = generator_loss(fake, kind="relativistic", real=real)
    torch.testing.assert_close(first, entropy(real - fake, ones))
    torch.testing.assert_close(second, entropy(real - fake, ones - 1))
    torch.testing.assert_close(discriminator_loss(real + 9, fake + 9, kind="relativistic"), first)
    # another order pairs others
    assert discriminator_loss(real, fake.flip(0), kind="relativistic") != first
    # each player wants the other order
    torch.testing.assert_close(discriminator_loss(fake, real, kind="relativistic"), second)


def test_relativistic_losses_say_what_is_missing() -> None:
    with pytest.raises(ValueError, match="got no outputs for real ones; pass them as real="):
        generator_loss(torch.zeros(4), kind="relativistic")
    for loss in (
        lambda: discriminator_loss(torch.zeros(4), torch.zeros(3), kind="relativistic"),
        lambda: generator_loss(torch.zeros(3), kind="relativistic", real=torch.zeros(4)),
    ):
        with pytest.raises(ValueError, match=r"got \d and \d outputs, wanted as many real as"):
            loss()
    with pytest.raises(ValueError, match=r"real: got outputs of shape \(4, 1\)"):
        generator_loss(torch.zeros(4), kind="relativistic", real=torch.zeros(4, 1))
