"""The controls of the comparison: one thing differs at a time, and the rate is chosen blindly."""

from pathlib import Path

import pytest
from torch import nn

from course_lib.recipes import segmentation as recipes
from course_lib.results import CLAIMS, load, run
from course_lib.results.claims import controls

NAMES = ("fcn", "unet", "unet-no-skips", "deeplabv3-8", "deeplabv3-16", "deeplabv3-32")


def test_all_controls_share_images_schedule_and_dropout() -> None:
    assert set(recipes.CONTROLS) == {*NAMES, "deeplabv3plus"}
    for name, recipe in recipes.CONTROL_RECIPES.items():
        assert recipe.config == recipes.STREETS_CONFIG and recipe.data == recipes.STREETS
        model = recipe.network.model(num_classes=10, **recipe.network.arguments)
        dropouts = [m.p for m in model.modules() if isinstance(m, nn.Dropout | nn.Dropout2d)]
        assert dropouts == [0.1]
        trials, final = CLAIMS[controls.trials_of(name)], CLAIMS[f"control-{name}"]
        assert final.after == (trials.name,) and final.seeds == (0, 1, 2)
        assert not set(trials.seeds) & set(final.seeds)
        assert trials.measure.keywords["rates"] == recipes.CONTROL_RATES


def arguments(name: str) -> dict[str, object]:
    return dict(recipes.CONTROLS[name].arguments)


def test_each_control_changes_what_it_is_called_after() -> None:
    assert arguments("unet-no-skips") == {**arguments("unet"), "skips": False}
    fine = arguments("deeplabv3-8")
    assert arguments("deeplabv3-16") == {**fine, "output_stride": 16}
    assert arguments("deeplabv3-32") == {**fine, "output_stride": 32, "rates": (1, 1, 2)}
    for name in ("fcn", "unet", "deeplabv3plus"):
        assert arguments(name) == {**recipes.ARCHITECTURES[name].arguments, "dropout": 0.1}
    sizes = {
        name: sum(
            p.numel() for p in network.model(num_classes=10, **network.arguments).parameters()
        )
        for name, network in recipes.CONTROLS.items()
    }
    assert sizes["deeplabv3-8"] == sizes["deeplabv3-16"] == sizes["deeplabv3-32"]


@pytest.mark.slow
def test_the_rate_that_is_best_on_validation_images_is_used(tmp_path: Path) -> None:
    folders = {"results_dir": tmp_path / "r", "runs_dir": tmp_path / "runs"}
    names = ["control-rates-deeplabv3-32", "control-deeplabv3-32"]
    assert run([names[1]], smoke=True, device="cpu", **folders) == [names[1]]  # trials first
    run([names[0]], smoke=True, device="cpu", **folders)
    tried = load(names[0], tmp_path / "r").runs[0]["metrics"]
    scores = {rate: tried[f"val_mean_iou_{rate:g}"] for rate in recipes.CONTROL_RATES}
    assert scores[tried["best_rate"]] == max(scores.values()) == tried["val_mean_iou"]
    run([names[1]], smoke=True, device="cpu", **folders)
    result = load(names[1], tmp_path / "r")
    assert set(result.values("rate")) == {tried["best_rate"]} and len(result.runs) == 3
