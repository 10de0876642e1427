"""The explorer: its parts here, and in a browser with no kernel and no network."""

import base64
import io
import re
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from ipywidgets.embed import embed_data, embed_minimal_html
from PIL import Image

from course_lib import viz

ROOT = Path(__file__).resolve().parents[2]


def make(num=3, **options):
    frames = [torch.full((3, 8, 16), 40 * i, dtype=torch.uint8) for i in range(num)]
    return viz.explorer(frames, [f"t = {i}" for i in range(num)], "step", **options)


def test_slider_and_pictures_are_linked_in_the_browser():
    box = make(start=1)
    slider, stack = box.children
    assert slider.index == stack.selected_index == 1
    assert slider.description == "step" and list(slider.options) == ["t = 0", "t = 1", "t = 2"]
    state = embed_data(views=[box])["manager_state"]["state"]
    links = [model["state"] for model in state.values() if model["model_name"] == "LinkModel"]
    ends = [slider.model_id, "index"], [stack.model_id, "selected_index"]
    wanted = tuple([f"IPY_MODEL_{model}", trait] for model, trait in ends)
    # Widgets that other tests left alive are in the state, too.
    mine = [link for link in links if slider.model_id in link["source"][0]]
    assert [(link["source"], link["target"]) for link in mine] == [wanted]


def test_pictures_carry_their_pixels_and_their_description():
    box = make(alt=["black", 'dark "grey"', "<grey>"])
    values = [child.value for child in box.children[1].children]
    for i, value in enumerate(values):
        data = re.search(r"base64,([^\"]+)", value).group(1)
        picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))
        assert picture.shape == (8, 16, 3) and (picture == 40 * i).all()
    assert 'alt="black"' in values[0]
    assert 'alt="dark &quot;grey&quot;"' in values[1] and 'alt="&lt;grey&gt;"' in values[2]
    assert 'alt="step: t = 0"' in make().children[1].children[0].value


def test_figures_are_closed_so_that_they_do_not_show_twice():
    figure = viz.image_grid(torch.zeros(1, 3, 4, 4))
    viz.explorer([figure], ["only"], "step")
    assert not plt.fignum_exists(figure.number)


def test_a_film_is_linked_to_the_slider_and_waits():
    box = make(start=2, play=40)
    film, slider, _ = box.children
    assert (film.value, film.min, film.max, film.interval) == (2, 0, 2, 40) and not film.playing
    state = embed_data(views=[box])["manager_state"]["state"]
    links = [model["state"] for model in state.values() if model["model_name"] == "LinkModel"]
    assert make(play=40).children[1].index == 2 and make().children[0].index == 0, "a film: its end"
    link = next(k for k in links if film.model_id in k["source"][0])
    assert tuple(link["source"]) == (f"IPY_MODEL_{film.model_id}", "value")
    assert tuple(link["target"]) == (f"IPY_MODEL_{slider.model_id}", "index")


@pytest.mark.parametrize(
    ("options", "said"),
    (
        ({"frames": [], "labels": []}, "at least one frame"),
        ({"labels": ["a"]}, "one label for each"),
        ({"labels": ["a", "a"]}, "all different"),
        ({"alt": ["a"]}, "1 descriptions for 2"),
        ({"start": 2}, "0 to 1"),
    ),
)
def test_wrong_input_says_what_to_do(options, said):
    given = {"frames": [torch.zeros(3, 4, 4)] * 2, "labels": ["a", "b"], "name": "step"} | options
    with pytest.raises(ValueError, match=said):
        viz.explorer(given.pop("frames"), given.pop("labels"), given.pop("name"), **given)


@pytest.mark.browser
def test_it_reacts_in_a_static_page(tmp_path, chromium):
    from playwright.sync_api import sync_playwright

    script = ROOT / "book/static/third_party/widgets/embed.js"
    page_file = tmp_path / "page.html"
    embed_minimal_html(page_file, views=[make()], requirejs=False, embed_url="embed.js", cors=False)
    (tmp_path / "embed.js").write_bytes(script.read_bytes())
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 375, "height": 500})
        outside, broken = [], []
        page.on("request", lambda r: r.url.startswith("file:") or outside.append(r.url))
        page.on("pageerror", lambda error: broken.append(str(error)))
        page.goto(page_file.as_uri())
        page.wait_for_selector(".noUi-handle", timeout=20_000)

        def shown():
            return [
                i.get_attribute("alt") for i in page.query_selector_all("img") if i.is_visible()
            ]

        assert shown() == ["step: t = 0"]
        page.focus(".noUi-handle")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
        page.wait_for_function("document.body.innerText.includes('t = 2')")
        assert shown() == ["step: t = 2"]
        assert page.evaluate("document.documentElement.scrollWidth") <= 375
        browser.close()
    assert not outside and not broken


@pytest.mark.browser
def test_the_film_runs_in_a_static_page(tmp_path, chromium):
    from playwright.sync_api import sync_playwright

    script = ROOT / "book/static/third_party/widgets/embed.js"
    page_file = tmp_path / "page.html"
    view = make(play=50)
    embed_minimal_html(page_file, views=[view], requirejs=False, embed_url="embed.js", cors=False)
    (tmp_path / "embed.js").write_bytes(script.read_bytes())
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 375, "height": 500})
        broken = []
        page.on("pageerror", lambda error: broken.append(str(error)))
        page.goto(page_file.as_uri())
        page.wait_for_selector(".noUi-handle", timeout=20_000)
        assert "t = 2" in page.inner_text("body")
        page.focus(".noUi-handle")
        page.keyboard.press("Home")
        page.wait_for_function("document.body.innerText.includes('t = 0')")
        page.click("button:has(.fa-play)")
        page.wait_for_function("document.body.innerText.includes('t = 2')")  # by itself
        visible = [i for i in page.query_selector_all("img") if i.is_visible()]
        assert [i.get_attribute("alt") for i in visible] == ["step: t = 2"]
        browser.close()
    assert not broken
