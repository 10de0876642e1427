"""The detector's timing runs, and compares what it says."""

import torch

from course_lib.results.bench.detection import CASES, SMALL, against_torchvision, variants


def test_each_case_is_timed() -> None:
    found = against_torchvision(rounds=1, smoke=True)
    keys = ("ms", "peer_ms", "ratio", "quick_ratio", "quick_share")
    assert set(found) == {f"{case}_{key}" for case in CASES for key in keys}
    assert all(value > 0 for value in found.values())


def test_both_have_as_many_weights() -> None:
    for _, _, arguments in CASES.values():
        both = variants(arguments | SMALL)
        torch.manual_seed(0)
        ours, theirs = (
            sum(p.numel() for p in both[name].make().parameters()) for name in ("ours", "theirs")
        )
        assert ours == theirs
