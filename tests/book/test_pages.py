"""Every page of the built book in Chromium: light, dark, phone; and faults that must be found."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tools.book import browser
from tools.book import build as book

PARTS = 6  # that the processes share
pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def running(chromium: str) -> Iterator[Any]:
    with browser.browser(chromium) as started:
        yield started


@pytest.fixture(scope="module")
def site() -> Path:
    if not (book.HTML / "index.html").is_file():
        pytest.skip("missing capability book: it is not built; run `make book` first")
    return book.HTML


@pytest.mark.parametrize("part", range(PARTS))
def test_every_page(running: Any, site: Path, part: int) -> None:
    assert browser.inspect(running, site, browser.site_pages(site)[part::PARTS]) == []


def test_formulas_are_there_to_be_rendered(running: Any, site: Path) -> None:
    with (
        browser.serving(site) as address,
        browser.tab(running, address, browser.VIEWS["light"]) as (
            page,
            _,
        ),
    ):
        browser.open_page(page, address + "book/math/convolution.html")
        assert page.locator("div.math mjx-container").count() > 5
        # Screen readers get the formulas as MathML.
        assert page.locator("mjx-assistive-mml math").count() > 5


def test_widgets_react(running: Any, site: Path) -> None:
    """Each slider that a lab shows changes the picture that is linked to it, without a kernel."""
    tried = 0
    with (
        browser.serving(site) as address,
        browser.tab(running, address, browser.VIEWS["light"]) as (
            page,
            faults,
        ),
    ):
        for name in browser.site_pages(site):
            if 'widget-view+json"' not in (site / name).read_text(encoding="utf-8"):
                continue
            browser.open_page(page, address + name)
            for slider in page.locator(".widget-slider, .widget-hslider").all():
                handle = slider.locator(".noUi-handle").first
                outer = slider.locator("xpath=ancestor::*[contains(@class,'widget-subarea')][1]")
                before = outer.inner_html()
                assert handle.get_attribute("aria-label")
                handle.focus()
                handle.press("ArrowRight")
                page.wait_for_timeout(200)
                assert outer.inner_html() != before, f"{name}: a slider does nothing"
                tried += 1
    assert faults == []
    assert tried, "no page has a slider"


def test_a_film_plays(running: Any, site: Path) -> None:
    with (
        browser.serving(site) as address,
        browser.tab(running, address, browser.VIEWS["light"]) as (page, faults),
    ):
        browser.open_page(page, address + "notebooks/gan-2d.html")
        button = page.get_by_role("button", name="Play or pause").first
        picture = page.locator(".widget-play").first.locator("xpath=..").locator("img:visible")
        before = picture.get_attribute("alt")
        button.click()
        page.wait_for_selector(".widget-play .fa-pause")
        page.wait_for_function(
            "(shown) => shown.getClientRects().length === 0", arg=picture.element_handle()
        )
        assert picture.get_attribute("alt") != before
        button.click()
        page.wait_for_selector(".widget-play .fa-pause", state="detached")
    assert faults == []


def test_search_works_without_a_network(running: Any, site: Path) -> None:
    with (
        browser.serving(site) as address,
        browser.tab(running, address, browser.VIEWS["light"]) as (
            page,
            faults,
        ),
    ):
        page.goto(address + "search.html?q=convolution")
        page.wait_for_selector("#search-results li")
        found = page.locator("#search-results li a").all_inner_texts()
        assert any("onvolution" in title for title in found)
        page.goto(address + "search.html?q=语义分割")
        page.wait_for_selector("#search-results li")
    assert faults == []


def test_tables_in_outputs_are_tables(site: Path) -> None:
    """Markdown from a cell is rendered by another parser than the page; it has to know tables."""
    pages = sorted((site / "notebooks").glob("*.html"))
    assert "score</p></th>" in (site / "notebooks" / "unet.html").read_text(encoding="utf-8")
    assert [page.name for page in pages if "<p>|" in page.read_text(encoding="utf-8")] == []


def test_the_sources_of_exercises_are_not_in_the_site(site: Path) -> None:
    assert not (site / "_sources").exists()
    for notebook in site.rglob("*.ipynb"):
        text = json.dumps(json.loads(notebook.read_text(encoding="utf-8")))
        assert "BEGIN SOLUTION" not in text
        assert "HIDDEN TESTS" not in text


@pytest.mark.parametrize(
    ("html", "fault"),
    [
        ("<script>nothing()</script>", "script error"),
        ("<script>console.error('oh')</script>", "console: oh"),
        ("<img src='https://example.org/a.png' alt=''>", "asks another host"),
        ("<script>fetch('https://example.org/')</script>", "asks another host"),
        ("<img src='gone.png' alt='a'>", "404"),
        ("<img src='data:image/png;base64,AA' alt='a'>", "picture does not load"),
        ("<img src='data:image/gif;base64,R0lGODlhAQABAAAAACw='>", "without alternative text"),
        ("<span class='math'>\\(x\\)</span>", "1 formulas are not rendered"),
        ("<mjx-merror title='Undefined control sequence'></mjx-merror>", "mathematics in error"),
        ("<div style='width: 3000px'>x</div>", "pixels wider than the screen"),
        ("<h1>another</h1>", "2 main headings"),
    ],
)
def test_the_inspection_finds(running: Any, tmp_path: Path, html: str, fault: str) -> None:
    page = f"<!doctype html><link rel=icon href='data:,'><main><h1>A</h1>{html}</main>"
    (tmp_path / "index.html").write_text(page)
    faults = browser.inspect(running, tmp_path, ["index.html"])
    assert any(fault in line for line in faults), faults


def test_the_inspection_likes_a_good_page(running: Any, tmp_path: Path) -> None:
    page = "<!doctype html><title>A</title><link rel=icon href='data:,'><main><h1>A</h1></main>"
    (tmp_path / "index.html").write_text(page)
    assert browser.inspect(running, tmp_path, ["index.html"]) == []
