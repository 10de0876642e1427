"""Answers to the exercises of the lab `four-steps-generation`: right ones, and wrong ones."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from course_lib.checks.four_steps_generation import find_code as code
from course_lib.checks.four_steps_generation import vaegan_turn as turn


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


def turn_by_backward(encoder, decoder, judge, images, noise, fresh):
    """Each loss is followed to the parameters that it is for."""
    mean, logvar = encoder(images)
    again = decoder(mean + torch.exp(logvar / 2) * noise)
    wanted = judge(images)[1].detach()
    score, features = judge(again)
    like = (features - wanted).pow(2).sum(1).mean() / 2
    divergence = -0.5 * (1 + logvar - mean.pow(2) - logvar.exp()).sum(1).mean()
    taken = F.softplus(-score).mean() / 2 + F.softplus(-judge(decoder(fresh))[0]).mean() / 2
    (like + divergence).backward(inputs=list(encoder.parameters()), retain_graph=True)
    (like + taken).backward(inputs=list(decoder.parameters()))


def turn_with_a_frozen_judge(encoder, decoder, judge, images, noise, fresh):
    """Two passes: one for the encoder through a decoder that is cleared, one for the decoder."""
    judge.requires_grad_(False)
    with torch.no_grad():
        wanted = judge(images)[1]
    mean, logvar = encoder(images)
    z = mean + (0.5 * logvar).exp() * noise
    like = 0.5 * (judge(decoder(z))[1] - wanted).square().sum(1).mean()
    (like + 0.5 * (mean.square() + logvar.exp() - 1 - logvar).sum(1).mean()).backward()
    decoder.zero_grad()
    score, features = judge(decoder(z.detach()))
    loss = 0.5 * (features - wanted).square().sum(1).mean()
    for logits in (score, judge(decoder(fresh))[0]):
        loss = loss - 0.5 * F.logsigmoid(logits).mean()
    loss.backward()
    judge.requires_grad_(True)


def turn_changed(**changes):
    return lambda *arguments: turn._turn(*arguments, **changes)


def turn_given(change):
    return lambda *arguments: turn._turn(*change(*arguments))


def turn_steps(encoder, decoder, judge, images, noise, fresh):
    """Clears the gradients that it was asked to leave."""
    turn.reference(encoder, decoder, judge, images, noise, fresh)
    encoder.zero_grad()
    decoder.zero_grad()


def turn_swapped(encoder, decoder, judge, images, noise, fresh):
    return turn.reference(encoder, decoder, judge, images, fresh, noise)


RIGHT_ANSWERS = {
    "find_code": [found_by_sgd, found_by_backward],
    "vaegan_turn": [turn_by_backward, turn_with_a_frozen_judge],
}

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
    "vaegan_turn": [
        (turn_changed(**{**turn.BUGS, "aim": "real"}), "1 of 7 points"),
        (turn_changed(encoder_hears="everything", judged="reconstructions"), "encoder's gradient"),
        (turn_changed(judge_spared=False, features="cut"), "the judge is left with gradients"),
        (turn_changed(aim="drawn", judged="reconstructions"), "look less real"),
        (turn_changed(encoder_hears="no divergence", judged="reconstructions"), "codes from the"),
        (turn_given(lambda e, d, j, x, n, f: (e, d, j, x, 0 * n, f)), "FAIL all gradients"),
        (turn_given(lambda e, d, j, x, n, f: (e, d, j, x, n, 0 * f)), "the same"),
        (turn_given(lambda e, d, j, x, n, f: (e, d, j, -x, n, f)), "FAIL all gradients"),
        (turn_steps, "no gradient is left anywhere"),
        (turn_swapped, "FAIL all gradients"),
        (lambda *a: None, "no gradient at all"),
        (lambda e, d, j, x, n, f: j(d(f))[0].mean().backward(), "the judge is left"),
    ],
}

POINTS = {
    "find_code": {"the last code": 4, "uphill": 1},
    "vaegan_turn": {"left: the encoder does not hear the verdict": 4, "unchanged": 0},
}
