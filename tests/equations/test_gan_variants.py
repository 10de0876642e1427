"""The equations of book/math/gan.md on other losses, labels and collapse."""

import math
import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from course_lib.losses import discriminator_loss, generator_loss
from course_lib.models import PointDiscriminator
from tools.common import ROOT

seeds = given(st.integers(0, 2**31))
few = settings(max_examples=25, deadline=None)


def finite(seed, num=4):
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.ones(num)), rng.dirichlet(np.ones(num))


def weighted(p, q, f, kind):
    """The package's loss of a distribution: one call for each place, weighted."""
    total = 0.0
    for a, b, x in zip(p, q, f, strict=True):
        out = torch.tensor([x], dtype=torch.float64)
        zero = {"least-squares": (1.0, 0.0), "hinge": (1.0, -1.0)}[kind]  # outputs that cost 0
        none_real, none_fake = (torch.tensor([z], dtype=torch.float64) for z in zero)
        total += a * discriminator_loss(out, none_fake, kind=kind).item()
        total += b * discriminator_loss(none_real, out, kind=kind).item()
    return total


@pytest.mark.equation("eq-least-squares-value")
@few
@seeds
def test_the_value_of_least_squares_by_linear_regression(seed):
    """Weighted least squares, one free output a place, solved as normal equations."""
    p, q = finite(seed)
    design = np.concatenate([np.diag(np.sqrt(p)), np.diag(np.sqrt(q))])
    target = np.concatenate([np.sqrt(p), np.zeros(len(p))])
    f, *_ = np.linalg.lstsq(design, target, rcond=None)
    assert f == pytest.approx(p / (p + q), abs=1e-8)
    smallest = float(np.sum((design @ f - target) ** 2)) / 2
    assert smallest == pytest.approx(np.sum(p * q / (p + q)) / 2)
    assert smallest == pytest.approx(1 / 4 - np.sum((p - q) ** 2 / (p + q)) / 8)
    assert smallest == pytest.approx(weighted(p, q, f, "least-squares"))


def test_least_squares_pulls_back_what_is_too_good():
    out = torch.tensor([3.0], requires_grad=True)
    generator_loss(out, kind="least-squares").backward()
    assert out.grad.item() > 0  # descending lowers the output


@pytest.mark.equation("eq-hinge-value")
@few
@seeds
def test_the_value_of_the_hinge_by_a_linear_programme(seed):
    """Slacks s >= 1 - f, t >= 1 + f: minimise sum p s + q t over f, s, t."""
    p, q = finite(seed)
    n = len(p)
    eye, zero = np.eye(n), np.zeros((n, n))
    rows = np.block([[-eye, -eye, zero], [eye, zero, -eye]])
    bounds = [(None, None)] * n + [(0, None)] * (2 * n)
    cost = np.concatenate([np.zeros(n), p, q])
    found = linprog(cost, A_ub=rows, b_ub=-np.ones(2 * n), bounds=bounds)
    assert found.fun == pytest.approx(2 * np.minimum(p, q).sum())
    assert found.fun == pytest.approx(2 - np.abs(p - q).sum())
    step = np.where(p > q, 1.0, -1.0)
    assert weighted(p, q, step, "hinge") == pytest.approx(found.fun)


@pytest.mark.equation("eq-conditional-value", "eq-conditional-logit")
@few
@seeds
def test_the_best_logit_of_a_pair_is_a_sum_of_two_questions(seed):
    rng = np.random.default_rng(seed)
    labels = rng.dirichlet(np.ones(3))  # the generator is asked as often as the data have it
    p = rng.dirichlet(np.ones(4), size=3) * labels[:, None]  # rows: labels, columns: places
    q = rng.dirichlet(np.ones(4), size=3) * labels[:, None]
    logit = np.zeros((3, 4))
    for _ in range(60):  # Newton's method on the value of pairs, place by place
        d = 1 / (1 + np.exp(-logit))
        step = (p * (1 - d) - q * d) / ((p + q) * d * (1 - d) + 1e-300)
        logit += np.clip(step, -1, 1)
    d = 1 / (1 + np.exp(-logit))
    assert np.sum(p * np.log(d) + q * np.log(1 - d)) == pytest.approx(
        sum(
            w * np.sum(a * np.log(a / (a + b)) + b * np.log(b / (a + b)))  # each class a game
            for w, a, b in zip(labels, p / labels[:, None], q / labels[:, None], strict=True)
        )
    )
    real = np.log(p.sum(0) / q.sum(0))  # does x look real at all?
    named = np.log((p / p.sum(0)) / (q / q.sum(0)))  # and like the label?
    assert logit == pytest.approx(real + named, abs=1e-6)


@pytest.mark.equation("eq-projection")
@few
@seeds
def test_the_projection_discriminator_is_its_formula(seed):
    torch.manual_seed(seed)
    model = PointDiscriminator(width=5, num_classes=3).double()
    torch.nn.init.normal_(model.embedding.weight)
    x, y = torch.randn(6, 2, dtype=torch.float64), torch.randint(3, (6,))
    phi = model.body(x)
    w, b, v = model.head.weight[0], model.head.bias, model.embedding.weight
    wanted = [w @ phi[i] + b[0] + v[y[i]] @ phi[i] for i in range(6)]
    torch.testing.assert_close(model(x, y), torch.stack(wanted))


@pytest.mark.equation("eq-best-reply")
@few
@seeds
def test_the_best_reply_to_a_fixed_discriminator_is_one_point(seed):
    """The best mixture over places is a linear programme; its answer is a corner."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=6)
    h = np.logaddexp(0, -logits)  # -log D
    found = linprog(h, A_eq=np.ones((1, 6)), b_eq=[1], bounds=[(0, None)] * 6)
    assert found.fun == pytest.approx(h.min())
    assert found.x[logits.argmax()] == pytest.approx(1)
    loss = generator_loss(torch.tensor(logits[[logits.argmax()] * 4]), kind="non-saturating")
    assert loss.item() == pytest.approx(found.fun)


def table_of_collapses():
    """The rows of the chapter's table: name to what stands below 1, 2, 4, 7 and 8 modes."""
    page = (ROOT / "book/math/gan.md").read_text(encoding="utf-8")
    part = page.split("| modes drawn, of 8 |")[1].split("\n\n")[0].splitlines()
    assert [int(x) for x in re.findall(r"\d+", part[0])] == [1, 2, 4, 7, 8]
    cells = [[cell.strip() for cell in row.split("|")[1:-1]] for row in part[2:]]
    return {name.split(":")[0]: values for name, *values in cells}


@pytest.mark.equation("eq-collapse-cost")
@pytest.mark.parametrize(("place", "k"), list(enumerate((1, 2, 4, 7, 8))))
def test_what_a_collapse_costs(place, k):
    """By sums over places: each of the eight modes is a small distribution of its own."""
    shape = np.array([0.2, 0.5, 0.3])
    p = np.kron(np.ones(8) / 8, shape)
    q = np.kron(np.r_[np.ones(k) / k, np.zeros(8 - k)], shape)
    m, on = (p + q) / 2, q > 0
    js = (np.sum(p * np.log(p / m)) + np.sum(q[on] * np.log(q[on] / m[on]))) / 2
    reverse = np.sum(q[on] * np.log(q[on] / p[on]))
    with np.errstate(divide="ignore"):
        forward = np.sum(p * np.log(p / q))
    r = k / 8
    mixture = 2 * np.sum(m * np.log(m / p))
    formula = 2 * math.log(2) - (1 + r) * math.log(1 + r) + r * math.log(r)
    assert 2 * js == pytest.approx(formula, abs=1e-12)
    assert mixture == pytest.approx((1 + r) * math.log((1 + r) / r) - 2 * math.log(2), abs=1e-12)
    assert reverse == pytest.approx(math.log(1 / r), abs=1e-12)
    assert math.isinf(forward) == (k < 8)
    costs = (2 * js, mixture, reverse, forward)
    shown = [row[place] for row in table_of_collapses().values()]
    wanted = ["∞" if math.isinf(x) else f"{x:.3f}" if x > 1e-9 else "0" for x in costs]
    assert shown == wanted
    if k == 7:
        assert min(costs) == mixture  # "the cheapest of the four at seven modes"
        best = (p / (p + q))[on]
        assert best == pytest.approx(r / (1 + r)) and round(r / (1 + r), 3) == 0.467
    if k == 4:
        assert round(2 * round(js, 3), 3) == 0.432  # question 5
    assert (round(math.log(8 / 7), 3), round(math.log(8), 3)) == (0.134, 2.079)


@few
@seeds
def test_what_a_leaking_generator_loss_teaches_the_discriminator(seed):
    """The lab's broken loop: D minimises its own loss plus the generator's non-saturating one."""
    p, q = finite(seed)

    def slope(logit):
        s = 1 / (1 + np.exp(-logit))
        return -p * (1 - s) + q * s - q * (1 - s)  # own part, then the leak

    low, high = np.full(4, -40.0), np.full(4, 40.0)
    for _ in range(80):  # bisection, place by place
        middle = (low + high) / 2
        low, high = (
            np.where(slope(middle) < 0, middle, low),
            np.where(slope(middle) < 0, high, middle),
        )
    assert middle == pytest.approx(np.log(1 + p / q), abs=1e-6)  # never below 0
    assert (1 / (1 + np.exp(-middle))) == pytest.approx((p + q) / (p + 2 * q), abs=1e-6)
    assert slope(np.zeros(4)) == pytest.approx(-p / 2)  # undecided about generated points: only p
