"""The frames that a slider moves: in step with results and checkpoint, described, and readable."""

from __future__ import annotations

import base64
import io
import json
import re
from functools import cache
from itertools import combinations

import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex
from matplotlib.image import AxesImage
from matplotlib.text import Text
from PIL import Image
from scipy import ndimage
from torchvision.models.detection._utils import Matcher
from torchvision.ops import box_iou
from torchvision.ops import nms as compiled_nms

from tools.common import ROOT
from tools.figures import code_frames, frames, object_frames
from tools.figures.__main__ import FRAMES, draw_frames
from tools.figures.drawing import BLUE, FRAMES_FOLDER, PURPLE, WIDTH, plotted, recorded, to_dark

drawn = cache(draw_frames)
PAGES = {
    "gan-ring": "gan",
    "stylegan-mixing": "stylegan",
    "anchors-threshold": "boxes-and-anchors",
    "nms-threshold": "after-the-network",
    "watershed-depth": "after-the-network",
    "vae-weight": "vae",
    "vq-codebook": "vector-quantisation",
}
CODES = ("vae-weight", "vq-codebook")
OBJECTS = [name for name in PAGES if name not in ("gan-ring", "stylegan-mixing", *CODES)]


def said(name: str) -> dict[str, str]:
    """Label to description, as they stand on the page."""
    page = (ROOT / "book" / "math" / f"{PAGES[name]}.md").read_text("utf-8")
    part = page.split(f"```{{explorer}} {name}\n")[1].split("```")[0]
    return dict(re.findall(r"^- (.+?): (.+)$", part, re.M))


@pytest.mark.slow
def test_each_film_is_on_its_page_and_each_file_is_a_frame():
    pages = [page.read_text("utf-8") for page in (ROOT / "book").rglob("*.md")]
    named = [name for page in pages for name in re.findall(r"^```\{explorer\} (.+)$", page, re.M)]
    assert sorted(named) == sorted(FRAMES) == sorted(PAGES)
    files = {
        f"{name}-{number:02d}-{theme}.svg"
        for name in FRAMES
        for number in range(len(drawn(name)))
        for theme in ("light", "dark")
    }
    assert {path.name for path in FRAMES_FOLDER.iterdir()} == files


@pytest.mark.parametrize("name", FRAMES)
def test_the_labels_on_the_page_are_those_of_the_frames(name):
    assert list(said(name)) == list(drawn(name))


@pytest.mark.parametrize("name", FRAMES)
def test_the_committed_frames_show_what_is_drawn_now(name):
    for number, figure in enumerate(drawn(name).values()):
        light, dark = (FRAMES_FOLDER / f"{name}-{number:02d}-{t}.svg" for t in ("light", "dark"))
        text = light.read_text("utf-8")
        shown, kept = plotted(figure), recorded(light)
        assert kept["words"] == shown["words"], "run python -m tools.figures " + name
        for old, new in zip(kept["numbers"], shown["numbers"], strict=True):
            assert np.allclose(old, new, rtol=1e-3, atol=1e-3)
        assert dark.read_text("utf-8") == to_dark(text)
        pictures = [
            np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGBA"), float)
            for data in re.findall(r'href="data:image/png;base64,([^"]+)"', text)
        ]
        wanted = [image.make_image(None, unsampled=True)[0] for image in figure.findobj(AxesImage)]
        assert len(pictures) == len(wanted)
        for kept_pixels, pixels in zip(pictures, wanted, strict=True):
            either = min(np.abs(kept_pixels - p).mean() for p in (pixels, pixels[::-1]))
            assert either < 2  # grey levels: another machine rounds otherwise


@pytest.mark.parametrize("name", FRAMES)
def test_words_are_large_enough_and_neither_clipped_nor_on_each_other(name):
    for figure in drawn(name).values():
        figure.draw_without_rendering()
        texts = [t for t in figure.findobj(Text) if t.get_visible() and t.get_text().strip()]
        assert min(t.get_fontsize() for t in texts) * 342 / WIDTH >= 11
        boxes = [t.get_window_extent() for t in texts]
        for box in boxes:
            assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= WIDTH and box.y1 <= figure.bbox.height
        for a, b in combinations(boxes, 2):
            width, height = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
            assert width <= 0 or height <= 3


def test_the_map_is_orange_where_drawn_blue_where_real_and_clear_between():
    picture = frames.tinted(np.repeat([[0.0], [50.0], [100.0]], 3, axis=1))
    low, middle, high = picture[0, 0], picture[frames.FINE, 0], picture[-1, -1]
    assert low[0] > low[2] and high[2] > high[0]
    assert low[3] == high[3] == pytest.approx(0.55) and middle[3] == 0


def test_a_frame_holds_the_samples_and_the_map_of_its_step():
    (run,) = json.loads((ROOT / "results" / "ring-film.json").read_text())["runs"]
    left, right = list(drawn("gan-ring").values())[4].axes
    assert left.get_title(loc="left") + left.get_title() == "the plain loss"
    for axes, name in ((left, "non-saturating"), (right, "non-saturating-r1")):
        kept = np.array(run["arrays"][f"{name}_samples"][4])
        assert np.array_equal(axes.lines[-1].get_xydata(), kept[: frames.SHOWN])
        answers = np.array(run["arrays"][f"{name}_answers"][4])
        coarse = axes.images[0].get_array()[:: frames.FINE, :: frames.FINE]
        assert np.allclose(coarse[..., 3], 0.55 * np.abs(answers / 50 - 1))
        assert axes.images[0].origin == "lower"


def test_what_is_said_of_the_mixed_digits():
    a, b, mixed = frames.mixed()
    assert len(mixed) == 9 and (mixed[0] == b).all() and (mixed[8] == a).all()
    to_a, to_b = ((mixed - one).square().mean((2, 3)) for one in (a, b))
    assert (to_a[2:] < to_b[2:]).all()  # two of eight layers, and every pair has gone over
    assert (to_a[1] > to_b[1]).sum() > 3  # one is not enough

    def correlation(x, y):
        x, y = (z.flatten(1) - z.flatten(1).mean(1, keepdim=True) for z in (x, y))
        return (x * y).sum(1) / (x.norm(dim=1) * y.norm(dim=1))

    assert correlation(mixed[7], a).min() > 0.98  # only brightness is left to the last layer
    bright = [one.flatten(1).quantile(0.98, dim=1) for one in (mixed[7], a)]
    assert (bright[0] - bright[1]).abs().max() > 0.4


def test_the_layers_of_which_the_page_speaks():
    from course_lib.train import load_checkpoint

    generator, _ = load_checkpoint("stylegan-mnist")
    assert generator.num_layers == 8
    assert generator.constant.shape[1:] == (4, 4)
    assert [conv.conv.up for conv in generator.convs[:3]] == [False, True, False]


@pytest.mark.parametrize("name", OBJECTS)
def test_frames_of_objects_are_described_by_their_own_numbers(name):
    assert said(name) == object_frames.described(name)


def outlines(axes, colour, dash):
    """The boxes that are drawn in a colour and a style of line, sorted."""
    patches = [p for p in axes.patches if to_hex(p.get_edgecolor()) == colour]
    patches = [p for p in patches if p.get_linestyle() == dash]
    found = [p.get_bbox().extents for p in patches]
    return np.array(sorted(map(tuple, found))).reshape(-1, 4)


def test_the_anchors_drawn_are_those_that_torchvision_matches():
    boxes, grid = object_frames.street()
    overlap = box_iou(boxes, grid)
    for high, figure in zip(object_frames.HIGHS, drawn("anchors-threshold").values(), strict=True):
        (axes,) = figure.axes
        matches = Matcher(high, object_frames.LOW, allow_low_quality_matches=True)(overlap)
        sure = overlap.amax(0) >= high
        for colour, dash, chosen in (
            (BLUE, "-", sure & (matches >= 0)),
            (PURPLE, "--", ~sure & (matches >= 0)),
        ):
            wanted = np.array(sorted(map(tuple, grid[chosen].numpy()))).reshape(-1, 4)
            assert np.allclose(outlines(axes, colour, dash), wanted)
        middles = (grid[:, :2] + grid[:, 2:])[matches == -2] / 2
        assert {tuple(p) for p in axes.lines[0].get_xydata()} == {
            tuple(m) for m in middles.tolist()
        }
        assert len(set(matches[matches >= 0].tolist())) == len(boxes)
    assert not (overlap.amax(0) >= object_frames.HIGHS[-1]).any()  # every frame is dashed
    best, whose = overlap.max(0)
    without = [len(boxes) - len(set(whose[best >= h].tolist())) for h in object_frames.HIGHS]
    assert without == sorted(without) and without[0] < without[-1] == len(boxes)


def test_the_boxes_kept_are_those_that_torchvision_keeps():
    boxes, reports, scores = object_frames.cells()
    assert len(reports) > 100 and (scores > 0).all()
    for threshold, figure in zip(
        object_frames.THRESHOLDS, drawn("nms-threshold").values(), strict=True
    ):
        kept = reports[compiled_nms(reports, scores, threshold)]
        wanted = np.array(sorted(map(tuple, kept.numpy())))
        assert np.allclose(outlines(figure.axes[0], BLUE, "-"), wanted)
        near = box_iou(kept, boxes)
        times = torch.zeros(len(boxes), dtype=torch.long)
        for row in near[near.amax(1) >= 0.5]:
            times[row.argmax()] += 1
        found = object_frames.suppressed(threshold)
        assert found.none == (times == 0).sum() and found.more == (times > 1).sum()
    lost = [object_frames.suppressed(t).none for t in object_frames.THRESHOLDS]
    twice = [object_frames.suppressed(t).more for t in object_frames.THRESHOLDS]
    assert lost[0] > 0 == lost[-1] and twice[0] == 0 < twice[-1]  # what the page says of the ends


def test_the_regions_fall_in_number_with_the_depth():
    mask = (object_frames.touching() > 0).numpy()
    numbers = [int(object_frames.divided(depth).max()) for depth in object_frames.DEPTHS]
    assert numbers == sorted(numbers, reverse=True)
    assert numbers[0] < int(object_frames.touching().max())
    assert numbers[-1] >= ndimage.label(mask, np.ones((3, 3)))[1]
    for depth in object_frames.DEPTHS:
        labels = object_frames.divided(depth)
        assert torch.equal(labels > 0, object_frames.touching() > 0)
        assert all(
            ndimage.label((labels == k).numpy(), np.ones((3, 3)))[1] == 1
            for k in range(1, int(labels.max()) + 1)
        )


@pytest.mark.parametrize("name", CODES)
def test_frames_of_codes_are_described_by_their_own_numbers(name):
    assert said(name) == code_frames.described(name)


@pytest.mark.parametrize("beta", [0.3, 10.0])
def test_the_best_linear_vae_is_what_a_descent_finds(beta):
    """Along one direction: decoder, encoder and variance that raise the weighted bound most."""
    variances = code_frames.digits()[2]
    found, noise = code_frames.weighed(beta), code_frames.NOISE
    few = torch.tensor(variances[:60:12].copy())
    parts = [
        torch.full((5,), start, dtype=torch.float64, requires_grad=True) for start in (1, 0.5, 0)
    ]
    lbfgs = torch.optim.LBFGS(parts, max_iter=500, line_search_fn="strong_wolfe")
    told = torch.zeros(5)

    def loss():
        nonlocal told
        weight, gain, logvar = parts
        error = (1 - weight * gain) ** 2 * few + weight**2 * logvar.exp()
        told = 0.5 * (gain**2 * few + logvar.exp() - 1 - logvar)
        lbfgs.zero_grad()
        total = (error / (2 * noise) + beta * told).sum()
        total.backward()
        return total

    for _ in range(20):
        lbfgs.step(loss)
    assert np.allclose(told.detach(), found.nats[:60:12], atol=2e-3)


def test_what_is_said_of_the_weight():
    frames_of = [code_frames.weighed(beta) for beta in code_frames.WEIGHTS]
    for (a, one), (b, other) in zip(
        zip(code_frames.WEIGHTS, frames_of, strict=True),
        list(zip(code_frames.WEIGHTS, frames_of, strict=True))[1:],
        strict=False,
    ):
        both = other.nats > 0
        assert np.allclose((one.nats - other.nats)[both], np.log(b / a) / 2)
        assert (one.nats >= other.nats).all() and one.error < other.error
    last = frames_of[-1]
    images, mean, *_ = code_frames.digits()
    assert not last.nats.any() and np.allclose(last.again.reshape(8, -1), mean)
    assert images.shape == (8, 1024)
    # Strokes blur before digits do: at weight 3 the contrast between neighbours has fallen by more
    # than the whole picture's.
    originals = images.reshape(-1, 32, 32)
    again = frames_of[3].again
    fine = np.diff(again).std() / np.diff(originals).std()
    coarse = again.std() / originals.std()
    assert fine < coarse - 0.05


def test_the_codebook_moves_by_the_averages_of_the_chapter():
    """Without restarts, by the formulas of the chapter in NumPy."""
    steps = code_frames.learned(0.0)
    vectors = code_frames.vectors().numpy().astype(float)
    place = steps[0].codebook.numpy().astype(float)
    count, total = np.full(6, 1e-3), 1e-3 * place
    for step in steps:
        assert np.allclose(step.codebook.numpy(), place, atol=1e-4)
        away = ((vectors[:, None] - place) ** 2).sum(2)
        codes = away.argmin(1)
        assert step.distortion == pytest.approx(away.min(1).mean(), rel=1e-4)
        assert step.used == len(set(codes.tolist()))
        for k in range(6):
            mine = vectors[codes == k]
            count[k] = 0.5 * count[k] + 0.5 * len(mine)
            total[k] = 0.5 * total[k] + 0.5 * mine.sum(0)
            place[k] = total[k] / count[k]


def test_what_is_said_of_the_codebook():
    without, restarted = code_frames.learned(0.0), code_frames.learned(0.1)
    still = [k for k in range(6) if all(k not in step.codes for step in without)]
    assert len(still) == 2
    for k in still:
        moves = torch.stack([step.codebook[k] for step in without])
        assert torch.allclose(moves, moves[0], atol=1e-5)
    assert all(step.used == 6 for step in restarted[1:])
    assert all(
        b.distortion < a.distortion for a, b in list(zip(without, restarted, strict=True))[1:]
    )
    heaps = np.arange(len(code_frames.vectors())) // code_frames.EACH
    served = [set(heaps[restarted[-1].codes == k].tolist()) for k in range(6)]
    assert max(map(len, served)) == 2 and any(a == b for a, b in combinations(served, 2))
