"""The checks of the DeepLab lab: right answers in other styles pass."""

import importlib

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from course_lib import checks
from course_lib.ops.atrous import atrous_conv2d, effective_kernel, measured_field
from course_lib.ops.convolution import Window, receptive_field

NAMES = ("stack_field", "atrous")
MODULES = {name: importlib.import_module(f"course_lib.checks.{name}") for name in NAMES}


def test_the_field_by_other_ways():
    def by_windows(layers):
        if not layers:
            return 1
        windows = [Window(effective_kernel(k, r), s) for k, s, r in layers]
        return receptive_field(windows)[-1].size

    def by_gradient(layers):
        net = nn.Sequential(*(nn.Conv1d(1, 1, k, s, dilation=r, bias=False) for k, s, r in layers))
        for parameter in net.parameters():
            nn.init.constant_(parameter, 0.5)
        wrapped = nn.Sequential(nn.Flatten(2), net, nn.Unflatten(2, (1, -1)))
        field = measured_field(wrapped, torch.zeros(1, 1, 1, 2000), at=(0, 0)).nonzero()
        return int(field[:, 1].max()) + 1

    assert checks.stack_field(by_windows).passed
    assert checks.stack_field(by_gradient).passed


@pytest.mark.parity
def test_atrous_by_other_ways():
    def taught(x, weight, rate):
        padding = rate * (len(weight) // 2)
        return atrous_conv2d(x[None, None], weight[None, None], rate=rate, padding=padding)[0, 0]

    def by_slices(x, weight, rate):
        reach = rate * (len(weight) // 2)
        padded = F.pad(x, [reach] * 4)
        y = torch.zeros_like(x)
        for a in range(len(weight)):
            for b in range(len(weight)):
                row, column = a * rate, b * rate
                y += weight[a, b] * padded[row : row + len(x), column : column + x.shape[1]]
        return y

    assert checks.atrous(taught).passed
    assert checks.atrous(by_slices).passed


def test_points_come_per_property():
    by_name = {m.name: m.mutant for m in MODULES["atrous"].MISTAKES}
    assert checks.atrous(by_name["the border repeated"], seed=1).points == 4
    assert checks.stack_field(lambda layers: 7, seed=1).hint is None
