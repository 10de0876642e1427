"""Answers to the exercises of the lab `wgan-gp`: right ones in other styles, and wrong ones."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from course_lib import losses
from course_lib.checks.wgan_gp import examine_penalty as by_penalty
from course_lib.checks.wgan_gp import game_step as game
from course_lib.checks.wgan_gp import gradient_penalty as slope
from course_lib.checks.wgan_gp import r1_penalty as flat
from course_lib.ops import games
from tests.checks.shared import by_the_name, letters, with_an_error


def penalty_by_the_package(critic, real, fake, mix):
    return losses.gradient_penalty(critic, real, fake, mix=mix)


def penalty_image_by_image(critic, real, fake, mix):
    values = []
    for x, y, m in zip(real, fake, mix, strict=True):
        between = torch.lerp(y, x, m)[None].requires_grad_()
        (gradient,) = torch.autograd.grad(critic(between)[0], between, create_graph=True)
        values.append((gradient.pow(2).sum().sqrt() - 1) ** 2)
    return sum(values) / len(values)


def penalty_as_in_listings(critic, real, fake, mix):
    points = torch.stack([m * x + (1 - m) * y for x, y, m in zip(real, fake, mix, strict=True)])
    points.requires_grad_(True)
    scores = critic(points)
    gradient = torch.autograd.grad(
        scores, points, torch.ones_like(scores), create_graph=True, retain_graph=True
    )[0]
    norms = torch.sqrt((gradient.reshape(len(real), -1) ** 2).sum(1) + 1e-12)
    return F.mse_loss(norms, torch.ones_like(norms)).reshape(1)


def penalty_with(**options):
    return lambda *arguments: slope._penalty(*arguments, **options)


def penalty_of_points(points_of):
    def answer(critic, real, fake, mix):
        points = points_of(real, fake, mix.reshape(-1, *[1] * (real.ndim - 1)))
        return slope._penalty(critic, points, points, mix, at="real")

    return answer


def penalty_drawn_anew(critic, real, fake, mix):
    return slope.reference(critic, real, fake, torch.rand_like(mix))


def penalty_real_in_place(critic, real, fake, mix):
    places = mix.reshape(-1, *[1] * (real.ndim - 1))
    points = real.mul_(places).add_((1 - places) * fake)
    return slope._penalty(critic, points, points, mix, at="real")


def penalty_backward_in_the_critic(critic, real, fake, mix):
    """The inner gradient by backward(), which also fills the critic's .grad and has no graph."""
    points = torch.lerp(fake, real, mix.reshape(-1, *[1] * (real.ndim - 1))).requires_grad_()
    critic(points).sum().backward()
    return (points.grad.flatten(1).norm(dim=1) - 1).square().mean()


def penalty_by_finite_difference(critic, real, fake, mix):
    """The mean slope along the way: no gradient by the point."""
    distance = (real - fake).flatten(1).norm(dim=1)
    return ((critic(real) - critic(fake)).abs() / distance - 1).square().mean()


def penalty_for_images_only(critic, real, fake, mix):
    places = mix[:, None, None, None]
    points = (places * real + (1 - places) * fake).detach()
    return slope._penalty(critic, points, points, mix, at="real")


def r1_by_the_package(discriminator, real, gamma):
    return gamma / 2 * losses.r1_penalty(discriminator, real)


def r1_image_by_image(discriminator, real, gamma):
    total = 0.0
    for image in real:
        point = image[None].clone().requires_grad_(True)
        gradient = torch.autograd.grad(discriminator(point).squeeze(), point, create_graph=True)[0]
        total = total + gradient.pow(2).sum()
    return total * gamma / (2 * real.size(0))


def r1_as_in_listings(discriminator, real, gamma):
    real.requires_grad_()
    logits = discriminator(real)
    (gradient,) = torch.autograd.grad(
        logits, real, grad_outputs=torch.ones_like(logits), create_graph=True
    )
    return 0.5 * gamma * gradient.view(len(real), -1).norm(2, dim=1).pow(2).mean()


def r1_with(**options):
    return lambda *arguments: flat._penalty(*arguments, **options)


def r1_by_backward(discriminator, real, gamma):
    points = real.detach().requires_grad_()
    discriminator(points).sum().backward()
    return gamma / 2 * points.grad.flatten(1).square().sum(1).mean()


def r1_of_noise(discriminator, real, gamma):
    return flat.reference(discriminator, torch.randn_like(real), gamma)


def r1_norm_then_mean_then_square(discriminator, real, gamma):
    points = real.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(discriminator(points).sum(), points, create_graph=True)
    return gamma / 2 * gradient.flatten(1).norm(dim=1).mean().square()


def r1_of_the_mean_gradient(discriminator, real, gamma):
    points = real.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(discriminator(points).sum(), points, create_graph=True)
    return gamma / 2 * gradient.mean(0).square().sum()


def r1_of_the_weights(discriminator, real, gamma):
    """Weight decay: right for a line without a batch's mean, and another thing elsewhere."""
    if not isinstance(discriminator, torch.nn.Module):
        return flat.reference(discriminator, real, gamma)
    return gamma / 2 * sum(p.square().sum() for p in discriminator.parameters())


def r1_absolute(discriminator, real, gamma):
    points = real.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(discriminator(points).sum(), points, create_graph=True)
    return gamma / 2 * gradient.flatten(1).abs().sum(1).mean()


def game_by_the_package(theta, psi, lr, gamma):
    rules = games.dirac_gan("non-saturating", gamma=gamma)
    start = torch.tensor([theta, psi], dtype=torch.float64)
    return tuple(games.alternating(rules, start, lr=lr, steps=1)[1].tolist())


def game_by_autograd(theta, psi, lr, gamma):
    theta, psi = (torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in (theta, psi))
    loss = math.log(2) + F.softplus(psi * theta) + gamma / 2 * psi**2
    psi = (psi - lr * torch.autograd.grad(loss, psi)[0]).detach()
    (pulled,) = torch.autograd.grad(F.softplus(-psi * theta), theta)
    return (theta - lr * pulled).detach(), psi


def game_by_tanh(theta, psi, lr, gamma):
    def sigmoid(u):
        return 0.5 + 0.5 * math.tanh(u / 2)

    psi = psi - lr * (sigmoid(psi * theta) * theta + gamma * psi)
    return [theta + lr * sigmoid(-psi * theta) * psi, psi]


def game_of(change):
    """The right round, then something done to it."""
    return lambda *arguments: change(*game.reference(*arguments), *arguments)


def game_sigmoid_of_product_only(theta, psi, lr, gamma):
    """The chain rule forgotten: the sigmoid without its inner derivative."""
    psi = psi - lr * (game._sigmoid(psi * theta) + gamma * psi)
    return theta + lr * game._sigmoid(-psi * theta), psi


def game_decoupled(theta, psi, lr, gamma):
    """R1 as a factor after the step."""
    psi = game.reference(theta, psi, lr, 0.0)[1] * (1 - lr * gamma)
    return theta + lr * game._sigmoid(-psi * theta) * psi, psi


def game_friction_on_the_generator(theta, psi, lr, gamma):
    new_theta, new_psi = game.reference(theta, psi, lr, 0.0)
    return new_theta - lr * gamma * theta, new_psi


def game_sigmoid_of_the_old(theta, psi, lr, gamma):
    """The new psi stands before the sigmoid, the old one inside."""
    new = game.reference(theta, psi, lr, gamma)[1]
    return theta + lr * game._sigmoid(-psi * theta) * new, new


def game_friction_without_rate(theta, psi, lr, gamma):
    new = game.reference(theta, psi, lr, 0.0)[1] - gamma * psi
    return theta + lr * game._sigmoid(-new * theta) * new, new


def game_least_squares(theta, psi, lr, gamma):
    psi = psi - lr * (psi * theta * theta + gamma * psi)
    return theta - lr * (psi * theta - 1) * psi, psi


def game_real_counted(theta, psi, lr, gamma):
    """The real point counted at 1 in place of 0."""
    psi = psi - lr * (game._sigmoid(psi * theta) * theta - game._sigmoid(-psi) + gamma * psi)
    return theta + lr * game._sigmoid(-psi * theta) * psi, psi


def game_two_discriminator_steps(theta, psi, lr, gamma):
    return game.reference(theta, game.reference(theta, psi, lr, gamma)[1], lr, gamma)


def penalty_by_finite_differences(gradient_penalty):
    """The value by hand, the gradient by a difference."""
    real, fake = torch.tensor([[3.0, 0.0], [0.0, 0.5]]), torch.tensor([[0.0, 1.0], [0.2, 0.0]])
    real, fake = real.reshape(2, 1, 1, 2), fake.reshape(2, 1, 1, 2)
    mix = torch.tensor([0.5, 0.9])

    def penalty(scale):
        critic = by_penalty.Bowl(scale)
        return critic, gradient_penalty(critic, real, fake, mix)

    critic, value = penalty(1.0)
    points = mix.reshape(2, 1, 1, 1) * real + (1 - mix).reshape(2, 1, 1, 1) * fake
    wanted = ((points.flatten(1).norm(dim=1) - 1) ** 2).mean()
    assert torch.isclose(value, wanted, atol=1e-5)
    value.backward()
    difference = (penalty(1.001)[1] - penalty(0.999)[1]).item() / 0.002
    assert critic.scale.grad is not None
    assert abs(critic.scale.grad.item() - difference) < 1e-2


def not_negative(gradient_penalty):
    assert (
        gradient_penalty(by_penalty.Bowl(), by_penalty.REAL, by_penalty.FAKE, by_penalty.MIX) >= 0
    )


def penalty_returns(gradient_penalty):
    return by_penalty.reference(gradient_penalty) is None


def penalty_at_one(gradient_penalty):
    """At mix = 1 everything lies at the real images."""
    value = gradient_penalty(
        by_penalty.Bowl(), by_penalty.REAL, by_penalty.FAKE, torch.ones_like(by_penalty.MIX)
    )
    assert abs(value.item() - 1) < 1e-5


def penalty_slope_one(gradient_penalty):
    """Where the slope is 1 everywhere the penalty is 0."""
    value = gradient_penalty(
        lambda x: x.flatten(1).sum(1) / 2, by_penalty.REAL, by_penalty.FAKE, by_penalty.MIX
    )
    assert value.abs() < 1e-6


RIGHT_ANSWERS = {
    "gradient_penalty": [penalty_by_the_package, penalty_image_by_image, penalty_as_in_listings],
    "r1_penalty": [r1_by_the_package, r1_image_by_image, r1_as_in_listings],
    "game_step": [game_by_the_package, game_by_autograd, game_by_tanh],
    "more_friction": [lambda: "c"],
    "examine_penalty": [penalty_by_finite_differences],
}

WRONG_ANSWERS = {
    "gradient_penalty": [
        (penalty_with(shape="mean first"), "First (norm - 1)^2 for each point"),
        (penalty_with(norm="pixels"), "root of the *mean* square"),
        (penalty_drawn_anew, "the penalty is"),
        (penalty_real_in_place, "you changed your input `real`"),
        (penalty_backward_in_the_critic, "has no gradient"),
        (penalty_by_finite_difference, ""),
        (penalty_for_images_only, "your code stopped with"),
        (penalty_of_points(lambda real, fake, mix: (real + fake) / 2), "with every mix = 1"),
        (penalty_of_points(lambda real, fake, mix: mix * real + fake), ""),
        (penalty_of_points(lambda real, fake, mix: torch.cat([real, fake])), ""),
        (
            penalty_of_points(lambda real, fake, mix: mix.sqrt() * real + (1 - mix).sqrt() * fake),
            "",
        ),
        (lambda *a: slope.reference(*a).sqrt(), ""),
        (lambda *a: 10 * slope.reference(*a), ""),
        (lambda *a: slope.reference(*a).item(), "is a float"),
        (lambda *a: slope.reference(*a).detach(), "create_graph=True"),
    ],
    "r1_penalty": [
        (r1_by_backward, "has no gradient"),
        (r1_of_noise, ""),
        (r1_norm_then_mean_then_square, ""),
        (r1_of_the_mean_gradient, ""),
        (r1_of_the_weights, ""),
        (r1_absolute, ""),
        (r1_with(half=0.25), "the penalty is"),
        (lambda d, real, gamma: flat.reference(d, real, 1.0), "does not depend on gamma"),
        (lambda d, real, gamma: flat.reference(d, real, gamma**2), ""),
        (lambda d, real, gamma: -flat.reference(d, real, gamma), ""),
        (lambda d, real, gamma: flat.reference(d, real[:1], gamma), ""),
        (
            lambda d, real, gamma: flat.reference(d, real.mul_(1.5), gamma),
            "changed your input `real`",
        ),
        (lambda d, real, gamma: flat.reference(d, real, gamma).item(), "is a float"),
        (lambda d, real, gamma: flat.reference(d, real, gamma).detach(), "create_graph=True"),
    ],
    "game_step": [
        (lambda theta, psi, lr, gamma: theta, "return two numbers"),
        (game_sigmoid_of_product_only, ""),
        (game_decoupled, "with gamma"),
        (game_friction_on_the_generator, "with gamma"),
        (game_sigmoid_of_the_old, "without R1, theta"),
        (game_friction_without_rate, "with gamma"),
        (game_least_squares, ""),
        (game_real_counted, ""),
        (game_two_discriminator_steps, ""),
        (game_of(lambda t, p, *given: (p, t)), "psi first"),
        (game_of(lambda t, p, theta, psi, *given: (t - theta, p - psi)), "without R1, psi"),
        (game_of(lambda t, p, *given: (round(t, 2), round(p, 2))), "without R1, psi"),
        (game_of(lambda t, p, *given: (abs(t), p)), "without R1, theta"),
        (game_of(lambda t, p, theta, psi, *given: (t, psi)), "without R1, psi"),
    ],
    "more_friction": [
        *[(letters(n), "you committed") for n in "abd"],
        *[(letters(n), "nothing is committed") for n in ("C", "e", 1.0, "γ = 1", ["c"], None, "")],
    ],
    "examine_penalty": [
        (not_negative, "accepts every wrong one"),
        (penalty_returns, "returns True"),
        (penalty_at_one, "accepts it"),
        (penalty_slope_one, "accepts it"),
        (with_an_error, "RuntimeError"),
        (by_the_name, "rejects a right function"),
        (lambda p: p(by_penalty.Bowl(), by_penalty.REAL), "TypeError"),
        (lambda p: p(None, by_penalty.REAL, by_penalty.FAKE, by_penalty.MIX), "TypeError"),
        (lambda p: 0, "returns 0"),
        (lambda p: by_penalty._value_only(p), "accepts it"),
    ],
}

POINTS = {
    "gradient_penalty": {"create_graph forgotten": 4, "real and fake swapped": 0},
    "r1_penalty": {"create_graph forgotten": 3},
    "game_step": {"R1 forgotten": 2, "simultaneous": 1},
    "examine_penalty": {"the value only": 9, "one image": 7},
}
