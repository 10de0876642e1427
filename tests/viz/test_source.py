"""Shown source is the file's, line by line."""

import re
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

import course_lib
from course_lib import metrics, viz
from course_lib.models import UNet
from course_lib.viz import source as module
from course_lib.viz.colours import luminance

ROOT = Path(course_lib.__file__).parent.parent


@pytest.mark.parametrize("obj", (metrics.iou, UNet, UNet.forward, module, viz.show_source))
@pytest.mark.parametrize("docstring", (False, True))
def test_line_numbers_are_those_of_the_file(obj, docstring):
    shown = viz.show_source(obj, docstring=docstring)
    file = (ROOT / shown.path).read_text(encoding="utf-8").split("\n")
    assert shown.lines
    indents = set()
    for number, text in shown.lines:
        assert file[number - 1].strip() == text.strip()
        if text.strip():
            indents.add(len(file[number - 1]) - len(text))
    assert len(indents) == 1  # a method is moved to the left as a whole


def test_docstrings_are_left_out_unless_wanted():
    short, long = viz.show_source(metrics.iou), viz.show_source(metrics.iou, docstring=True)
    assert "Jaccard" not in repr(short) and "…" in repr(short)
    assert "Jaccard" in repr(long) and "…" not in repr(long)
    assert short.lines[-1] == long.lines[-1]


def test_only_some_lines():
    whole = viz.show_source(metrics.iou, docstring=True)
    assert viz.show_source(metrics.iou, (1, 2), docstring=True).lines == whole.lines[:2]
    part = viz.show_source(metrics.iou, ("hits =", "return"))
    assert part.lines[0][1].strip().startswith("hits =") and part.lines == whole.lines[-3:]


@pytest.mark.parametrize(
    ("obj", "lines", "said"),
    (
        (metrics.iou, (0, 2), "the source has lines 1 to"),
        (metrics.iou, (3, 2), "the source has lines 1 to"),
        (metrics.iou, ("nowhere", "return"), "no line of the source holds 'nowhere'"),
        (metrics.iou, ("return", "hits ="), "after the one with 'return'"),
        (len, None, "no source to show"),
        (3, None, "no source to show"),
        (Path, None, "not from course_lib"),
    ),
)
def test_wrong_input_says_what_to_do(obj, lines, said):
    with pytest.raises(ValueError, match=said):
        viz.show_source(obj, lines)


def test_html_holds_the_same_text():
    shown = viz.show_source(metrics.paired_bootstrap, docstring=True)
    page = BeautifulSoup(shown._repr_html_(), "html.parser")
    rows = page.pre.get_text().split("\n")
    width = max(len(str(number)) for number, _ in shown.lines)
    assert rows == [f"{number:{width}}{text}" for number, text in shown.lines]
    assert page.code.get_text() == shown.title
    assert page.pre["tabindex"] == "0" and "paired_bootstrap" in page.pre["aria-label"]
    assert page.select("span.k") and page.select("span.s") and page.select("span.n")


def test_html_is_escaped():
    page = BeautifulSoup(module._highlight('x = "<b>" & y')[0], "html.parser")
    assert page.get_text() == 'x = "<b>" & y' and not page.select("b")


def test_without_pygments_the_text_is_still_shown(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pygments", None)
    assert module._highlight("a < b\nc") == ["a &lt; b", "c"]


def test_colours_can_be_read_on_both_grounds():
    for colours, ground in (
        (module._LIGHT_COLOURS, "#ffffff"),
        (module._DARK_COLOURS, "#16181c"),
    ):
        for colour in colours.values():
            light, dark = sorted((luminance(colour), luminance(ground)), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5
    assert re.search(r"data-theme=dark", module._style_sheet())
