"""Fixtures for the book's tests: its Sphinx extensions, and a small book rendered with them."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

EXTENSIONS = Path(__file__).resolve().parents[2] / "book" / "_ext"

RESULT = {
    "claim": "some-claim",
    "title": "Some claim",
    "command": "course results run --only some-claim",
    "date": "2026-01-02",
    "size": "full",
    "data": "shapes",
    "hardware": "a processor, 2 cores",
    "runs": [
        {"seed": 0, "metrics": {"test_accuracy": 0.77, "added_ms": -0.5}, "seconds": 60},
        {"seed": 1, "metrics": {"test_accuracy": 0.79, "added_ms": -0.5}, "seconds": 66},
    ],
    "published": [{"text": "peer", "value": 0.94, "source": "a paper", "reason": "larger"}],
}


@pytest.fixture
def extension(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """Import one of the book's extensions by name."""
    monkeypatch.syspath_prepend(EXTENSIONS)

    def load(name: str) -> ModuleType:
        import importlib

        return importlib.import_module(name)

    return load


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A folder with one measured result."""
    folder = tmp_path / "results"
    folder.mkdir()
    (folder / "some-claim.json").write_text(json.dumps(RESULT))
    (folder / "notebooks.json").write_text("{}")
    return folder


@pytest.fixture
def render(
    tmp_path: Path, extension: Callable[[str], ModuleType]
) -> Callable[..., tuple[str, list[str]]]:
    """Render Markdown pages; return the HTML of `index` and the warnings."""
    from sphinx.application import Sphinx
    from sphinx.util.docutils import docutils_namespace, patch_docutils

    class Claim:
        title, percent, main = "An unmeasured claim", True, "test_accuracy"

    extension("course_results").declared.cache_clear()

    def build(text: str) -> tuple[str, list[str]]:
        (tmp_path / "index.md").write_text(text)
        warnings = io.StringIO()
        with pytest.MonkeyPatch.context() as patch, patch_docutils(), docutils_namespace():
            patch.setattr(extension("course_results"), "declared", lambda: {"waiting": Claim})
            app = Sphinx(
                srcdir=tmp_path,
                confdir=None,
                outdir=tmp_path / "html",
                doctreedir=tmp_path / "doctrees",
                buildername="html",
                confoverrides={
                    "extensions": [
                        "myst_parser",
                        "course_site",
                        "course_results",
                        "course_explorer",
                        "course_pixels",
                    ],
                    "myst_enable_extensions": ["dollarmath", "amsmath", "colon_fence"],
                    "html_theme": "basic",
                    "numfig": True,
                },
                status=None,
                warning=warnings,
                freshenv=False,
            )
            app.build()
        plain = re.sub(r"\x1b\[[\d;]*m", "", warnings.getvalue())
        return (tmp_path / "html" / "index.html").read_text(), plain.splitlines()

    yield build
    for name in ("course_site", "course_results", "course_weight", "course_pixels"):
        sys.modules.pop(name, None)
