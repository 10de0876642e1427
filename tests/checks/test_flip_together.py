"""The check of `flip_together`: right answers pass in several styles, mistakes are named."""

import importlib

import pytest
import torch

check = importlib.import_module("course_lib.checks.flip_together")


def by_index(images, masks, coins):
    """A right answer in another style."""
    images, masks = images.clone(), masks.clone()
    images[coins] = images[coins].flip(-1)
    masks[coins] = masks[coins].flip(-1)
    return images, masks


def by_loop(images, masks, coins):
    """Another one, as a list."""
    pairs = [
        (i.flip(2), m.flip(1)) if c else (i, m)
        for i, m, c in zip(images, masks, coins, strict=True)
    ]
    return [torch.stack(x) for x in zip(*pairs, strict=True)]


@pytest.mark.parametrize("right", [check.reference, by_index, by_loop])
@pytest.mark.parametrize("seed", range(5))
def test_right_answers_get_all_points(right, seed):
    report = check.flip_together(right, seed=seed)
    assert (report.points, report.total, report.hint) == (4, 4, None), report


@pytest.mark.parametrize("mistake", check.MISTAKES, ids=lambda m: m.name)
@pytest.mark.parametrize("seed", range(5))
def test_each_known_mistake_is_recognised(mistake, seed):
    report = check.flip_together(mistake.mutant, seed=seed)
    assert report.points < report.total
    assert report.mistake == mistake.name
    assert report.hint == mistake.hint


def test_partial_credit_and_unwritten():
    only_images = next(m.mutant for m in check.MISTAKES if m.name == "only the image is mirrored")
    assert check.flip_together(only_images).points == 3

    def unwritten(images, masks, coins):
        raise NotImplementedError

    report = check.flip_together(unwritten)
    assert report.points == 0 and "Your turn" in str(report)


def test_one_tensor_returned_is_explained():
    report = check.flip_together(lambda images, masks, coins: images)
    assert report.points == 0 and "return two tensors" in str(report)
