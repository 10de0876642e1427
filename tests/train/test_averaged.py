"""Asking a network several times, against the same written out with torchvision."""

import pytest
import torch
from torch import nn
from torchvision.transforms.v2 import functional as T

from course_lib.models import UNet
from course_lib.train import predict, predict_averaged


@pytest.fixture
def images():
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (3, 3, 37, 53), dtype=torch.uint8, generator=generator)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return UNet(num_classes=4, widths=(4, 8, 16)).eval()


@pytest.mark.equation("eq-test-time-average")
@pytest.mark.parametrize("flip", [False, True])
def test_equals_the_mean_written_out(model, images, flip):
    answers = []
    for side in ((28, 40), (37, 53), (46, 66)):  # 0.75, 1 and 1.25 times 37x53
        copies = T.resize(images.float(), list(side), antialias=True).round()
        for mirrored in (False, True) if flip else (False,):
            asked = T.horizontal_flip(copies) if mirrored else copies
            with torch.no_grad():
                logits = model(asked / 127.5 - 1)
            back = T.horizontal_flip(logits) if mirrored else logits
            answers.append(T.resize(back, [37, 53], antialias=False).softmax(1))
    expected = torch.stack(answers).mean(0)
    found = predict_averaged(model, images, flip=flip, batch_size=2)
    assert torch.allclose(found, expected, atol=1e-5)
    assert torch.allclose(found.sum(1), torch.ones(3, 37, 53))


def test_one_scale_without_mirror_is_the_plain_prediction(model, images):
    found = predict_averaged(model, images, scales=(1.0,), flip=False)
    assert torch.equal(found, predict(model, images).softmax(1))


def test_the_answer_to_a_mirrored_image_is_the_mirrored_answer(model, images):
    found = predict_averaged(model, images, scales=(1.0,))
    mirrored = predict_averaged(model, images.flip(-1), scales=(1.0,))
    assert torch.allclose(mirrored.flip(-1), found, atol=1e-5)
    plain = predict(model, images).softmax(1)
    assert not torch.allclose(
        predict(model, images.flip(-1)).softmax(1).flip(-1), plain, atol=1e-3
    )  # which the network by itself does not do


def test_a_network_that_knows_pixels_alone_gains_nothing(images):
    torch.manual_seed(0)
    model = nn.Conv2d(3, 2, 1).eval()
    found = predict_averaged(model, images, scales=(1.0,))
    assert torch.allclose(found, predict(model, images).softmax(1), atol=1e-6)


def test_a_tiny_copy_keeps_at_least_one_pixel(images):
    assert predict_averaged(nn.Conv2d(3, 2, 1), images, scales=(0.01,)).shape == (3, 2, 37, 53)


@pytest.mark.parametrize("scales", [(), (1.0, 0.0), (-0.5,)])
def test_scales_that_mean_nothing_are_refused(model, images, scales):
    with pytest.raises(ValueError, match="give at least one, each above 0"):
        predict_averaged(model, images, scales=scales)


def test_images_of_another_kind_are_refused(model, images):
    with pytest.raises(ValueError, match="uint8"):
        predict_averaged(model, images.float(), scales=(0.5,))
    with pytest.raises(ValueError, match="uint8"):
        predict_averaged(model, images[0], scales=(1.5,))
