"""The comparison's claims: one recipe for all, measured once, per image, in every condition."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from course_lib.recipes import segmentation as recipes
from course_lib.results import CLAIMS, load, run
from course_lib.results.claim import Context, Measurement
from course_lib.results.claims import data_efficiency, ranking, segmentation
from course_lib.results.compact import unpack_counts
from course_lib.train import load_checkpoint


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context(0, "cpu", None, tmp_path / "runs" / "claim" / "seed-0", True, tmp_path)


def test_every_network_stands_on_every_data_set() -> None:
    names = {
        segmentation.claim_name(task, name)
        for task in ("streets", "pets", "membrane")
        for name in ("fcn", "unet", "deeplabv3", "deeplabv3plus")
    }
    assert names <= CLAIMS.keys()
    assert all(len(CLAIMS[name].seeds) == 3 for name in names)
    shipped = {CLAIMS[name].checkpoint for name in names} - {None}
    assert shipped == {"fcn-streets", "deeplab-streets"}


def test_the_networks_have_about_a_million_parameters() -> None:
    for network in recipes.ARCHITECTURES.values():
        model = network.model(num_classes=10, **network.arguments)
        assert 0.4e6 < sum(p.numel() for p in model.parameters()) < 1.6e6


def test_one_recipe_for_each_data_set(monkeypatch: pytest.MonkeyPatch, context: Context) -> None:
    seen: list[Any] = []

    def watch(context, model, sets, config, *, shifts=(), out_dir=None):
        seen.append((config, [s.fingerprint for s in sets], shifts))
        return Measurement(metrics={}, data="")

    monkeypatch.setattr(segmentation, "train_and_judge", watch)
    for name in recipes.ARCHITECTURES:
        CLAIMS[segmentation.claim_name("streets", name)].measure(context)
    assert seen.count(seen[0]) == len(recipes.ARCHITECTURES)
    assert seen[0][2] == ("dusk", "fog", "night")


def test_unet_on_streets_is_trained_once_for_both_of_its_claims(
    monkeypatch: pytest.MonkeyPatch, context: Context
) -> None:
    folders = []

    def watch(context, model, sets, config, *, shifts=(), out_dir=None):
        folders.append(out_dir)
        return Measurement(metrics={}, data="")

    monkeypatch.setattr(segmentation, "train_and_judge", watch)
    for name in ("compare-streets-unet", "compare-streets-fcn"):
        CLAIMS[name].measure(context)
    assert folders == [context.run_of("unet-streets"), context.out_dir]
    assert folders[0] == context.out_dir.parent.parent / "unet-streets" / "seed-0"


@pytest.mark.slow
def test_the_comparison_on_streets_can_be_measured(tmp_path: Path) -> None:
    names = [segmentation.claim_name("streets", name) for name in recipes.ARCHITECTURES]
    results, runs = tmp_path / "r", tmp_path / "runs"
    options = {"smoke": True, "device": "cpu", "results_dir": results, "runs_dir": runs}
    assert run([*names, "ranking-streets", "ranking-streets-night"], seeds=[0], **options) == []
    for name in names:
        result = load(name, results)
        arrays = result.runs[0]["arrays"]
        for condition in ("", "_dusk", "_fog", "_night"):
            counts = unpack_counts(arrays[f"per_image{condition}"])
            assert counts.shape == (8, 10, 10)
            assert int(counts.sum()) == 8 * 96 * 128
        truths = {k: unpack_counts(v).sum(-1) for k, v in arrays.items()}
        assert all(torch.equal(t, truths["per_image"]) for t in truths.values())
        assert result.mean("test_night_mean_iou") >= 0
    order = load("ranking-streets", results)
    ranks = [order.mean(f"{name}_rank") for name in recipes.ARCHITECTURES]
    assert sorted(ranks) == [1, 2, 3, 4]
    assert order.mean("lead") >= 0
    model, card = load_checkpoint(runs / "smoke" / names[0] / "seed-0" / "model.safetensors")
    assert card["claim"] == names[0] and card["size"] == [96, 128]
    assert model(torch.zeros(1, 3, 96, 128)).shape == (1, 10, 96, 128)


@pytest.mark.slow
def test_data_efficiency_and_costs_can_be_measured(tmp_path: Path) -> None:
    names = [data_efficiency.claim_name(24), "segmentation-compute"]
    options = {"smoke": True, "device": "cpu", "runs_dir": tmp_path / "runs"}
    run(names, seeds=[0], results_dir=tmp_path / "r", **options)
    costs = load("segmentation-compute", tmp_path / "r")
    assert costs.mean("unet_parameters") == 482_890
    assert costs.mean("unet_multiply_adds") == 436_666_368
    for name in recipes.ARCHITECTURES:
        assert costs.mean(f"{name}_memory_mb") > 5
        assert costs.mean(f"{name}_step_ms") > 0


@pytest.mark.slow
def test_every_peer_can_be_timed(tmp_path: Path) -> None:
    folders = {"results_dir": tmp_path / "r", "runs_dir": tmp_path / "runs"}
    run(["segmentation-step-time"], smoke=True, device="cpu", **folders)
    result = load("segmentation-step-time", tmp_path / "r")
    for name in ("resnet_unet", "unet", "deeplabv3plus", "dilated_fcn", "deeplabv3"):
        ratio = result.mean(f"{name}_ms") / result.mean(f"{name}_peer_ms")
        assert ratio == pytest.approx(result.mean(f"{name}_ratio"), rel=1e-3)


@pytest.mark.slow
@pytest.mark.real_data
@pytest.mark.parametrize("task", ["pets", "membrane"])
def test_the_comparison_on_real_data_can_be_measured(
    task: str, tmp_path: Path, real_data: Path
) -> None:
    name = segmentation.claim_name(task, "deeplabv3plus")
    folders = {"results_dir": tmp_path / "r", "runs_dir": tmp_path / "runs"}
    assert run([name], seeds=[0], smoke=True, device="cpu", root=real_data, **folders) == []
    arrays = json.loads((tmp_path / "r" / f"{name}.json").read_text())["runs"][0]["arrays"]
    assert unpack_counts(arrays["per_image"]).shape[1:] == (2, 2)


def test_the_ranking_waits_for_all_networks() -> None:
    assert ranking.CLAIMS[0].after == tuple(
        segmentation.claim_name("streets", name) for name in recipes.ARCHITECTURES
    )
