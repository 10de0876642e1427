"""Answers to the exercises of the lab `simple-gan`: right ones in other styles, and wrong ones."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from course_lib.checks.simple_gan import discriminator_step as step
from course_lib.losses import discriminator_loss


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


RIGHT_ANSWERS = {"discriminator_step": [by_the_package, with_probabilities, shape_of_one]}

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
    ]
}

POINTS = {
    "discriminator_step": {
        "forgot to detach": 3,
        "fakes labelled real": 0,
        "no_grad around the discriminator": 3,
    }
}
