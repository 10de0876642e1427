"""The claim on the gap of a network's loss, at a size of seconds."""

from __future__ import annotations

from pathlib import Path

import pytest

from course_lib.results import CLAIMS
from course_lib.results.claim import Context
from course_lib.results.claims.flow_gap import BINS, POINTS


def test_loss_is_floor_and_gap_in_each_part_of_the_time(tmp_path: Path) -> None:
    context = Context(0, "cpu", None, tmp_path / "runs" / "claim" / "seed-0", True, tmp_path)
    metrics = CLAIMS["flow-gap"].measure(context).metrics
    for name in ("seen", "unseen"):
        for size in POINTS:
            for part in range(BINS):
                at = {k: metrics[f"{name}_{size}_{k}_{part}"] for k in ("loss", "floor", "gap")}
                assert at["loss"] == pytest.approx(at["floor"] + at["gap"])
    assert CLAIMS["flow-gap"].seeds == (0, 1, 2)
