"""`tools.notebooks.lab_picture` takes the named cell's figure, and says what is missing."""

import base64

import nbformat
import pytest

from tools.common import ToolError, Tree
from tools.notebooks.lab_picture import picture

PNG = b"\x89PNG not really a picture"


@pytest.fixture
def tree(tmp_path):
    shown = nbformat.v4.new_output("display_data", {"image/png": base64.b64encode(PNG).decode()})
    cells = [
        nbformat.v4.new_code_cell("plot()", id="plot", outputs=[shown]),
        nbformat.v4.new_code_cell("print()", id="talk"),
    ]
    folder = tmp_path / "_build" / "executed-full"
    folder.mkdir(parents=True)
    nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / "lab.ipynb")
    return Tree(tmp_path)


def test_the_figure_of_the_cell(tree):
    assert picture("lab", "plot", "full", tree) == PNG


@pytest.mark.parametrize(
    ("name", "cell", "scale", "message"),
    [
        ("lab", "plot", "quick", "was not executed at quick"),
        ("lab", "nowhere", "full", "has no cell 'nowhere'; it has plot, talk"),
        ("lab", "talk", "full", "shows no picture"),
    ],
)
def test_what_is_missing_is_said(tree, name, cell, scale, message):
    with pytest.raises(ToolError, match=message):
        picture(name, cell, scale, tree)
