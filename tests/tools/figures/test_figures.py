"""The drawn figures: in step with the code and the results, on the pages, and readable."""

from __future__ import annotations

import json
import re
import shutil
from functools import cache
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from matplotlib.text import Text

from course_lib.viz.colours import luminance
from tools.common import ROOT
from tools.figures import comparison
from tools.figures.__main__ import FIGURES, draw
from tools.figures.drawing import (
    DARK,
    FAINT,
    FOLDER,
    WIDTH,
    page_style,
    plotted,
    recorded,
    to_dark,
    write,
)

drawn = cache(draw)
PHONE = 342  # pixels of a figure on a phone of 390 pixels


def differences(kept: dict, shown: dict) -> list[str]:
    """What a file shows otherwise than a figure that is drawn now."""
    found = (
        [f"words {kept['words']}, now {shown['words']}"] if kept["words"] != shown["words"] else []
    )
    if [len(row) for row in kept["numbers"]] != [len(row) for row in shown["numbers"]]:
        return [*found, "other curves"]
    for old, new in zip(kept["numbers"], shown["numbers"], strict=True):
        scale = np.nan_to_num(np.abs(new)).max()
        if not np.allclose(old, new, rtol=1e-3, atol=1e-6 * scale, equal_nan=True):
            found.append(f"numbers {old}, now {new}")
    return found


@pytest.mark.parametrize("name", FIGURES)
def test_the_committed_figure_shows_what_is_drawn_now(name):
    light, dark = (FOLDER / f"{name}-{theme}.svg" for theme in ("light", "dark"))
    assert differences(recorded(light), plotted(drawn(name))) == [], "run python -m tools.figures"
    assert dark.read_text("utf-8") == to_dark(light.read_text("utf-8")), (
        "run python -m tools.figures"
    )


def test_each_figure_is_on_a_page_and_each_file_is_a_figure():
    pages = [page.read_text("utf-8") for page in (ROOT / "book").rglob("*.md")]
    named = [name for page in pages for name in re.findall(r"^```\{pair\} (.+)$", page, re.M)]
    assert sorted(named) == sorted(FIGURES)
    files = {f"{name}-{theme}.svg" for name in FIGURES for theme in ("light", "dark")}
    assert {path.name for path in FOLDER.iterdir()} == files


def test_a_new_result_makes_the_old_figure_stale(tmp_path):
    folder = Path(shutil.copytree(ROOT / "results", tmp_path / "results"))

    def now():
        with page_style():
            return comparison.night(folder)

    write("old", now(), tmp_path)
    old = recorded(tmp_path / "old-dark.svg")
    assert differences(old, plotted(now())) == []
    path = folder / "compare-streets-fcn.json"
    result = json.loads(path.read_text())
    result["runs"][1]["metrics"]["test_fog_mean_iou"] += 0.003  # a thousandth in the mean
    path.write_text(json.dumps(result))
    assert differences(old, plotted(now()))
    (folder / "compare-streets-unet.json").unlink()
    assert "other curves" in differences(old, plotted(now()))


def test_a_figure_is_written_the_same_twice_and_a_colour_without_a_partner_is_refused(tmp_path):
    for folder in ("a", "b"):
        write("slopes", draw("gan-slopes"), tmp_path / folder)
    for theme in ("light", "dark"):
        first, second = (tmp_path / folder / f"slopes-{theme}.svg" for folder in ("a", "b"))
        assert first.read_bytes() == second.read_bytes()
    with pytest.raises(KeyError, match="#123456"):
        to_dark('<path style="fill: #123456"/>')


@pytest.mark.parametrize("name", FIGURES)
def test_words_are_large_enough_and_neither_clipped_nor_on_each_other(name):
    figure = drawn(name)
    figure.draw_without_rendering()
    texts = [t for t in figure.findobj(Text) if t.get_visible() and t.get_text().strip()]
    assert min(t.get_fontsize() for t in texts) * PHONE / WIDTH >= 11
    boxes = {t: t.get_window_extent() for t in texts}
    for text, box in boxes.items():
        inside = box.x0 >= 0 and box.y0 >= 0 and box.x1 <= WIDTH and box.y1 <= figure.bbox.height
        assert inside, f"{text.get_text()!r} is clipped: {box}"
    for (a, first), (b, second) in combinations(boxes.items(), 2):
        width = min(first.x1, second.x1) - max(first.x0, second.x0)
        height = min(first.y1, second.y1) - max(first.y0, second.y0)
        assert width <= 0 or height <= 3, f"{a.get_text()!r} lies on {b.get_text()!r}"


@pytest.mark.parametrize("light", [colour for colour in DARK if colour != FAINT])
def test_words_stand_out_from_both_pages(light):
    """WCAG 2.2: a contrast of at least 4.5 to 1."""
    assert 1.05 / (luminance(light) + 0.05) >= 4.5
    assert (luminance(DARK[light]) + 0.05) / (luminance("#121212") + 0.05) >= 4.5
