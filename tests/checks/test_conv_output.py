"""The warm-up on output sizes: what the general tests of every exercise do not see."""

import pytest
import torch
import torch.nn.functional as F

from course_lib import checks
from course_lib.ops.convolution import output_size


def test_the_taught_function_passes():
    def student(size, kernel, stride, padding):
        return output_size(size, kernel, stride=stride, padding=padding)

    assert checks.conv_output(student).passed


@pytest.mark.parity
def test_counting_the_rows_of_a_real_layer_passes():
    def student(size, kernel, stride, padding):
        line = torch.zeros(1, 1, size)
        return F.conv1d(line, torch.zeros(1, 1, kernel), stride=stride, padding=padding).shape[-1]

    assert checks.conv_output(student).passed


def test_an_unknown_mistake_gets_no_hint():
    report = checks.conv_output(lambda size, kernel, stride, padding: 7)
    assert report.points < report.total
    assert report.hint is None


def test_rounding_alone_costs_no_other_points():
    report = checks.conv_output(lambda n, k, s, p: float((n + 2 * p - k) // s + 1), seed=3)
    assert report.points == report.total - 1
    assert "float" in report.hint
