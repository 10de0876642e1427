"""Answers to the exercises of the lab `classifier`: right ones in other styles, and wrong ones."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from scipy.signal import correlate
from sklearn.metrics import accuracy_score

from course_lib.checks.classifier import accuracy as share
from course_lib.checks.classifier import conv2d as layer
from course_lib.ops import convolution
from course_lib.ops.convolution import output_size


def by_the_package(size, kernel, stride, padding):
    return output_size(size, kernel, stride=stride, padding=padding)


def rows_of_a_layer(size, kernel, stride, padding):
    line = torch.zeros(1, 1, size)
    return F.conv1d(line, torch.zeros(1, 1, kernel), stride=stride, padding=padding).shape[-1]


def with_numpy(size, kernel, stride, padding):
    return np.int64(size + 2 * padding - kernel) // stride + 1


def by_range(size, kernel, stride, padding):
    return len(range(0, size + 2 * padding - kernel + 1, stride))


def accuracy_by_sklearn(batches):
    labels = torch.cat([label for _, label in batches])
    best = torch.cat([logits.argmax(1) for logits, _ in batches])
    return float(accuracy_score(labels.numpy(), best.numpy()))


def accuracy_by_numpy(batches):
    """A NumPy float is a Python float."""
    hits = [(logits.argmax(1) == labels).numpy() for logits, labels in batches]
    return np.concatenate(hits).mean()


def accuracy_by_gather(batches):
    hits = [x.gather(1, y[:, None])[:, 0] == x.amax(1) for x, y in batches]
    return torch.cat(hits).double().mean().item()


def accuracy_of_the_document(batches):
    """A column (B, 1), compared with labels (B,), counts pairs (written anew, not copied)."""
    hits = images = 0
    for scores, labels in batches:
        _, best = scores.topk(1)
        hits += (best == labels).sum().item()
        images += labels.numel()
    return hits / images


def accuracy_stacked(batches):
    shares = [(logits.argmax(1) == labels).float().mean() for logits, labels in batches]
    return torch.stack(shares).mean()


def accuracy_in_place(batches):
    right = share.reference(batches)
    for logits, _ in batches:
        logits.zero_()
    return right


def hits_of(hits):
    return lambda batches: share._count(batches, hits=hits)


def conv_taught(x, weight, bias, stride, padding):
    return convolution.conv2d(x, weight, bias, stride=stride, padding=padding)


def conv_by_sums(x, weight, bias, stride, padding):
    return convolution.conv2d_by_sums(x, weight, bias, stride=stride, padding=padding)


def conv_by_scipy(x, weight, bias, stride, padding):
    """SciPy's correlation, cut down to the stride."""
    padded = F.pad(x, [padding] * 4).numpy()
    maps = [
        [correlate(image, kernel.numpy(), mode="valid")[0] for kernel in weight] for image in padded
    ]
    return torch.from_numpy(np.array(maps))[:, :, ::stride, ::stride] + bias[:, None, None]


def conv_by_unfold(x, weight, bias, stride, padding):
    columns = F.unfold(x, weight.shape[-2:], padding=padding, stride=stride)
    rows = output_size(x.shape[2], weight.shape[2], stride=stride, padding=padding)
    y = weight.flatten(1) @ columns + bias[:, None]
    return y.unflatten(2, (rows, -1))


def conv_of_mathematics(x, weight, bias, stride, padding):
    """SciPy's convolution flips the kernel."""
    return conv_by_sums(x, convolution.flip_kernel(weight), bias, stride, padding)


def conv_in_place(x, weight, bias, stride, padding):
    y = conv_taught(x, weight, bias, stride, padding)
    x.zero_(), weight.zero_(), bias.zero_()
    return y


def conv_of(change):
    return lambda *arguments: layer.reference(*change(*arguments))


RIGHT_ANSWERS = {
    "conv_output": [by_the_package, rows_of_a_layer, with_numpy, by_range],
    "conv2d": [conv_taught, conv_by_sums, conv_by_scipy, conv_by_unfold],
    "accuracy": [accuracy_by_sklearn, accuracy_by_numpy, accuracy_by_gather],
}

WRONG_ANSWERS = {
    "accuracy": [
        (lambda batches: None, ""),
        (lambda batches: 0.123, ""),
        (accuracy_of_the_document, "(B, B)"),
        (accuracy_stacked, "The last batch is smaller"),
        (accuracy_in_place, "you changed your input `batches`"),
        (hits_of(lambda x, y: x.softmax(1).gather(1, y[:, None]) > 0.5), "above 1/2"),
        (hits_of(lambda x, y: x.gather(1, y[:, None]) > 0), "positive"),
        (hits_of(lambda x, y: x.gather(1, y[:, None]) > x.mean(1, True)), ""),
        (hits_of(lambda x, y: (x.topk(2).indices == y[:, None]).any(1)), ""),
        (hits_of(lambda x, y: x.argmax(1) != y), "the error rate"),
        (hits_of(lambda x, y: x.argmax(1).sort().values == y.sort().values), ""),
        (hits_of(lambda x, y: x.round().argmax(1) == y), ""),
        (lambda batches: round(share.reference(batches), 1), ""),
        (lambda batches: str(share.reference(batches)), ""),
    ],
    "conv2d": [
        (lambda *_: None, ""),
        (conv_of_mathematics, "as mathematics defines it"),
        (conv_in_place, "you changed your input `x`"),
        (conv_of(lambda x, w, b, s, p: (x, w, b, s, p + 1)), ""),
        (conv_of(lambda x, w, b, s, p: (x, w, b, s, 2 * p)), ""),
        (conv_of(lambda x, w, b, s, p: (x, w.flip(1), b, s, p)), ""),
        (conv_of(lambda x, w, b, s, p: (x, w, b.flip(0), s, p)), ""),
        (conv_of(lambda x, w, b, s, p: (x, w, b.mean().expand_as(b), s, p)), ""),
        (conv_of(lambda x, w, b, s, p: (x, w.abs(), b, s, p)), ""),
        (conv_of(lambda x, w, b, s, p: (x.mean(1, True).expand_as(x), w, b, s, p)), ""),
        (layer._negative_slice, "[0:0], which is empty"),
        (layer._padding_once, "grows by 2 * padding"),
        (lambda *arguments: layer.reference(*arguments).relu(), ""),
        (lambda *arguments: layer.reference(*arguments).sum(1, True), ""),
    ],
    "conv_output": [
        (lambda n, k, s, p: len(range(0, n + 2 * p - k, s)), "range(), which leaves its end out"),
        (lambda n, k, s, p: 7, ""),
        (lambda n, k, s, p: float((n + 2 * p - k) // s + 1), "is a float"),
        (lambda n, k, s, p: round((n + 2 * p - k) / s) + 1, ""),
        (lambda n, k, s, p: round((n + 2 * p - k) / s + 1), ""),
        (lambda n, k, s, p: (n + 2 * p) // s, ""),
        (lambda n, k, s, p: math.ceil((n + 2 * p) / s), ""),
        (lambda n, k, s, p: (n + 2 * p - k + s) // s + 1, ""),
        (lambda n, k, s, p: (n + 2 * (p - k)) // s + 1, ""),
        (lambda n, k, s, p: (n - k) // s + 2 * p + 1, ""),
        (lambda n, k, s, p: (n + 2 * p - (k - 1)) // s + 1, ""),
        (lambda n, k, s, p: n // s - k + 2 * p + 1, ""),
        (lambda n, k, s, p: n if k % 2 else n - 1, ""),
        (lambda n, k, s, p: math.ceil(n / s), ""),
        (lambda n, k, s, p: str((n + 2 * p - k) // s + 1), "is a str"),
        (lambda n, k, s, p: ((n + 2 * p - k) // s + 1, 1), "wanted one number"),
    ],
}

POINTS = {"conv_output": {"a float": 4}, "accuracy": {"a tensor": 6}, "conv2d": {}}
