"""The exercise "conv2d": what the general tests of every exercise do not see."""

import numpy as np
import pytest
import torch
from scipy.signal import correlate

from course_lib import checks
from course_lib.ops import convolution


@pytest.mark.parametrize("taught", [convolution.conv2d, convolution.conv2d_by_sums])
def test_the_taught_functions_pass(taught):
    def student(x, weight, bias, stride, padding):
        return taught(x, weight, bias, stride=stride, padding=padding)

    assert checks.conv2d(student).passed


@pytest.mark.parity
def test_a_peer_passes():
    """SciPy's correlation, cut down to the stride."""

    def student(x, weight, bias, stride, padding):
        padded = torch.nn.functional.pad(x, [padding] * 4).numpy()
        maps = [
            [correlate(image, kernel.numpy(), mode="valid")[0] for kernel in weight]
            for image in padded
        ]
        y = torch.from_numpy(np.array(maps))[:, :, ::stride, ::stride]
        return y + bias[:, None, None]

    assert checks.conv2d(student).passed


def test_convolution_of_mathematics_is_recognised():
    """SciPy's convolution flips the kernel."""

    def student(x, weight, bias, stride, padding):
        return convolution.conv2d_by_sums(
            x, convolution.flip_kernel(weight), bias, stride=stride, padding=padding
        )

    report = checks.conv2d(student)
    assert report.mistake == "flipped kernel"
    assert report.points < report.total


def test_a_student_who_changes_the_input_in_place_changes_nothing_else():
    def student(x, weight, bias, stride, padding):
        y = convolution.conv2d(x, weight, bias, stride=stride, padding=padding)
        x.zero_(), weight.zero_(), bias.zero_()
        return y

    assert checks.conv2d(student).passed
