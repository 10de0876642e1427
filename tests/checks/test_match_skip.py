"""The check of `match_skip`: its reference is what `UNet` does; each known mistake is named."""

import importlib

import pytest
import torch

check = importlib.import_module("course_lib.checks.match_skip")


def by_cat(up, skip):
    """A right answer in another style: append the last row and column by hand."""
    if up.shape[2] < skip.shape[2]:
        up = torch.cat([up, up[:, :, -1:]], dim=2)
    if up.shape[3] < skip.shape[3]:
        up = torch.cat([up, up[:, :, :, -1:]], dim=3)
    return torch.cat((skip, up), 1)


@pytest.mark.parametrize("right", [check.reference, by_cat])
@pytest.mark.parametrize("seed", range(5))
def test_right_answers_get_all_points(right, seed):
    report = check.match_skip(right, seed=seed)
    assert (report.points, report.total, report.hint) == (5, 5, None), report


@pytest.mark.parametrize("mistake", check.MISTAKES, ids=lambda m: m.name)
@pytest.mark.parametrize("seed", range(5))
def test_each_known_mistake_is_recognised(mistake, seed):
    report = check.match_skip(mistake.mutant, seed=seed)
    assert report.points < report.total
    assert report.mistake == mistake.name
    assert report.hint == mistake.hint


def test_points_come_per_property():
    by_name = {m.name: m.mutant for m in check.MISTAKES}
    for seed in range(5):
        assert check.match_skip(by_name["padded with zeros"], seed=seed).points == 3
        assert check.match_skip(by_name["sizes not matched"], seed=seed).points == 2
        assert check.match_skip(by_name["up before skip"], seed=seed).points == 2
        assert check.match_skip(by_name["joined along the batch"], seed=seed).points == 0


@pytest.mark.parity
@pytest.mark.parametrize("size", [(9, 12), (12, 9), (9, 7), (8, 8)])
def test_the_reference_is_what_the_model_does(size):
    from course_lib.models.unet import Up

    layer = Up(6, 4, skip=True, up="transpose", norm="group").double().eval()
    seen = []
    layer.mix.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    coarse = torch.rand(2, 6, size[0] // 2, size[1] // 2, dtype=torch.float64)
    skip = torch.rand(2, 4, *size, dtype=torch.float64)
    layer(coarse, skip)
    assert torch.equal(seen[0], check.reference(layer.up(coarse), skip))
