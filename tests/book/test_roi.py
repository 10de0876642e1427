"""The RoIAlign explorer computes what torchvision computes, wherever one points."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torchvision.ops import roi_align as compiled

from course_lib.ops import roi_align
from tools.book import browser, roi
from tools.common import ROOT

STATIC = ROOT / "book" / "static"
SUMS = """([box, aligned, shift]) => {
  const { unpack, cell } = window.courseRoiSums;
  const roi = unpack(window.courseRoi);
  if (box) roi.box = box;
  const values = [];
  for (let p = 0; p < roi.cells; p++)
    for (let q = 0; q < roi.cells; q++) values.push(cell(roi, p, q, shift, aligned).value);
  return values;
}"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with the explorer, opened as a file."""
    made = tmp_path_factory.mktemp("roi")
    (made / "numbers.js").write_bytes(roi.script(made))
    for name in ("roi.js", "course.css"):
        (made / name).write_bytes((STATIC / name).read_bytes())
    (made / "page.html").write_text(
        "<!doctype html><html lang=en><title>a</title><meta name=viewport "
        "content='width=device-width'><link rel=stylesheet href=course.css><main><h1>a</h1>"
        '<div class="roi-explorer" role=group aria-label=a></div></main>'
        "<script src=numbers.js></script><script src=roi.js></script>"
    )
    return made


@pytest.fixture(scope="module")
def page(chromium: str, folder: Path) -> Iterator[Any]:
    with browser.browser(chromium) as running:
        page = running.new_page(viewport={"width": 320, "height": 700})
        page.goto((folder / "page.html").as_uri())
        yield page


def wanted(box: torch.Tensor, aligned: bool) -> torch.Tensor:
    """The cells of a box, by the course and by torchvision."""
    found = roi.example()
    features, boxes = found["map"][None, None].double(), [box[None].double()]
    options = {"spatial_scale": 1 / roi.STRIDE, "sampling_ratio": roi.POINTS, "aligned": aligned}
    ours = roi_align(features, boxes, (roi.CELLS, roi.CELLS), **options)
    assert torch.allclose(ours, compiled(features, boxes, (roi.CELLS, roi.CELLS), **options))
    return ours.flatten()


@pytest.mark.browser
@pytest.mark.parametrize("aligned", [True, False])
def test_every_cell_is_torchvision_s(page: Any, aligned: bool) -> None:
    box = roi.example()["box"]
    for shift in (roi.SHIFTS[0], -3, 0, 5, roi.SHIFTS[-1]):
        computed = torch.tensor(page.evaluate(SUMS, [None, aligned, shift]), dtype=torch.float64)
        moved = box + shift * torch.tensor([1.0, 0.0, 1.0, 0.0])
        assert (computed - wanted(moved, aligned)).abs().max() < 1e-6
    for odd in ([-20.0, -9.0, 30.0, 12.0], [100.0, 70.0, 150.0, 110.0], [40.0, 40.0, 43.0, 41.0]):
        computed = torch.tensor(page.evaluate(SUMS, [odd, aligned, 0]), dtype=torch.float64)
        assert (computed - wanted(torch.tensor(odd), aligned)).abs().max() < 1e-6


@pytest.mark.browser
def test_one_points_by_mouse_and_keyboard_and_the_numbers_add_up(page: Any) -> None:
    said = page.locator(".pixel-said")
    assert said.inner_text().startswith("Cell in row 1, column 1:")
    page.get_by_role("slider", name="row").press("ArrowRight")
    page.get_by_role("slider", name="column").press("Home")
    assert said.inner_text().startswith("Cell in row 2, column 0:")
    before = said.inner_text()
    page.get_by_role("slider", name="box moved").press("End")
    assert said.inner_text() != before
    page.get_by_role("slider", name="box moved").press("Home")
    page.get_by_role("combobox").select_option("no")
    page.get_by_role("combobox").select_option("yes")

    def value(text: str) -> float:
        return float(text.replace("\N{MINUS SIGN}", "-"))

    for table in page.locator("table").all():
        total = 0.0
        for row in table.locator("tbody tr").all():
            _, _, number, weight, product = map(value, row.locator("td").all_inner_texts())
            assert abs(number * weight - product) < 0.01 * (abs(number) + 2)
            total += product
        assert abs(value(table.locator("caption").inner_text().split()[-1]) - total) < 0.03
    cells = page.evaluate(SUMS, [None, True, roi.SHIFTS[0]])
    assert value(said.inner_text().split()[-1].rstrip(".")) == pytest.approx(cells[6], abs=0.006)
    box = page.locator("svg").bounding_box()
    x1, y1, x2, y2 = roi.example()["box"].tolist()  # of 128 by 96 pixels
    right, upper = x2 + roi.SHIFTS[0] - 1, y1 + 1
    page.mouse.click(box["x"] + right / 128 * box["width"], box["y"] + upper / 96 * box["height"])
    assert said.inner_text().startswith("Cell in row 0, column 2:")
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    assert browser.barriers(page) == []


def test_the_directive_brings_the_numbers(render) -> None:
    html, warnings = render("# A\n\n```{roi-explorer}\nOne *cell*.\n```")
    assert warnings == []
    assert 'class="roi-explorer"' in html and "<p>One <em>cell</em>.</p>" in html
    assert 'src="_static/pixels/roi.js"' in html
