"""Every page of the built book in Chromium: light, dark, phone; and faults that must be found."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup

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


def shown(film: Any) -> list[str]:
    """Descriptions of the pictures of a film that can be seen."""
    return [image.get_attribute("alt") for image in film.locator("img:visible").all()]


def test_every_film_reacts_to_the_keyboard(running: Any, site: Path) -> None:
    """Each slider of a lab changes the picture and says what it shows, without a kernel."""
    tried = 0
    with (
        browser.serving(site) as address,
        browser.tab(running, address, browser.VIEWS["phone"]) as (page, faults),
    ):
        for name in browser.site_pages(site):
            if 'class="film"' not in (site / name).read_text(encoding="utf-8"):
                continue
            browser.open_page(page, address + name)
            for film in page.locator(".film").all():
                slider = film.locator("input")
                before = shown(film)
                assert len(before) == 1 and film.get_attribute("aria-label")
                last = slider.input_value() == slider.get_attribute("max")
                slider.press("ArrowLeft" if last else "ArrowRight")
                assert len(shown(film)) == 1 and shown(film) != before, f"{name}: it does nothing"
                says = slider.get_attribute("aria-valuetext")
                assert says == film.locator(".film-readout").inner_text()
                assert says == film.locator("figure:visible").get_attribute("data-label")
                tried += 1
    assert faults == []
    assert tried, "no page has a film"


def test_a_film_plays_and_pauses_also_from_a_file(running: Any, site: Path) -> None:
    page = running.new_page()
    page.goto((site / "notebooks" / "gan-2d.html").as_uri())
    film = page.locator(".film[data-play]").first
    button = film.get_by_role("button")
    slider = film.locator("input")
    slider.press("Home")
    before = shown(film)
    button.click()
    assert button.inner_text() == "Pause"
    page.wait_for_function("(slider) => slider.value >= 2", arg=slider.element_handle())
    button.click()
    assert button.inner_text() == "Play" and shown(film) != before
    slider.press("End")
    button.click()  # from the last picture it begins anew
    page.wait_for_function(
        "(slider) => slider.value > 0 && slider.value < 5", arg=slider.element_handle()
    )
    page.close()


def test_paper_is_white_and_a_film_on_it_is_a_strip(running: Any, site: Path) -> None:
    with (
        browser.serving(site) as address,
        browser.tab(running, address, browser.VIEWS["dark"]) as (page, faults),
    ):
        browser.open_page(page, address + "notebooks/gan-2d.html")
        theme = "() => document.documentElement.dataset.theme"
        assert page.evaluate(theme) == "dark"
        page.emulate_media(media="print", color_scheme="dark")
        page.evaluate("() => window.dispatchEvent(new Event('beforeprint'))")
        assert page.evaluate(theme) == "light"
        film = page.locator(".film[data-play]").first
        frames = film.locator("figure").count()
        assert len(shown(film)) == min(frames, 6) and not film.locator("input").is_visible()
        # Code is broken into lines, not cut.
        cut = "(all) => all.filter((e) => e.scrollWidth > e.clientWidth + 1).length"
        assert page.locator("div.highlight pre:visible").evaluate_all(cut) == 0
        page.evaluate("() => window.dispatchEvent(new Event('afterprint'))")
        assert page.evaluate(theme) == "dark"
    assert faults == []


def test_questions_say_what_was_chosen(running: Any, site: Path) -> None:
    pages = [
        name
        for name in browser.site_pages(site)
        if 'class="question-answer"' in (site / name).read_text(encoding="utf-8")
    ]
    with (
        browser.serving(site) as address,
        browser.tab(running, address, browser.VIEWS["light"]) as (page, faults),
    ):
        for name in pages:
            browser.open_page(page, address + name)
            for answer in page.locator(".question-answer").all():
                group = page.locator(f"input[name={answer.get_attribute('data-question')}]")
                assert answer.locator("[data-choice]:visible").count() == 0
                for index, button in enumerate(group.all()):
                    button.check()
                    (sentence,) = answer.locator("[data-choice]:visible").all()
                    assert sentence.get_attribute("data-choice") == str(index)
    assert faults == []


def test_equations_are_numbered_once_in_the_book(site: Path) -> None:
    numbers: dict[str, str] = {}
    pages = {
        name: BeautifulSoup((site / name).read_text(encoding="utf-8"), "html.parser")
        for name in browser.site_pages(site)
    }
    for name, page in pages.items():
        for equation in page.select("div.math[id]"):
            number = equation.select_one(".eqno").find(string=True, recursive=False)
            place = f"{name}#{equation['id']}"
            assert numbers.setdefault(number, place) == place, f"{number} stands twice"
    assert len(numbers) > 150
    places = {place: number for number, place in numbers.items()}
    links = 0
    for name, page in pages.items():
        for link in page.select("a.reference.internal[href*='#equation-']"):
            target, _, anchor = link["href"].partition("#")
            there = (site / name).parent / target if target else site / name
            place = f"{there.resolve().relative_to(site.resolve()).as_posix()}#{anchor}"
            links += 1
            assert link.text == places[place], f"{name} names {place} wrongly"
    assert links > 100


def test_numbers_lead_to_their_records(site: Path) -> None:
    page = BeautifulSoup(
        (site / "book" / "comparison-segmentation.html").read_text(encoding="utf-8"), "html.parser"
    )
    links = page.select("a.result")
    assert len(links) > 50 and not page.select("span.result")
    for link in links:
        assert link["href"].startswith("results-") and "#claim-" in link["href"]
        assert link["title"]


def test_a_record_that_is_followed_opens(running: Any, site: Path) -> None:
    with (
        browser.serving(site) as address,
        browser.tab(running, address, browser.VIEWS["light"]) as (page, faults),
    ):
        browser.open_page(page, address + "book/results-segmentation.html")
        record = page.locator("#claim-unet-streets")
        assert not record.locator("table").first.is_visible()
        link = page.locator("a.result[href='#claim-unet-streets']").first
        link.focus()
        hint = "(link) => getComputedStyle(link, '::after').content"
        page.keyboard.press("Shift+Tab")
        page.keyboard.press("Tab")
        assert "run" in link.evaluate(hint)
        page.keyboard.press("Enter")
        record.locator("table").first.wait_for(state="visible")
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
        ("<button></button>", "button-name"),
        ("<p style='color: #999; background: #fff'>faint</p>", "color-contrast"),
    ],
)
def test_the_inspection_finds(running: Any, tmp_path: Path, html: str, fault: str) -> None:
    page = f"<!doctype html><link rel=icon href='data:,'><main><h1>A</h1>{html}</main>"
    (tmp_path / "index.html").write_text(page)
    faults = browser.inspect(running, tmp_path, ["index.html"])
    assert any(fault in line for line in faults), faults


def test_the_inspection_likes_a_good_page(running: Any, tmp_path: Path) -> None:
    page = "<!doctype html><html lang=en><title>A</title><link rel=icon href='data:,'>"
    page += "<main><h1>A</h1></main>"
    (tmp_path / "index.html").write_text(page)
    assert browser.inspect(running, tmp_path, ["index.html"]) == []
