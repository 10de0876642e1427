"""Claims, the runner and the tables."""

import json
import statistics
from pathlib import Path

import pytest

import course_lib.results.runner as runner
from course_lib.results import CLAIMS, Claim, Context, Measurement, format_value, load, run, table
from course_lib.results.files import store


def measured(context: Context) -> Measurement:
    return Measurement(
        metrics={"score": 0.5 + context.seed / 10, "val_score": 0.0},
        data="nothing",
        curves={"loss": [1.0, 0.5]},
    )


CLAIM = Claim(name="toy", title="A toy", measure=measured, main="score", percent=True)


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setitem(CLAIMS, "toy", CLAIM)
    monkeypatch.setenv("COURSE_RESULTS", str(tmp_path / "results"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_run_is_recorded_with_its_circumstances(toy: Path) -> None:
    assert run(["toy"]) == []
    content = json.loads((toy / "results" / "toy.json").read_text())
    assert [r["seed"] for r in content["runs"]] == [0, 1, 2]
    assert content["summary"]["score"]["mean"] == pytest.approx(0.6)
    assert content["summary"]["score"]["std"] == pytest.approx(statistics.stdev([0.5, 0.6, 0.7]))
    assert {"date", "hardware", "versions", "command", "data", "size"} <= content.keys()
    result = load("toy")
    assert result.curves("loss").shape == (3, 2)
    assert format_value(result, "score", "percent") == "60.0 ± 10.0 %"
    assert format_value(result, "score", "mean") == "0.600"
    assert "60.0 ± 10.0 %" in table(["toy"])._repr_markdown_()
    with pytest.raises(KeyError, match="it has score"):
        result.mean("accuracy")


def test_only_missing_seeds_are_measured(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(["toy"])
    path = toy / "results" / "toy.json"
    content = json.loads(path.read_text())
    content["runs"] = content["runs"][:2]
    path.write_text(json.dumps(content))
    seen = []

    def watched(context: Context) -> Measurement:
        seen.append(context.seed)
        return measured(context)

    watching = Claim(name="toy", title="A toy", measure=watched, main="score")
    monkeypatch.setitem(CLAIMS, "toy", watching)
    run(["toy"])
    assert seen == [2]
    run(["toy"])
    assert seen == [2]
    run(["toy"], missing=False)
    assert seen == [2, 0, 1, 2]


def test_what_is_not_measured_says_so(toy: Path) -> None:
    assert not load("toy").measured
    assert format_value(load("toy"), "score") == "not measured yet"
    assert "course results run --only toy" in table(["toy"])._repr_markdown_()
    with pytest.raises(KeyError, match="There is no claim"):
        load("nonsense")


def test_bad_requests_are_refused(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="Unknown claim nonsense"):
        run(["nonsense"])
    with pytest.raises(ValueError, match="results_dir of their own"):
        run(["toy"], smoke=True)
    dependent = Claim(name="late", title="Later", measure=measured, main="score", after=("toy",))
    monkeypatch.setitem(CLAIMS, "late", dependent)
    assert run(["late"]) == ["late"]
    run(["toy", "late"])
    assert load("late").measured


def test_a_failed_write_leaves_the_old_result(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(["toy"])
    before = (toy / "results" / "toy.json").read_text()
    content = json.loads(before)
    content["data"] = {1, 2}  # JSON cannot hold a set
    with pytest.raises(TypeError):
        store(content, toy / "results")
    assert (toy / "results" / "toy.json").read_text() == before
    assert {path.name for path in (toy / "results").iterdir()} == {".lock", "toy.json"}


def test_the_list_of_claims_is_consistent() -> None:
    for name, claim in CLAIMS.items():
        assert name == claim.name
        assert set(claim.after) <= CLAIMS.keys()


@pytest.mark.parametrize("name", list(CLAIMS))
def test_a_stored_result_fits_its_claim(name: str) -> None:
    result, claim = load(name), CLAIMS[name]
    if not result.measured:
        return
    assert result.content["size"] == "full"
    assert result.content["claim"] == name
    assert {r["seed"] for r in result.runs} <= set(claim.seeds)
    for metric, summary in result.content["summary"].items():
        assert summary["mean"] == pytest.approx(result.mean(metric))
        assert summary["n"] == len(result.runs)
    result.mean(claim.main)


EMBEDDED = ["unet-streets", "pixelwise-streets", "engine-overhead", "scene-speed"]


@pytest.mark.slow
@pytest.mark.parametrize("name", EMBEDDED)
def test_every_embedded_claim_can_be_measured(name: str, tmp_path: Path) -> None:
    run([name], smoke=True, device="cpu", results_dir=tmp_path / "r", runs_dir=tmp_path / "runs")
    result = load(name, tmp_path / "r")
    assert result.content["size"] == "smoke"
    assert result.mean(CLAIMS[name].main) == result.mean(CLAIMS[name].main)  # not NaN


@pytest.mark.slow
@pytest.mark.parametrize("names", [["classifier-cifar10-schedule"], ["unet-pets", "smp-unet-pets"]])
def test_every_claim_on_real_data_can_be_measured(
    names: list[str], tmp_path: Path, real_data: Path
) -> None:
    folders = {"results_dir": tmp_path / "r", "runs_dir": tmp_path / "runs"}
    after = ["unet-pets-difference", "unet-pets-averaged", "unet-pets-averaged-difference"]
    everything = [*names, *after] if len(names) > 1 else names
    assert run(everything, smoke=True, device="cpu", root=real_data, **folders) == []
    assert all(load(name, tmp_path / "r").measured for name in everything)
    assert runner.default_dir() != tmp_path / "r"
    if len(names) > 1:  # the training of unet-pets is used again, not made again
        once, averaged = (load(name, tmp_path / "r") for name in ("unet-pets", after[1]))
        assert averaged.mean("plain_mean_iou") == once.mean("test_mean_iou")
        assert not list((tmp_path / "runs" / after[1]).rglob("checkpoint.pt"))
