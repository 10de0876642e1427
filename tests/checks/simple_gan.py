"""Answers to the exercises of the lab `simple-gan`: right ones in other styles, and wrong ones."""

from __future__ import annotations

import copy
from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

from course_lib.checks.simple_gan import discriminator_step as step
from course_lib.checks.simple_gan import generator_step as wish
from course_lib.checks.simple_gan import play_rounds as rounds_of
from course_lib.losses import discriminator_loss, generator_loss


def by_the_package(discriminator, real, fake):
    return discriminator_loss(discriminator(real), discriminator(fake.detach()))


def with_probabilities(discriminator, real, fake):
    """With sigmoid and BCELoss, as the original listing, but with the right labels and shapes."""
    criterion = nn.BCELoss()
    on_real, on_fake = discriminator(real).sigmoid(), discriminator(fake.data).sigmoid()
    return criterion(on_real, torch.ones_like(on_real)) + criterion(
        on_fake, torch.zeros_like(on_fake)
    )


def shape_of_one(discriminator, real, fake):
    return step.reference(discriminator, real, fake).reshape(1)


def detached_in_place(discriminator, real, fake):
    fake.detach_()
    return step.reference(discriminator, real, fake)


def in_eval_mode(discriminator, real, fake):
    discriminator.eval()
    return step.reference(discriminator, real, fake)


def steps_itself(discriminator, real, fake):
    """The update belongs to the caller."""
    loss = step.reference(discriminator, real, fake)
    loss.backward(retain_graph=True)
    torch.optim.SGD(discriminator.parameters(), 0.1).step()
    return loss


def real_cut_too(discriminator, real, fake):
    with torch.no_grad():
        on_real = discriminator(real)
    return F.softplus(-on_real).mean() + F.softplus(discriminator(fake.detach())).mean()


def smoothed(discriminator, real, fake):
    return step._bce(discriminator(real), 0.9) + step._bce(discriminator(fake.detach()), 0.0)


def fake_from_noise(discriminator, real, fake):
    return step.reference(discriminator, real, torch.randn_like(fake))


def cut_to_equal_size(discriminator, real, fake):
    return step.reference(discriminator, real, fake[: len(real)])


def hinge(discriminator, real, fake):
    on_real, on_fake = discriminator(real), discriminator(fake.detach())
    return F.relu(1 - on_real).mean() + F.relu(1 + on_fake).mean()


def scores_only(discriminator, real, fake):
    return discriminator(fake.detach()).mean() - discriminator(real).mean()


def difference(discriminator, real, fake):
    on_real, on_fake = discriminator(real), discriminator(fake.detach())
    return F.softplus(-on_real).mean() - F.softplus(on_fake).mean()


def squared(discriminator, real, fake):
    on_real, on_fake = discriminator(real).sigmoid(), discriminator(fake.detach()).sigmoid()
    return (1 - on_real).square().mean() + on_fake.square().mean()


def logits_detached(discriminator, real, fake):
    return F.softplus(-discriminator(real)).mean() + F.softplus(discriminator(fake).detach()).mean()


def two_losses(discriminator, real, fake):
    return step._bce(discriminator(real), 1.0), step._bce(discriminator(fake.detach()), 0.0)


def wish_by_the_package(discriminator, fake):
    """With a copy of the parameters that requires no gradient; buffers are still updated."""
    values = {k: p.detach() for k, p in discriminator.named_parameters()}
    return generator_loss(torch.func.functional_call(discriminator, values, (fake,)))


def wish_parameter_by_parameter(discriminator, fake):
    for parameter in discriminator.parameters():
        parameter.requires_grad = False
    try:
        logits = discriminator(fake)
        return F.binary_cross_entropy_with_logits(logits, torch.ones_like(logits))
    finally:
        for parameter in discriminator.parameters():
            parameter.requires_grad = True


def wish_by_log_sigmoid(discriminator, fake):
    frozen = copy.deepcopy(discriminator).requires_grad_(False)
    return -F.logsigmoid(frozen(fake)).mean().reshape(1)


def wish_with(loss):
    """Another loss of the logits, and no trace."""
    return lambda discriminator, fake: wish._frozen(discriminator, fake, loss)


def wish_stepped(discriminator, fake):
    loss = wish.reference(discriminator, fake)
    loss.backward(retain_graph=True)
    return loss


def wish_grad_cleared_early(discriminator, fake):
    """Clears what is not there yet: backward() comes later."""
    loss = F.softplus(-discriminator(fake)).mean()
    discriminator.zero_grad()
    return loss


def wish_only_weights_frozen(discriminator, fake):
    for name, parameter in discriminator.named_parameters():
        parameter.requires_grad_("weight" not in name)
    loss = F.softplus(-discriminator(fake)).mean()
    discriminator.requires_grad_(True)
    return loss


def wish_eval_for_ever(discriminator, fake):
    discriminator.eval()
    return wish.reference(discriminator, fake)


def wish_fake_detached_in_place(discriminator, fake):
    fake.detach_().requires_grad_()
    return wish.reference(discriminator, fake)


def wish_image_by_image(discriminator, fake):
    """BatchNorm sees each image alone, in eval mode so that it does not refuse."""
    discriminator.eval()
    losses = [wish.reference(discriminator, image[None]) for image in fake]
    discriminator.train()
    return torch.stack(losses).mean()


def wish_fresh_noise(discriminator, fake):
    return wish.reference(discriminator, fake + 0.1 * torch.randn_like(fake))


def wish_bce_clamped(discriminator, fake):
    return wish_with(lambda z: -z.sigmoid().clamp(min=1e-6).log().mean())(discriminator, fake)


def wish_relativistic(discriminator, fake):
    return wish_with(lambda z: F.softplus(-(z - z.mean())).mean())(discriminator, fake)


def frozen_and_free(generator, discriminator, rounds, lr):
    """The discriminator is frozen in the generator's turn."""
    step_d = torch.optim.SGD(discriminator.parameters(), lr=lr)
    step_g = torch.optim.SGD(generator.parameters(), lr=lr)
    record = []
    for real, codes_d, codes_g in rounds:
        with torch.no_grad():
            fake = generator(codes_d)
        loss_d = F.softplus(-discriminator(real)).mean() + F.softplus(discriminator(fake)).mean()
        step_d.zero_grad()
        loss_d.backward()
        step_d.step()
        discriminator.requires_grad_(False)
        loss_g = F.softplus(-discriminator(generator(codes_g))).mean()
        generator.zero_grad()
        loss_g.backward()
        discriminator.requires_grad_(True)
        step_g.step()
        record.append((loss_d.item(), loss_g.item()))
    return record


def asked_for(generator, discriminator, rounds, lr):
    """Gradients are asked for, player by player."""
    record = []
    for real, codes_d, codes_g in rounds:
        on_fake = discriminator(generator(codes_d))
        loss_d = rounds_of._bce(discriminator(real), 1.0) + rounds_of._bce(on_fake, 0.0)
        _follow(discriminator, loss_d, lr)
        loss_g = rounds_of._bce(discriminator(generator(codes_g)), 1.0)
        _follow(generator, loss_g, lr)
        record.append((loss_d.item(), loss_g.item()))
    return record


def _follow(player, loss, lr):
    slopes = torch.autograd.grad(loss, list(player.parameters()))
    with torch.no_grad():
        for p, slope in zip(player.parameters(), slopes, strict=True):
            p.sub_(lr * slope)


def first_round_only(generator, discriminator, rounds, lr):
    return rounds_of.reference(generator, discriminator, list(rounds)[:1], lr)


def losses_as_tensors(*arguments):
    return [tuple(map(torch.tensor, pair)) for pair in rounds_of.reference(*arguments)]


def same_codes(generator, discriminator, rounds, lr):
    same = [(real, codes, codes) for real, codes, _ in rounds]
    return rounds_of.reference(generator, discriminator, same, lr)


def twice_as_fast(generator, discriminator, rounds, lr):
    return rounds_of.reference(generator, discriminator, rounds, 2 * lr)


def generator_first(generator, discriminator, rounds, lr):
    record = []
    for real, codes_d, codes_g in rounds:
        loss_g = rounds_of._bce(discriminator(generator(codes_g)), 1.0)
        _follow(generator, loss_g, lr)
        on_fake = discriminator(generator(codes_d))
        loss_d = rounds_of._bce(discriminator(real), 1.0) + rounds_of._bce(on_fake, 0.0)
        _follow(discriminator, loss_d, lr)
        record.append((loss_d.item(), loss_g.item()))
    return record


RIGHT_ANSWERS = {
    "discriminator_step": [by_the_package, with_probabilities, shape_of_one],
    "generator_step": [wish_by_the_package, wish_parameter_by_parameter, wish_by_log_sigmoid],
    "play_rounds": [frozen_and_free, asked_for],
}

WRONG_ANSWERS = {
    "discriminator_step": [
        (detached_in_place, "you cut your input `fake` from its graph in place"),
        (in_eval_mode, "you changed your input `discriminator`"),
        (steps_itself, "you changed your input `discriminator`"),
        (real_cut_too, "gradients of the discriminator"),
        (smoothed, ""),
        (fake_from_noise, ""),
        (cut_to_equal_size, ""),
        (hinge, ""),
        (scores_only, ""),
        (difference, ""),
        (squared, ""),
        (logits_detached, "detach `fake`, not the logits"),
        (two_losses, "is a tuple, wanted a torch.Tensor"),
        (lambda *arguments: step.reference(*arguments).item(), "is a float, wanted a torch.Tensor"),
        (lambda *arguments: step._loss(*arguments, detach=False), "that the generator receives"),
        (lambda *arguments: step._loss(*arguments, reduction="sum"), "You add up over the images"),
    ],
    "generator_step": [
        (wish_with(lambda z: -(z.sigmoid() + 1e-8).log().mean()), "small number inside"),
        (wish_with(lambda z: 0.5 * F.softplus(-z).mean()), "half of what is wanted"),
        (wish_with(lambda z: -z.sigmoid().mean()), ""),
        (wish_with(lambda z: (z.sigmoid() - 1).square().mean()), ""),
        (wish_with(lambda z: F.relu(1 - z).mean()), ""),
        (wish_with(lambda z: F.softplus(-z.mean())), ""),
        (wish_with(lambda z: F.softplus(-z)), "shape"),
        (wish_with(lambda z: F.softplus(-z).mean().item()), "is a float"),
        (wish_bce_clamped, "for logits around -30"),
        (wish_relativistic, ""),
        (wish_stepped, "after one backward()"),
        (wish_grad_cleared_early, "Freeze it for this call"),
        (wish_only_weights_frozen, "left a gradient in the discriminator"),
        (wish_eval_for_ever, "you changed your input `discriminator`"),
        (wish_fake_detached_in_place, "no gradient arrives"),
        (wish_image_by_image, ""),
        (wish_fresh_noise, ""),
    ],
    "play_rounds": [
        (first_round_only, "FAIL after several rounds"),
        (same_codes, "It has codes of its own"),
        (losses_as_tensors, "wanted a plain number"),
        (twice_as_fast, "FAIL after several rounds"),
        (generator_first, "FAIL after several rounds"),
        (partial(rounds_of._play, **{**rounds_of.BUGS, "aim": 1.0}), "its fakes is not lower"),
        (partial(rounds_of._play, **{**rounds_of.BUGS, "detach": "both turns"}), "does not move"),
        (partial(rounds_of._play, order="leak", clear_g=False), "FAIL a round does not feel"),
        (partial(rounds_of._play, labels=(0.9, 0.0)), "FAIL after several rounds"),
        (lambda *args: None, "FAIL the discriminator learns"),
        (lambda *args: rounds_of.reference(*args)[0], "FAIL after several rounds"),
    ],
}

POINTS = {
    "discriminator_step": {
        "forgot to detach": 3,
        "fakes labelled real": 0,
        "no_grad around the discriminator": 3,
    },
    "generator_step": {
        "the discriminator collects a gradient": 3,
        "detached": 1,
        "a small number inside of the logarithm": 3,
    },
    "play_rounds": {"labels swapped": 4, "both move at once": 5, "unchanged": 0},
}
