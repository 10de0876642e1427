"""What `tools.book.browser` calls a fault, on small pages of which each has one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tools.book import browser

pytestmark = pytest.mark.browser

GOOD = "<h1>A page</h1><p>Text that can be read.</p>"
DARK = "@media (prefers-color-scheme: dark)"
FAULTS = {  # what is added to the page, the views in which it is to be found, and how it is named
    "none": ("", (), ""),
    "grey on black": (
        f"<style>{DARK} {{body {{background: #000}} p {{color: #333}} h1 {{color: #fff}}}}</style>",
        ("dark",),
        "color-contrast",
    ),
    "grey on white": (
        "<style>p {color: #ccc}</style>",
        ("light", "dark"),
        "color-contrast",
    ),
    "no description": (
        '<img src="data:image/gif;base64,'
        'R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7">',
        ("light", "dark", "phone"),
        "without alternative text",
    ),
    "a button without a name": ("<button></button>", ("light", "dark"), "button-name"),
    "too wide": ('<div style="width: 700px">x</div>', ("phone",), "pixels wider"),
    "no such picture": ('<img alt="x" src="none.png">', ("light",), "404"),
    "another host": (
        '<script src="https://example.org/x.js"></script>',
        ("light",),
        "asks another host",
    ),
}


@pytest.fixture(scope="module")
def running(chromium: str) -> Iterator[Any]:
    with browser.browser(chromium) as started:
        yield started


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found_where_it_is(running: Any, tmp_path: Path, name: str) -> None:
    extra, views, text = FAULTS[name]
    (tmp_path / "index.html").write_text(
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>A page</title>'
        '<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">'
        f"</head><body><main>{GOOD}{extra}</main></body></html>",
        encoding="utf-8",
    )
    faults = browser.inspect(running, tmp_path, ["index.html"])
    found = {
        view for view in browser.VIEWS if any(f"({view}): " in f and text in f for f in faults)
    }
    assert found == set(views), faults
    if not views:
        assert faults == []
