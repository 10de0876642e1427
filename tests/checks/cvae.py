"""Answers to the exercises of the lab `cvae`: right ones in other styles, and wrong ones."""

from __future__ import annotations

import torch

from course_lib.checks.cvae import every_class as sheet
from course_lib.checks.cvae import told_both as told


def drawn_by_expand(decoder, codes, num_classes):
    n, numbers = codes.shape
    z = codes[:, None].expand(n, num_classes, numbers).flatten(0, 1)
    labels = torch.arange(num_classes).expand(n, -1).flatten()
    return decoder(z, labels).unflatten(0, (n, num_classes))


def drawn_by_loops(decoder, codes, num_classes):
    rows = [
        torch.stack([decoder(code[None], torch.tensor([k]))[0] for k in range(num_classes)])
        for code in codes
    ]
    return torch.stack(rows)


def drawn_class_by_class(decoder, codes, num_classes):
    columns = [decoder(codes, torch.full((len(codes),), k)) for k in range(num_classes)]
    return torch.stack(columns, dim=1)


def sheet_of(change):
    return lambda *arguments: change(sheet.reference(*arguments))


def sheet_given(change):
    return lambda *arguments: sheet.reference(*change(*arguments))


def as_floats(decoder, codes, num_classes):
    labels = torch.arange(num_classes).repeat(len(codes)).float()
    return decoder(codes.repeat_interleave(num_classes, 0), labels)


def told_by_eye(encoder, decoder, images, labels, noise, num_classes):
    """The rows of a unit matrix in the place of one_hot."""
    beside = torch.eye(num_classes)[labels]
    mean, logvar = encoder(torch.hstack([images.reshape(len(images), -1), beside])).tensor_split(
        2, dim=1
    )
    z = torch.addcmul(mean, logvar.exp().sqrt(), noise)
    return decoder(torch.hstack([z, beside])), mean, logvar


def told_by_scatter(encoder, decoder, images, labels, noise, num_classes):
    beside = images.new_zeros(len(images), num_classes).scatter_(1, labels[:, None], 1)
    out = encoder(torch.cat([images.flatten(1), beside], -1))
    mean, logvar = out[:, : out.shape[1] // 2], out[:, out.shape[1] // 2 :]
    z = mean + torch.exp(logvar / 2) * noise
    return [decoder(torch.cat([z, beside], -1)), mean, logvar]


def told_changed(**changes):
    return lambda *arguments: told._pass(*arguments, **changes)


def told_of(change):
    return lambda *arguments: change(*told.reference(*arguments))


RIGHT_ANSWERS = {
    "every_class": [drawn_by_expand, drawn_by_loops, drawn_class_by_class],
    "told_both": [told_by_eye, told_by_scatter],
}

WRONG_ANSWERS = {
    "every_class": [
        (sheet_of(lambda x: None), "is the `return` missing?"),
        (sheet_of(lambda x: x.tolist()), "wanted a torch.Tensor"),
        (sheet_of(lambda x: list(x)), "wanted a torch.Tensor"),
        (sheet_of(lambda x: x[:, :1]), "has shape"),
        (sheet_of(lambda x: x[:1]), "has shape (1, 4"),
        (sheet_of(lambda x: x.squeeze(2)), "has shape"),
        (sheet_of(lambda x: x.clamp(-1, 1)), "is wrong in"),
        (sheet_of(lambda x: x.flip(0)), "FAIL in a row one code"),
        (sheet_of(lambda x: x.flip(3)), "is wrong in"),
        (sheet_given(lambda d, z, k: (d, -z, k)), "is wrong in"),
        (sheet_given(lambda d, z, k: (d, z, k + 1)), "has shape"),
        (sheet_given(lambda d, z, k: (d, z, 1)), "has shape"),
        (as_floats, "TypeError"),
        (lambda d, z, k: d(z, torch.arange(k)), "ValueError"),
    ],
    "told_both": [
        (told_changed(**{**told.BUGS, "columns": "all classes"}), "1 of 5 points"),
        (told_changed(encoder_told=False, decoder_told="as a number"), "the encoder gets"),
        (told_changed(decoder_told="as a number", columns="of this batch"), "columns, wanted"),
        (told_of(lambda x, m, v: None), "FAIL pixels"),
        (told_of(lambda x, m, v: x), "FAIL pixels"),
        (told_of(lambda x, m, v: (x, v, m)), "the mean is wrong"),
        (told_of(lambda x, m, v: (x, m)), "wanted a tuple of 3"),
        (told_of(lambda x, m, v: (x, m, v.exp())), "the log-variance is wrong"),
        (told_of(lambda x, m, v: (x.sigmoid(), m, v)), "the pixels is wrong"),
        (lambda e, d, x, y, n, k: told.reference(e, d, -x, y, n, k), "FAIL pixels"),
        (lambda e, d, x, y, n, k: told.reference(e, d, x, k - 1 - y, n, k), "for the labels"),
        (lambda e, d, x, y, n, k: told.reference(e, d, x, y, 0 * n, k), "FAIL pixels"),
        (lambda e, d, x, y, n, k: told.reference(e, d, x, y, n, k + 1), "for the labels"),
        (lambda e, d, x, y, n, k: e(x.flatten(1)), "the decoder was not called"),
    ],
}

POINTS = {
    "every_class": {"rows and columns mixed": 1, "a list": 0},
    "told_both": {"the decoder not told": 2, "unchanged": 0},
}
