"""SimpleCNN against the document's layers composed by hand."""

import pytest
import torch
import torch.nn.functional as F

import course_lib.models.simple_cnn as module
from course_lib.data import ImageSet
from course_lib.models import SimpleCNN
from course_lib.train import TrainConfig, train_supervised
from tests.models.peers import check_gradients, count


@pytest.mark.parametrize("size", [(32, 32), (17, 40), (64, 5), (4, 4)])
def test_simple_cnn_classifies_any_size(size: tuple[int, int]) -> None:
    assert SimpleCNN(in_channels=1, num_classes=7)(torch.randn(2, 1, *size)).shape == (2, 7)


@pytest.mark.parity
def test_simple_cnn_is_the_documents_network_with_the_right_number_of_inputs() -> None:
    model = SimpleCNN().double()
    x = torch.randn(5, 3, 32, 32, dtype=torch.float64)
    h = F.max_pool2d(F.conv2d(x, model.conv1.weight, model.conv1.bias, padding=1).relu(), 2, 2)
    h = F.max_pool2d(F.conv2d(h, model.conv2.weight, model.conv2.bias, padding=1).relu(), 2, 2)
    assert h.shape == (5, 64, 8, 8)
    h = h.reshape(5, 64 * 8 * 8) @ model.fc1.weight.T + model.fc1.bias
    expected = h.relu() @ model.fc2.weight.T + model.fc2.bias
    torch.testing.assert_close(model(x), expected, rtol=1e-12, atol=1e-12)


def test_every_parameter_gets_a_finite_gradient() -> None:
    model = SimpleCNN()
    model(torch.randn(4, 3, 32, 24)).square().sum().backward()
    check_gradients(model)


def test_the_parameter_counts_are_those_of_the_docstring() -> None:
    assert f"{count(SimpleCNN()):,}" in (module.__doc__ or "")
    assert f"{SimpleCNN().fc1.weight.numel() + 128:,}" in (module.__doc__ or "")


@pytest.mark.slow
def test_one_batch_can_be_learnt_by_heart() -> None:
    torch.manual_seed(0)
    images = torch.randint(256, (8, 3, 16, 24), dtype=torch.uint8)
    data = ImageSet(images, torch.arange(8) % 2, ("a", "b"))
    config = TrainConfig(epochs=100, batch_size=8, lr=1e-2, log_every=100)
    history = train_supervised(SimpleCNN(num_classes=2), data, config=config, progress=False)
    assert history.epochs[-1]["train_loss"] < 0.1 < history.epochs[0]["train_loss"]


def test_an_image_that_is_too_small_is_named() -> None:
    with pytest.raises(ValueError, match="4x4"):
        SimpleCNN()(torch.zeros(1, 3, 3, 64))
