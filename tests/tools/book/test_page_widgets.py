"""Films and questions of a lab become HTML that shows the same, and nothing else is touched."""

from __future__ import annotations

import io

import ipywidgets
import nbformat
import numpy as np
import pytest
import torch
from bs4 import BeautifulSoup
from ipywidgets.embed import embed_data
from PIL import Image

from course_lib import viz
from tools.book import films, page_widgets
from tools.notebooks.clean import STATE, VIEW


def lab(*views: ipywidgets.Widget) -> nbformat.NotebookNode:
    """A notebook whose cells show these widgets, as an execution leaves it."""
    notebook = nbformat.v4.new_notebook()
    for view in views:
        data = {"text/plain": "Widget", VIEW: {"model_id": view.model_id}}
        cell = nbformat.v4.new_code_cell("view")
        cell.outputs = [nbformat.v4.new_output("display_data", data=data)]
        notebook.cells.append(cell)
    state = embed_data(views=list(views), drop_defaults=False)["manager_state"]
    notebook.metadata["widgets"] = {STATE: nbformat.from_dict(state)}
    return notebook


def film(num: int = 9, **options) -> ipywidgets.Widget:
    rng = np.random.default_rng(0)
    frames = [
        torch.tensor(rng.integers(0, 256, (3, 40, 56)), dtype=torch.uint8) for _ in range(num)
    ]
    return viz.explorer(frames, [f"t = {i} & more" for i in range(num)], "step <of>", **options)


def shown(notebook: nbformat.NotebookNode, cell: int = 0) -> BeautifulSoup:
    (output,) = notebook.cells[cell].outputs
    assert list(output.data) == ["text/html"]
    return BeautifulSoup(output.data["text/html"], "html.parser")


def test_a_film_keeps_its_pixels_labels_and_descriptions() -> None:
    alt = [f'frame "{i}"' for i in range(9)]
    notebook = lab(film(start=3, alt=alt))
    files = page_widgets.without_widgets(notebook)
    page = shown(notebook)
    frames = page.select(".film-frame")
    rng = np.random.default_rng(0)
    for i, frame in enumerate(frames):
        content = files[frame.img["src"].removeprefix("../")]
        with Image.open(io.BytesIO(content)) as picture:
            pixels = np.asarray(picture.convert("RGB"))
        assert (pixels == rng.integers(0, 256, (3, 40, 56)).transpose(1, 2, 0)).all()
        assert (frame.img["width"], frame.img["height"]) == ("56", "40")
        assert frame.img["alt"] == alt[i]
        assert frame["data-label"] == f"t = {i} & more"
        assert frame.has_attr("hidden") == (i != 3)
    slider = page.select_one("input[type=range]")
    assert (slider["min"], slider["max"], slider["value"]) == ("0", "8", "3")
    assert slider["aria-valuetext"] == page.select_one(".film-readout").text == "t = 3 & more"
    assert page.label.span.text == "step <of>"
    assert not page.select(".film-play"), "only a film that plays has a button"
    assert "widgets" not in notebook.metadata


def test_a_film_that_plays_has_a_button_and_its_speed() -> None:
    notebook = lab(film(play=40))
    page_widgets.without_widgets(notebook)
    page = shown(notebook)
    assert page.select_one("button.film-play").text == "Play"
    assert page.select_one(".film")["data-play"] == "40"


@pytest.mark.parametrize(
    ("count", "wanted"), [(1, [0]), (2, [0, 1]), (6, [0, 1, 2, 3, 4, 5]), (11, [0, 2, 4, 6, 8, 10])]
)
def test_on_paper_a_film_is_a_strip(count: int, wanted: list[int]) -> None:
    assert films.strip(count) == wanted


def test_another_widget_stays_and_keeps_what_it_needs() -> None:
    other = ipywidgets.VBox([ipywidgets.IntSlider()])
    notebook = lab(film(), other)
    page_widgets.without_widgets(notebook)
    assert VIEW in notebook.cells[1].outputs[0].data
    kept = notebook.metadata["widgets"][STATE]["state"]
    assert other.model_id in kept
    assert "StackModel" not in {model["model_name"] for model in kept.values()}


def test_a_question_and_what_came_out_are_tied_together() -> None:
    predict = pytest.importorskip("course_lib.viz.predict")
    first = predict.predict("How <many>?", ["one", "two & a half"])
    second = predict.predict("Which?", ["this", "that"])
    notebook = lab(first.widget, second.widget, second.reveal("that", "Because."))
    page_widgets.without_widgets(notebook)
    question, answer = shown(notebook, 1), shown(notebook, 2)
    assert shown(notebook).legend.text == "Your answer first. How <many>?"
    assert [label.text.strip() for label in shown(notebook)("label")] == ["one", "two & a half"]
    assert [button["value"] for button in question("input")] == ["0", "1"]  # data-choice
    names = {button["name"] for button in question("input")}
    assert names == {answer.select_one(".question-answer")["data-question"]}
    assert names != {button["name"] for button in shown(notebook)("input")}
    assert answer.p.text == "Came out: that. Because."
    sentences = {p["data-choice"]: p.text for p in answer.select("[data-choice]")}
    assert sentences["1"].startswith("You chose: that.")
    assert all(p.has_attr("hidden") for p in answer.select("[data-choice]"))
    assert "widgets" not in notebook.metadata
