"""The check of `resize_pair`: its reference equals Pillow's; each known mistake is named."""

import importlib

import numpy as np
import pytest
import torch
from PIL import Image

check = importlib.import_module("course_lib.checks.resize_pair")


def by_index(image, mask, size):
    """A right answer in another style: pick the mask's pixels by their index; scale first."""
    rows = ((torch.arange(size[0]) + 0.5) * mask.shape[0] / size[0]).long()
    columns = ((torch.arange(size[1]) + 0.5) * mask.shape[1] / size[1]).long()
    scaled = image.float().div(127.5).sub(1)
    resize = torch.nn.functional.interpolate
    small = resize(scaled[None], size, mode="bilinear", antialias=True)
    return small[0], mask[rows][:, columns]


@pytest.mark.parametrize("right", [check.reference, by_index])
@pytest.mark.parametrize("seed", range(5))
def test_right_answers_get_all_points(right, seed):
    report = check.resize_pair(right, seed=seed)
    assert (report.points, report.total, report.hint) == (5, 5, None), report


@pytest.mark.parametrize("mistake", check.MISTAKES, ids=lambda m: m.name)
@pytest.mark.parametrize("seed", range(5))
def test_each_known_mistake_is_recognised(mistake, seed):
    report = check.resize_pair(mistake.mutant, seed=seed)
    assert report.points < report.total
    assert report.mistake == mistake.name
    assert report.hint == mistake.hint


def test_points_come_per_property():
    by_name = {m.name: m.mutant for m in check.MISTAKES}
    for seed in range(5):
        assert check.resize_pair(by_name["range from 0 to 1"], seed=seed).points == 4
        assert check.resize_pair(by_name["not scaled"], seed=seed).points == 4
        assert check.resize_pair(by_name["no averaging"], seed=seed).points == 4
        assert check.resize_pair(by_name["the corner pixel"], seed=seed).points == 4
        assert check.resize_pair(by_name["labels interpolated"], seed=seed).points == 3


@pytest.mark.parity
@pytest.mark.parametrize("seed", range(3))
def test_the_reference_equals_pillow(seed):
    generator = torch.Generator().manual_seed(seed)
    image, mask, (height, width) = check._example(generator)
    ours, labels = check.reference(image, mask, (height, width))
    picture = Image.fromarray(image.permute(1, 2, 0).numpy())
    small = np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR))
    theirs = torch.from_numpy(small.copy()).permute(2, 0, 1)
    assert (ours.add(1).mul(127.5) - theirs).abs().max() <= 1.01  # Pillow rounds, twice
    nearest = Image.fromarray(mask.numpy()).resize((width, height), Image.Resampling.NEAREST)
    assert torch.equal(labels, torch.from_numpy(np.asarray(nearest).copy()))
