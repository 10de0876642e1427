"""The charts of bottom-up against top-down hold the numbers of the results."""

from __future__ import annotations

import json
import re
import shutil

import numpy as np
import pytest

from tools.common import ROOT
from tools.figures import two_ways
from tools.figures.__main__ import draw
from tools.figures.drawing import plotted

WAYS = {
    "cells-border": "border class",
    "cells-wide-border": "wide border",
    "cells-foreground": "foreground",
    "cells-mask-rcnn": "Mask R-CNN",
    "cells-border-short": "border class, short",
    "cells-mask-rcnn-short": "Mask R-CNN, short",
}


def bars(axes):
    """Label to the points (N, 2) of each series, and the ends of its vertical bars (N, 2)."""
    return {
        one.get_label(): (
            one.lines[0].get_xydata(),
            np.array(one.lines[2][-1].get_segments())[:, :, 1],
        )
        for one in axes.containers
    }


def metrics(claim):
    runs = json.loads((ROOT / "results" / f"{claim}.json").read_text())["runs"]
    return [run["metrics"] for run in runs]


def test_the_factors_are_those_of_the_results():
    (axes,) = draw("two-ways-factors").axes
    found = bars(axes)
    assert list(found) == list(WAYS.values())
    for claim, label in WAYS.items():
        values = np.array([[run["sq"], run["rq"]] for run in metrics(claim)])
        points, ends = found[label]
        assert points[0] == pytest.approx(values.mean(0))
        spread = values[:, 1].std(ddof=1)
        assert ends[0] == pytest.approx(values[:, 1].mean() + np.array([-spread, spread]))


def test_the_differences_stand_with_their_intervals():
    (run,) = metrics("cells-differences")
    panels = draw("two-ways-crowding").axes
    assert [axes.get_ylabel() for axes in panels] == ["PQ", "mask AP", "count error"]
    for axes, score in zip(panels, ("pq", "mask_ap", "count_error"), strict=True):
        series = list(bars(axes).values())
        for (points, ends), pair in zip(series, ("border", "short"), strict=True):
            keys = [f"{pair}_{score}{end}" for end in ("", "_few", "_some", "_many")]
            assert points[:, 1] == pytest.approx([run[key] for key in keys])
            wanted = [[run[f"{key}_low"], run[f"{key}_high"]] for key in keys]
            assert ends == pytest.approx(np.array(wanted))
            bottom, top = axes.get_ylim()
            assert bottom < ends.min() and ends.max() < top
    assert list(bars(panels[0])) == ["full trainings", "a quarter of the updates"]
    shown = [tick.get_text() for tick in panels[-1].get_xticklabels()]
    assert shown == ["all", "few", "some", "many"]


@pytest.mark.parametrize("name", ["two-ways-factors", "two-ways-crowding"])
def test_no_tick_loses_a_digit_when_it_is_written(name):
    assert not [word for word in plotted(draw(name))["words"] if re.search(r"\.\d{3}", word)]


def test_without_results_a_chart_says_so(tmp_path):
    for chart in (two_ways.factors, two_ways.crowding):
        assert plotted(chart(tmp_path))["words"].count("not measured yet") == 1


def test_what_is_not_measured_is_left_out(tmp_path):
    shutil.copy(ROOT / "results" / "cells-border.json", tmp_path)
    assert list(bars(two_ways.factors(tmp_path).axes[0])) == ["border class"]
