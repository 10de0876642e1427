"""Answers to the exercises of the lab `cvae`: right ones in other styles, and wrong ones."""

from __future__ import annotations

import torch

from course_lib.checks.cvae import every_class as sheet


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


RIGHT_ANSWERS = {"every_class": [drawn_by_expand, drawn_by_loops, drawn_class_by_class]}

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
}

POINTS = {"every_class": {"rows and columns mixed": 1, "a list": 0}}
