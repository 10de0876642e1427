"""The comparison's claims: one recipe for all, measured once, per image, in every condition."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from course_lib.data import load as load_data
from course_lib.models import UNet
from course_lib.results import CLAIMS, load, run
from course_lib.results.claim import Context, Measurement
from course_lib.results.claims import data_efficiency, ranking, segmentation, unet
from course_lib.results.compact import unpack_counts
from course_lib.train import load_checkpoint, train_supervised


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
    for architecture in segmentation.ARCHITECTURES.values():
        model = architecture.make(num_classes=10, **architecture.arguments)
        assert 0.4e6 < sum(p.numel() for p in model.parameters()) < 1.6e6


def test_one_recipe_for_each_data_set(monkeypatch: pytest.MonkeyPatch, context: Context) -> None:
    seen: list[Any] = []

    def watch(context, model, sets, config, *, shifts=(), out_dir=None):
        seen.append((config, [s.fingerprint for s in sets], shifts))
        return Measurement(metrics={}, data="")

    monkeypatch.setattr(segmentation, "train_and_judge", watch)
    for name in segmentation.ARCHITECTURES:
        CLAIMS[segmentation.claim_name("streets", name)].measure(context)
    assert seen.count(seen[0]) == len(segmentation.ARCHITECTURES)
    assert seen[0][2] == ("dusk", "fog", "night")


def test_each_recipe_is_run_in_full_by_the_same_number_of_updates(context: Context) -> None:
    full = replace(context, smoke=False)
    updates = set()
    for num in data_efficiency.NUMBERS:
        epochs = data_efficiency.UPDATES * 8 // num
        assert epochs % data_efficiency.EVALUATIONS == 0
        updates.add(epochs * -(-num // 8))
    assert updates == {data_efficiency.UPDATES}
    config = segmentation.streets_config(full)
    assert (config.epochs, config.batch_size, config.lr, config.evaluate_every) == (24, 8, 3e-3, 2)


def test_a_training_of_unet_streets_is_used_again_if_it_was_the_same(context: Context) -> None:
    train = load_data("streets", "train", size=(32, 32), num=2)
    config = segmentation.streets_config(context)
    folder = context.out_dir.parent.parent / "unet-streets" / "seed-0"
    folder.mkdir(parents=True)
    train_supervised(UNet(num_classes=10, widths=(2, 4)), train, config=config, out_dir=folder)
    again = segmentation._trained_before
    assert again(context, "unet", train, config) == folder
    assert again(context, "fcn", train, config) is None
    assert again(context, "unet", train, replace(config, lr=1e-3)) is None
    other = load_data("streets", "train", size=(32, 32), num=3)
    assert again(context, "unet", other, config) is None


@pytest.mark.slow
def test_the_comparison_on_streets_can_be_measured(tmp_path: Path) -> None:
    names = [segmentation.claim_name("streets", name) for name in segmentation.ARCHITECTURES]
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
    ranks = [order.mean(f"{name}_rank") for name in segmentation.ARCHITECTURES]
    assert sorted(ranks) == [1, 2, 3, 4]
    assert order.mean("lead") >= 0
    model, card = load_checkpoint(runs / names[0] / "seed-0" / "model.safetensors")
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
    for name in segmentation.ARCHITECTURES:
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


def test_the_streets_are_those_of_the_unet_claims(context: Context) -> None:
    ours, theirs = segmentation.streets_sets(context), unet._streets_sets(context)
    assert [s.fingerprint for s in ours] == [s.fingerprint for s in theirs]
    assert ranking.CLAIMS[0].after == tuple(
        segmentation.claim_name("streets", name) for name in segmentation.ARCHITECTURES
    )
