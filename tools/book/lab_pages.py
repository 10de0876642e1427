"""A lab's page in the book, made from the executed notebook.

A notebook is written so that JupyterLab and Colab, which know no MyST, show it well: a reference
to an equation is a link in parentheses, `([overlap count](../book/math/fcn.md#eq-overlap-count))`.
Its page has the equation's number there, links that lead to pages, and no cells tagged `said`,
which hold the page's sentences to the run. The code of a cell tagged `plot` is folded.
"""

from __future__ import annotations

import re

from nbformat import NotebookNode

from tools.common import is_code, tags

EQUATION = re.compile(r"\(\[[^\]]*\]\([^)\s#]*#(eq-[a-z0-9-]+)\)\)")
LABEL = re.compile(r"\s*\\label\{(eq-[a-z0-9-]+)\}\s*\$\$")
PLOT = "plot"  # a cell whose lesson is its picture, not its code
FOLDED = {"hide-input", "hide-cell", "remove-input", "remove-cell"}
PRACTICE = re.compile(r"\]\(practice/[\w-]+/(\w+)\.ipynb\)")


def on_page(notebook: NotebookNode) -> NotebookNode:
    """Return the notebook as the book shows it; the argument is changed."""
    notebook.cells = [cell for cell in notebook.cells if "said" not in tags(cell)]
    for cell in notebook.cells:
        if not is_code(cell):
            cell.source = markdown(cell.source)
        elif "predict" in tags(cell):  # the question itself is what a reader needs
            cell.metadata.tags = [*tags(cell), "remove-input"]
        elif PLOT in tags(cell) and not FOLDED & set(tags(cell)):
            cell.metadata.tags = [*tags(cell), "hide-input"]
    return notebook


def markdown(text: str) -> str:
    """Return Markdown for JupyterLab as MyST for the book."""
    text = EQUATION.sub(r"{eq}`\1`", text)
    text = LABEL.sub(r" $$ (\1)", text)
    return PRACTICE.sub(r"](../exercises/\1.md)", text)
