"""Open every page of the built book in Chromium, without a network, and say what is wrong with it.

    python -m tools.book.browser                          light, dark and phone width
    python -m tools.book.browser --shots _build/shots     and a picture of each page

Faults are: a request to another host, a request that fails, a message on the error console,
mathematics that is not rendered, a page that is wider than the screen, a picture that does not load
or has no description, and whatever axe-core finds that keeps people out (light and dark).
"""

from __future__ import annotations

import argparse
import os
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.book.build import built, server
from tools.common import ROOT, ToolError, run_main, say

ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
AXE = ROOT / "tests" / "book" / "third_party" / "axe-core" / "axe.min.js"
# Rules of accessibility that a page breaks, with the first two places where it does.
BARRIERS = """async () => {
  const found = await axe.run(document, {resultTypes: ["violations"]});
  return found.violations.map((rule) => `${rule.id} (${rule.nodes.length}): ${rule.help}: `
    + rule.nodes.slice(0, 2).map((node) => node.html.slice(0, 160)).join(" | "));
}"""
PATIENCE = 120_000  # ms; a busy machine is no fault of a page
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
# What is asked of a page once it has loaded.
QUESTIONS = """() => ({
  unrendered: [...document.querySelectorAll("span.math, div.math")]
    .filter((e) => e.textContent.trim() && !e.querySelector("mjx-container")).length,
  failed: [...document.querySelectorAll("mjx-merror, [data-mjx-error]")]
    .map((e) => e.dataset.mjxError || e.getAttribute("title") || e.textContent.trim()),
  wider: document.documentElement.scrollWidth - document.documentElement.clientWidth,
  broken: [...document.images].filter((i) => i.complete && i.loading !== "lazy" && !i.naturalWidth
    && i.getAttribute("src")).map((i) => i.getAttribute("src").slice(0, 80)),
  undescribed: [...document.images].filter((i) => !i.hasAttribute("alt")).length,
  headings: [...document.querySelectorAll("main h1")]
    .filter((e) => e.getClientRects().length).length,
})"""


@dataclass(frozen=True)
class View:
    """A way to look at a page."""

    name: str
    scheme: str
    width: int = 1280
    height: int = 900
    barriers: bool = False  # look for them in this view


VIEWS = {
    view.name: view
    for view in (
        View("light", "light", barriers=True),
        View("dark", "dark", barriers=True),
        View("phone", "light", 320, 690),
    )
}


def find_chromium() -> str:
    """Return Chromium's path: the one that CHROMIUM names, or the first that is found."""
    named = os.environ.get("CHROMIUM")
    found = shutil.which(named) if named else next(filter(None, map(shutil.which, BROWSERS)), None)
    if not found:
        raise ToolError("no Chromium found: install it, or name it with CHROMIUM=...")
    return found


def site_pages(folder: Path) -> list[str]:
    """Return the pages of a built site, as addresses below its root.

    The root's own index only sends the reader on to the cover; a link check covers it.
    """
    pages = (
        path.relative_to(folder)
        for path in sorted(folder.rglob("*.html"))
        if 'http-equiv="refresh"' not in path.read_text(encoding="utf-8")[:500].lower()
    )
    return [path.as_posix() for path in pages if path.parts[0] != "_static"]


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve a folder on this machine; yields the address."""
    running = server(folder)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{running.server_port}/"
    finally:
        running.shutdown()
        running.server_close()


@contextmanager
def browser(chromium: str) -> Iterator[Any]:
    """Start Chromium without a window; yields it."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=list(ARGUMENTS))
        try:
            yield running
        finally:
            running.close()


@contextmanager
def tab(running: Any, address: str, view: View) -> Iterator[tuple[Any, list[str]]]:
    """Open a tab that reaches `address` only; yields it and the list that collects its faults."""
    context = running.new_context(
        color_scheme=view.scheme,
        viewport={"width": view.width, "height": view.height},
        reduced_motion="reduce",
    )
    faults: list[str] = []

    def route(request: Any) -> None:
        if request.request.url.startswith(address):
            request.continue_()
        else:
            faults.append(f"asks another host: {request.request.url}")
            request.abort()

    context.route("**/*", route)
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.on("pageerror", lambda error: faults.append(f"script error: {error}"))
    page.on(
        "console",
        lambda message: (
            faults.append(f"console: {message.text}") if message.type == "error" else None
        ),
    )
    page.on(
        "response",
        lambda answer: (
            faults.append(f"{answer.status}: {answer.url}") if answer.status >= 400 else None
        ),
    )
    try:
        yield page, faults
    finally:
        context.close()


def open_page(page: Any, address: str) -> None:
    """Go to a page and wait until its scripts have done what they do on loading."""
    page.goto(address, wait_until="load")
    # Pictures that wait until they are in view are looked at, too.
    page.evaluate("() => { for (const image of document.images) image.loading = 'eager'; }")
    page.evaluate(
        "() => window.MathJax && window.MathJax.startup && window.MathJax.startup.promise"
    )
    if page.locator("script[type='application/vnd.jupyter.widget-view+json']").count():
        page.wait_for_selector(".jupyter-widgets")
    page.wait_for_load_state("networkidle")


def answers(page: Any) -> list[str]:
    """Return what is wrong with the page that is open."""
    found = page.evaluate(QUESTIONS)
    faults = [f"mathematics in error: {text}" for text in found["failed"]]
    faults += [f"picture does not load: {source}" for source in found["broken"]]
    if found["unrendered"]:
        faults.append(f"{found['unrendered']} formulas are not rendered")
    if found["wider"] > 0:
        faults.append(f"{found['wider']} pixels wider than the screen")
    if found["undescribed"]:
        faults.append(f"{found['undescribed']} pictures without alternative text")
    if found["headings"] > 1:
        faults.append(f"{found['headings']} main headings")
    return faults


def barriers(page: Any) -> list[str]:
    """Return the rules of accessibility that the page that is open breaks."""
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(AXE.read_text(encoding="utf-8"))
    return page.evaluate(BARRIERS)


def show(page: Any, view: View) -> None:
    """Have the open page drawn in another way, as a reader does who turns the screen dark."""
    page.emulate_media(color_scheme=view.scheme)
    page.set_viewport_size({"width": view.width, "height": view.height})
    page.evaluate("() => new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(r)))")


def inspect(
    running: Any,
    folder: Path,
    pages: Sequence[str],
    views: Sequence[View] = tuple(VIEWS.values()),
    shots: Path | None = None,
) -> list[str]:
    """Open pages of a built site one after the other; return their faults, each with its page.

    Args:
        running: the browser.
        folder: of the built site.
        pages: addresses below the root.
        views: colours and sizes of the screen; a page is loaded in the first, then shown in all.
        shots: folder for a picture of each page.
    """
    faults = []
    with serving(folder) as address, tab(running, address, views[0]) as (page, seen):
        for name in pages:
            show(page, views[0])
            open_page(page, address + name)
            for view in views:
                show(page, view)
                found = {*seen, *answers(page), *(barriers(page) if view.barriers else ())}
                faults += [f"{name} ({view.name}): {fault}" for fault in sorted(found)]
                seen.clear()
                if shots:
                    shots.mkdir(parents=True, exist_ok=True)
                    file = name.removesuffix(".html").replace("/", "-")
                    page.screenshot(path=shots / f"{file}-{view.name}.png", full_page=True)
    return faults


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tools.book.browser", description=__doc__.splitlines()[0]
    )
    parser.add_argument("pages", nargs="*", help="addresses such as book/index.html; default: all")
    parser.add_argument("--shots", type=Path, help="folder for a picture of each page")
    given = parser.parse_args()
    site = built()
    with browser(find_chromium()) as running:
        faults = inspect(running, site, given.pages or site_pages(site), shots=given.shots)
    for fault in faults:
        say(fault)
    if faults:
        raise ToolError(f"{len(faults)} faults")
    say("every page is fine")


if __name__ == "__main__":
    run_main(main)
