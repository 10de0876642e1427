"""VAE and CVAE: shapes at any size, what is drawn at random, and what the label reaches."""

from pathlib import Path

import pytest
import torch

from course_lib.losses import gaussian_kl, log_likelihood, negative_elbo
from course_lib.models import CVAE, MODELS, VAE, VAEGAN, generator_of
from course_lib.models.pixel_outputs import PixelOutputs
from course_lib.models.vae import WIDEST, Gaussian, halvings
from course_lib.train import draw_samples, load_checkpoint, save_checkpoint

SHAPES = [(1, (8, 8), None), (3, (33, 17), None), (1, (28, 28), (20, 12)), (2, (9, 14), (16,))]


@pytest.mark.parametrize(("channels", "size", "hidden"), SHAPES)
@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian", "logistic"])
def test_shapes_at_odd_sizes_too(channels, size, hidden, likelihood) -> None:
    model = VAE(
        in_channels=channels, size=size, latent_dim=5, width=4, hidden=hidden, likelihood=likelihood
    )
    images = torch.where(torch.rand(3, channels, *size) < 0.5, 1.0, -1.0)
    pixels, posterior, z = model(images)
    assert pixels.location.shape == images.shape and z.shape == posterior.logvar.shape == (3, 5)
    loss = negative_elbo(log_likelihood(pixels, images), gaussian_kl(*posterior))
    loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    picture = model.reconstruct(images)
    assert picture.shape == images.shape and picture.abs().max() <= 1


def test_codes_are_drawn_with_the_stated_mean_and_deviation() -> None:
    """The trap: exp(logvar) for the standard deviation."""
    posterior = Gaussian(torch.tensor([[1.0, -2.0]]).expand(200_000, 2), torch.tensor([[0.0, 2.0]]))
    z = posterior.sample()
    assert torch.allclose(z.mean(0), torch.tensor([1.0, -2.0]), atol=0.03)
    assert torch.allclose(z.std(0), torch.tensor([1.0, 2.718]), atol=0.03)


def test_gradients_reach_mean_and_variance() -> None:
    mean, logvar = (
        torch.zeros(1000, 2, requires_grad=True),
        torch.zeros(1000, 2, requires_grad=True),
    )
    Gaussian(mean, logvar).sample().square().mean().backward()
    # d E[z²] / d mean = 2 mean = 0, d E[z²] / d logvar = variance = 1, each over 2,000 numbers.
    assert mean.grad.sum().item() == pytest.approx(0, abs=0.15)
    assert logvar.grad.sum().item() == pytest.approx(1, abs=0.15)


def test_an_unbounded_variance_is_bounded() -> None:
    model = VAE(size=8, latent_dim=3, width=4)
    with torch.no_grad():
        model.encoder.code.bias[3:] = 1e9
    pixels, posterior, z = model(torch.zeros(2, 1, 8, 8))
    assert (posterior.logvar - WIDEST).abs().max() < 1e-5
    loss = negative_elbo(log_likelihood(pixels, torch.zeros(2, 1, 8, 8)), gaussian_kl(*posterior))
    loss.backward()
    assert loss.isfinite() and z.isfinite().all()


def test_the_decoder_is_a_generator_like_any_other() -> None:
    for model in (VAE(size=12, width=4), CVAE(size=12, width=4), VAEGAN(size=12, width=4)):
        sheet = draw_samples(generator_of(model), 7)
        assert torch.equal(sheet, draw_samples(model, 7))
        assert sheet.shape == (7, 1, 12, 12) and sheet.dtype == torch.uint8
        assert torch.equal(sheet[:3], draw_samples(generator_of(model), 3))
        assert MODELS[type(model).__name__] is type(model)


def test_the_label_reaches_code_and_picture() -> None:
    model = CVAE(num_classes=3, size=9, latent_dim=4, width=4)
    images, zero, two = torch.rand(2, 1, 9, 9), torch.zeros(2).long(), torch.full((2,), 2)
    assert not torch.equal(model.encoder(images, zero).mean, model.encoder(images, two).mean)
    z = torch.randn(2, 4)
    assert not torch.equal(model.decoder(z, zero), model.decoder(z, two))
    with pytest.raises(ValueError, match="3 classes"):
        model.decoder(z)
    with pytest.raises(ValueError, match="at least 2 classes"):
        CVAE(num_classes=1)


def test_the_maps_are_halved_upwards() -> None:
    assert halvings(28) == [(28, 28), (14, 14), (7, 7), (4, 4)]
    assert halvings((9, 33)) == [(9, 33), (5, 17), (3, 9)]
    with pytest.raises(ValueError, match="size is 7x12"):
        halvings((7, 12))


def test_other_images_are_refused() -> None:
    with pytest.raises(ValueError, match=r"wanted \(B, 1, 12, 12\)"):
        VAE(size=12, width=4)(torch.zeros(1, 1, 12, 13))


def test_a_judged_picture_has_a_gradient_everywhere() -> None:
    """What is cut off at black and white could not be told to come back."""
    model = VAEGAN(size=8, width=4)
    with torch.no_grad():
        model.decoder.layers[-1].bias.fill_(1.5)
    picture = model.decoder(torch.randn(2, 32))
    picture.sum().backward()
    assert picture.abs().max() < 1 and model.decoder.layers[-1].bias.grad.abs().min() > 0
    with pytest.raises(ValueError, match="bounded is for"):
        PixelOutputs("bernoulli", bounded=True)


def test_a_checkpoint_gives_the_model_back(tmp_path: Path) -> None:
    """A card holds lists where the constructor was given tuples."""
    arguments = {"size": (9, 12), "hidden": (20, 12), "latent_dim": 3, "likelihood": "bernoulli"}
    model = VAE(**arguments)
    card = {
        "arguments": arguments,
        "classes": [],
        "task": "generation",
        "size": [9, 12],
        "data": "x",
    }
    path = save_checkpoint(tmp_path / "vae.safetensors", model, card, half=False)
    again, _ = load_checkpoint(path)
    images = torch.ones(2, 1, 9, 12)
    assert torch.equal(again.reconstruct(images), model.eval().reconstruct(images))


@pytest.mark.parametrize("hidden", [(), (8, 0)])
def test_layers_that_there_cannot_be(hidden: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="hidden is"):
        VAE(size=12, width=4, hidden=hidden)


def test_a_fixed_deviation_lies_where_the_picture_does() -> None:
    """Terms of a step are stacked, which needs one device."""
    raw = torch.zeros(1, 1, 4, 6, device="meta")
    assert PixelOutputs("gaussian", sigma=0.1)(raw).log_scale.device == raw.device
