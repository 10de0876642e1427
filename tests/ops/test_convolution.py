"""The taught convolution equals the library's, and the arithmetic around it is right."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.models import SimpleCNN
from course_lib.ops.convolution import (
    Field,
    Window,
    conv2d,
    conv2d_by_sums,
    conv_cost,
    flip_kernel,
    max_pool2d,
    output_size,
    receptive_field,
)

CASES = [  # batch, C, O, H, W, K_h, K_w, stride, padding: odd, even, non-square, 1x1, one image
    (2, 3, 4, 7, 5, 3, 3, 1, 1),
    (1, 1, 1, 5, 9, 1, 1, 1, 0),
    (2, 2, 3, 8, 6, 2, 3, 2, 0),
    (3, 1, 2, 6, 11, 5, 3, 3, 2),
    (1, 4, 2, 3, 4, 3, 4, 1, 0),
]


def draw(case, seed=0):
    batch, channels, outputs, height, width, kernel_h, kernel_w, stride, padding = case
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    x = normal(batch, channels, height, width)
    weight = normal(outputs, channels, kernel_h, kernel_w)
    return x, weight, normal(outputs), {"stride": stride, "padding": padding}


@pytest.mark.parity
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("ours", [conv2d, conv2d_by_sums])
def test_convolution_equals_torch(ours, case):
    x, weight, bias, options = draw(case)
    for inputs in ((x, weight, bias), (x, weight)):
        wanted = F.conv2d(*inputs, **options)
        torch.testing.assert_close(ours(*inputs, **options), wanted)


@pytest.mark.parity
@pytest.mark.parametrize("case", CASES)
def test_gradients_equal_torch(case):
    tensors = draw(case)[:3]
    options = draw(case)[3]
    wanted_inputs = [t.clone().requires_grad_() for t in tensors]
    got_inputs = [t.clone().requires_grad_() for t in tensors]
    F.conv2d(*wanted_inputs, **options).square().sum().backward()
    conv2d(*got_inputs, **options).square().sum().backward()
    for got, wanted in zip(got_inputs, wanted_inputs, strict=True):
        torch.testing.assert_close(got.grad, wanted.grad)


@pytest.mark.parity
@settings(max_examples=60, deadline=None)
@given(
    size=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    kernel=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    stride=st.integers(1, 4),
    padding=st.integers(0, 3),
)
def test_sizes_equal_torch_or_are_refused(size, kernel, stride, padding):
    x, weight = torch.zeros(1, 1, *size), torch.zeros(1, 1, *kernel)
    try:
        wanted = F.conv2d(x, weight, stride=stride, padding=padding).shape[-2:]
    except RuntimeError:
        with pytest.raises(ValueError, match="does not fit"):
            conv2d(x, weight, stride=stride, padding=padding)
    else:
        assert conv2d(x, weight, stride=stride, padding=padding).shape[-2:] == wanted
        for n, k, m in zip(size, kernel, wanted, strict=True):
            assert output_size(n, k, stride=stride, padding=padding) == m


@pytest.mark.parity
@pytest.mark.parametrize("shape, kernel, stride", [((2, 3, 7, 10), 2, None), ((1, 2, 9, 8), 3, 2)])
def test_max_pooling_equals_torch(shape, kernel, stride):
    x = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    wanted = F.max_pool2d(x, kernel, stride)
    torch.testing.assert_close(max_pool2d(x, kernel, stride=stride), wanted)


def test_flip_kernel_turns_by_180_degrees():
    kernel = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    assert flip_kernel(kernel).tolist() == [[6.0, 5.0, 4.0], [3.0, 2.0, 1.0]]
    assert torch.equal(flip_kernel(flip_kernel(kernel)), kernel)


@pytest.mark.parametrize(
    "arguments, options",
    [((0, 3), {}), ((5, 0), {}), ((5, 3), {"stride": 0}), ((5, 3), {"padding": -1})],
)
def test_output_size_refuses_nonsense(arguments, options):
    with pytest.raises(ValueError, match="at least"):
        output_size(*arguments, **options)


def test_output_size_says_what_does_not_fit():
    with pytest.raises(ValueError, match=r"window of 5 does not fit into 2 \+ 2 x 1 = 4 pixels"):
        output_size(2, 5, padding=1)
    with pytest.raises(ValueError, match="does not fit"):
        max_pool2d(torch.zeros(1, 1, 3, 1), 2)


def test_wrong_shapes_are_named():
    with pytest.raises(ValueError, match="with the same C"):
        conv2d(torch.zeros(1, 3, 5, 5), torch.zeros(2, 4, 3, 3))
    with pytest.raises(ValueError, match="with the same C"):
        conv2d(torch.zeros(3, 5, 5), torch.zeros(2, 3, 3, 3))
    with pytest.raises(ValueError, match="one number for each of the 2 kernels"):
        conv2d(torch.zeros(1, 3, 5, 5), torch.zeros(2, 3, 3, 3), torch.zeros(3))


def test_costs_of_the_classifier_are_the_models_own():
    model = SimpleCNN()
    for layer, side in ((model.conv1, 32), (model.conv2, 16)):
        cost = conv_cost(layer.in_channels, layer.out_channels, 3, (side, side))
        assert cost.parameters == sum(p.numel() for p in layer.parameters())
    assert conv_cost(3, 32, 3, (32, 32)) == (896, 884_736)
    assert conv_cost(32, 64, 3, (16, 16)) == (18_496, 4_718_592)
    assert conv_cost(3, 32, 3, (32, 32), bias=False).parameters == 864


def test_receptive_field_of_the_classifier():
    layers = [Window(3, padding=1), (2, 2), (3, 1, 1), Window(2, stride=2)]
    assert receptive_field(layers) == [
        Field(3, 1, -1), Field(4, 2, -1), Field(8, 2, -3), Field(10, 4, -3)
    ]  # fmt: skip


@pytest.mark.parametrize(
    "layers", [[(3, 1, 1), (2, 2, 0), (3, 1, 1), (2, 2, 0)], [(5, 2, 2), (1, 1, 0), (3, 3, 1)]]
)
def test_receptive_field_is_where_gradients_arrive(layers):
    size, jump, start = receptive_field(layers)[-1]
    x = torch.ones(1, 1, 61, dtype=torch.float64, requires_grad=True)
    y = x
    for kernel, stride, padding in layers:
        y = F.conv1d(y, torch.ones(1, 1, kernel).double(), stride=stride, padding=padding)
    position = y.shape[-1] // 2
    (gradient,) = torch.autograd.grad(y[0, 0, position], x)
    touched = gradient[0, 0].nonzero().flatten()
    assert touched.tolist() == list(range(start + position * jump, start + position * jump + size))


def test_receptive_field_refuses_nonsense():
    with pytest.raises(ValueError, match="layer 1"):
        receptive_field([(3, 1, 1), (3, 0, 1)])
