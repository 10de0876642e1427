"""Pages load what they use: no mathematics without formulas, no icons that nobody shows."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from tools.common import ROOT

ALL = {
    "third_party/mathjax/startup.js",
    "mathjax-hub-shim.js",
    "third_party/widgets/embed.js",
    "films.js",
    "questions.js",
    "pixels.js",
    "roi.js",
    "flow-network.js",
    "flow.js",
}
FORMULA = '<span class="math notranslate">x</span>'
WIDGET = '<script type="application/vnd.jupyter.widget-view+json">{}</script>'
PAGES = {
    "<p>text</p>": set(),
    FORMULA: {"third_party/mathjax/startup.js"},
    '<div class="film"></div>': {"films.js"},
    '<div class="question-answer"></div>': {"questions.js"},
    '<div class="pixel-explorer"></div>': {"pixels.js"},
    '<div class="roi-explorer"></div>': {"roi.js"},
    '<div class="flow-explorer"></div>': {"flow-network.js", "flow.js"},
    WIDGET: {"third_party/widgets/embed.js"},
    FORMULA + WIDGET: {
        "third_party/mathjax/startup.js",
        "mathjax-hub-shim.js",
        "third_party/widgets/embed.js",
    },
}


@pytest.mark.parametrize("body", PAGES)
def test_a_page_gets_the_scripts_that_it_uses(extension, body: str) -> None:
    weight = extension("course_weight")
    assert ALL - set(weight.needless(body)) == PAGES[body]
    scripts = [SimpleNamespace(filename=f"_static/{name}", attributes={}) for name in sorted(ALL)]
    settings = SimpleNamespace(filename=None, attributes={"body": "window.MathJax = {}"})
    context = {"body": body, "script_files": [settings, *scripts, "_static/a.js"]}
    weight._drop(None, "", "", context, None)
    names = (str(getattr(script, "filename", script)) for script in context["script_files"])
    kept = {name.removeprefix("_static/") for name in names}
    assert kept - {"None", "a.js"} == PAGES[body]
    assert (settings in context["script_files"]) == (FORMULA in body)


def test_the_style_sheet_keeps_the_icons_that_pages_name(extension) -> None:
    weight = extension("course_weight")
    sheet = (
        '.fa-cut:before,.fa-scissors:before{content:"\\f0c4"}.fa-sun:before{content:"\\f185"}'
        '@font-face{src:url(../v/fa-solid-900.woff2) format("woff2"),'
        'url(../v/fa-solid-900.ttf) format("truetype")}:root{--note:"\uf05a"}'
    )
    lighter = weight.lighter_icons(sheet, {"fa-scissors"})
    assert "fa-cut" in lighter and "fa-sun" not in lighter
    assert 'src:url(../v/fa-solid-900.woff) format("woff")}' in lighter
    assert weight.code_points(lighter) == {0xF0C4, 0xF05A}
    assert weight.lighter_icons(lighter, {"fa-scissors"}) == lighter


def test_the_font_draws_the_icons_asked_for_and_no_other(extension, tmp_path: Path) -> None:
    import pydata_sphinx_theme
    from fontTools.ttLib import TTFont

    theme = Path(pydata_sphinx_theme.__file__).parent
    (whole,) = theme.rglob("fa-solid-900.ttf")
    font = tmp_path / "fa.ttf"
    font.write_bytes(whole.read_bytes())
    extension("course_weight").cut_font(font, {0xF185, 0xF0C4, 0xE000})
    with TTFont(font.with_suffix(".woff")) as cut, TTFont(whole) as before:
        assert set(cut.getBestCmap()) == {0xF185, 0xF0C4}
        drawn = [
            list(one["glyf"][one.getBestCmap()[0xF185]].getCoordinates(one["glyf"])[0])
            for one in (cut, before)
        ]
        assert drawn[0] == drawn[1]
    assert font.with_suffix(".woff").stat().st_size < 3000


def test_pages_name_the_smaller_picture_and_its_size(extension, tmp_path: Path) -> None:
    weight = extension("course_weight")
    folder, page = tmp_path / "_images", tmp_path / "book" / "a.html"
    folder.mkdir()
    page.parent.mkdir()
    Image.effect_mandelbrot((300, 200), (-2, -1, 1, 1), 90).convert("RGB").save(folder / "m.png")
    Image.new("RGB", (4, 6)).save(folder / "small.png")
    assert weight.lighter_images(folder) == {"m.png": "m.webp"}
    assert not (folder / "m.png").exists() and (folder / "small.png").exists()
    text = (
        '<script defer src="../_static/scripts/fontawesome.js?digest=5"></script>'
        '<script src="../searchindex.js"></script><script src="../_static/a.js"></script>'
        '<img alt="a" src="../_images/m.png"><img alt="b" src="../_images/small.png">'
        '<img src="c.svg"><img class="only-dark" src="d.svg">'
    )
    lighter = weight.lighter_page(text, page, "book/a.html")
    assert lighter == (
        '<script src="../_static/a.js"></script>'
        '<img width="300" height="200" alt="a" src="../_images/m.webp">'
        '<img width="4" height="6" loading="lazy" alt="b" src="../_images/small.png">'
        '<img src="c.svg"><img loading="lazy" class="only-dark" src="d.svg">'
    )
    assert weight.lighter_page(lighter, page, "book/a.html") == lighter
    assert "searchindex" in weight.lighter_page(text, page, "search.html")


def test_an_empty_head_is_a_cell(extension) -> None:
    context = {"body": '<th class="head"><p></p></th><th class="head"></th><th class="head">a</th>'}
    extension("course_weight")._headers(None, "", "", context, None)
    assert context["body"] == '<td class="head"></td><td class="head"></td><th class="head">a</th>'


def test_the_built_book_is_light() -> None:
    """Each page loads what it shows, and nothing else slips in."""
    site = ROOT / "_build" / "html"
    if not (site / "index.html").is_file():
        pytest.skip("missing capability book: it is not built; run `make book` first")
    needed = {  # a script, and what only a page has that uses it
        "third_party/mathjax/startup.js": 'class="math notranslate',
        "third_party/widgets/embed.js": "application/vnd.jupyter.widget-view+json",
        "films.js": 'class="film"',
        "flow.js": 'class="flow-explorer"',
    }
    seen: dict[str, set[bool]] = {script: set() for script in needed}
    for page in (site / "book").rglob("*.html"):
        text = page.read_text("utf-8")
        loaded = " ".join(re.findall(r'<script[^>]* src="([^"]*)"', text))
        for script, mark in needed.items():
            name = f"/{script}"
            assert (name in loaded) == (mark in text), f"{page.name} and {script}"
            seen[script].add(name in loaded)
        assert "fontawesome.js" not in loaded and "searchindex.js" not in loaded, page.name
    for script in ("third_party/mathjax/startup.js", "films.js", "flow.js"):
        assert seen[script] == {True, False}, f"{script}: no page with it, or none without"
    assert (site / "_static/vendor/fontawesome/webfonts/fa-solid-900.woff").stat().st_size < 10_000
