"""The charts hold the numbers of the results, or what an independent computation gives."""

from __future__ import annotations

import json
import re
import shutil
from functools import cache

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from matplotlib.text import Annotation
from scipy.integrate import trapezoid
from scipy.stats import norm, wasserstein_distance

from tools.common import ROOT
from tools.figures import (
    comparison,
    convolution,
    fcn,
    gan_dynamics,
    generation,
    judging,
    sample_metrics,
    stylegan,
    wasserstein,
)
from tools.figures.__main__ import draw
from tools.figures.drawing import plotted

drawn = cache(draw)


def line(axes, label):
    """The points (N, 2) of the line with this label."""
    (found,) = [x for x in axes.lines if x.get_label() == label]
    return found.get_xydata()


def error_bars(axes):
    """Label to the points (N, 2) and the bars' ends (N, 2, 2), if any, of each series."""
    return {
        bars.get_label(): (
            bars.lines[0].get_xydata(),
            [np.array(columns.get_segments()) for columns in bars.lines[2]],
        )
        for bars in axes.containers
    }


def ends(points, spread, axis):
    """The ends of error bars along an axis (0 or 1)."""
    away = np.zeros((len(points), 2))
    away[:, axis] = spread
    return np.stack([points - away, points + away], axis=1)


def runs(claim):
    return json.loads((ROOT / "results" / f"{claim}.json").read_text())["runs"]


def scores(claim, *metrics):
    """Means and deviations over the seeds."""
    values = np.array([[run["metrics"][metric] for metric in metrics] for run in runs(claim)])
    return values.mean(0), values.std(0, ddof=1)


NETWORKS = {
    "fcn": "FCN-8s",
    "unet": "U-Net",
    "deeplabv3": "DeepLabV3",
    "deeplabv3plus": "DeepLabV3+",
}
CONDITIONS = ("", "dusk_", "fog_", "night_")
CLASSES = ("sky", "road", "lane_marking", "building", "vegetation")
CLASSES += ("vehicle", "pedestrian", "sign", "sidewalk", "pole")


@pytest.mark.parametrize("chart", ["compute", "night", "classes"])
def test_the_comparison_of_networks_shows_the_results(chart):
    (axes,) = drawn(f"comparison-{chart}").axes
    bars = error_bars(axes)
    assert list(bars) == list(NETWORKS.values())
    for k, (name, label) in enumerate(NETWORKS.items()):
        points, (segments,) = bars[label]
        claim, along = f"compare-streets-{name}", 1  # the axis of the scores
        if chart == "compute":
            mean, spread = scores(claim, "test_mean_iou")
            places = [runs("segmentation-compute")[0]["metrics"][f"{name}_multiply_adds"] / 1e6]
        elif chart == "night":
            mean, spread = scores(claim, *(f"test_{c}mean_iou" for c in CONDITIONS))
            places = np.arange(4) + 0.12 * (k - 1.5)
        else:
            mean, spread = scores(claim, *(f"iou_{c}" for c in CLASSES))
            places, along = np.arange(10) + 0.19 * (k - 1.5), 0
        assert points[:, along] == pytest.approx(mean)
        assert points[:, 1 - along] == pytest.approx(places)
        assert segments == pytest.approx(ends(points, spread, along))
    ticks = axes.get_yticklabels() if chart == "classes" else axes.get_xticklabels()
    wanted = {
        "compute": ["50", "100", "200", "400"],
        "night": ["day", "dusk", "fog", "night"],
        "classes": [name.replace("_", " ") for name in CLASSES],
    }
    assert [tick.get_text() for tick in ticks] == wanted[chart]


def test_the_curve_over_the_number_of_images_shows_the_results():
    (axes,) = drawn("comparison-data").axes
    ((label, (points, (segments,))),) = error_bars(axes).items()
    numbers = [24, 96, 384, 1536]
    found = [scores(f"unet-streets-{n}-images", "test_mean_iou") for n in numbers]
    mean, spread = np.array(found)[:, :, 0].T
    assert label == "U-Net"
    assert points == pytest.approx(np.stack([numbers, mean], axis=1))
    assert segments == pytest.approx(ends(points, spread, 1))


@pytest.mark.parametrize("task", ["mnist", "cifar10", "shapes", "mnist-long"])
def test_the_progress_of_generators_shows_the_results(task):
    (axes,) = drawn(f"generation-{task}").axes
    bars = error_bars(axes)
    families = {"dcgan": "DCGAN", "wgan-gp": "WGAN-GP", "stylegan": "StyleGAN2"}
    assert list(bars) == list(families.values())
    speed = runs("generation-compute")[0]["metrics"]
    for family, label in families.items():
        curves = [run["curves"] for run in runs(f"{family}-{task}")]
        values = np.array([curve["val_cfd"] for curve in curves])
        seconds = np.array(curves[0]["val_cfd_images"]) / speed[f"{family}_images_per_second"]
        points, (segments,) = bars[label]
        assert points == pytest.approx(np.stack([seconds, values.mean(0)], axis=1))
        if len(values) > 1:
            assert segments == pytest.approx(ends(points, values.std(0, ddof=1), 1))
        else:
            assert segments.size == 0
        heights = [*points[:, 1], *segments[..., -1:].flatten()]
        assert axes.get_ylim()[0] < min(heights) < max(heights) < axes.get_ylim()[1]
        assert 0 < points[:, 0].min() < points[:, 0].max() < axes.get_xlim()[1]


def test_the_flows_curve_beside_those_of_gans_shows_the_results():
    (axes,) = drawn("flow-digits-curve").axes
    bars = error_bars(axes)
    names = {"dcgan": "DCGAN", "wgan-gp": "WGAN-GP", "stylegan": "StyleGAN2", "flow": "flow"}
    assert list(bars) == list(names.values())
    for kind, label in names.items():
        curves = [r["curves"] for r in runs(f"{kind}-digits") if "val_cfd" in r["curves"]]
        seen = curves[0]["val_images" if kind == "flow" else "val_cfd_images"]
        values = np.array([curve["val_cfd"] for curve in curves]).mean(0)
        points, _ = bars[label]
        assert points == pytest.approx(np.stack([np.array(seen) / 1000, values], axis=1))
        assert (points > [axes.get_xlim()[0], axes.get_ylim()[0]]).all()
        assert (points < [axes.get_xlim()[1], axes.get_ylim()[1]]).all()


@pytest.mark.parametrize("task", ["shapes", "cifar10"])
def test_what_guidance_gains_and_loses_shows_the_results(task):
    left, right = drawn(f"flow-guidance-{task}").axes
    (run,) = runs(f"flow-guidance-{task}")
    curves = run["curves"]
    names = {"named": "sure of", "asked_class": "as asked"}
    names |= {name: name for name in ("precision", "recall", "coverage")}
    assert list(error_bars(left)) == ["_CFD"]
    assert list(error_bars(right)) == list(names.values())
    for axes, shown in ((left, {"cfd": "_CFD"}), (right, names)):
        for curve, label in shown.items():
            points, _ = error_bars(axes)[label]
            assert points == pytest.approx(np.stack([curves["guidance"], curves[curve]], axis=1))
            assert (points > [axes.get_xlim()[0], axes.get_ylim()[0]]).all()
            assert (points < [axes.get_xlim()[1], axes.get_ylim()[1]]).all()


@pytest.mark.parametrize(
    "chart",
    [comparison.compute, comparison.night, comparison.data, comparison.classes,
     lambda folder: generation.progress("mnist", folder), generation.by_images,
     lambda folder: generation.by_guidance(folder=folder), generation.by_solver],
)  # fmt: skip
def test_without_results_a_chart_says_so(chart, tmp_path):
    assert plotted(chart(tmp_path))["words"].count("not measured yet") == 1


def test_what_is_not_measured_is_left_out(tmp_path):
    for claim in ("compare-streets-unet", "segmentation-compute", "unet-streets-96-images"):
        shutil.copy(ROOT / "results" / f"{claim}.json", tmp_path)
    for chart in (comparison.compute, comparison.night, comparison.data, comparison.classes):
        figure = chart(tmp_path)
        assert list(error_bars(figure.axes[0])) == ["U-Net"]
        assert not {"FCN-8s", "not measured yet"} & {*plotted(figure)["words"]}


def test_the_losses_pull_as_the_caption_says():
    """Cross-entropy pulls a certain mistake hardest; Dice does not pull it at all."""
    (axes,) = drawn("losses-gradient").axes
    entropy, focal, dice = (line(axes, name) for name in ("cross-entropy", "focal", "Dice"))
    p, pull = entropy.T
    assert p == pytest.approx(np.linspace(0.001, 0.999, 41))
    assert pull == pytest.approx((1 - p) / 0.999, abs=1e-6)
    q, bend = focal.T  # the derivative of −(1 − p)² log p by the logit
    wanted = (1 - q) ** 2 * (1 - q - 2 * q * np.log(q))
    assert bend == pytest.approx(wanted / wanted.max(), abs=1e-6)
    assert dice[0, 1] < 0.01 and dice[-1, 1] < 0.01 and 15 < dice[:, 1].argmax() < 25


def test_the_discs_have_the_scores_that_are_written():
    words = plotted(drawn("metrics-border"))["words"]
    for radius in (32, 8):
        small, large = judging.disc(radius, 90).bool(), judging.disc(radius + 2, 90).bool()
        area = f"IoU {(small & large).sum() / (small | large).sum():.2f}"
        assert area in words and f"radius {radius} pixels" in words
    radii = [patch.radius for patch in drawn("metrics-border").axes[0].patches]
    assert radii == [3 * r for r in (32, 34, 8, 10)]


def test_the_players_are_two_bells_and_the_best_discriminator():
    upper, lower = drawn("gan-players").axes
    x, p = line(upper, "p, the data").T
    q = line(upper, "q, the generator")[:, 1]
    assert p == pytest.approx(norm.pdf(x, 1.4, 0.7)) and q == pytest.approx(norm.pdf(x, -1.2, 1.1))
    assert line(lower, "D*")[:, 1] == pytest.approx(p / (p + q))
    arrows = [(t.xyann, t.xy) for t in lower.texts if isinstance(t, Annotation)]
    assert len(arrows) == 3
    for (x0, y0), (x1, y1) in arrows:  # along the rise, from left to right
        assert -0.8 <= x0 < x1 <= 0.8 and y0 < y1


def test_the_slopes_are_the_derivatives_of_the_losses():
    (axes,) = drawn("gan-slopes").axes
    x = np.linspace(-6, 6, 121)
    sigmoid = 1 / (1 + np.exp(-x))
    wanted = {"minimax": sigmoid, "non-saturating": 1 - sigmoid, "hinge": 1 + 0 * x}
    wanted["least squares"] = 1 - x
    for label, values in wanted.items():
        assert line(axes, label) == pytest.approx(np.stack([x, values], axis=1))


def test_the_pulls_and_the_divergence_by_integration():
    (axes,) = drawn("gan-distance").axes
    x = np.linspace(-20, 20, 20001)
    for k in (0, 24, 60, 120):
        d = line(axes, "pull, minimax")[k, 0]
        p, q = norm.pdf(x), norm.pdf(x, d)
        with np.errstate(divide="ignore", invalid="ignore"):
            best = np.nan_to_num(p / (p + q))
            terms = [np.nan_to_num(a * np.log(2 * a / (p + q))) for a in (p, q)]
        fooled = trapezoid(q * best, x)
        assert line(axes, "pull, minimax")[k] == pytest.approx([d, d * fooled], abs=1e-6)
        assert line(axes, "pull, non-saturating")[k, 1] == pytest.approx(d * (1 - fooled), abs=1e-6)
        divergence = sum(trapezoid(term, x) for term in terms) / 2
        assert line(axes, "divergence JS")[k, 1] == pytest.approx(divergence, abs=1e-6)


def test_the_paths_stay_in_their_panels_and_do_what_is_said():
    panels = drawn("gan-dynamics-paths").axes
    assert [axes.get_title(loc="left") for axes in panels] == list(gan_dynamics.played())
    paths = [max((x.get_xydata() for x in axes.lines), key=len) for axes in panels]
    for path, played in zip(paths, gan_dynamics.played().values(), strict=True):
        assert np.array_equal(path, played)
    circle, out, ellipse, home = (np.hypot(*path.T) for path in paths)
    assert max(radius.max() for radius in (circle, out, ellipse, home)) < gan_dynamics.REACH
    assert circle == pytest.approx(np.full(101, 0.9), rel=1e-3)
    assert (np.diff(out) > 0).all()
    assert ellipse.min() > 0.8 * 0.9 and ellipse.max() < 1.2 * 0.9
    assert home[-1] < 0.1 * 0.9


def test_the_eigenvalues_are_those_of_the_formula():
    plane, rate = drawn("gan-dynamics-gamma").axes
    gamma = np.linspace(0, 2, 101)
    root = np.sqrt(gamma**2 - 1 + 0j)
    wanted = np.stack([-gamma - root, -gamma + root]) / 2
    curves = [x.get_xydata() @ [1, 1j] for x in plane.lines if len(x.get_xydata()) == 101]
    for k in range(101):
        found = sorted((curve[k] for curve in curves), key=lambda z: (round(z.imag, 5), z.real))
        assert found == pytest.approx(
            sorted(wanted[:, k], key=lambda z: (round(z.imag, 5), z.real)), abs=1e-6
        )
    slower = rate.lines[0].get_xydata()
    assert slower == pytest.approx(np.stack([gamma, -wanted.real.max(0)], axis=1), abs=1e-6)


def test_the_segments_and_their_two_distances():
    segments, measures = drawn("wasserstein-lines").axes
    assert line(measures, "W").tolist() == [[-1, 1], [0, 0], [1, 1]]
    flat = [x.get_xydata() for x in measures.lines if x.get_linestyle() == "--"]
    assert [float(y) for points in flat for y in points[:, 1]] == pytest.approx([np.log(2)] * 4)
    assert sorted(float(x) for points in flat for x in points[:, 0]) == [-1, -0.04, 0.04, 1]
    assert [float(x) for s in segments.lines[:2] for x in s.get_xdata()] == [0, 0, 1, 1]


@pytest.mark.parametrize(
    ("fake", "real"),
    [(wasserstein.FAKE, wasserstein.REAL), (wasserstein.REAL, wasserstein.FAKE), ((1, 0), (0, 1))],
)
def test_the_plan_is_a_cheapest_one(fake, real):
    mass = wasserstein.plan(fake, real)
    assert mass.sum(1) == pytest.approx(fake) and mass.sum(0) == pytest.approx(real)
    bins = np.arange(len(fake))
    work = (mass * abs(bins[:, None] - bins)).sum()
    assert work == pytest.approx(wasserstein_distance(bins, bins, fake, real))


def test_the_bins_show_both_distributions_and_the_plan():
    fake, real, table = (drawn("wasserstein-bins").axes[k] for k in (0, 2, 1))
    assert [bar.get_height() for bar in fake.patches] == [0.6, 0.3, 0.1]
    assert [bar.get_height() for bar in real.patches] == [0.1, 0.4, 0.5]
    shades = {
        (box.get_x() + 0.5, box.get_y() + 0.5): box.get_facecolor()[3] for box in table.patches
    }
    moved = {(0, 0): 0.1, (0, 1): 0.4, (0, 2): 0.1, (1, 2): 0.3, (2, 2): 0.1}  # as the page says
    assert shades == pytest.approx({at: 1.2 * moved.get(at, 0) for at in np.ndindex(3, 3)})
    written = {t.get_position(): t.get_text() for t in table.texts if t.get_text()}
    assert written == {at: f"{mass:g}" for at, mass in moved.items()}


def test_the_size_of_the_signal_is_as_the_page_describes_it():
    (axes,) = drawn("stylegan-size").axes
    found = {name: np.array(rows) for name, rows in stylegan.sizes().items()}
    for name, area in zip(("without", "with"), axes.collections, strict=True):
        median = np.sort(found[name])[:, stylegan.NUM_IMAGES // 2]
        assert line(axes, f"{name} demodulation")[:, 1] == pytest.approx(median)
        corners = area.get_paths()[0].vertices
        for layer, row in enumerate(found[name]):
            heights = corners[corners[:, 0] == layer, 1]
            assert (heights.min(), heights.max()) == pytest.approx((row.min(), row.max()))
    assert found["with"].min() > 0.1 and found["with"].max() < 3
    widths = {name: rows.max(1) / rows.min(1) for name, rows in found.items()}
    assert widths["without"][-1] > max(1000, 10 * widths["with"][-1])
    assert found["without"][-1].min() < 0.1 and 300 < found["without"][-1].max() < 3000
    bounded, free = (line(axes, f"{name} demodulation")[:, 1] for name in ("with", "without"))
    assert 0.3 < bounded[-1] < 0.5 < 0.8 < bounded[0] < 1
    assert free.min() > 1 and free[-1] > 5


def test_the_balls_reach_to_the_second_neighbour():
    real, fake = sample_metrics.REAL.numpy(), sample_metrics.FAKE.numpy()
    assert len(real) == 14 and len(fake) == 10 and sample_metrics.K == 2  # as the caption says
    panels = drawn("sample-metrics-balls").axes
    inside = []
    for axes, cloud, others in zip(panels, (real, fake), (fake, real), strict=True):
        apart = np.linalg.norm(cloud[:, None] - cloud, axis=2)
        radii = np.sort(apart)[:, 2]
        assert [ball.center for ball in axes.patches] == cloud.tolist()
        assert [ball.radius for ball in axes.patches] == pytest.approx(radii)
        assert [x.get_xydata().tolist() for x in axes.lines] == [real.tolist(), fake.tolist()]
        inside.append((np.linalg.norm(others[:, None] - cloud, axis=2) <= radii).any(1).mean())
        if cloud is real:
            assert radii.argmax() == 13 and radii[13] > 2 * radii[:13].max()  # the outlier's ball
    assert panels[0].get_xlabel() == f"precision {inside[0]:.0%}"
    assert panels[1].get_xlabel() == f"recall {inside[1]:.0%}"
    assert inside[0] >= 0.9 and inside[1] <= 0.6
    nearest = np.linalg.norm(fake[:, None] - real, axis=2).min(1)
    assert nearest[7:].min() > 2 * nearest[:7].max()  # three are near no real feature


def test_the_classifier_s_bars_are_its_shares():
    _, parameters, adds = drawn("convolution-network").axes
    numbers = {"parameters": [896, 18_496, 524_416, 1_290], "multiply-adds": [884_736, 4_718_592]}
    numbers["multiply-adds"] += [524_288, 1_280]  # the chapter's table
    assert convolution.costs() == numbers
    for axes, counts in zip((parameters, adds), numbers.values(), strict=True):
        shares = np.array(counts) / sum(counts)
        assert [bar.get_width() for bar in axes.patches] == pytest.approx(shares)
        colours = [bar.get_facecolor() for bar in axes.patches]
        assert colours.count(colours[shares.argmax()]) == 1
    words = plotted(drawn("convolution-network"))["words"]
    assert {"545,098", "6,128,896", "96 %", "77 %", "14 %", "9 %", "3 %"} <= {*words}


def test_the_window_gives_the_output_of_a_convolution():
    image, kernel = (
        torch.tensor(x)[None, None].float() for x in (convolution.INPUT, convolution.KERNEL)
    )
    output = F.conv2d(image, kernel, torch.tensor([float(convolution.BIAS)])).flatten().tolist()
    inside = [*image.flatten().tolist(), *kernel.flatten().tolist(), *output]
    words = plotted(drawn("convolution-window"))["words"]
    shown = sorted(int(word.replace("−", "-")) for word in words if re.fullmatch("−?[0-9]+", word))
    assert shown == sorted(map(int, inside))
    assert "1·2 + 0·0 + (−1)·1 + 2·3 + 1 = 8" in words


def test_the_sums_are_those_of_the_transposed_convolution():
    words = plotted(drawn("fcn-phases"))["words"]
    shown = []
    for kernel in fcn.KERNELS:
        weight = torch.tensor([[[float(w) for w in kernel]]])
        wanted = F.conv_transpose1d(torch.ones(1, 1, fcn.INPUTS), weight, stride=2).flatten()
        assert [float(x) for x in fcn.sums(kernel)] == wanted.tolist()
        shown += [*wanted.tolist(), *fcn.INPUTS * [float(w) for w in kernel]]
    cells = [word for word in words if word in "½123456"]
    assert sorted(0.5 if word == "½" else float(word) for word in cells) == sorted(shown)


@pytest.mark.parametrize(("panel", "rates"), [*enumerate([(1, 1, 1), (2, 2, 2), (1, 2, 3)])])
def test_the_holes_are_where_the_gradient_is_nought(panel, rates):
    image = torch.zeros(1, 1, 13, 13, requires_grad=True)
    x = image
    for rate in rates:
        x = F.conv2d(x, torch.ones(1, 1, 3, 3), padding=rate, dilation=rate)
    x[0, 0, 6, 6].backward()
    ways = image.grad[0, 0].numpy()
    cells = drawn("deeplab-holes").axes[0].collections[panel]
    at = cells.get_offsets()
    middle = at.mean(0)
    shown = np.zeros((13, 13))
    for (x, y), shade in zip((at - middle) / 11, cells.get_facecolor()[:, 3], strict=True):
        shown[round(y) + 6, round(x) + 6] = shade
    assert shown == pytest.approx(np.where(ways > 0, 0.12 + 0.88 * ways / ways.max(), 0))


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("unet", ["e₀:  32", "e₁:  64", "e₂:  128", "d₀:  32", "d₁:  64", "d₂:  128"]),
        ("unet", ["e₃ = d₃:  256", "64×64", "32×32", "16×16", "8×8"]),
        ("fcn-fusion", ["64", "128", "160", "FCN-8s", "FCN-16s", "FCN-32s", "×8", "×16", "×32"]),
        ("deeplab-network", ["3×3, rate 1", "3×3, rate 2", "3×3, rate 3", "1/16", "160", "128"]),
        ("deeplab-network", ["the map at 1/4, brought to 48 channels: where"]),
        ("stylegan-network", ["constant 4×4", "4×4, 96", "↑2, 8×8, 64", "↑2, 32×32, 16", "32×32"]),
        ("convolution-field", ["1", "2", "4", "8", "10"]),
    ],
)  # fmt: skip
def test_a_diagram_names_what_the_page_names(name, wanted):
    assert {*wanted} <= {*plotted(drawn(name))["words"]}
