"""Sentences that are held to a run stand on the page, and nothing is shown raw."""

import nbformat
import pytest

from tools.notebooks import said

new = nbformat.v4


def lab(text: str, code: str, *, folded: bool = True, tag: str = "said"):
    metadata = {"tags": [tag] if tag else [], "jupyter": {"source_hidden": folded}}
    cells = [
        new.new_code_cell("x = 1", id="run"),
        new.new_markdown_cell(text, id="text"),
        new.new_code_cell(code, id="held", metadata=metadata),
    ]
    return new.new_notebook(cells=cells)


GOOD = 'this.said("All is well.", x == 1)\nthis.said("And\\nmore.", x < 2)'


def test_sentences_that_stand_on_the_page_are_fine():
    notebook = lab("We see: All is\nwell. And more.", GOOD)
    assert said.problems(notebook) == []
    assert said.bound(notebook.cells[2]) == ["All is well.", "And more."]


@pytest.mark.parametrize(
    ("notebook", "fault"),
    (
        (lab("All is well.", GOOD), "the page does not say 'And more.'"),
        (lab("All is well. And more.", GOOD, folded=False), "source_hidden"),
        (lab("All is well. And more.", GOOD, tag=""), "go together"),
        (lab("All is well.", "x = 2"), "go together"),
        (lab("All is well.", "this.said(text, True)"), "as plain text"),
        (lab("By {eq}`eq-a` all is well. And more.", GOOD), "would show {eq}`"),
        (lab("{cite:t}`long2015` All is well. And more.", GOOD), "would show {cite:t}`"),
    ),
)
def test_faults(notebook, fault):
    problems = said.problems(notebook)
    assert any(fault in problem for problem in problems), problems


def test_the_report_tells_what_is_held_from_what_has_to_be_read(tmp_path):
    text = "All is well. And more. The loss falls to 0.3. A pixel is a point. Is it best?"
    path = tmp_path / "a.ipynb"
    nbformat.write(lab(text, GOOD), path)
    report = said.report(path)
    assert report.bound == ["All is well.", "And more."]
    assert report.open == ["The loss falls to 0.3."]
