"""Inversion on a generator whose inverse is known."""

import pytest
import torch
from torch import Tensor, nn

from course_lib.models import VAE, CodeGenerator, DCGANGenerator, InverseEncoder, invert


class Linear(nn.Module):
    """Pictures that are sums of four patterns."""

    latent_dim = 4

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.patterns = nn.Parameter(torch.linalg.qr(torch.randn(64, 4))[0])

    def forward(self, z: Tensor) -> Tensor:
        return (z @ self.patterns.T).view(len(z), 1, 8, 8)


def test_the_descent_finds_the_code() -> None:
    generator, z = Linear(), torch.randn(3, 4)
    found = invert(
        generator, generator(z).detach(), start=torch.zeros(3, 4), steps=400, prior_weight=0
    )
    assert torch.allclose(found.z, z, atol=0.02)
    assert (found.error < 1e-4).all() and (found.errors[-1] < found.errors[0]).all()
    assert generator.patterns.grad is None


def test_what_is_left_over_is_what_cannot_be_drawn() -> None:
    """The error of the least squares solution, no more and no less."""
    generator = Linear()
    images = torch.randn(2, 1, 8, 8)
    found = invert(generator, images, start=torch.zeros(2, 4), steps=400, prior_weight=0)
    flat = images.flatten(1)
    rest = flat - flat @ generator.patterns @ generator.patterns.T
    assert torch.allclose(found.error, rest.square().mean(1), rtol=1e-2)


def test_each_picture_is_moved_as_if_it_were_alone() -> None:
    generator, images = Linear(), torch.randn(3, 1, 8, 8)
    together = invert(generator, images, start=torch.zeros(3, 4), steps=30)
    alone = invert(generator, images[:1], start=torch.zeros(1, 4), steps=30)
    assert torch.allclose(together.z[:1], alone.z, atol=1e-6)


def test_the_generator_is_left_as_it_was() -> None:
    generator = DCGANGenerator(latent_dim=5, out_channels=1, width=4, size=8).train()
    before = {k: v.clone() for k, v in generator.state_dict().items()}
    invert(generator, torch.zeros(2, 1, 8, 8), start=torch.zeros(2, 5), steps=3)
    assert generator.training
    assert all(torch.equal(before[k], v) for k, v in generator.state_dict().items())
    assert all(p.grad is None for p in generator.parameters())


def test_shapes() -> None:
    encoder = InverseEncoder(latent_dim=6, in_channels=3, size=(9, 14), width=4)
    assert encoder(torch.zeros(2, 3, 9, 14)).shape == (2, 6)
    with pytest.raises(ValueError, match="a code for each image"):
        invert(VAE(size=8).decoder, torch.zeros(2, 1, 8, 8), start=torch.zeros(1, 32))


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (torch.zeros(2, 8, 8), "the generator draws"),  # would be broadcast to (2, 2, 8, 8)
        (torch.zeros(2, 1, 8, 9), "the generator draws"),
        (torch.zeros(2, 1, 8, 8, dtype=torch.uint8), "finite floats"),
        (torch.full((2, 1, 8, 8), torch.nan), "finite floats"),
    ],
)
def test_images_that_the_generator_cannot_be_compared_with(images: Tensor, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        invert(Linear(), images, start=torch.zeros(2, 4), steps=1)


def test_steps_below_zero() -> None:
    with pytest.raises(ValueError, match="steps is -1"):
        invert(Linear(), torch.zeros(2, 1, 8, 8), start=torch.zeros(2, 4), steps=-1)


def test_the_prior_counts_from_a_good_start_too() -> None:
    """From the code with the least error the search still goes to where the sum is least."""
    generator, z = Linear(), torch.randn(3, 4)
    images = generator(z).detach()
    weight = 0.5
    found = invert(generator, images, start=z, steps=600, prior_weight=weight)
    # The patterns are orthonormal: each number shrinks by the same share.
    share = (2 / 64) / (2 / 64 + weight / 4)
    assert torch.allclose(found.z, share * z, atol=1e-3)
    assert torch.allclose(found.images, generator(found.z))
    assert torch.allclose(found.error, (found.images - images).square().flatten(1).mean(1))


def test_it_descends_inside_no_grad_too() -> None:
    generator = Linear()
    with torch.no_grad():
        found = invert(generator, torch.randn(2, 1, 8, 8), start=torch.zeros(2, 4), steps=5)
    assert (found.error < found.errors[0]).all()


@pytest.mark.parametrize("weight", [-0.1, float("nan"), float("inf")])
def test_a_prior_of_no_weight(weight: float) -> None:
    with pytest.raises(ValueError, match="prior_weight is"):
        invert(Linear(), torch.zeros(1, 1, 8, 8), start=torch.zeros(1, 4), prior_weight=weight)


def test_pictures_without_a_gradient_are_refused() -> None:
    drawn = CodeGenerator(
        codes={"size": 8, "in_channels": 1, "width": 4, "dim": 2, "num_codes": 4, "halvings": 1},
        prior={"width": 4, "layers": 1, "heads": 1},
    ).train()
    with pytest.raises(ValueError, match="pictures of a CodeGenerator have no gradient"):
        invert(drawn, torch.zeros(2, 1, 8, 8), start=torch.zeros(2, drawn.latent_dim))
    assert drawn.training and drawn.codes.training
