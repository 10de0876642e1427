"""The equations and tables of book/math/one-family.md."""

import math
import re

import numpy as np
import pytest
import torch

from course_lib.ops import convert, target
from tools.common import ROOT

PAGE = (ROOT / "book" / "math" / "one-family.md").read_text(encoding="utf-8")
H = 1e-6


def stepwise(t):
    """A smooth variance-preserving schedule in the place of DDPM's steps; time from the image."""
    return math.exp(-0.05 * t - 4.975 * t**2)


SCHEDULES = {
    "straight": (lambda t: t, lambda t: 1 - t),
    "straight from the image": (lambda t: 1 - t, lambda t: t),
    "cosine": (lambda t: math.cos(math.pi * t / 2), lambda t: math.sin(math.pi * t / 2)),
    "cosine, this course": (
        lambda t: math.sin(math.pi * t / 2), lambda t: math.cos(math.pi * t / 2),
    ),
    "preserving": (stepwise, lambda t: math.sqrt(1 - stepwise(t) ** 2)),
    "exploding": (lambda t: 1.0, lambda t: 80 * t),
}  # fmt: skip
TIMES = (0.2, 0.5, 0.8)


def rate(f, t):
    return (f(t + H) - f(t - H)) / (2 * H)


def python(formula):
    """A formula of the page's tables as Python: names for symbols, stars for products."""
    text = formula.strip().strip("$")
    for symbol, name in (
        (r"\dot\alpha_t", "A"), (r"\dot\sigma_t", "S"), (r"\alpha_t", "a"), (r"\sigma_t", "b"),
        (r"\varepsilon", "e"), ("x_t", "X"), ("^2", "²"),
    ):  # fmt: skip
        text = text.replace(symbol, name)
    text = re.sub(r"(?<=[A-Za-z)²])\s*(?=[A-Za-z(])", "*", text)
    return text.replace("²", "**2")


def tables():
    """The two tables of conversions: {(from, to): formula}."""
    found = {}
    for block in PAGE.split("<!-- conversions")[1:]:
        rows = [line for line in block.splitlines() if line.startswith("|")]
        rows = [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows[:7]]
        head, body = rows[0], [row for row in rows[2:] if len(row) == len(rows[0])]
        for row in body:
            name = row[0].strip("$")
            if head[0] == "from":
                found[name, "x"], found[name, "e"] = row[1], row[2]
            else:
                found["both", name] = row[1]
    return found


def words(image, noise, schedule, t):
    """Everything that can be said of a sample on the way, from the definitions."""
    alpha, sigma = schedule
    a, b = alpha(t), sigma(t)
    named = {
        "x": image, "e": noise, "v": a * noise - b * image, "s": -noise / b,
        "u": rate(alpha, t) * image + rate(sigma, t) * noise,
    }  # fmt: skip
    known = {
        "X": a * image + b * noise, "a": a, "b": b, "A": rate(alpha, t), "S": rate(sigma, t),
    }  # fmt: skip
    return named, known | {
        "g": a**2 + b**2,
        "w": known["A"] * b - a * known["S"],
    }


def test_the_tables_of_the_page_hold_for_every_schedule():
    """Each cell, read from the page, at three levels of six schedules."""
    found = tables()
    assert len(found) == 13
    rng = np.random.default_rng(0)
    for schedule in SCHEDULES.values():
        for t in TIMES:
            image, noise = rng.normal(size=(2, 5))
            named, known = words(image, noise, schedule, t)
            for (given, wanted), cell in found.items():
                said = {"x": image, "e": noise} if given == "both" else {}
                if given == r"\varepsilon":
                    said = {"e": noise}
                elif given != "both":
                    said = {given: named[given]}
                got = eval(python(cell), {}, known | said)  # a formula of our own page
                wanted = {r"\varepsilon": "e"}.get(wanted, wanted)
                assert got == pytest.approx(named[wanted], rel=1e-4, abs=1e-4), (given, wanted)


@pytest.mark.equation("eq-family-line")
def test_the_line_and_the_rows_of_schedules():
    """The ends of each schedule are noise and image; those that keep the variance do."""
    for name, (alpha, sigma) in SCHEDULES.items():
        forward = name in ("straight", "cosine, this course")
        image, noise = (1, 0) if forward else (0, 1)
        assert alpha(image) / max(sigma(image), 1e-9) > 1e3
        assert alpha(noise) / sigma(noise) < 0.02
        squares = [alpha(t) ** 2 + sigma(t) ** 2 for t in TIMES]
        assert (np.allclose(squares, 1)) == (name.startswith("cosine") or name == "preserving")
    betas = np.linspace(1e-4, 0.02, 1000)  # the steps of DDPM against the smooth schedule
    steps = np.cumprod(np.sqrt(1 - betas))
    assert steps[499] == pytest.approx(stepwise(0.5), abs=0.01)
    named, known = words(1.0, -2.0, SCHEDULES["straight"], 0.8)
    assert known["X"] == pytest.approx(0.4)
    assert [named[k] for k in "uvs"] == pytest.approx([3, -1.8, 10])


@pytest.mark.equation("eq-family-velocity")
@pytest.mark.equation("eq-family-v")
def test_velocity_and_turn():
    """The velocity by differences of the line; v as its derivative by the angle."""
    image, noise = 0.7, -1.2
    for alpha, sigma in SCHEDULES.values():
        line = lambda t, a=alpha, s=sigma: a(t) * image + s(t) * noise  # noqa: E731
        named, _ = words(image, noise, (alpha, sigma), 0.4)
        assert rate(line, 0.4) == pytest.approx(named["u"], rel=1e-5)
    angle = lambda phi: math.cos(phi) * image + math.sin(phi) * noise  # noqa: E731
    v = math.cos(0.6) * noise - math.sin(0.6) * image
    assert rate(angle, 0.6) == pytest.approx(v)
    named, _ = words(image, noise, SCHEDULES["cosine"], 0.6 * 2 / math.pi)
    assert (named["v"], named["u"]) == pytest.approx((v, math.pi / 2 * v))
    named, _ = words(image, noise, SCHEDULES["cosine, this course"], 0.3)
    assert named["u"] == pytest.approx(-math.pi / 2 * named["v"])


@pytest.mark.equation("eq-time-reversed")
def test_time_the_other_way():
    """Points that follow the turned field in turned time come back to where they began."""
    m, c = 2.0, 0.5
    field = lambda t, x: m + (t * c**2 - (1 - t)) / ((t * c) ** 2 + (1 - t) ** 2) * (x - t * m)  # noqa: E731
    turned = lambda t, x: -field(1 - t, x)  # noqa: E731
    x, steps = 1.0, 400
    for way in (field, turned):
        for k in range(steps):
            t, h = k / steps, 1 / steps
            x = x + h * way(t + h / 2, x + h / 2 * way(t, x))
        assert x == pytest.approx(2.5 if way is field else 1.0, abs=1e-4)
    forward, back = SCHEDULES["straight"], SCHEDULES["straight from the image"]
    for t in TIMES:
        assert (back[0](t), back[1](t)) == pytest.approx((forward[0](1 - t), forward[1](1 - t)))
        one, other = (words(0.7, -1.2, s, w)[0] for s, w in ((forward, 1 - t), (back, t)))
        assert other["u"] == pytest.approx(-one["u"])
        assert other["v"] == pytest.approx(one["v"])


def best(x, alpha, sigma, means=(-1.0, 0.4, 2.0), width=0.3):
    """The best guess of a mixture's image, by Bayes' rule on a grid."""
    grid = np.linspace(-5, 6, 4401)
    prior = sum(np.exp(-((grid - m) ** 2) / (2 * width**2)) for m in means)
    joint = prior * np.exp(-((x - alpha * grid) ** 2) / (2 * sigma**2))
    return np.trapezoid(joint * grid, grid) / np.trapezoid(joint, grid)


@pytest.mark.equation("eq-family-scale")
def test_the_same_level_under_another_schedule():
    for t in (0.3, 0.6):
        other = 2 / math.pi * math.atan((1 - t) / t)  # of the cosine from the image
        alpha, sigma = math.cos(math.pi * other / 2), math.sin(math.pi * other / 2)
        assert sigma / alpha == pytest.approx((1 - t) / t)
        for x in (-0.2, 0.5):
            assert best(x, t, 1 - t) == pytest.approx(best(alpha / t * x, alpha, sigma))
    assert other == pytest.approx(0.374, abs=5e-4)
    assert alpha == pytest.approx(0.832, abs=5e-4)
    assert alpha / 0.6 == pytest.approx(1.387, abs=5e-4)


@pytest.mark.equation("eq-family-errors")
@pytest.mark.parametrize("name", SCHEDULES)
def test_how_an_error_is_converted(name):
    rng = np.random.default_rng(0)
    for t in TIMES:
        image, noise, wrong = rng.normal(size=(3, 6))
        named, known = words(image, noise, SCHEDULES[name], t)
        implied = (known["X"] - known["a"] * wrong) / known["b"]
        other, _ = words(wrong, implied, SCHEDULES[name], t)
        off = {k: np.linalg.norm(named[k] - other[k]) for k in "xevu"}
        a, b = known["a"], known["b"]
        factors = {"x": 1, "e": b / a, "v": b / known["g"], "u": b / abs(known["w"])}
        for key, factor in factors.items():
            assert off["x"] == pytest.approx(factor * off[key], rel=1e-4)


def sheet(seed=0, wide=9, thin=3, num=200_000):
    """Data in a subspace, and noise."""
    rng = np.random.default_rng(seed)
    axes, _ = np.linalg.qr(rng.normal(size=(wide, thin)))
    return axes, rng.normal(size=(num, thin)) @ axes.T, rng.normal(size=(num, wide))


@pytest.mark.equation("eq-sheet")
def test_the_best_answers_on_a_sheet():
    axes, image, noise = sheet()
    alpha, sigma = 0.6, 0.4
    seen = alpha * image + sigma * noise
    inside = axes @ axes.T
    g = alpha**2 + sigma**2
    of_image = alpha / g * inside
    of_noise = (np.eye(9) - inside) / sigma + sigma / g * inside
    assert np.linalg.lstsq(seen, image, rcond=None)[0] == pytest.approx(of_image, abs=0.02)
    assert np.linalg.lstsq(seen, noise, rcond=None)[0] == pytest.approx(of_noise, abs=0.02)
    around = of_noise - np.eye(9) / sigma  # what a way around leaves to the narrow place
    assert np.linalg.matrix_rank(around, tol=1e-8) == 3


def narrow(seen, wanted, rank):
    """The least error of a linear guess of a rank: reduced-rank regression."""
    weights = np.linalg.lstsq(seen, wanted, rcond=None)[0]
    fitted = seen @ weights
    _, _, rows = np.linalg.svd(fitted.T @ fitted / len(fitted))
    kept = fitted @ rows[:rank].T @ rows[:rank]
    return ((wanted - kept) ** 2).sum(1).mean()


def test_a_bend_is_one_of_the_coordinates():
    """Data standard normal: the cosine's flow stands still, the straight one's goes in and out."""
    image, noise = np.random.default_rng(0).normal(size=(2, 400_000))
    for t in TIMES:
        slopes = {}
        for name in ("cosine, this course", "straight"):
            named, known = words(image, noise, SCHEDULES[name], t)
            slopes[name] = (named["u"] * known["X"]).mean() / (known["X"] ** 2).mean()
        assert slopes["cosine, this course"] == pytest.approx(0, abs=0.02)
        assert slopes["straight"] == pytest.approx((2 * t - 1) / (t**2 + (1 - t) ** 2), abs=0.02)
        other = 2 / math.pi * math.atan(t / (1 - t))  # the cosine's time of the same level
        factor = t / math.sin(math.pi / 2 * other)
        assert factor == pytest.approx(math.hypot(t, 1 - t))  # the straight flow's deviation


def test_a_step_is_straight_in_the_coordinates_of_its_schedule():
    """Data standard normal, one step of Euler from noise to image; and DDIM on two schedules."""
    start = np.array([-1.3, 0.2, 2.0])

    def answers(name, t, x):  # the best guesses of image, noise and velocity, by regression
        _, known = words(0.0, 0.0, SCHEDULES[name], t)
        both = known["a"] ** 2 + known["b"] ** 2
        image, noise = known["a"] / both * x, known["b"] / both * x
        return image, noise, known["A"] * image + known["S"] * noise

    for name, end in (("cosine, this course", start), ("straight", 0 * start)):
        assert start + answers(name, H, start)[2] == pytest.approx(end, abs=1e-4)
    # Where the flow leads: to the start itself, by eq-flow-gaussian with m = 0 and c = 1.
    x, steps = start.copy(), 500
    for k in range(steps):
        t, h = k / steps, 1 / steps
        half = x + h / 2 * answers("straight", t or H, x)[2]
        x = x + h * answers("straight", t + h / 2, half)[2]
    assert x == pytest.approx(start, abs=1e-4)
    # Between the same three levels: DDIM agrees but for the scale, Euler's step does not.
    ends = {"ddim": [], "euler": []}
    for name in ("straight", "cosine, this course"):
        alpha, sigma = SCHEDULES[name]
        times = [0.2, 0.5, 0.7]
        if name != "straight":
            times = [2 / math.pi * math.atan(t / (1 - t)) for t in times]
        ddim = euler = start * alpha(times[0])
        for t, later in zip(times, times[1:], strict=False):
            image, noise, _ = answers(name, t, ddim)
            ddim = alpha(later) * image + sigma(later) * noise
            euler = euler + (later - t) * answers(name, t, euler)[2]
        ends["ddim"].append(ddim / alpha(times[-1]))
        ends["euler"].append(euler / alpha(times[-1]))
    assert ends["ddim"][0] == pytest.approx(ends["ddim"][1])
    assert np.abs(ends["euler"][0] - ends["euler"][1]).max() > 0.05


def test_a_fixed_share_of_the_input_has_to_be_taken_out_again():
    """Naming the image through a narrow place that is just wide enough, beside a * x_t."""
    _, image, noise = sheet()
    alpha, sigma = 0.6, 0.4
    seen, least = alpha * image + sigma * noise, 3 * sigma**2 / (alpha**2 + sigma**2)
    errors = [narrow(seen, image - a * seen, 3) for a in (0, 0.3, 0.6, 0.9)]
    assert errors[0] == pytest.approx(least, rel=0.02)
    assert all(one * 1.05 < more for one, more in zip(errors, errors[1:], strict=False))
    assert narrow(seen, noise - seen / sigma, 3) == pytest.approx(
        least * (alpha / sigma) ** 2, rel=0.02
    )


@pytest.mark.equation("eq-sheet-narrow")
@pytest.mark.parametrize("rank", [3, 5, 6])
def test_a_narrow_place(rank):
    _, image, noise = sheet()
    alpha, sigma = 0.6, 0.4
    seen, g = alpha * image + sigma * noise, alpha**2 + sigma**2
    assert narrow(seen, image, rank) == pytest.approx(3 * sigma**2 / g, rel=0.02)
    assert narrow(seen, noise, rank) == pytest.approx(9 - rank, rel=0.02)
    assert narrow(seen, noise, 9) == pytest.approx(3 * alpha**2 / g, rel=0.02)
    for t in (0.6, 0.1):  # the velocity, on the straight path; the image that follows from it
        seen = t * image + (1 - t) * noise
        assert narrow(seen, image - noise, rank) == pytest.approx(9 + 3 - rank, rel=0.02)
        floor = 3 / (t**2 + (1 - t) ** 2)
        assert narrow(seen, image - noise, 9) == pytest.approx(floor, rel=0.02)
    weights = np.linalg.lstsq(seen, image - noise, rcond=None)[0]
    _, _, rows = np.linalg.svd(weights.T @ seen.T @ seen @ weights)
    said = seen @ weights @ rows[:rank].T @ rows[:rank]
    missed = ((image - (seen + (1 - t) * said)) ** 2).sum(1).mean()
    assert missed == pytest.approx((1 - t) ** 2 * (12 - rank), rel=0.02)


def test_the_questions():
    named, known = words(0.4, 2.4, SCHEDULES["straight from the image"], 0.3)
    assert (known["X"], named["u"]) == pytest.approx((1, 2))
    assert pytest.approx(1, abs=1e-3) == 0.866 * 0.866 + 0.5 * 0.5


def test_the_package_converts_as_the_tables_do():
    """Every pair of words on the paths of the package that this page has, and the targets."""
    rng = np.random.default_rng(1)
    spelt = {"x": "image", "e": "noise", "v": "v", "u": "velocity", "s": "score"}
    for path, schedule in (("straight", "straight"), ("cosine", "cosine, this course")):
        for t in TIMES:
            image, noise = rng.normal(size=(2, 3, 5))
            named, known = words(image, noise, SCHEDULES[schedule], t)
            x, time = torch.tensor(known["X"]), torch.full((3,), t, dtype=torch.float64)
            for given, one in spelt.items():
                for wanted, other in spelt.items():
                    got = convert(
                        torch.tensor(named[given]), x, time, given=one, wanted=other, path=path
                    )
                    assert got.numpy() == pytest.approx(named[wanted], rel=1e-6, abs=1e-6)
            for word in "xevu":
                got = target(torch.tensor(image), torch.tensor(noise), time, spelt[word], path)
                assert got.numpy() == pytest.approx(named[word], rel=1e-6, abs=1e-6)
