"""Augmentation: image and mask stay together, and every draw is reproducible."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.transforms.v2 import functional as peer

from course_lib.data import Augment, to_float, to_uint8
from course_lib.data.augment import _recolour, _warp, stream_seed

SIZES = [(16, 16), (15, 22), (31, 17), (1, 9), (2, 2)]


def blobs(batch: int, size: tuple[int, int], classes: int = 4) -> torch.Tensor:
    """Smooth masks (B, H, W) uint8: large regions with few borders."""
    coarse = torch.rand(batch, classes, max(1, size[0] // 16), max(1, size[1] // 16))
    return F.interpolate(coarse, size=size, mode="bilinear").argmax(1).to(torch.uint8)


def painted(mask: torch.Tensor) -> torch.Tensor:
    """Images (B, 3, H, W) whose every pixel names its class."""
    return torch.stack([mask * 60, 255 - mask * 60, mask * 40 + 20], dim=1)


def away_from_borders(mask: torch.Tensor) -> torch.Tensor:
    """Pixels (B, H, W) whose whole 5x5 neighbourhood has one label."""
    layer = mask[:, None].float()
    high = F.max_pool2d(layer, 5, 1, 2)
    low = -F.max_pool2d(-layer, 5, 1, 2)
    alike = (high == low)[:, 0]
    alike[:, [0, 1, -2, -1]] = alike[:, :, [0, 1, -2, -1]] = False  # what is next is out of view
    return alike


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("options", [dict(flip=True), dict(crop=3), dict(flip=True, crop=4)])
def test_flip_and_crop_move_image_and_mask_together_exactly(size, options):
    mask = torch.randint(0, 4, (6, *size), dtype=torch.uint8)
    pictures, moved = Augment(**options)(painted(mask), mask, seed=1)
    assert moved.dtype == torch.uint8 and moved.shape == mask.shape
    assert torch.equal(to_uint8(pictures), painted(moved))
    if size == (15, 22):
        assert not torch.equal(moved, mask)


@pytest.mark.parametrize("size", [(48, 48), (41, 64), (63, 39)])
@pytest.mark.parametrize(
    "options",
    [
        dict(scale=(0.7, 1.4)),
        dict(rotate=45),
        dict(translate=0.3),
        dict(flip=True, crop=3, scale=(0.8, 1.3), rotate=30, translate=0.2),
    ],
)
def test_affine_moves_image_and_mask_together(size, options):
    mask = blobs(8, size)
    pictures, moved = Augment(**options)(painted(mask), mask, seed=2)
    inside = away_from_borders(moved)
    assert inside.float().mean() > 0.3  # the test looks at something
    error = (pictures - to_float(painted(moved))).abs().amax(1)
    assert (error[inside] < 1e-3).float().mean() > 0.999  # a sliver may fall between pixels
    assert not torch.equal(moved, mask)
    assert set(moved.unique().tolist()) <= set(mask.unique().tolist())  # no label is invented


def test_the_ignore_label_and_large_ids_survive():
    mask = torch.full((2, 12, 12), 255, dtype=torch.uint8)
    assert Augment(rotate=30, flip=True)(painted(mask), mask)[1].unique().tolist() == [255]
    ids = torch.full((2, 12, 12), 31_000, dtype=torch.int16)
    moved = Augment(rotate=30)(painted(mask), ids)[1]
    assert moved.dtype == torch.int16 and moved.unique().tolist() == [31_000]


def test_flip_is_the_mirror_image():
    images = torch.randint(0, 256, (64, 3, 5, 6), dtype=torch.uint8)
    pictures = to_uint8(Augment(flip=True)(images)[0])
    flipped = (pictures == images.flip(-1)).all(dim=(1, 2, 3))
    kept = (pictures == images).all(dim=(1, 2, 3))
    assert (flipped ^ kept).all() and 15 < flipped.sum() < 49  # about one half


def test_crop_shifts_by_up_to_its_pixels_and_mirrors_at_the_edge():
    row = torch.arange(10, 18, dtype=torch.uint8)
    images = row.repeat(400, 1, 8, 1)
    pictures = to_uint8(Augment(crop=2)(images)[0])[:, 0, 0].tolist()
    # Padded by two, without repeating the edge: 12 11 | 10 11 … 17 | 16 15.
    padded = [12, 11, *range(10, 18), 16, 15]
    assert {tuple(p) for p in pictures} == {tuple(padded[s : s + 8]) for s in range(5)}


def test_crop_equals_pad_and_cut():
    images = torch.randint(0, 256, (200, 3, 9, 7), dtype=torch.uint8)
    pictures = Augment(crop=3)(images)[0]
    padded = F.pad(to_float(images), (3, 3, 3, 3), mode="reflect")
    for row in range(0, 200, 9):
        places = [
            torch.equal(pictures[row], padded[row, :, top : top + 9, left : left + 7])
            for top in range(7)
            for left in range(7)
        ]
        assert any(places)


def turn(options: dict, matrix: list[list[float]]) -> torch.Tensor:
    image = torch.rand(1, 3, *options["size"])
    return image, _warp(image, None, torch.tensor([matrix], dtype=torch.float32))[0]


def test_known_motions():
    image, same = turn(dict(size=(7, 10)), [[1, 0, 0], [0, 1, 0]])
    torch.testing.assert_close(same, image, atol=1e-5, rtol=0)
    image, moved = turn(dict(size=(7, 10)), [[1, 0, 2], [0, 1, -1]])
    # The result at (y, x) is the source at (y - 1, x + 2).
    torch.testing.assert_close(moved[..., 1:, :8], image[..., :-1, 2:], atol=1e-5, rtol=0)
    image, moved = turn(dict(size=(7, 10)), [[-1, 0, 0], [0, 1, 0]])
    torch.testing.assert_close(moved, image.flip(-1), atol=1e-5, rtol=0)
    image, moved = turn(dict(size=(9, 9)), [[0, 1, 0], [-1, 0, 0]])
    torch.testing.assert_close(moved, image.rot90(-1, (2, 3)), atol=1e-5, rtol=0)


def test_rotation_does_not_squeeze_images_that_are_not_square():
    """A disc stays a disc."""
    y, x = torch.meshgrid(torch.arange(40) - 19.5, torch.arange(60) - 29.5, indexing="ij")
    disc = ((y**2 + x**2) < 15**2).to(torch.uint8).expand(16, 40, 60)
    moved = Augment(rotate=180)(painted(disc), disc)[1]
    near = (y**2 + x**2) < 19**2  # further out, mirrored copies come in
    assert (moved != disc)[:, near].float().mean() < 0.05


def test_scale_enlarges():
    square = torch.zeros(1, 40, 40, dtype=torch.uint8)
    square[:, 15:25, 15:25] = 1
    for factor in (2.0, 0.5):
        moved = Augment(scale=(factor, factor))(painted(square), square)[1]
        if factor > 1:  # below 1 mirrored copies come in from outside
            assert int(moved.sum()) == 400
        assert int(moved[:, 10:30, 10:30].sum()) == min(400, 100 * factor**2)


def test_scale_is_balanced():
    """Enlarging by 2 is as likely as shrinking by 2."""
    draws = torch.rand(4000, 10)
    shape = torch.Size((4000, 3, 8, 8))
    matrices = Augment(scale=(0.5, 2.0))._matrices(draws, torch.zeros(4000, dtype=bool), shape)
    assert 0.45 < (matrices[:, 0, 0] < 1).float().mean() < 0.55


@pytest.mark.parity
@pytest.mark.parametrize("factors", [(1.2, 1, 1), (1, 0.7, 1), (1, 1, 1.4), (0.9, 1.1, 0.6)])
def test_colour_equals_torchvision(factors):
    brightness, contrast, saturation = factors
    image = torch.rand(5, 3, 9, 11) * 0.4 + 0.3  # nothing is clamped on the way
    wanted = peer.adjust_brightness(image, brightness)
    wanted = peer.adjust_saturation(wanted, saturation)
    wanted = peer.adjust_contrast(wanted, contrast)
    got = _recolour(image * 2 - 1, torch.tensor([factors]).expand(5, 3)) / 2 + 0.5
    torch.testing.assert_close(got, wanted, atol=1e-3, rtol=0)  # its weights have four digits


def test_colour_leaves_the_mask_and_stays_in_range():
    mask = blobs(4, (20, 30))
    pictures, moved = Augment(colour=1.0)(painted(mask), mask)
    assert torch.equal(moved, mask) and pictures.min() >= -1 and pictures.max() <= 1


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_any_number_of_channels(channels):
    images = torch.randint(0, 256, (3, channels, 10, 13), dtype=torch.uint8)
    busy = Augment(flip=True, crop=2, rotate=10, scale=(0.9, 1.1), translate=0.1, colour=0.4)
    pictures, _ = busy(images)
    assert pictures.shape == images.shape and pictures.isfinite().all()


def test_nothing_switched_on_changes_nothing():
    images = torch.randint(0, 256, (3, 3, 10, 13), dtype=torch.uint8)
    assert torch.equal(Augment()(images)[0], to_float(images))


def test_options_do_not_disturb_each_other():
    mask = blobs(6, (24, 24))
    plain = Augment(flip=True, rotate=20)(painted(mask), mask, seed=9)[1]
    coloured = Augment(flip=True, rotate=20, colour=0.5)(painted(mask), mask, seed=9)[1]
    assert torch.equal(plain, coloured)


@settings(max_examples=40, deadline=None)
@given(st.tuples(*[st.integers(-(2**40), 2**40)] * 4))
def test_pure_function_of_seed_epoch_step_rank(numbers):
    seed, epoch, step, rank = numbers
    images = torch.randint(0, 256, (4, 3, 12, 10), dtype=torch.uint8)
    busy = Augment(flip=True, crop=2, rotate=10, colour=0.4)
    where = dict(seed=seed, epoch=epoch, step=step, rank=rank)
    first = busy(images, **where)[0]
    torch.rand(3)
    assert torch.equal(busy(images, **where)[0], first)
    for name in where:
        other = busy(images, **{**where, name: where[name] + 1})[0]
        assert not torch.equal(other, first)


def test_an_item_does_not_depend_on_what_follows_it_in_the_batch():
    images = torch.randint(0, 256, (5, 3, 12, 10), dtype=torch.uint8)
    busy = Augment(flip=True, rotate=10)
    torch.testing.assert_close(busy(images)[0][:2], busy(images[:2])[0])


def test_stream_seeds_do_not_collide():
    numbers = [
        (s, e, t, r) for s in range(-2, 6) for e in range(8) for t in range(8) for r in (0, 1)
    ]
    seeds = {stream_seed(*n) for n in numbers} | {stream_seed(*n[:2]) for n in numbers}
    assert len(seeds) == len(numbers) + len({n[:2] for n in numbers})
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert stream_seed(0, 0, 0, 0) == 0xD781B180BE6BABA  # the same on every machine


def test_bytes_survive_the_round_trip():
    every = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
    assert torch.equal(to_uint8(to_float(every)), every)
    assert to_float(every).min() == -1 and to_float(every).max() == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(crop=-1), "crop=-1"),
        (dict(scale=(1.2, 0.8)), "low <= high"),
        (dict(scale=(0, 1)), "0 < low"),
        (dict(rotate=400), "degrees"),
        (dict(translate=2), "fraction"),
        (dict(colour=-0.1), "strength"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Augment(**options)
