"""StyleGAN2: sizes, gradients, state; styles act from their layer on; truncation; noise."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import course_lib.models.stylegan as module
from course_lib.models import StyleGANDiscriminator, StyleGANGenerator
from course_lib.models.equalised import activate
from course_lib.models.stylegan import mix_styles
from course_lib.models.stylegan_layers import blur, normalise, resolutions, widths_for
from tests.models.peers import check_gradients, count

SIZES = [8, 16, 28, 32, (24, 40), (16, 8)]


def generator(**options: object) -> StyleGANGenerator:
    torch.manual_seed(0)
    chosen = {"latent_dim": 6, "style_dim": 8, "channels": 4, "size": 16, **options}
    return StyleGANGenerator(**chosen)


def discriminator(**options: object) -> StyleGANDiscriminator:
    torch.manual_seed(0)
    return StyleGANDiscriminator(**{"channels": 4, "size": 16, **options})


def loud(net: StyleGANGenerator) -> StyleGANGenerator:
    """Give the noise a strength, which starts at 0."""
    for conv in net.convs:
        nn.init.constant_(conv.strength, 0.5)
    return net


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("classes", [0, 3])
def test_both_players_take_any_size_that_halvings_reach(
    size: int | tuple[int, int], classes: int
) -> None:
    g = generator(size=size, out_channels=2, num_classes=classes)
    d = discriminator(size=size, in_channels=2, num_classes=classes)
    shape = (size, size) if isinstance(size, int) else size
    labels = torch.arange(5) % 3 if classes else None
    images = g(torch.randn(5, 6), labels)
    assert images.shape == (5, 2, *shape) and g.size == d.size == shape
    assert d(images, labels).shape == (5,)
    assert g.num_layers == 2 * len(resolutions(size))


@pytest.mark.parametrize("batch", [1, 2, 3, 5, 8])
def test_any_batch_is_judged(batch: int) -> None:
    assert discriminator()(torch.randn(batch, 3, 16, 16)).isfinite().all()


@pytest.mark.parametrize("classes", [0, 3])
def test_every_parameter_gets_a_finite_gradient(classes: int) -> None:
    g, d = loud(generator(num_classes=classes)), discriminator(num_classes=classes)
    labels = torch.arange(4) % 3 if classes else None
    loss = F.softplus(d(g(torch.randn(4, 6), labels), labels)).mean()
    loss.backward()
    check_gradients(g, d)


def test_a_state_dict_restores_the_function() -> None:
    first = loud(generator()).eval()
    second = StyleGANGenerator(latent_dim=6, style_dim=8, channels=4, size=16).eval()
    z = torch.randn(3, 6)
    assert not torch.allclose(first(z), second(z))
    second.load_state_dict(first.state_dict())
    assert torch.equal(first(z), second(z))
    a, b = discriminator(), StyleGANDiscriminator(channels=4, size=16)
    b.load_state_dict(a.state_dict())
    assert torch.equal(a(first(z)), b(first(z)))


def features(net: StyleGANGenerator, styles: torch.Tensor) -> list[torch.Tensor]:
    """The output of every styled convolution."""
    seen: list[torch.Tensor] = []
    hooks = [c.register_forward_hook(lambda _m, _i, out: seen.append(out)) for c in net.convs]
    net.synthesis(styles, noise="none")
    for hook in hooks:
        hook.remove()
    return seen


def test_a_second_style_acts_from_the_crossing_on_and_not_before() -> None:
    net = generator(size=32)
    w, other = net.mapping(torch.randn(2, 6)), net.mapping(torch.randn(2, 6))
    alone = features(net, w)
    for crossing in range(1, net.num_layers - 1):
        where = torch.full((2,), crossing)
        mixed = features(net, mix_styles(w, other, where, num_layers=net.num_layers))
        same = [torch.equal(a, b) for a, b in zip(alone, mixed, strict=True)]
        assert same == [layer < crossing for layer in range(len(alone))]
    ends = torch.tensor([0, net.num_layers])
    mixed = mix_styles(w, other, ends, num_layers=net.num_layers)
    assert torch.equal(mixed[0], other[0].expand_as(mixed[0]))
    assert torch.equal(mixed[1], w[1].expand_as(mixed[1]))


def test_the_last_style_changes_only_the_step_to_colours() -> None:
    net = generator()
    w = net.mapping(torch.randn(2, 6))
    styles = w[:, None].repeat(1, net.num_layers, 1)
    styles[:, -1] = net.mapping(torch.randn(2, 6))
    assert torch.equal(features(net, w)[-1], features(net, styles)[-1])
    assert not torch.equal(net.synthesis(w, noise="none"), net.synthesis(styles, noise="none"))


def test_styles_are_mixed_in_training_with_the_probability_asked_for() -> None:
    z = torch.randn(4000, 6)
    for mixing in (0.0, 0.5, 1.0):
        net = generator(mixing=mixing)
        styles = net.styles(z)
        mixed = (styles != net.mapping(z)[:, None]).any(2)  # (B, num_layers)
        assert float(mixed.any(1).float().mean()) == pytest.approx(mixing, abs=0.03)
        assert not mixed[:, 0].any() and bool((mixed.diff(dim=1).int() >= 0).all())
        starts = mixed.float().argmax(1)[mixed.any(1)]
        if mixing:
            assert starts.unique().tolist() == list(range(1, net.num_layers))
        net.eval()
        assert torch.equal(net.styles(z), net.mapping(z)[:, None].expand(-1, net.num_layers, -1))


@pytest.mark.slow
def test_the_mean_style_follows_training_and_truncation_ends_in_it() -> None:
    net = generator(mixing=0.5)
    z = torch.randn(256, 6)
    for _ in range(1500):
        net.styles(z)
    mean = net.mapping(z).mean(0)
    torch.testing.assert_close(net.style_mean, mean, rtol=1e-2, atol=1e-4)
    net.eval()
    before = net.style_mean.clone()
    images = net(z[:4], truncation=0.0)
    average = net.synthesis(net.style_mean[None], noise="fixed")
    torch.testing.assert_close(images, average.expand_as(images), rtol=1e-4, atol=1e-5)
    assert torch.equal(net.style_mean, before), "evaluation must leave the average alone"
    w = net.mapping(z)
    half = net.truncate(w, 0.5)
    torch.testing.assert_close(half, (w + net.style_mean) / 2, rtol=1e-5, atol=1e-6)
    assert torch.equal(net(z[:4], truncation=1.0), net(z[:4]))
    every = w[:, None].expand(-1, net.num_layers, -1)
    torch.testing.assert_close(net.truncate(every, 0.5)[:, 2], half)


def test_noise_is_random_fixed_or_absent() -> None:
    net = loud(generator())
    w = net.mapping(torch.randn(1, 6)).expand(3, -1)
    fixed = net.synthesis(w, noise="fixed")
    assert torch.equal(fixed, net.synthesis(w, noise="fixed"))
    torch.testing.assert_close(fixed[0], fixed[1])
    random = net.synthesis(w, noise="random")
    assert not torch.allclose(random[0], random[1])
    none = net.synthesis(w, noise="none")
    assert not torch.allclose(none, fixed)
    net.eval()
    z = torch.randn(2, 6)
    assert torch.equal(net(z), net(z))
    assert not torch.equal(net.train()(z), net(z))


def test_noise_starts_without_effect_and_can_be_left_out() -> None:
    net = generator(mixing=0.0)
    w = net.mapping(torch.randn(2, 6))
    assert torch.equal(net.synthesis(w, noise="random"), net.synthesis(w, noise="none"))
    assert not [key for key in generator(noise=False).state_dict() if "noise" in key]


def test_the_mapping_forgets_the_length_of_a_code_and_sees_its_label() -> None:
    net = generator(num_classes=3)
    z = torch.randn(4, 6)
    zero, one = torch.zeros(4, dtype=torch.int64), torch.ones(4, dtype=torch.int64)
    torch.testing.assert_close(net.mapping(z, zero), net.mapping(5 * z, zero))
    assert not torch.allclose(net.mapping(z, zero), net.mapping(z, one))
    lengths = normalise(z).square().sum(1)
    torch.testing.assert_close(lengths, torch.full_like(lengths, 6.0))
    d = discriminator(num_classes=3)
    images = torch.randn(4, 3, 16, 16)
    h: list[torch.Tensor] = []
    d.hidden.register_forward_hook(lambda _m, _i, out: h.append(out))
    gap = d(images, one) - d(images, zero)
    phi = activate(h[0])
    expected = phi @ (d.embed.weight[1] - d.embed.weight[0]) / phi.shape[1] ** 0.5
    torch.testing.assert_close(gap, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parity
@pytest.mark.parametrize("size", [(4, 6), (5, 5)])
def test_the_image_is_enlarged_by_the_papers_filter_except_at_the_border(
    size: tuple[int, int],
) -> None:
    x = torch.randn(2, 3, *size, dtype=torch.float64)
    spaced = x.new_zeros(2, 3, 2 * size[0], 2 * size[1])
    spaced[..., ::2, ::2] = x
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=torch.float64) / 4
    kernel = torch.outer(taps, taps).expand(3, 1, 4, 4)
    filtered = F.conv2d(F.pad(spaced, [2, 1, 2, 1]), kernel, groups=3)
    bilinear = F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
    inner = (..., slice(1, -1), slice(1, -1))
    torch.testing.assert_close(bilinear[inner], filtered[inner], rtol=1e-12, atol=1e-12)


def test_the_blur_keeps_a_flat_image_flat() -> None:
    x = torch.full((1, 2, 9, 9), 3.0)
    assert blur(x, padding=0).allclose(torch.tensor(3.0))
    assert blur(x, padding=2).shape[-2:] == (10, 10)
    assert blur(x, padding=1, stride=2).shape[-2:] == (4, 4)


@torch.no_grad()
def test_under_autocast_images_and_logits_are_float32_and_nearly_the_same() -> None:
    g, d = generator().eval(), discriminator()
    z = torch.randn(4, 6)
    exact = g(z)
    with torch.autocast("cpu", torch.bfloat16):
        images, logits = g(z), d(exact)
    assert images.dtype == logits.dtype == torch.float32
    assert float((images - exact).abs().max() / exact.abs().max()) < 0.05
    assert float((logits - d(exact)).abs().max()) < 0.05


def test_penalties_can_be_differentiated_twice() -> None:
    d = discriminator()
    real = torch.randn(4, 3, 16, 16, requires_grad=True)
    (slope,) = torch.autograd.grad(d(real).sum(), real, create_graph=True)
    slope.square().sum().backward()
    weights = [p.grad for key, p in d.named_parameters() if "weight" in key]
    assert all(grad is not None and grad.isfinite().all() for grad in weights)
    g = generator()
    w = g.mapping(torch.randn(2, 6))
    (slope,) = torch.autograd.grad(g.synthesis(w).square().sum(), w, create_graph=True)
    slope.square().sum().backward()
    assert g.convs[1].conv.weight.grad.isfinite().all()


def test_parameter_counts_and_widths_are_those_of_the_docstring() -> None:
    text = " ".join((module.__doc__ or "").split())
    g = [count(StyleGANGenerator(out_channels=c)) for c in (1, 3)]
    d = [count(StyleGANDiscriminator(in_channels=c)) for c in (1, 3)]
    assert f"generator {g[0]:,} for grey images and {g[1]:,} for colour" in text
    assert f"discriminator {d[0]:,} and {d[1]:,}" in text
    assert widths_for(None, 4) == [96, 64, 32, 16] and widths_for(None, 5)[:2] == [96, 96]
    assert widths_for(None, 2) == [32, 16]
    assert widths_for(32, 4) == [128, 128, 64, 32] and widths_for(200, 2) == [200, 200]
    assert widths_for([7, 5], 2) == [7, 5]
    assert resolutions(28) == [(7, 7), (14, 14), (28, 28)]
    assert resolutions((24, 40)) == [(6, 10), (12, 20), (24, 40)]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: generator(size=27), "27x27"),
        (lambda: generator(size=6), "4 to 16"),
        (lambda: discriminator(size=(32, 33)), "Resize"),
        (lambda: discriminator(size=68), "17x17"),
        (lambda: generator(channels=(8, 4)), "3 numbers"),
        (lambda: generator(channels=0), "at least 1"),
        (lambda: generator(mixing=1.5), "probability"),
        (lambda: discriminator(group_size=0), "at least 1 image"),
        (lambda: generator()(torch.zeros(2, 7)), "7"),
        (lambda: generator()(torch.zeros(2, 6), torch.zeros(2).long()), "no classes"),
        (lambda: generator(num_classes=3)(torch.zeros(2, 6)), "3 classes"),
        (lambda: generator().synthesis(torch.zeros(2, 5, 8)), "6, 8"),
        (lambda: generator().synthesis(torch.zeros(2, 8), noise="loud"), "random, fixed, none"),
        (lambda: discriminator()(torch.zeros(2, 3, 32, 32)), "16"),
        (lambda: discriminator(num_classes=3)(torch.zeros(2, 3, 16, 16)), "3 classes"),
    ],
)
def test_bad_arguments_are_named_with_their_cure(make: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()  # type: ignore[operator]
