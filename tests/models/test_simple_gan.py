"""SimpleGAN's two players, and what all generators and discriminators share."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import course_lib.models.simple_gan as module
from course_lib.models import (
    DCGANDiscriminator,
    DCGANGenerator,
    SimpleGANDiscriminator,
    SimpleGANGenerator,
)
from tests.models.peers import check_gradients, check_state_dict, count

SMALL = {"widths": (8, 6, 4)}, {"widths": (4, 6, 8, 10)}
PAIRS = {
    "simple": (
        lambda **k: SimpleGANGenerator(latent_dim=7, **SMALL[0], **k),
        lambda **k: SimpleGANDiscriminator(**SMALL[1], **k),
        (32, 32),
    ),
    **{
        f"dcgan-{norm}-{size[0]}x{size[1]}": (
            lambda norm=norm, size=size, **k: DCGANGenerator(
                latent_dim=7, width=4, size=size, norm=norm, **k
            ),
            lambda norm=norm, size=size, **k: DCGANDiscriminator(
                width=4, size=size, norm=norm, **k
            ),
            size,
        )
        for norm in ("batch", "layer", "none")
        for size in ((32, 32), (32, 48), (16, 8))
    },
}


@pytest.mark.parametrize("classes", [0, 5])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", PAIRS)
def test_shapes_ranges_and_what_the_players_say_of_themselves(name, channels, classes) -> None:
    make_generator, make_discriminator, size = PAIRS[name]
    generator = make_generator(out_channels=channels, num_classes=classes)
    discriminator = make_discriminator(in_channels=channels, num_classes=classes)
    assert (generator.latent_dim, generator.out_channels) == (7, channels)
    assert generator.size == discriminator.size == size
    assert generator.num_classes == discriminator.num_classes == classes
    assert discriminator.in_channels == channels
    labels = torch.arange(3) if classes else None
    images = generator(10 * torch.randn(3, 7), labels)
    assert images.shape == (3, channels, *size)
    assert -1 <= images.min() < images.max() <= 1
    assert discriminator(images, labels).shape == (3,)


@pytest.mark.parametrize("classes", [0, 5])
@pytest.mark.parametrize("name", PAIRS)
def test_every_parameter_gets_a_finite_gradient_through_the_other_player(name, classes) -> None:
    make_generator, make_discriminator, _ = PAIRS[name]
    generator, discriminator = (
        make_generator(num_classes=classes),
        make_discriminator(num_classes=classes),
    )
    if classes:  # the label embedding starts at 0 and blocks nothing
        dcgan = name.startswith("dcgan")
        embedding = discriminator.label if dcgan else discriminator.head.embedding
        assert (embedding.weight == 0).all()
    labels = torch.arange(8) % 5 if classes else None
    images = generator(torch.randn(8, 7), labels)
    (discriminator(images, labels) * torch.randn(8)).sum().backward()
    check_gradients(generator, discriminator)


@pytest.mark.parametrize("name", PAIRS)
def test_a_state_dict_restores_the_function(name) -> None:
    for make, x in zip(
        PAIRS[name], (torch.randn(2, 7), torch.randn(2, 3, *PAIRS[name][2])), strict=False
    ):
        check_state_dict(make(), make(), x)


@pytest.mark.parametrize("name", PAIRS)
def test_labels_change_what_is_drawn_and_what_is_scored(name) -> None:
    make_generator, make_discriminator, size = PAIRS[name]
    generator = make_generator(num_classes=5).eval()
    z = torch.randn(1, 7).expand(2, -1)
    first, second = generator(z, torch.tensor([0, 4]))
    assert not torch.equal(first, second)
    discriminator = make_discriminator(num_classes=5).eval()
    embedding = discriminator.label if name.startswith("dcgan") else discriminator.head.embedding
    nn.init.normal_(embedding.weight)
    images = torch.randn(1, 3, *size).expand(2, -1, -1, -1)
    scores = discriminator(images, torch.tensor([0, 4]))
    assert scores[0] != scores[1]
    # The projection: the difference of two scores is linear in the embeddings' difference.
    with torch.no_grad():
        embedding.weight[4] = embedding.weight[0]
    same = discriminator(images, torch.tensor([0, 4]))
    torch.testing.assert_close(same[0], same[1])


def test_parameter_counts_are_those_of_the_docstring() -> None:
    for model in (SimpleGANGenerator(), SimpleGANDiscriminator()):
        assert f"{count(model):,}" in (module.__doc__ or "")


@pytest.mark.parity
def test_simple_gan_is_the_documents_network_with_the_first_layer_opened() -> None:
    """The document's layers, composed with functions: only the first stride and padding differ."""
    torch.manual_seed(0)
    model = SimpleGANGenerator().double()
    z = torch.randn(5, 100, dtype=torch.float64)
    x = z[:, :, None, None]
    for index, (stride, padding) in zip((0, 3, 6), ((1, 0), (2, 1), (2, 1)), strict=True):
        layer = model.layers[index]
        x = F.conv_transpose2d(x, layer.weight, layer.bias, stride=stride, padding=padding)
        x = F.relu(F.batch_norm(x, None, None, training=True))
    x = F.conv_transpose2d(x, model.layers[9].weight, model.layers[9].bias, stride=2, padding=1)
    torch.testing.assert_close(model(z), x.tanh(), rtol=1e-10, atol=1e-10)

    judge = SimpleGANDiscriminator().double()
    h = x.tanh().detach()
    expected = F.leaky_relu(F.conv2d(h, judge.layers[0].weight, judge.layers[0].bias, 2, 1), 0.2)
    for index in (2, 5, 8):
        layer = judge.layers[index]
        expected = F.conv2d(expected, layer.weight, layer.bias, stride=2, padding=1)
        expected = F.leaky_relu(F.batch_norm(expected, None, None, training=True), 0.2)
    # Document: a 4x4 convolution with padding 1 on a 2x2 map; its inner four taps see the map.
    kernel = torch.zeros(1, 512, 4, 4, dtype=torch.float64)
    kernel[:, :, 1:3, 1:3] = judge.head.score.weight.reshape(1, 512, 2, 2)
    expected = F.conv2d(expected, kernel, judge.head.score.bias, stride=1, padding=1)
    assert expected.shape == (5, 1, 1, 1)
    torch.testing.assert_close(judge(h), expected.flatten(), rtol=1e-10, atol=1e-10)


GENERATORS = {"simple": SimpleGANGenerator, "dcgan": lambda **k: DCGANGenerator(width=4, **k)}
DISCRIMINATORS = {
    "simple": SimpleGANDiscriminator,
    "dcgan": lambda **k: DCGANDiscriminator(width=4, size=32, **k),
}


@pytest.mark.parametrize("name", GENERATORS)
@pytest.mark.parametrize(
    ("classes", "z", "labels", "said"),
    [
        (0, torch.zeros(2, 99), None, r"wanted floating-point codes of shape \(B, 100\)"),
        (0, torch.zeros(2, 100, 1, 1), None, r"\(B, 100\)"),
        (0, torch.zeros(2, 100, dtype=torch.int64), None, "floating-point"),
        (0, torch.zeros(2, 100), torch.zeros(2).long(), "knows no classes"),
        (3, torch.zeros(2, 100), None, r"3 classes; give labels of shape \(2,\)"),
        (3, torch.zeros(2, 100), torch.zeros(3).long(), r"wanted whole numbers of shape \(2,\)"),
        (3, torch.zeros(2, 100), torch.zeros(2), "whole numbers"),
    ],
)
def test_a_generator_refuses_what_it_cannot_take(name, classes, z, labels, said) -> None:
    with pytest.raises(ValueError, match=said):
        GENERATORS[name](num_classes=classes)(z, labels)


@pytest.mark.parametrize("name", DISCRIMINATORS)
@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ((2, 1, 32, 32), r"Build the model with 1 channel\(s\)"),
        ((2, 3, 28, 28), r"Load the set with size=\(32, 32\)"),
        ((2, 3, 31, 32), r"Load the set with size=\(32, 32\)"),
        ((3, 32, 32), r"wanted \(B, 3, 32, 32\)"),
    ],
)
def test_a_discriminator_refuses_images_of_another_shape(name, shape, said) -> None:
    with pytest.raises(ValueError, match=said):
        DISCRIMINATORS[name]()(torch.zeros(shape))


@pytest.mark.parametrize("name", DISCRIMINATORS)
def test_a_discriminator_refuses_labels_that_do_not_fit(name) -> None:
    images = torch.zeros(2, 3, 32, 32)
    with pytest.raises(ValueError, match="knows no classes"):
        DISCRIMINATORS[name]()(images, torch.zeros(2).long())
    with pytest.raises(ValueError, match="give labels"):
        DISCRIMINATORS[name](num_classes=4)(images)
