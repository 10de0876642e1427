"""What a learner does in JupyterLab, in a real one in Chromium: open, run, move, answer."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from course_lib.checks import ALL
from tools.book import browser
from tools.common import ROOT, Tree, read
from tools.exercises.page import graded, solved

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("jupyterlab")]
LAB = "deeplab"  # has sliders, and runs in seconds at smoke
OPEN = """async (path) => {
  await window.jupyterapp.started;
  const widget = await window.jupyterapp.commands.execute("docmanager:open", {path});
  await widget.context.ready;
  await widget.context.sessionContext.ready;
  window.opened = widget;
}"""
RUN = """async () => {
  await window.jupyterapp.commands.execute("notebook:run-all-cells");
  return window.opened.content.model.toJSON().cells
    .filter((cell) => cell.cell_type === "code")
    .map((cell) => cell.outputs);
}"""
SOLVE = """(texts) => {
  for (const cell of window.opened.content.model.cells)
    if (texts[cell.id] !== undefined) cell.sharedModel.setSource(texts[cell.id]);
}"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A JupyterLab on a copy of what learners have."""
    folder = tmp_path_factory.mktemp("lab")
    shutil.copytree(Tree().notebooks, folder / "notebooks")
    shutil.copytree(ROOT / "book", folder / "book")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", f"--port={port}"]
    command += ["--allow-root", "--IdentityProvider.token=", "--ServerApp.port_retries=0"]
    command += ["--LabApp.expose_app_in_browser=True", f"--ServerApp.root_dir={folder}"]
    command += [
        "--LabApp.news_url=",
        "--LabApp.check_for_updates_class=jupyterlab.handlers.announcements.NeverCheckForUpdate",
    ]
    home = {f"JUPYTER_{name}_DIR": str(folder / name) for name in ("CONFIG", "RUNTIME")}
    home |= {"JUPYTERLAB_SETTINGS_DIR": str(folder / "s"), "JUPYTERLAB_WORKSPACES_DIR": str(folder)}
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    home |= {"COURSE_SCALE": "smoke", "PYTHONPATH": path, "COURSE_PROGRESS": "0"}
    log = (folder / "log").open("w")
    server = subprocess.Popen(
        command, cwd=folder, env=os.environ | home, stdout=log, stderr=subprocess.STDOUT
    )
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/api", timeout=5)
                break
            except OSError:
                assert server.poll() is None, (folder / "log").read_text()
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}/"
    finally:
        server.terminate()
        server.wait(30)
        log.close()


@pytest.fixture(scope="module")
def page(chromium: str, address: str) -> Iterator[Any]:
    with (
        browser.browser(chromium) as running,
        browser.tab(running, address, browser.View("light", "light")) as (tab, _),
    ):
        tab.goto(address + "lab/tree/notebooks/00-start.ipynb?reset")
        tab.wait_for_selector(".jp-Notebook table")
        yield tab


def run(page: Any, path: str, texts: dict[str, str] | None = None) -> list[list[dict]]:
    """Open a notebook, change cells by id, run all; return the outputs, cell by cell."""
    page.evaluate(OPEN, path)
    page.evaluate(SOLVE, texts or {})
    outputs: list[list[dict]] = page.evaluate(RUN)
    errors = [out for cell in outputs for out in cell if out["output_type"] == "error"]
    assert not errors, errors
    return outputs


def printed(outputs: list[list[dict]]) -> str:
    texts = (
        str(out.get("text", out.get("data", {}).get("text/plain", "")))
        for cell in outputs
        for out in cell
    )
    return "\n".join(texts)


def test_the_first_page_leads_to_a_lab(page: Any) -> None:
    assert "Start here" in page.locator(".jp-Notebook h1").first.inner_text()
    page.locator(".jp-Notebook table a", has_text="The classifier").first.click()
    page.wait_for_selector(".jp-Notebook h1:has-text('The classifier')")


def test_a_lab_runs_and_its_slider_moves_the_picture(page: Any) -> None:
    run(page, f"notebooks/{LAB}.ipynb")
    handle = page.locator(".jp-OutputArea .noUi-handle:visible").first
    handle.scroll_into_view_if_needed()
    box = handle.locator("xpath=ancestor::*[contains(@class,'widget-vbox')][1]")
    before = box.locator("img:visible").first.get_attribute("alt")
    handle.focus()
    handle.press("ArrowRight")
    page.wait_for_timeout(500)
    assert box.locator("img:visible").first.get_attribute("alt") != before


def kinds() -> dict[str, str]:
    """The first exercise of each kind."""
    found: dict[str, str] = {}
    for name, check in ALL.items():
        found.setdefault(check.kind, name)
    return found


@pytest.mark.parametrize("kind", kinds())
def test_an_exercise_of_each_kind_is_done_and_scored(page: Any, kind: str) -> None:
    name = kinds()[kind]
    lab = ALL[name].lab.replace("_", "-")
    source = read(Tree().exercises / lab / f"{name}.ipynb")
    answer = graded(source, "solution")[0]
    path = f"notebooks/practice/{lab}/{name}.ipynb"
    points = f"of {ALL[name].points} points"
    untouched = page.evaluate(OPEN, path)
    assert untouched is None
    outputs = run(page, path, {answer.id: solved(answer.source)})
    assert f"{name}: {ALL[name].points} {points}" in printed(outputs)
