"""Answers to the exercises of the lab `four-steps-generation`: right ones, and wrong ones."""

from __future__ import annotations

import torch
from torch import nn

from course_lib.checks.four_steps_generation import find_code as code


def found_by_sgd(generator, image, z, steps, lr):
    """A copy that cannot learn, and torch's own optimiser."""
    generator.requires_grad_(False)
    z = nn.Parameter(z.clone())
    sgd = torch.optim.SGD([z], lr=lr)
    best = None
    for step in range(steps + 1):
        error = (generator(z) - image).pow(2).sum()
        if best is None or error.item() < best[1]:
            best = z.detach().clone(), error.item()
        if step < steps:
            sgd.zero_grad()
            error.backward()
            sgd.step()
    generator.requires_grad_(True)
    return best


def found_by_backward(generator, image, z, steps, lr):
    """The gradients are stored nowhere but in the code."""
    codes = [z.detach().clone()]
    errors = []
    for _ in range(steps + 1):
        here = codes[-1].clone().requires_grad_()
        error = ((image - generator(here)) ** 2).sum()
        error.backward(inputs=[here])
        errors.append(error.detach())
        codes.append(codes[-1] - lr * here.grad)
    best = int(torch.stack(errors).argmin())
    return [codes[best], errors[best]]


def found(change):
    return lambda *arguments: change(*code.reference(*arguments))


def found_given(change):
    return lambda *arguments: code.reference(*change(*arguments))


def leaves_gradients(generator, image, z, steps, lr):
    right = code.reference(generator, image, z, steps, lr)
    (generator(z) - image).square().sum().backward()
    return right


def trains_the_generator(generator, image, z, steps, lr):
    sgd = torch.optim.SGD(generator.parameters(), lr=lr)
    for _ in range(steps):
        error = (generator(z) - image).square().sum()
        sgd.zero_grad()
        error.backward()
        sgd.step()
    return z, error.item() if steps else code.reference(generator, image, z, 0, lr)[1]


def moves_z(generator, image, z, steps, lr):
    right = code.reference(generator, image, z, steps, lr)
    z.copy_(right[0])
    return right[0] + 1, right[1]


RIGHT_ANSWERS = {"find_code": [found_by_sgd, found_by_backward]}

WRONG_ANSWERS = {
    "find_code": [
        (found(lambda z, e: None), "return"),
        (found(lambda z, e: z), "return a code and its error"),
        (found(lambda z, e: (e, z)), "the code"),
        (found(lambda z, e: (z.tolist(), e)), "wanted a torch.Tensor"),
        (found(lambda z, e: (z[0], e)), "has shape (2,)"),
        (found(lambda z, e: (z, e**0.5)), "error"),
        (found(lambda z, e: (z, e / 2)), "error"),
        (found(lambda z, e: (z.round(), e)), "the code is wrong in"),
        (found_given(lambda g, x, z, s, lr: (g, x, z, s + 1, lr)), "FAIL without a step"),
        (found_given(lambda g, x, z, s, lr: (g, x, 0 * z, s, lr)), "FAIL without a step"),
        (found_given(lambda g, x, z, s, lr: (g, x, z, 0, lr)), "the code has not moved"),
        (found_given(lambda g, x, z, s, lr: (g, x, z, s, 0.01)), "FAIL short steps"),
        (leaves_gradients, "weights have gradients"),
        (trains_the_generator, "you changed your input `generator`"),
        (moves_z, "you changed your input `z`"),
    ],
}

POINTS = {"find_code": {"the last code": 4, "uphill": 1}}
