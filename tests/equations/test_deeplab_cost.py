"""What an output stride costs, counted layer by layer."""

from collections import defaultdict

import pytest
import torch
from torch import nn

from course_lib.models.backbones import backbone
from course_lib.results.bench.training import multiply_adds


def multiply_adds_by_stride(net, size):
    """Stride of a layer's output -> multiply-adds of all convolutions there, of an image."""
    found = defaultdict(int)

    def count(layer, _, output):
        kernel = layer.kernel_size[0] * layer.kernel_size[1] * layer.in_channels // layer.groups
        found[size[0] // output.shape[-2]] += kernel * output.numel()

    hooks = [m.register_forward_hook(count) for m in net.modules() if isinstance(m, nn.Conv2d)]
    with torch.no_grad():
        net.eval()(torch.zeros(1, 3, *size, device="meta"))
    for hook in hooks:
        hook.remove()
    return found


@pytest.mark.slow
@pytest.mark.equation("eq-output-stride-cost")
def test_the_cost_of_an_output_stride():
    size = (96, 128)
    with torch.device("meta"):
        nets = {stride: backbone(output_stride=stride) for stride in (32, 16, 8)}
        big = {stride: backbone("resnet50", output_stride=stride) for stride in (32, 16, 8)}
    for family, image in ((nets, size), (big, (512, 512))):
        by_stride = multiply_adds_by_stride(family[32], image)
        for output_stride, net in family.items():
            expected = sum(m * (t / min(t, output_stride)) ** 2 for t, m in by_stride.items())
            assert multiply_adds(net, (1, 3, *image)) == expected
    table = [round(multiply_adds(net, (1, 3, *size)) / 1e6, 1) for net in nets.values()]
    assert table == [53.7, 69.4, 165.1]
    table = [round(multiply_adds(net, (1, 3, 512, 512)) / 1e9, 1) for net in big.values()]
    assert table == [21.4, 32.4, 99.7]
