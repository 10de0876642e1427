"""The validator: each fault is found, and named with the cell and what to do."""

from __future__ import annotations

import copy
from pathlib import Path

import nbformat
import pytest

from tools.common import ToolError, read, text_of
from tools.notebooks import validate

PATH = Path("notebooks/lab.ipynb")


def source(notebook) -> list[str]:
    return validate.check_source(PATH, notebook, address="", lab=True)


@pytest.fixture
def lab(checkout, cells):
    path = checkout.lab("lab", cells.code("work", "print(1)"), cells.prose("end", "The end."))
    return read(path)


def test_a_good_lab_has_no_problems(lab):
    assert source(lab) == []


def cell(notebook, name):
    return next(cell for cell in notebook.cells if cell.id == name)


def stream(text: str):
    return nbformat.v4.new_output("stream", name="stdout", text=text)


def set_in(name: str, **values):
    return lambda notebook: cell(notebook, name).update(values)


def mark(notebook, text: str | None):
    cell(notebook, "work").metadata["tags"] = ["nbval-check-output"]
    cell(notebook, "work").outputs = [stream(text)] if text else []
    cell(notebook, "work").execution_count = 3 if text else None


SOURCE_FAULTS = {
    "committed outputs": (lambda n: cell(n, "work").outputs.append(stream("1")), "'work'.*outputs"),
    "committed count": (set_in("work", execution_count=3), "'work'.*count 3"),
    "nothing to compare": (lambda n: mark(n, None), "nothing to compare"),
    "too much to compare": (lambda n: mark(n, "x" * 3000), "3000 characters"),
    "an address compared": (lambda n: mark(n, "<f at 0x7f3a2b1c>"), "not the same everywhere"),
    "compared without a count": (
        lambda n: (mark(n, "1"), cell(n, "work").update(execution_count=None)),
        "nothing to compare",
    ),
    "counts out of order": (
        lambda n: (mark(n, "1"), cell(n, "setup").update(execution_count=4)),
        r"out of order: counts \[4, 3\]",
    ),
    "random id": (lambda n: cell(n, "work").update(id="3fa85f64"), "readable id"),
    "same ids": (lambda n: cell(n, "end").update(id="work"), "two cells have the id 'work'"),
    "unknown tag": (lambda n: cell(n, "work").metadata.update(tags=["hide_input"]), "unknown tag"),
    "empty cell": (set_in("work", source=" "), "is empty"),
    "kernel": (lambda n: n.metadata.kernelspec.update(name="venv"), "not python3"),
    "widgets": (lambda n: n.metadata.update(widgets={}), "metadata.widgets"),
    "old format": (lambda n: n.update(nbformat_minor=4), "not of format 4.5"),
    "set-up": (set_in("setup", source="%pip install torch"), "set-up cell is out of step"),
    "no set-up": (lambda n: cell(n, "setup").metadata.clear(), "must be tagged 'setup'"),
    "no cost": (lambda n: cell(n, "cost").metadata.clear(), "tagged 'cost'"),
    "no parameters": (lambda n: cell(n, "parameters").metadata.clear(), "0 cells are tagged"),
    "scale": (set_in("parameters", source='scale = "full"'), "parameter cell must"),
    "no title": (lambda n: n.cells.pop(0), "begin with a Markdown cell with its title"),
}


@pytest.mark.parametrize("fault", SOURCE_FAULTS)
def test_faults_of_sources(lab, fault):
    import re

    spoil, message = SOURCE_FAULTS[fault]
    spoil(lab)
    problems = source(lab)
    assert any(re.search(message, problem) for problem in problems), problems
    assert all("notebooks/lab.ipynb" in problem for problem in problems)


def test_a_lab_without_a_choice_of_data_has_no_parameter_for_it(lab):
    cell(lab, "parameters").source = 'scale = "quick"\nseed = 0\ndevice = "auto"'
    assert source(lab) == []
    cell(lab, "work").source = "print(dataset)"
    assert "must set scale, dataset, seed, device" in source(lab)[0]


def test_marked_output_is_allowed(lab):
    mark(lab, "(8, 3, 32, 32)\n")
    assert source(lab) == []


@pytest.fixture
def executed(lab):
    notebook = copy.deepcopy(lab)
    count = 0
    for item in notebook.cells:
        if item.cell_type == "code":
            count += 1
            item.execution_count = count
    return notebook


def picture(notebook, alt: str | None):
    data = {"image/png": "iVBORw0KGgo=", "text/plain": "<Figure>"}
    cell(notebook, "work").outputs = [nbformat.v4.new_output("display_data", data=data)]
    if alt is not None:
        cell(notebook, "work").metadata["mystnb"] = {"image": {"alt": alt}}


def html(notebook, text: str):
    out = nbformat.v4.new_output("display_data", data={"text/html": text, "text/plain": ""})
    cell(notebook, "work").outputs = [out]


EXECUTED_FAULTS = {
    "unexecuted": (set_in("work", execution_count=None), "'work': was not executed"),
    "out of order": (set_in("setup", execution_count=7), "out of order"),
    "twice": (set_in("work", execution_count=9), "in between"),
    "no alt": (lambda n: picture(n, None), "without a description"),
    "short alt": (lambda n: picture(n, "figure"), "fewer than 15"),
    "html image": (lambda n: html(n, "<img src='x.png'>"), "without alt text"),
    "html empty alt": (lambda n: html(n, "<IMG alt='' src='x.png'>"), "without alt text"),
    "error": (
        lambda n: cell(n, "work").outputs.append(
            nbformat.v4.new_output("error", ename="ValueError", evalue="no", traceback=[])
        ),
        "failed with ValueError: no",
    ),
    "stderr": (
        lambda n: cell(n, "work").outputs.append(
            nbformat.v4.new_output("stream", name="stderr", text="UserWarning: old\n")
        ),
        "UserWarning: old",
    ),
    "papermill": (lambda n: n.metadata.update(papermill={}), "papermill"),
}


@pytest.mark.parametrize("fault", EXECUTED_FAULTS)
def test_faults_of_executed_notebooks(executed, fault):
    spoil, message = EXECUTED_FAULTS[fault]
    spoil(executed)
    problems = validate.check_executed(PATH, executed)
    assert any(message in problem for problem in problems), problems


def test_a_good_executed_notebook(executed):
    picture(executed, "Loss against epoch: it falls.")
    assert validate.check_executed(PATH, executed) == []
    html(executed, '<img src="x.png" alt="A street at dusk">')
    assert validate.check_executed(PATH, executed) == []


def test_an_unexecuted_notebook_is_rejected(lab):
    problems = validate.check_executed(PATH, lab)
    assert len(problems) == 3


def test_ids_are_not_repaired_silently(checkout, cells):
    path = checkout.lab("lab", cells.code("first", "1"), cells.code("second", "2"))
    path.write_text(path.read_text().replace('"second"', '"first"'))
    with pytest.raises(ToolError, match="two cells have the id 'first'"):
        read(path)


def test_writing_is_stable(lab):
    assert text_of(nbformat.reads(text_of(lab), as_version=4)) == text_of(lab)
