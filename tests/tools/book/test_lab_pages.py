"""A lab's page: what JupyterLab shows well becomes what the book shows well."""

import nbformat
import pytest

from tools.book import lab_pages


@pytest.mark.parametrize(
    ("text", "wanted"),
    (
        (
            "See [it](practice/gan-2d/iou.ipynb), [another](unet.ipynb) and `practice/a/b.ipynb`.",
            "See [it](../exercises/iou.md), [another](unet.ipynb) and `practice/a/b.ipynb`.",
        ),
        (
            "as many products ([overlap count](../book/math/fcn.md#eq-overlap-count)). By",
            "as many products {eq}`eq-overlap-count`. By",
        ),
        ("the part on ([phases](../book/math/fcn.md#phases))", None),
        ("$$ p \\ge t . \\label{eq-threshold-cost} $$", "$$ p \\ge t . $$ (eq-threshold-cost)"),
        ("$$ p $$ and $$ q $$", None),
    ),
)
def test_markdown(text: str, wanted: str | None) -> None:
    assert lab_pages.markdown(text) == (text if wanted is None else wanted)


def test_cells_that_hold_the_page_to_the_run_are_not_on_it() -> None:
    new = nbformat.v4
    notebook = new.new_notebook(
        cells=[
            new.new_markdown_cell("([a](b.md#eq-a))"),
            new.new_code_cell("x = '([a](b.md#eq-a))'"),
            new.new_code_cell("this.said('a', True)", metadata={"tags": ["said"]}),
        ]
    )
    cells = lab_pages.on_page(notebook).cells
    assert [cell.source for cell in cells] == ["{eq}`eq-a`", "x = '([a](b.md#eq-a))'"]


def test_cells_that_only_draw_are_folded() -> None:
    notebook = nbformat.v4.new_notebook()
    for tags in (["plot"], ["plot", "remove-input"], ["given"], [], ["predict"]):
        notebook.cells.append(nbformat.v4.new_code_cell("x", metadata={"tags": tags}))
    assert [cell.metadata.tags for cell in lab_pages.on_page(notebook).cells] == [
        ["plot", "hide-input"],
        ["plot", "remove-input"],
        ["given"],
        [],
        ["predict", "remove-input"],  # the question is seen, not its code
    ]
