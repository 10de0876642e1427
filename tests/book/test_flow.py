"""The flow explorer computes what torch and SciPy compute, learns, and can be used by everyone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from course_lib.data import points
from course_lib.models import PointField
from course_lib.ops import solve
from course_lib.train import velocity_of
from tools.book import browser
from tools.common import ROOT

STATIC = ROOT / "book" / "static"
CHAPTER = ROOT / "book" / "math" / "flow-matching.md"
KINDS = ("ring", "moons", "grid", "spiral")
SIZE = {"width": 7, "layers": 2, "waves": 3}
SEEDS = (0, 1, 2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with the explorer, opened as a file."""
    made = tmp_path_factory.mktemp("flow")
    for name in ("flow-network.js", "flow.js", "course.css"):
        (made / name).write_bytes((STATIC / name).read_bytes())
    (made / "page.html").write_text(
        "<!doctype html><html lang=en><title>a</title><meta name=viewport "
        "content='width=device-width'><link rel=stylesheet href=course.css><main><h1>a</h1>"
        '<div class="flow-explorer" role=group aria-label=a></div></main>'
        "<script src=flow-network.js></script><script src=flow.js></script>"
    )
    return made


@pytest.fixture(scope="module")
def running(chromium: str) -> Iterator[Any]:
    with browser.browser(chromium) as started:
        yield started


@pytest.fixture(scope="module")
def sums(running: Any, folder: Path) -> Any:
    """A page that is only asked to compute."""
    page = running.new_page()
    page.goto((folder / "page.html").as_uri())
    return page


@pytest.fixture
def page(running: Any, folder: Path) -> Iterator[Any]:
    page = running.new_page(viewport={"width": 320, "height": 700})
    page.goto((folder / "page.html").as_uri())
    yield page
    page.close()


# ---------------------------------------------------------------- the arithmetic, beside torch

NETWORK = """([size, num, updates]) => {
  const f = window.courseFlow, rng = f.random(5), net = f.network(rng, size);
  const list = (layers) => layers.map((l) => ({ weight: [...l.weight], bias: [...l.bias] }));
  const before = list(net.layers), state = {}, steps = [];
  for (let k = 0; k < updates; k++) {
    const x = f.noise(num, rng), wanted = f.noise(num, rng);
    const t = Float64Array.from({ length: num }, rng.uniform);
    const said = f.forward(net, x, t), { loss, grads } = f.gradient(net, x, t, wanted);
    steps.push({ x: [...x], t: [...t], wanted: [...wanted], said: [...said], loss,
      grads: list(grads) });
    f.adam(net, grads, state, 0.01);
  }
  return { before, steps, after: list(net.layers) };
}"""


def linears(net: PointField) -> list[nn.Linear]:
    """The layers with weights, in the order of the page's."""
    return [module for module in net.modules() if isinstance(module, nn.Linear)]


def loaded(layers: list[dict[str, list[float]]]) -> PointField:
    """The course's network with the page's weights, in float64."""
    net = PointField(width=SIZE["width"], num_layers=SIZE["layers"], waves=SIZE["waves"]).double()
    with torch.no_grad():
        for linear, layer in zip(linears(net), layers, strict=True):
            linear.weight.copy_(numbers(layer["weight"]).view_as(linear.weight))
            linear.bias.copy_(numbers(layer["bias"]))
    return net


def numbers(values: list[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


@pytest.mark.browser
def test_network_gradient_and_adam_are_torch_s(sums: Any) -> None:
    found = sums.evaluate(NETWORK, [SIZE, 11, 5])
    net = loaded(found["before"])
    adam = torch.optim.Adam(net.parameters(), lr=0.01)
    for step in found["steps"]:
        x, wanted = numbers(step["x"]).view(-1, 2), numbers(step["wanted"]).view(-1, 2)
        said = net(x, numbers(step["t"]))
        assert torch.allclose(said.flatten(), numbers(step["said"]), atol=1e-10)
        loss = (said - wanted).square().mean()
        assert loss.item() == pytest.approx(step["loss"], abs=1e-10)
        adam.zero_grad()
        loss.backward()
        for linear, grads in zip(linears(net), step["grads"], strict=True):
            assert linear.weight.grad.abs().max() > 1e-4
            for part in ("weight", "bias"):
                grad = getattr(linear, part).grad.flatten()
                assert torch.allclose(grad, numbers(grads[part]), atol=1e-10)
        adam.step()
    for linear, layer in zip(linears(net), found["after"], strict=True):
        assert torch.allclose(linear.weight.flatten(), numbers(layer["weight"]), atol=1e-9)


@pytest.mark.browser
def test_the_course_s_euler_ends_where_the_page_s_does(sums: Any) -> None:
    asked = """([size]) => {
      const f = window.courseFlow, rng = f.random(8), net = f.network(rng, size);
      const starts = f.noise(9, rng), path = f.follow(net, starts, 5);
      const layers = net.layers.map((l) => ({ weight: [...l.weight], bias: [...l.bias] }));
      return { layers, path: path.map((cloud) => [...cloud]), crooked: f.crookedness(path) };
    }"""
    found = sums.evaluate(asked, [SIZE])
    path = numbers(found["path"]).view(6, 9, 2)
    times = torch.linspace(0, 1, 6, dtype=torch.float64)
    with torch.no_grad():
        end = solve(velocity_of(loaded(found["layers"])), path[0], times, solver="euler")
    assert torch.allclose(end, path[-1], atol=1e-10)
    walked = path.diff(dim=0).norm(dim=2).sum()
    straight = (path[-1] - path[0]).norm(dim=1).sum()
    assert found["crooked"] == pytest.approx((walked / straight).item())


@pytest.mark.browser
@pytest.mark.parametrize("num", [1, 2, 7, 60])
def test_the_pairing_is_scipy_s(sums: Any, num: int) -> None:
    asked = """([num]) => {
      const f = window.courseFlow, rng = f.random(num);
      const [a, b] = [f.noise(num, rng), f.data("ring", num, rng)];
      const order = [...f.assign(a, b)], ties = [...f.assign(a, a.map(() => 1))];
      return { a: [...a], b: [...b], order, ties };
    }"""
    found = sums.evaluate(asked, [num])
    starts, ends = (numbers(found[name]).view(-1, 2) for name in "ab")
    ways = torch.cdist(ends, starts).square()
    rows, columns = linear_sum_assignment(ways.numpy())
    assert sorted(found["order"]) == sorted(found["ties"]) == list(range(num))
    assert ways[range(num), found["order"]].sum() == pytest.approx(ways[rows, columns].sum().item())
    assert found["order"] == columns.tolist()


def energy(a: Tensor, b: Tensor) -> float:
    """The energy distance, by torch."""
    n, m = len(a), len(b)
    within = torch.cdist(a, a).sum() / (n * (n - 1)) + torch.cdist(b, b).sum() / (m * (m - 1))
    return float(2 * torch.cdist(a, b).mean() - within)


def drawn(kind: str, num: int) -> Tensor:
    """The same density by the course's own functions."""
    if kind == "ring":
        return points.ring(num, std=0.15, seed=3).double()
    if kind == "grid":
        return points.grid(num, side=4, spacing=1.2, std=0.12, seed=3).double()
    if kind == "moons":
        return 1.5 * points.two_moons(num, std=0.1 / 1.5, seed=3).double()
    return points.spiral(num, std=0.08, seed=3).double()


@pytest.mark.browser
def test_densities_and_the_distance_are_the_course_s(sums: Any) -> None:
    asked = """() => {
      const f = window.courseFlow, a = {}, rng = f.random(1), noise = f.noise(1500, rng);
      for (const kind of Object.keys(f.DENSITIES)) a[kind] = [...f.data(kind, 1500, rng)];
      return { ...a, noise: [...noise], distance: f.energy(noise, Float64Array.from(a.ring)) };
    }"""
    found = {name: torch.tensor(value) for name, value in sums.evaluate(asked).items()}
    clouds = {name: cloud.double().view(-1, 2) for name, cloud in found.items() if cloud.ndim}
    assert energy(clouds["noise"], clouds["ring"]) == pytest.approx(float(found["distance"]))
    assert energy(clouds["noise"], torch.randn(1500, 2, dtype=torch.float64)) < 0.01
    for kind in KINDS:
        near = energy(clouds[kind], drawn(kind, 1500))
        others = [energy(clouds[kind], drawn(other, 1500)) for other in KINDS if other != kind]
        assert near < 0.01 and near < min(others) / 2


@pytest.mark.browser
def test_samples_are_drawn_with_the_mean_of_the_last_weights(sums: Any) -> None:
    asked = """() => {
      const f = window.courseFlow, run = f.training("grid", false, 0), seen = [];
      for (let k = 0; k < 6; k++) { f.update(run); seen.push([...run.net.layers[1].weight]); }
      return { seen, mean: [...run.average.layers[1].weight] };
    }"""
    found = sums.evaluate(asked)
    assert torch.allclose(numbers(found["seen"]).mean(0), numbers(found["mean"]), atol=1e-12)
    assert numbers(found["seen"]).std(0).max() > 1e-3


# ---------------------------------------------------------------- that it learns

LEARNED = """([kind, transport, seed, updates]) => {
  const f = window.courseFlow, mean = (a) => a.reduce((x, y) => x + y) / a.length;
  const run = f.training(kind, transport, seed), starts = f.noise(400, f.random(91));
  const truth = f.data(kind, 400, f.random(92));
  const after = (steps) => f.follow(run.average, starts, steps)[steps];
  const untrained = f.energy(after(16), truth);
  for (let k = 0; k < updates; k++) f.update(run);
  // How far the arrows point outwards, on average over a circle.
  const outwards = (radius, t) => {
    const circle = Float64Array.from({ length: 160 }, (_, i) =>
      radius * (i % 2 ? Math.sin : Math.cos)((Math.PI / 40) * (i >> 1)));
    const arrows = f.forward(run.average, circle, new Float64Array(80).fill(t));
    return mean([...arrows].map((a, i) => (a * circle[i]) / radius)) * 2;
  };
  return { first: mean(run.losses.slice(0, 20)), loss: mean(run.losses.slice(-100)), untrained,
    one: f.energy(after(1), truth), many: f.energy(after(16), truth),
    noise: f.energy(starts, truth), fair: f.energy(f.data(kind, 400, f.random(93)), truth),
    crooked: f.crookedness(f.follow(run.average, starts, 64)),
    before: run.batch.before, after: run.batch.after,
    early: outwards(1, 0), late: outwards(1, 0.9) };
}"""
UPDATES = 400


@pytest.fixture(scope="module")
def learned(sums: Any) -> Any:
    """One training for each question, made once."""

    @cache
    def train(kind: str, transport: bool, seed: int, updates: int = UPDATES) -> dict[str, float]:
        return sums.evaluate(LEARNED, [kind, transport, seed, updates])

    return train


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize(
    ("kind", "transport"),
    [("ring", False), ("moons", True), ("grid", True), ("spiral", False)],
)
def test_training_lowers_the_loss_and_samples_reach_the_density(
    learned: Any, kind: str, transport: bool
) -> None:
    run = learned(kind, transport, 0, 2 * UPDATES)
    assert run["loss"] < 0.85 * run["first"]
    assert run["many"] < 0.03 + abs(run["fair"])
    assert run["many"] < min(run["untrained"], run["noise"]) / 2


# Sentences of the chapter on what comes out, and that it does, with three seeds.
SAID = {
    "After one step of the field that learned from pairs as drawn, the points lie farther from the "
    "data than the noise did": lambda f, o: f["one"] > f["noise"],
    "With optimal transport one step comes nearly as close as sixteen": lambda f, o: (
        o["one"] < f["noise"] / 5 and o["one"] - o["many"] < 0.02
    ),
    "at $t = 0$ all arrows point to the middle, and at $t = 0.9$ most of those inside the ring "
    "point outwards": lambda f, o: f["early"] < -0.5 and f["late"] > 0.5,
    "The loss of pairs as drawn falls a little and stays, and the samples are good all the "
    "same": lambda f, o: f["loss"] > f["first"] / 2 and f["many"] < f["noise"] / 4,
    "Optimal transport has less than a quarter of that loss": lambda f, o: (
        o["loss"] < f["loss"] / 4 and o["after"] < o["before"] / 2
    ),
}


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize("sentence", SAID)
def test_what_the_chapter_says_comes_out(learned: Any, sentence: str) -> None:
    assert sentence in re.sub(r"\s+", " ", CHAPTER.read_text("utf-8"))
    for seed in SEEDS:
        pairs = learned("ring", False, seed), learned("ring", True, seed)
        assert SAID[sentence](*pairs), (seed, pairs)


# ---------------------------------------------------------------- the page


def words(page: Any) -> str:
    return page.locator(".pixel-said").inner_text()


@pytest.mark.browser
def test_one_trains_by_keyboard_and_a_seed_repeats_itself(page: Any) -> None:
    assert "update 0." in words(page) and "Not trained" in words(page)
    step = page.get_by_role("button", name="One update")
    for _ in range(3):
        step.press("Enter")
    first = words(page)
    assert "update 3." in first and "energy distance to the data" in first
    page.get_by_role("button", name="Reset").press("Enter")
    assert "update 0." in words(page)
    for _ in range(3):
        step.press("Enter")
    assert words(page) == first
    page.get_by_label("seed").select_option("3")
    for _ in range(3):
        step.press("Enter")
    assert "seed 3, update 3." in words(page) and words(page) != first
    page.get_by_label("pairing").select_option("transport")
    page.get_by_label("density").select_option("moons")
    step.press("Enter")
    length = re.search(r"batch: ([\d.]+) \(as drawn ([\d.]+)\)", words(page))
    assert length and float(length[1]) < float(length[2])
    page.get_by_label("Euler steps").select_option("1")
    assert "Two moons, optimal transport, seed 3, update 1." in words(page)
    assert "Samples by 1 Euler step:" in words(page) and "1.00 times as long" in words(page)


@pytest.mark.browser
def test_training_starts_pauses_and_goes_slowly(page: Any) -> None:
    train = page.get_by_role("button", name="Train")
    train.press("Enter")
    page.wait_for_function(
        "() => document.querySelector('.pixel-said').textContent.match(/update (\\d+)/)[1] > 4",
        timeout=browser.PATIENCE,
    )
    assert page.locator(".pixel-said").get_attribute("aria-live") == "off"
    page.get_by_role("button", name="Pause").press("Enter")
    assert page.locator(".pixel-said").get_attribute("aria-live") == "polite"
    paused = words(page)
    page.wait_for_timeout(300)
    assert words(page) == paused
    page.get_by_label("speed").select_option("slow")
    assert page.get_by_label("lines of the last batch").is_checked()
    assert not page.get_by_label("points", exact=True).is_checked()
    page.get_by_role("button", name="Reset").click()
    train.click()
    page.wait_for_function(
        "() => !document.querySelector('.pixel-said').textContent.includes('update 0')",
        timeout=browser.PATIENCE,
    )
    page.get_by_role("button", name="Pause").click()
    assert int(re.search(r"update (\d+)", words(page))[1]) <= 3
    page.get_by_label("speed").select_option("full")
    assert page.get_by_label("points", exact=True).is_checked()


SEEN = "() => document.querySelector('.flow-plane').toDataURL()"


@pytest.mark.slow
@pytest.mark.browser
def test_what_is_drawn_changes_with_what_is_asked(page: Any) -> None:
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.get_by_role("button", name="One update").click()
    pictures = [page.evaluate(SEEN)]
    for name in ("data", "points", "their paths", "arrows at time t", "lines of the last batch"):
        page.get_by_label(name, exact=True).press("Space")
        pictures.append(page.evaluate(SEEN))
    page.get_by_label("points", exact=True).press("Space")
    page.get_by_role("slider", name="time t").press("Home")
    pictures.append(page.evaluate(SEEN))
    assert "at time 0.00" in page.locator(".flow-plane").get_attribute("aria-label")
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    page.wait_for_timeout(100)
    pictures.append(page.evaluate(SEEN))
    assert len(set(pictures)) == len(pictures)
    page.get_by_role("button", name="Follow the points").click()
    page.wait_for_function(
        "() => document.querySelector('.film-readout').textContent === '1.00'",
        timeout=browser.PATIENCE,
    )
    assert errors == []


@pytest.mark.browser
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nobody_is_kept_out_and_it_fits_a_phone(page: Any, theme: str) -> None:
    page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
    page.get_by_role("button", name="One update").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    assert browser.barriers(page) == []
    for canvas in page.locator("canvas").all():
        assert canvas.get_attribute("role") == "img" and canvas.get_attribute("aria-label")


def test_sizes_are_those_that_the_page_tells() -> None:
    text, network = CHAPTER.read_text("utf-8"), (STATIC / "flow-network.js").read_text("utf-8")
    assert "three hidden layers have 64 numbers each" in text
    assert "SIZE = { width: 64, layers: 3, waves: 4 }" in network
    assert "pauses by itself after 4,000 updates" in text
    assert "LAST = 4000;" in (STATIC / "flow.js").read_text("utf-8")


def test_the_directive_needs_no_numbers(render) -> None:
    html, warnings = render("# A\n\n```{flow-explorer}\nIt *trains*.\n```")
    assert warnings == []
    assert 'class="flow-explorer"' in html and "<p>It <em>trains</em>.</p>" in html
    assert "_static/pixels" not in html and "needs JavaScript" in html
