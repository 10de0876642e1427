"""The pixel explorers compute what torch computes, wherever one points."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from tools.book import browser, pixels
from tools.common import ROOT

STATIC = ROOT / "book" / "static"
SUMS = """(kind) => {
  const { unpack, outputShape, sumAt, after } = window.coursePixelSums;
  const layer = unpack(window.coursePixels[kind]);
  const [maps, rows, columns] = outputShape(layer);
  const sums = [], shown = [];
  for (let o = 0; o < maps; o++)
    for (let i = 0; i < rows; i++)
      for (let j = 0; j < columns; j++) {
        sums.push(sumAt(layer, o, i, j));
        shown.push(after(layer, o, sums[sums.length - 1]));
      }
  return { shape: [maps, rows, columns], sums, shown };
}"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page for each explorer, opened as a file."""
    made = tmp_path_factory.mktemp("pixels")
    for kind in pixels.CHECKPOINTS:
        (made / f"{kind}.js").write_bytes(pixels.script(kind, made))
        (made / f"{kind}.html").write_text(
            "<!doctype html><html lang=en><title>a</title><meta name=viewport "
            "content='width=device-width'><link rel=stylesheet href=course.css><main><h1>a</h1>"
            f'<div class="pixel-explorer" data-kind={kind} role=group aria-label=a></div></main>'
            f"<script src={kind}.js></script><script src=pixels.js></script>"
        )
    for name in ("pixels.js", "course.css"):
        (made / name).write_bytes((STATIC / name).read_bytes())
    return made


@pytest.fixture(scope="module")
def running(chromium: str) -> Iterator[Any]:
    with browser.browser(chromium) as started:
        yield started


@pytest.fixture
def page(running: Any, folder: Path, kind: str) -> Iterator[Any]:
    page = running.new_page(viewport={"width": 320, "height": 700})
    page.goto((folder / f"{kind}.html").as_uri())
    yield page
    page.close()


@pytest.mark.browser
@pytest.mark.parametrize("kind", pixels.CHECKPOINTS)
def test_every_sum_is_torch_s(page: Any, kind: str) -> None:
    found = pixels.layer(kind)
    computed = page.evaluate(SUMS, kind)
    convolve = F.conv2d if kind == "conv" else F.conv_transpose2d
    options = {"stride": found["stride"], "padding": found["padding"]}
    wanted = convolve(found["input"][None].double(), found["weight"].double(), **options)[0]
    assert torch.allclose(found["output"].double(), wanted, atol=1e-5), "the model's own output"
    assert computed["shape"] == list(wanted.shape)
    sums = torch.tensor(computed["sums"], dtype=torch.float64).view(wanted.shape)
    assert (sums - wanted).abs().max() < 1e-6
    shown = torch.tensor(computed["shown"], dtype=torch.float64).view(wanted.shape)
    assert (shown - found["shown"]).abs().max() < 1e-5
    assert found["shown"].std() > 0.1


@pytest.mark.browser
@pytest.mark.parametrize("kind", pixels.CHECKPOINTS)
def test_one_points_by_mouse_touch_and_keyboard(page: Any, kind: str) -> None:
    said = page.locator(".pixel-said")
    row, column = pixels.START[kind]
    assert said.inner_text().startswith(f"Row {row}, column {column}.")
    page.get_by_role("slider", name="row").press("ArrowRight")
    page.get_by_role("slider", name="column").press("Home")
    assert said.inner_text().startswith(f"Row {row + 1}, column 0.")
    stage = page.locator(".pixel-stage").last
    box = stage.bounding_box()
    stage.hover(position={"x": box["width"] - 2, "y": 2})
    rows, columns = page.evaluate(SUMS, kind)["shape"][1:]
    assert said.inner_text().startswith(f"Row 0, column {columns - 1}.")
    stage.click(position={"x": 2, "y": box["height"] - 2})
    assert said.inner_text().startswith(f"Row {rows - 1}, column 0.")
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    assert browser.barriers(page) == []


@pytest.mark.browser
@pytest.mark.parametrize("kind", pixels.CHECKPOINTS)
def test_the_numbers_shown_add_up(page: Any, kind: str) -> None:
    """Products are input times weight, and the sums under them add up to what is said."""

    def numbers(table: Any) -> list[float]:
        texts = table.locator("td").all_inner_texts()
        return [float(text.replace("pad", "0").replace("\N{MINUS SIGN}", "-")) for text in texts]

    for line in page.locator(".pixel-row").all():
        inputs, weights, products = map(numbers, line.locator("table").all())
        assert len(inputs) == (9 if kind == "conv" else 4)
        for x, w, product in zip(inputs, weights, products, strict=True):
            assert abs(x * w - product) < 0.01 * (abs(x) + abs(w) + 1)
        caption = line.locator("caption").last.inner_text()
        stated = float(caption.split()[-1].replace("\N{MINUS SIGN}", "-"))
        assert abs(sum(products) - stated) < 0.05


def test_an_unknown_kind_is_an_error_and_a_known_one_brings_its_numbers(render, extension) -> None:
    assert set(extension("course_pixels").KINDS) == set(pixels.CHECKPOINTS)
    html, warnings = render("# A\n\n```{pixel-explorer} conv\nOne *sum*.\n```")
    assert warnings == []
    assert 'data-kind="conv"' in html and "<p>One <em>sum</em>.</p>" in html
    assert 'src="_static/pixels/conv.js"' in html
    _, warnings = render("# A\n\n```{pixel-explorer} conw\n```")
    assert "no pixel explorer 'conw'; there are conv, transposed" in warnings[0]
