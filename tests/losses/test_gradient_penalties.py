"""R1 and the gradient penalty against closed forms, against differences, and where they mislead."""

import pytest
import torch
from torch import nn
from torch.autograd import gradcheck

from course_lib.losses import gradient_penalty, path_length_penalty, r1_penalty, r2_penalty

F64 = torch.float64
SHAPES = [(2,), (1, 8, 8), (3, 7, 5), (3, 1, 9)]  # points, square, odd and narrow images


def pair(shape, batch=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, batch, *shape, dtype=F64, generator=generator)


def linear(shape, seed=1):
    """A critic whose gradient is the same everywhere."""
    weight = torch.randn(shape, dtype=F64, generator=torch.Generator().manual_seed(seed))
    return weight.requires_grad_(), lambda x: (x * weight).flatten(1).sum(dim=1) + 3


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("batch", [1, 4])
def test_the_linear_critic(shape, batch):
    real, fake = pair(shape, batch)
    weight, critic = linear(shape)
    norm = weight.norm()
    penalty = gradient_penalty(critic, real, fake)
    torch.testing.assert_close(penalty, (norm - 1) ** 2)
    torch.testing.assert_close(r1_penalty(critic, real), norm**2)
    (slope,) = torch.autograd.grad(penalty, weight)
    torch.testing.assert_close(slope, (2 * (norm - 1) * weight / norm).detach())
    (slope,) = torch.autograd.grad(r1_penalty(critic, real), weight)
    torch.testing.assert_close(slope, 2 * weight.detach())


@pytest.mark.parametrize("shape", SHAPES)
def test_the_quadratic_critic(shape):
    """D(x) = a |x - c|^2 / 2, with the gradient a (x - c)."""
    real, fake = pair(shape)
    curvature = torch.tensor(0.7, dtype=F64, requires_grad=True)
    centre = pair(shape, 1, seed=5)[0]

    def critic(x):
        return curvature / 2 * (x - centre).flatten(1).square().sum(dim=1)

    lengths = (real - centre).flatten(1).norm(dim=1)
    r1 = r1_penalty(critic, real)
    torch.testing.assert_close(r1, curvature**2 * lengths.square().mean())
    away = (fake - centre).flatten(1).norm(dim=1)
    torch.testing.assert_close(r2_penalty(critic, fake), curvature**2 * away.square().mean())
    (slope,) = torch.autograd.grad(r1, curvature)
    torch.testing.assert_close(slope, 2 * curvature.detach() * lengths.square().mean())
    mix = torch.tensor([0.0, 0.25, 0.5, 1.0], dtype=F64)
    places = mix.reshape(-1, *[1] * len(shape))
    between = places * real + (1 - places) * fake
    lengths = (between - centre).flatten(1).norm(dim=1)
    penalty = gradient_penalty(critic, real, fake, mix=mix)
    torch.testing.assert_close(penalty, (curvature * lengths - 1).square().mean())
    (slope,) = torch.autograd.grad(penalty, curvature)
    wanted = (2 * (curvature * lengths - 1) * lengths).mean().detach()
    torch.testing.assert_close(slope, wanted)


@pytest.mark.parametrize("shape", [(2,), (2, 7, 5)])
def test_second_order_gradients_against_differences(shape):
    """What the optimiser gets: the penalty's gradient at the weights."""
    torch.manual_seed(0)
    real, fake = pair(shape, 3)
    mix = torch.tensor([0.2, 0.5, 0.9], dtype=F64)
    if len(shape) == 1:
        net = nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 1))
    else:
        net = nn.Sequential(nn.Conv2d(2, 3, 3, 2, 1), nn.Tanh(), nn.Flatten(), nn.Linear(36, 1))
    net = net.double()
    names = [name for name, _ in net.named_parameters()]
    weights = [p.detach().clone().requires_grad_() for p in net.parameters()]

    def critic(values):
        given = dict(zip(names, values, strict=True))
        return lambda x: torch.func.functional_call(net, given, (x,))[:, 0]

    def both(*values):
        return gradient_penalty(critic(values), real, fake, mix=mix), r1_penalty(
            critic(values), real
        )

    assert gradcheck(both, weights)
    penalty, r1 = both(*weights)
    assert not torch.autograd.grad(penalty + r1, weights[-1], allow_unused=True)[0]  # the last bias


def test_places_are_drawn_for_each_image_between_the_two():
    seen = []

    def critic(x):
        seen.append(x.detach())
        return x.flatten(1).sum(dim=1)

    torch.manual_seed(0)
    real, fake = torch.ones(2000, 1, 2, 2), torch.zeros(2000, 1, 2, 2)
    gradient_penalty(critic, real, fake)
    places = seen[0].flatten(1)
    assert (places == places[:, :1]).all()  # one place for all pixels of an image
    assert places.min() >= 0 and places.max() <= 1
    assert places[:, 0].mean().item() == pytest.approx(1 / 2, abs=0.03)
    assert places[:, 0].std().item() == pytest.approx(12**-0.5, abs=0.02)
    gradient_penalty(critic, real, fake, mix=torch.ones(2000))
    torch.testing.assert_close(seen[1], real)  # 1 is real, as in the chapter


def test_the_generator_gets_no_gradient():
    real, fake = pair((3, 4, 4))
    fake.requires_grad_()
    _, critic = linear((3, 4, 4))
    (slope,) = torch.autograd.grad(gradient_penalty(critic, real, fake), fake, allow_unused=True)
    assert slope is None


def test_a_critic_that_knows_labels():
    """Conditional critics come in as a function of the images alone."""
    real, fake = pair((1, 4, 4))
    labels = torch.tensor([0, 2, 1, 2])
    weights = torch.randn(3, 16, dtype=F64, generator=torch.Generator().manual_seed(2))

    def critic(x):
        return (x.flatten(1) * weights[labels]).sum(dim=1)

    norms = weights[labels].norm(dim=1)
    torch.testing.assert_close(gradient_penalty(critic, real, fake), ((norms - 1) ** 2).mean())
    torch.testing.assert_close(r1_penalty(critic, real), norms.square().mean())


def test_batchnorm_misleads_the_penalty():
    """BatchNorm, then a linear layer: the penalty is 1 whatever the slope, as the chapter says."""
    real, fake = pair((6,), batch=8)
    for scale in (0.1, 100.0):
        net = nn.Sequential(nn.BatchNorm1d(6), nn.Linear(6, 1)).double()
        net[1].weight.data.fill_(scale)
        penalty = gradient_penalty(lambda x, net=net: net(x)[:, 0], real, fake)
        assert penalty.item() == pytest.approx(1)
        net.eval()  # with fixed statistics each image is judged by itself
        alone = gradient_penalty(lambda x, net=net: net(x)[:, 0], real, fake)
        assert abs(alone.item() - 1) > 0.1


@pytest.mark.parametrize("penalty", ["gradient", "r1"])
def test_with_an_image_by_image_norm_the_batch_does_not_matter(penalty):
    torch.manual_seed(0)
    real, fake = pair((2, 6, 6), batch=5)
    mix = torch.rand(5, dtype=F64)
    places = mix[:, None, None, None]
    between = places * real + (1 - places) * fake

    def values(norm):
        net = nn.Sequential(nn.Conv2d(2, 4, 3), norm, nn.Tanh(), nn.Flatten(), nn.Linear(64, 1))
        net = net.double()

        def critic(x):
            return net(x)[:, 0]

        def value(rows):
            if penalty == "r1":
                return r1_penalty(critic, between[rows])
            return gradient_penalty(critic, real[rows], fake[rows], mix=mix[rows])

        alone = torch.stack([value([i]) for i in range(5)]).mean()
        return value(list(range(5))), alone

    torch.testing.assert_close(*values(nn.GroupNorm(1, 4)))
    together, alone = values(nn.BatchNorm2d(4))
    assert (together - alone).abs() > 1e-3 * alone  # a function of the batch


@pytest.mark.parametrize("shape", [(4, 1), (1,), ()])
def test_scores_of_another_shape_are_refused(shape):
    real, fake = pair((3,))

    def critic(x):
        return x.sum() * torch.ones(shape, dtype=F64)

    with pytest.raises(ValueError, match="one number"):
        gradient_penalty(critic, real, fake)
    with pytest.raises(ValueError, match="one number"):
        r1_penalty(critic, real)


def test_shapes_that_differ_are_refused():
    with pytest.raises(ValueError, match="equal shapes"):
        gradient_penalty(lambda x: x.sum(dim=1), torch.zeros(4, 3), torch.zeros(2, 3))


def test_styles_without_any_effect_have_a_path_length_with_a_slope():
    weight = torch.zeros(5, 6, requires_grad=True)
    styles = torch.randn(3, 5, requires_grad=True)
    images = (styles @ weight).reshape(3, 1, 2, 3)
    penalty, _ = path_length_penalty(images, styles, torch.tensor(2.0))
    penalty.backward()
    assert float(penalty.detach()) == pytest.approx((0.99 * 2) ** 2)
    assert weight.grad.isfinite().all()


def test_r2_reaches_the_discriminator_and_never_the_generator():
    real, _ = pair((3, 7, 5))
    weight, critic = linear((3, 7, 5))
    made = (2 * real).requires_grad_()  # as if a generator had drawn it, with its graph
    (slope,) = torch.autograd.grad(r2_penalty(critic, made), weight)
    torch.testing.assert_close(slope, 2 * weight.detach())
    (reached,) = torch.autograd.grad(
        r2_penalty(critic, made), made, allow_unused=True, materialize_grads=True
    )
    assert not reached.any()
