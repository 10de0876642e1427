"""What holds for every scene drawn by code: `streets`, `cells`, `shapes`, `digits`, `rooms`."""

import hashlib
from types import ModuleType

import numpy as np
import pytest
import torch
from skimage.measure import regionprops

from course_lib.data.scenes import cells, digits, shapes
from course_lib.data.scenes.batch import Scenes, throughput
from course_lib.data.scenes.rooms import scene as rooms
from course_lib.data.scenes.streets import scene as streets

SCENES = (streets, cells, shapes, digits, rooms)
FEW = {streets: 5, cells: 5, shapes: 5, digits: 5, rooms: 3}
every_scene = pytest.mark.parametrize(
    "scene", SCENES, ids=[m.__name__.split(".")[-1] for m in SCENES]
)


def classes_of(scene: ModuleType) -> tuple[str, ...]:
    return getattr(scene, "SEMANTIC_CLASSES", scene.CLASSES)


def channels_of(scene: ModuleType) -> int:
    return 1 if scene is digits else 3


def same(a: Scenes, b: Scenes) -> bool:
    """Equal in everything that a scene consists of."""
    lists = all(torch.equal(x, y) for x, y in zip(a.boxes, b.boxes, strict=True)) and all(
        torch.equal(x, y) for x, y in zip(a.labels, b.labels, strict=True)
    )
    depth = (a.depth is None) == (b.depth is None) and (
        a.depth is None or b.depth is None or torch.equal(a.depth, b.depth)
    )
    return (
        torch.equal(a.images, b.images)
        and same_geometry(a, b)
        and lists
        and depth
        and all(torch.equal(a.factors[k], b.factors[k]) for k in a.factors)
    )


def same_geometry(a: Scenes, b: Scenes) -> bool:
    return torch.equal(a.semantic, b.semantic) and torch.equal(a.instances, b.instances)


def cut(s: Scenes, i: int) -> Scenes:
    """Image i alone."""
    return Scenes(
        s.images[i : i + 1], s.semantic[i : i + 1], s.instances[i : i + 1], s.boxes[i : i + 1],
        s.labels[i : i + 1], s.classes, None if s.depth is None else s.depth[i : i + 1],
        {k: v[i : i + 1] for k, v in s.factors.items()},
    )  # fmt: skip


@every_scene
@pytest.mark.parametrize("size", [(33, 47), 48, (64, 40)], ids=str)
def test_shapes_types_and_labels(scene: ModuleType, size: object) -> None:
    n = FEW[scene]
    s = scene.draw(n, size=size, seed=3)
    h, w = (size, size) if isinstance(size, int) else size
    assert s.images.shape == (n, channels_of(scene), h, w) and s.images.dtype == torch.uint8
    assert s.semantic.shape == (n, h, w) and s.semantic.dtype == torch.uint8
    assert s.instances.shape == (n, h, w) and s.instances.dtype == torch.int16
    assert len(s) == len(s.boxes) == len(s.labels) == n
    assert s.classes == classes_of(scene)
    assert int(s.semantic.max()) < len(s.classes)
    assert all(len(v) == n for v in s.factors.values())
    assert all(torch.isfinite(v).all() for v in s.factors.values() if v.is_floating_point())
    # Pictures, not flat areas, and not mostly clipped.
    flat = s.images.float().flatten(1)
    assert (flat.std(dim=1) > 5).all()
    if scene is not digits:  # light strokes on black
        assert ((flat == 0) | (flat == 255)).float().mean() < 0.5


@every_scene
def test_an_image_depends_on_its_index_only(scene: ModuleType) -> None:
    n = FEW[scene]
    batch = scene.draw(n, size=(40, 48), seed=11, start=2)
    for i in (0, n - 1):
        assert same(cut(batch, i), scene.draw(1, size=(40, 48), seed=11, start=2 + i))


@every_scene
def test_chunks_and_threads_change_nothing(
    scene: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    n = FEW[scene]
    reference = scene.draw(n, size=32, seed=5, workers=1)
    original = scene.draw_in_chunks

    def small_chunks(*args: object, **options: object) -> Scenes:
        return original(*args, **{**options, "chunk_pixels": 32 * 32 * 2, "workers": 2})

    monkeypatch.setattr(scene, "draw_in_chunks", small_chunks)
    assert same(scene.draw(n, size=32, seed=5), reference)


@every_scene
def test_seeds_and_indices_give_other_images(scene: ModuleType) -> None:
    pictures = {}
    for seed in (0, 1, -1, 2**70):
        s = scene.draw(2, size=32, seed=seed)
        for i in range(2):
            pictures[seed, i] = s.images[i].numpy().tobytes()
    assert len(set(pictures.values())) == 8


@every_scene
def test_conditions_change_the_look_and_nothing_else(scene: ModuleType) -> None:
    n = FEW[scene]
    drawn = [scene.draw(n, size=(48, 56), seed=8, condition=c) for c in scene.CONDITIONS]
    assert len({s.images.numpy().tobytes() for s in drawn}) == len(scene.CONDITIONS)
    for s in drawn[1:]:
        if scene is shapes:  # clutter covers parts of the object and skews it
            assert all(torch.equal(s.factors[k], drawn[0].factors[k]) for k in s.factors)
        else:
            assert same_geometry(s, drawn[0])


@every_scene
def test_instances_have_tight_boxes(scene: ModuleType) -> None:
    s = scene.draw(FEW[scene], size=(57, 64), seed=4)
    for ids, semantic, boxes, labels in zip(
        s.instances.numpy(), s.semantic.numpy(), s.boxes, s.labels, strict=True
    ):
        assert sorted(set(np.unique(ids)) - {0}) == list(range(1, len(boxes) + 1))
        assert boxes.dtype == torch.float32 and labels.dtype == torch.int64
        assert boxes.shape == (len(labels), 4)
        for p in regionprops(ids.astype(int)):
            y0, x0, y1, x1 = p.bbox
            assert boxes[p.label - 1].tolist() == [x0, y0, x1, y1]
            # The instance's class is the class of all its pixels, except where a decal or a
            # part of another class hides them.
            own = semantic[ids == p.label]
            assert (own == int(labels[p.label - 1])).all()


@every_scene
def test_every_thing_pixel_belongs_to_an_instance(scene: ModuleType) -> None:
    s = scene.draw(FEW[scene], size=64, seed=6)
    names = getattr(scene, "THINGS", classes_of(scene)[1:])
    things = torch.tensor([classes_of(scene).index(t) for t in names])
    assert torch.equal(torch.isin(s.semantic.long(), things), s.instances > 0)


@every_scene
def test_bad_requests_are_named(scene: ModuleType) -> None:
    with pytest.raises(ValueError, match=r"too small.*at least"):
        scene.draw(1, size=(64, scene.SMALLEST - 1))
    with pytest.raises(ValueError, match="unknown condition 'snow'.*" + scene.CONDITIONS[0]):
        scene.draw(1, condition="snow")
    with pytest.raises(ValueError, match="must not be negative"):
        scene.draw(-1)
    with pytest.raises(ValueError, match="must not be negative"):
        scene.draw(1, start=-5)
    with pytest.raises(ValueError, match="num must be an integer"):
        scene.draw(2.5)
    with pytest.raises(ValueError, match="size must be"):
        scene.draw(1, size=(64, 64, 3))
    with pytest.raises(ValueError, match="size must be"):
        scene.draw(1, size=64.0)


@every_scene
def test_smallest_sizes_and_none(scene: ModuleType) -> None:
    smallest, channels = scene.SMALLEST, channels_of(scene)
    assert scene.draw(2, size=smallest).images.shape == (2, channels, smallest, smallest)
    assert scene.draw(1, size=(smallest, 5 * smallest)).images.shape[-1] == 5 * smallest
    assert scene.draw(1, size=(5 * smallest, smallest)).images.shape[-2] == 5 * smallest
    empty = scene.draw(0, size=(32, 40))
    assert empty.images.shape == (0, channels, 32, 40) and len(empty) == 0 and empty.boxes == []


@every_scene
def test_seed_may_be_a_numpy_integer(scene: ModuleType) -> None:
    a = scene.draw(np.int64(1), size=32, seed=np.int64(7), start=np.int64(2))
    assert same(a, scene.draw(1, size=32, seed=7, start=2))


@every_scene
def test_same_pixels_on_every_machine(scene: ModuleType) -> None:
    """Stored hashes: in another process, with other threads, on another processor, the same.

    A change of a scene's code that is meant to change its pixels changes these too; then every
    result measured on the scene has to be measured again.
    """
    digest = hashlib.sha256()
    for condition in scene.CONDITIONS:
        s = scene.draw(2, size=(32, 48), seed=2026, condition=condition, start=9)
        for part in (s.images, s.semantic, s.instances):
            digest.update(part.numpy().tobytes())
    assert digest.hexdigest()[:16] == GOLDEN[scene.__name__.removesuffix(".scene").split(".")[-1]]


GOLDEN = {
    "streets": "bf60ad70bd2a8f04",
    "cells": "2ac3ff22d1c0c55b",
    "shapes": "b6b4bb883ae1f869",
    "digits": "b24ffc086fb48ec5",
    "rooms": "5aaff0140ccdd56e",
}


def test_same_pixels_of_large_streets() -> None:
    """Large windows, and cars whose roofs lie below the camera; the bits must not move either."""
    s = streets.draw(6, size=(128, 256), seed=1, start=3)
    digest = hashlib.sha256()
    for part in (s.images, s.semantic, s.instances, s.depth):
        digest.update(part.numpy().tobytes())
    assert digest.hexdigest()[:16] == "8d63a48bb00d0f7d"


def test_throughput_counts() -> None:
    rates = throughput(shapes.draw, size=16, num=8, repeats=2, workers=1)
    assert rates["images_per_second"] > 0 and rates["num"] == 8 and rates["workers"] == 1
    assert rates["images_per_second_best"] >= rates["images_per_second"]
