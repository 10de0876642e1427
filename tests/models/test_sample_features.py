"""The extractor for judging samples."""

import pytest
import torch

import course_lib.models.sample_features as module
from course_lib.data import to_float
from course_lib.models import SampleFeatures
from tests.models.peers import check_gradients, count


def test_shapes_and_the_number_of_parameters():
    model = SampleFeatures().eval()
    assert f"{count(model):,}" in (module.__doc__ or "") and count(model) < 700_000
    assert model.features(torch.rand(2, 3, 32, 32)).shape == (2, 64)
    assert model(torch.rand(2, 1, 17, 40)).shape == (2, 30)
    assert f"{64 * 65 // 2:,}" in (module.__doc__ or "")
    assert f"{2048 * 2049 // 2:,}" in (module.__doc__ or "")


def test_grey_and_uint8_are_understood():
    model = SampleFeatures(widths=(4, 6, 8), num_features=5, num_classes=3).eval()
    grey = torch.randint(256, (2, 1, 32, 32), dtype=torch.uint8)
    expected = model.features(to_float(grey).expand(-1, 3, -1, -1))
    assert torch.equal(model.features(grey), expected)
    assert (expected >= 0).all()


def test_every_parameter_gets_a_finite_gradient():
    torch.manual_seed(0)
    model = SampleFeatures()
    model(torch.randn(4, 3, 32, 32)).square().sum().backward()
    check_gradients(model)


@pytest.mark.parametrize("shape", [(2, 2, 32, 32), (2, 3, 7, 32), (3, 32, 32)])
def test_other_images_are_refused(shape):
    with pytest.raises(ValueError, match="grey or colour images"):
        SampleFeatures().features(torch.zeros(shape))
