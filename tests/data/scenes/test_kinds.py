"""What each scene promises on its own: content, difficulty, consistent geometry."""

import numpy as np
import pytest
import torch

from course_lib.data.scenes import cells, shapes
from course_lib.data.scenes.rooms import scene as rooms
from course_lib.data.scenes.streets import scene as streets


@pytest.fixture(scope="module")
def town() -> streets.Scenes:
    return streets.draw(120, size=48, seed=21)


def test_streets_every_class_occurs(town: streets.Scenes) -> None:
    share = torch.bincount(town.semantic.flatten().long(), minlength=10) / town.semantic.numel()
    assert len(streets.CLASSES) == 10
    assert set(streets.CLASSES) >= {
        "sky", "road", "lane marking", "building", "vegetation", "vehicle", "pedestrian", "sign",
    }  # fmt: skip
    assert (share > 0.002).all(), dict(zip(streets.CLASSES, share.tolist(), strict=True))
    assert share.max() < 0.5
    things = torch.cat(town.labels)
    assert {streets.CLASSES[i] for i in things.unique()} == set(streets.THINGS)


def test_streets_colour_does_not_tell_the_class(town: streets.Scenes) -> None:
    """The most frequent class of every colour, looked up on other streets, stays below 0.5 mIoU."""

    def bins(s: streets.Scenes) -> torch.Tensor:
        c = (s.images // 12).long()  # 22 levels a channel
        return (c[:, 0] * 22 + c[:, 1]) * 22 + c[:, 2]

    train = torch.bincount(
        bins(town).flatten() * 10 + town.semantic.flatten(), minlength=22**3 * 10
    )
    best = train.reshape(-1, 10).argmax(dim=1)
    held_out = streets.draw(60, size=48, seed=22)
    prediction = best[bins(held_out)].flatten()
    truth = held_out.semantic.flatten().long()
    confusion = torch.bincount(truth * 10 + prediction, minlength=100).reshape(10, 10).double()
    hit = confusion.diag()
    iou = hit / (confusion.sum(0) + confusion.sum(1) - hit)
    assert 0.15 < iou.mean() < 0.45


def test_streets_depth_agrees_with_the_camera(town: streets.Scenes) -> None:
    """A road pixel lies where its row meets the ground; above the horizon there is no road."""
    f = {k: v[:, None, None] for k, v in town.factors.items()}
    row = (torch.arange(48) + 0.5)[None, :, None].expand(120, 48, 48)
    road = (town.semantic == streets.CLASSES.index("road")) & (row > f["horizon"] + 1)
    expected = (f["focal"] * f["camera_height"] / (row - f["horizon"]).clamp(min=0.3)).clamp(
        max=400
    )
    assert town.depth is not None
    torch.testing.assert_close(
        town.depth[road], expected.expand_as(town.depth)[road], rtol=1e-5, atol=1e-4
    )
    assert not ((town.semantic == 1) & (row < f["horizon"] - 1)).any()
    sky = town.semantic == streets.CLASSES.index("sky")
    assert torch.isinf(town.depth[sky]).all() and torch.isfinite(town.depth[~sky]).all()
    assert (town.depth > 0).all()


def test_streets_nearer_things_hide_farther_ones(town: streets.Scenes) -> None:
    """An instance has one depth, and its pixels are in front of the ground behind them."""
    assert town.depth is not None
    for i in range(20):
        for k in range(1, len(town.boxes[i]) + 1):
            z = town.depth[i][town.instances[i] == k]
            assert z.min() == z.max()


def test_streets_same_scene_at_another_resolution() -> None:
    """Twice the size shows the same street: labels agree away from edges."""
    small, large = streets.draw(8, size=48, seed=5), streets.draw(8, size=96, seed=5)
    agree = (large.semantic[:, ::2, ::2] == small.semantic).float().mean()
    assert agree > 0.85


def test_streets_conditions_are_what_they_are_called() -> None:
    light = {c: streets.draw(12, size=48, seed=3, condition=c) for c in streets.CONDITIONS}
    mean = {c: s.images.float().mean().item() for c, s in light.items()}
    assert mean["night"] < 0.7 * mean["dusk"] and mean["dusk"] < 0.8 * mean["day"]
    # Fog takes contrast from what is far and spares what is near.
    day, fog = light["day"], light["fog"]
    assert day.depth is not None
    far = (day.depth > 60) & torch.isfinite(day.depth)
    near = day.depth < 8

    def spread(s: streets.Scenes, where: torch.Tensor) -> float:
        return s.images.float().mean(dim=1)[where].std().item()

    assert spread(fog, far) < 0.5 * spread(day, far)
    assert spread(fog, near) > 0.6 * spread(day, near)


def test_cells_touch_and_do_not_overlap() -> None:
    s = cells.draw(12, size=64, seed=2)
    three = cells.border(s.instances)
    assert three.dtype == torch.uint8 and three.shape == s.instances.shape
    touching = (three == 2).flatten(1).any(dim=1)
    assert touching.float().mean() > 0.7
    assert torch.equal(three > 0, s.instances > 0)
    assert torch.equal((s.instances > 0).to(torch.uint8), s.semantic)
    # Semantic labels alone count too few: components are fewer than nuclei.
    from skimage.measure import label

    components = sum(int(label(m.numpy(), connectivity=1).max()) for m in s.semantic)
    assert components < 0.7 * int(s.factors["count"].sum())
    assert s.factors["count"].tolist() == [len(b) for b in s.boxes]
    assert s.factors["count"].float().mean() > 8


def test_cells_border_by_hand() -> None:
    ids = torch.tensor([[1, 1, 0, 3], [1, 2, 0, 0], [0, 2, 0, 0]], dtype=torch.int16)
    assert cells.border(ids).tolist() == [[2, 2, 0, 1], [2, 2, 0, 0], [0, 2, 0, 0]]
    assert cells.border(ids, width=2).tolist() == [[2, 2, 0, 2], [2, 2, 0, 0], [0, 2, 0, 0]]
    assert torch.equal(cells.border(ids, width=0), (ids > 0).to(torch.uint8))


def test_cells_light_is_uneven_and_nuclei_are_seen() -> None:
    s = cells.draw(10, size=64, seed=4)
    grey = s.images.float().mean(dim=1)
    inside, outside = grey[s.semantic == 1].mean(), grey[s.semantic == 0].mean()
    assert inside > 1.8 * outside


def test_shapes_factors_describe_the_picture() -> None:
    s = shapes.draw(200, size=32, seed=1, condition="plain")
    f = s.factors
    assert torch.equal(f["class"].unique(), torch.arange(10))
    assert torch.equal(f["colour"].unique(), torch.arange(8))
    assert (f["colour"] != f["background"]).all()
    assert torch.equal(torch.cat(s.labels), f["class"] + 1)
    for i in range(0, 200, 20):
        y, x = np.nonzero(s.semantic[i].numpy())
        if shapes.CLASSES[f["class"][i]] in ("disc", "square", "cross", "ring"):  # symmetric ones
            assert x.mean() + 0.5 == pytest.approx(16 + 32 * f["x"][i].item(), abs=0.5)
            assert y.mean() + 0.5 == pytest.approx(16 + 32 * f["y"][i].item(), abs=0.5)
    # In the plain condition the same factors give (noise aside) the same colour.
    red = (f["colour"] == 0).nonzero()[0].item()
    own = s.images[red][:, s.semantic[red] > 0].float().mean(dim=1)
    assert own[0] > 1.5 * own[1] and own[0] > 1.5 * own[2]


def test_shapes_outline_areas() -> None:
    """The disc's and the square's outline by area, drawn large: signed distances are in scale."""
    axis = (np.arange(400, dtype=np.float32) + 0.5) / 200 - 1
    x, y = np.meshgrid(axis * 1.2, axis * 1.2)
    kinds = np.array([shapes.CLASSES.index(k) for k in ("disc", "square", "ring")])
    inside = shapes.outline(kinds, np.stack([x] * 3), np.stack([y] * 3)) < 0
    area = inside.mean(axis=(1, 2)) * 2.4**2
    expected = [np.pi * 0.85**2, 1.52**2, np.pi * (0.89**2 - 0.47**2)]
    np.testing.assert_allclose(area, expected, rtol=0.01)


@pytest.mark.slow
def test_rooms_views_of_one_room_agree() -> None:
    """Depth and poses: a pixel of one view, moved to another, has the same label there."""
    s = rooms.draw(8, size=(72, 96), seed=3, views=4)
    f = {k: v.double() if v.is_floating_point() else v for k, v in s.factors.items()}
    assert f["room"].tolist() == [0] * 4 + [1] * 4 and f["view"].tolist() == [0, 1, 2, 3] * 2
    eye = torch.eye(3, dtype=torch.float64)
    for r in f["rotation"]:
        torch.testing.assert_close(r @ r.T, eye, atol=1e-5, rtol=0)
        assert torch.det(r) == pytest.approx(1, abs=1e-5)
    v, u = torch.meshgrid(torch.arange(72) + 0.5, torch.arange(96) + 0.5, indexing="ij")
    pixels = torch.stack([u, v, torch.ones_like(u)]).reshape(3, -1).double()
    assert s.depth is not None
    agreed, seen = 0, 0
    for a, b in ((0, 1), (1, 2), (4, 5), (6, 7), (2, 0)):
        rays = torch.linalg.inv(f["intrinsics"][a]) @ pixels
        world = (
            f["rotation"][a] @ (rays * s.depth[a].reshape(-1).double()) + f["position"][a][:, None]
        )
        assert (world.min(dim=1).values > -0.01).all()  # inside the room
        assert (world.max(dim=1).values < f["extent"][a] + 0.01).all()
        local = f["rotation"][b].T @ (world - f["position"][b][:, None])
        image = f["intrinsics"][b] @ local
        column = (image[0] / image[2]).floor().long()
        row = (image[1] / image[2]).floor().long()
        ok = (local[2] > 0.1) & (column >= 0) & (column < 96) & (row >= 0) & (row < 72)
        row, column, z = row[ok], column[ok], local[2][ok]
        visible = (s.depth[b][row, column].double() - z).abs() < 0.02 * z
        same = s.semantic[b][row, column] == s.semantic[a].reshape(-1)[ok]
        agreed, seen = agreed + int(same[visible].sum()), seen + int(visible.sum())
    assert seen > 3000
    assert agreed / seen > 0.97


def test_rooms_every_class_occurs_and_views_validated() -> None:
    s = rooms.draw(24, size=32, seed=7, views=3)
    share = torch.bincount(s.semantic.flatten().long(), minlength=len(rooms.CLASSES))
    assert (share > 0).all(), dict(zip(rooms.CLASSES, share.tolist(), strict=True))
    with pytest.raises(ValueError, match="views must be"):
        rooms.draw(1, views=0)
