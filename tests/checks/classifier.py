"""Answers to the exercises of the lab `classifier`: right ones in other styles, and wrong ones."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F

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


RIGHT_ANSWERS = {"conv_output": [by_the_package, rows_of_a_layer, with_numpy, by_range]}

WRONG_ANSWERS = {
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
    ]
}

POINTS = {"conv_output": {"a float": 4}}
