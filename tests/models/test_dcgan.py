"""DCGAN: equal to the well-known PyTorch example, at any size that doubling reaches."""

import pytest
import torch
from torch import nn

import course_lib.models.dcgan as dcgan
from course_lib.models import DCGANDiscriminator, DCGANGenerator
from course_lib.models.dcgan import levels


def example_generator(nz: int, ngf: int, nc: int) -> nn.Sequential:
    """The generator of PyTorch's DCGAN example at 64x64, layer by layer, without its tanh."""
    layers: list[nn.Module] = [nn.ConvTranspose2d(nz, ngf * 8, 4, 1, 0, bias=False)]
    for factor in (8, 4, 2):
        layers += [nn.BatchNorm2d(ngf * factor), nn.ReLU()]
        layers += [nn.ConvTranspose2d(ngf * factor, ngf * factor // 2, 4, 2, 1, bias=False)]
    layers += [nn.BatchNorm2d(ngf), nn.ReLU(), nn.ConvTranspose2d(ngf, nc, 4, 2, 1, bias=False)]
    return nn.Sequential(*layers)


def example_discriminator(ndf: int, nc: int) -> nn.Sequential:
    """The discriminator of PyTorch's DCGAN example at 64x64, without its sigmoid."""
    layers: list[nn.Module] = [nn.Conv2d(nc, ndf, 4, 2, 1, bias=False), nn.LeakyReLU(0.2)]
    for factor in (1, 2, 4):
        layers += [nn.Conv2d(ndf * factor, ndf * factor * 2, 4, 2, 1, bias=False)]
        layers += [nn.BatchNorm2d(ndf * factor * 2), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Conv2d(ndf * 8, 1, 4, 1, 0, bias=False))


def copy_in_order(source: nn.Module, target: nn.Module) -> None:
    """Hand a state over by its order; shapes have to fit one by one."""
    mine, theirs = source.state_dict(), target.state_dict()
    assert [v.shape for v in mine.values()] == [v.shape for v in theirs.values()]
    target.load_state_dict(dict(zip(theirs, mine.values(), strict=True)))


@pytest.mark.parity
@pytest.mark.parametrize("training", [True, False])
def test_dcgan_is_pytorchs_example_weight_by_weight(training: bool) -> None:
    torch.manual_seed(0)
    pairs = [
        (DCGANGenerator(width=8), example_generator(100, 8, 3), torch.randn(6, 100)),
        (DCGANDiscriminator(width=8), example_discriminator(8, 3), torch.randn(6, 3, 64, 64)),
    ]
    for model, example, x in pairs:
        for _ in range(3):  # statistics that are not 0 and 1
            model.train()(x + torch.randn_like(x))
        copy_in_order(model, example)
        model.train(training), example.train(training)
        if isinstance(model, DCGANGenerator):
            expected = example(x[:, :, None, None]).tanh()
        else:
            expected = example(x).flatten()
        got = model(x)
        torch.testing.assert_close(got, expected, rtol=0, atol=1e-6)
        assert got.std() > 1e-4  # not equal because both are constant
        for mine, theirs in zip(
            model.state_dict().values(), example.state_dict().values(), strict=True
        ):
            torch.testing.assert_close(mine, theirs)  # running statistics moved alike


@pytest.mark.parity
def test_the_defaults_have_the_examples_number_of_weights() -> None:
    generator, discriminator = DCGANGenerator(), DCGANDiscriminator()
    for model, example in (
        (generator, example_generator(100, 64, 3)),
        (discriminator, example_discriminator(64, 3)),
    ):
        number = sum(p.numel() for p in model.parameters())
        assert number == sum(p.numel() for p in example.parameters())
        assert f"{number:,}" in (dcgan.__doc__ or "")


@pytest.mark.parametrize("make", [DCGANGenerator, DCGANDiscriminator])
def test_initial_weights_are_the_papers(make) -> None:
    torch.manual_seed(0)
    for layer in make().modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            n = layer.weight.numel()
            assert abs(layer.weight.mean()) < 4 * 0.02 / n**0.5
            assert layer.weight.std().item() == pytest.approx(0.02, rel=4 / (2 * n) ** 0.5)
        if isinstance(layer, nn.BatchNorm2d):
            n = layer.weight.numel()
            assert abs(layer.weight.mean() - 1) < 4 * 0.02 / n**0.5
            assert layer.weight.std().item() == pytest.approx(0.02, rel=4 / (2 * n) ** 0.5)
            assert (layer.bias == 0).all()


@pytest.mark.parametrize("norm", ["layer", "none"])
def test_without_batch_norm_each_image_is_judged_by_itself(norm: str) -> None:
    torch.manual_seed(0)
    critic = DCGANDiscriminator(width=4, size=32, norm=norm).train()
    images = torch.randn(5, 3, 32, 32)
    alone = torch.cat([critic(image[None]) for image in images])
    torch.testing.assert_close(critic(images), alone, rtol=1e-4, atol=1e-6)


def test_with_batch_norm_it_is_not() -> None:
    torch.manual_seed(0)
    critic = DCGANDiscriminator(width=4, size=32).train()
    images = torch.randn(5, 3, 32, 32)
    assert (critic(images)[:3] - critic(images[:3])).abs().max() > 1e-3


@pytest.mark.parametrize(
    ("size", "start", "doublings"),
    [
        (64, (4, 4), 4),
        (32, (4, 4), 3),
        ((32, 48), (4, 6), 3),
        ((48, 32), (6, 4), 3),
        ((8, 10), (4, 5), 1),
        ((16, 64), (4, 16), 2),
        (128, (4, 4), 5),
    ],
)
def test_sizes_that_doubling_reaches(size, start, doublings) -> None:
    whole = (size, size) if isinstance(size, int) else size
    assert levels(size) == (whole, start, doublings)


@pytest.mark.parametrize("size", [28, 33, 4, 1, (32, 33), (30, 32), (6, 64)])
@pytest.mark.parametrize("make", [DCGANGenerator, DCGANDiscriminator])
def test_other_sizes_are_refused_with_one_that_works(make, size) -> None:
    with pytest.raises(ValueError, match=r"shorter side must be 8, 16, 32") as caught:
        make(size=size)
    good = int(str(caught.value).split("size=")[1].split(",")[0])
    make(size=good, width=4)


@pytest.mark.parametrize("make", [DCGANGenerator, DCGANDiscriminator])
def test_an_unknown_norm_is_refused(make) -> None:
    with pytest.raises(ValueError, match="choose one of batch, layer, none"):
        make(norm="instance")
