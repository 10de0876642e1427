"""The directive {explorer}: frames of a chapter that a slider moves, as a film like a lab's."""

from __future__ import annotations

import pytest
from bs4 import BeautifulSoup

PAGE = """# A

```{explorer} walk
:name: fig-walk
:control: steps <taken>
:start: 1

- 0: nobody
- 1: a man, half way
- 1,000: a man: at home

He goes home, $x = 1$.
```

{numref}`fig-walk`
"""


@pytest.fixture
def drawn(tmp_path):
    folder = tmp_path / "book" / "frames"
    folder.mkdir(parents=True)
    for index in range(3):
        for theme in ("light", "dark"):
            svg = f"<svg xmlns='http://www.w3.org/2000/svg'><!-- {index} {theme} --></svg>"
            (folder / f"walk-{index:02d}-{theme}.svg").write_text(svg)
    return folder


def test_it_is_a_film_in_a_numbered_figure(render, drawn) -> None:
    html, warnings = render(PAGE)
    assert warnings == []
    figure = BeautifulSoup(html, "html.parser").find("figure", id="fig-walk")
    (film,) = figure.select("div.film")
    slider = film.find("input")
    assert (slider["min"], slider["max"], slider["value"]) == ("0", "2", "1")
    assert slider["aria-valuetext"] == film.select_one(".film-readout").text == "1"
    assert film["aria-label"] == film.select_one(".film-name").text == "steps <taken>"
    frames = film.select("figure.film-frame")
    assert [frame["data-label"] for frame in frames] == ["0", "1", "1,000"]
    assert [frame.has_attr("hidden") for frame in frames] == [True, False, True]
    words = ["nobody", "a man, half way", "a man: at home"]
    for index, (frame, said) in enumerate(zip(frames, words, strict=True)):
        assert "film-still" in frame["class"]  # few frames: all of them on paper
        images = frame("img")
        assert [image["class"] for image in images] == [["only-light"], ["only-dark"]]
        assert {image["alt"] for image in images} == {said}
        assert {image["loading"] for image in images} == {"lazy"}
        for image, theme in zip(images, ("light", "dark"), strict=True):
            assert image["src"].endswith(f"walk-{index:02d}-{theme}.svg")
        assert frame.figcaption.text == f"steps <taken>: {frame['data-label']}"
    assert figure.find_all("figcaption")[-1].find(class_="caption-text").text.startswith("He goes")
    assert html.count("Fig. 1") == 2  # at the figure, and where it is named


def test_a_film_asks_for_its_script(extension) -> None:
    weight = extension("course_weight")
    assert "films.js" not in weight.needless('<div class="film" role="group">')
    assert "films.js" in weight.needless("<p>nothing moves</p>")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("- 1,000: a man: at home\n", "- 1: a man: at home\n", "different labels"),
        ("- 1: a man, half way\n- 1,000: a man: at home\n", "", "at least two"),
        ("- 0: nobody", "- 0 nobody", 'a frame is written "- LABEL: what it shows"'),
        (":start: 1", ":start: 3", "start 3 of 3 frames"),
        (":control: steps <taken>\n", "", "name what the slider changes"),
    ],
)
def test_what_is_wrong_is_said(render, drawn, old, new, said) -> None:
    assert old in PAGE
    _, warnings = render(PAGE.replace(old, new).replace("{numref}`fig-walk`", ""))
    assert any(said in warning for warning in warnings)


def test_a_frame_that_is_not_drawn_is_a_warning(render, drawn) -> None:
    (drawn / "walk-02-dark.svg").unlink()
    _, warnings = render(PAGE)
    assert len(warnings) == 1 and "walk-02-dark.svg" in warnings[0]
