"""Claims, the runner and the tables."""

import json
import math
import shutil
import statistics
from collections import namedtuple
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest

from course_lib.cli import main
from course_lib.results import (
    CLAIMS,
    Claim,
    Context,
    Measurement,
    files,
    format_value,
    load,
    run,
    table,
)
from course_lib.results.files import default_dir, store
from course_lib.results.session import Session, unfinished
from tests.results import tiny


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
    del result.runs[1]["curves"]["loss"]  # one that was not read in each run
    assert result.curves("loss").shape == (2, 2)
    with pytest.raises(KeyError, match="no curve 'lost'; it has loss"):
        result.curves("lost")
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


@pytest.mark.parametrize("turn", range(3))
def test_two_processes_that_end_together_lose_no_seed(tmp_path: Path, turn: int) -> None:
    barrier = tiny.barrier()
    pair = [tiny.start(tiny.together, tmp_path, seed, barrier) for seed in (0, 1)]
    for process in pair:
        process.join(60)
        assert process.exitcode == 0
    assert [r["seed"] for r in files.load("tiny-score", tmp_path / "results").runs] == [0, 1]


def test_a_seed_that_no_claim_has_is_refused(toy: Path) -> None:
    with pytest.raises(ValueError, match="no seed 99; the seeds of toy are 0, 1, 2"):
        run(["toy"], seeds=[0, 99])
    with pytest.raises(ValueError, match="no seed 99; the seeds of these claims are 0, 1, 2, 3, "):
        run(seeds=[99])
    assert not load("toy").measured


def test_smoke_and_real_runs_do_not_meet(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs, other = toy / "runs", toy / "other"
    run(["toy"], smoke=True, results_dir=other, runs_dir=runs)
    assert load("toy", other).size == "smoke"
    Session(runs / "smoke" / "toy" / "seed-0")  # even one that was interrupted
    capsys.readouterr()
    run(["toy"], results_dir=other, runs_dir=runs)  # smoke numbers do not count as measured
    assert capsys.readouterr().out.count("score 0.") == 3
    result = load("toy", other)
    assert (result.size, len(result.runs)) == ("full", 3)
    with pytest.raises(ValueError, match="has the real result of toy"):
        run(["toy"], smoke=True, results_dir=other, runs_dir=runs)


@pytest.mark.parametrize("where", ["metrics", "curves"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_numbers_that_are_not_finite_are_refused(toy: Path, where: str, value: float) -> None:
    def spoilt(context: Context) -> Measurement:
        good = measured(context)
        if context.seed == 1 and where == "metrics":
            good.metrics["score"] = value
        if context.seed == 1 and where == "curves":
            good.curves["loss"] = [1.0, value]
        return good

    CLAIMS["toy"] = replace(CLAIM, measure=spoilt)
    name = "score" if where == "metrics" else "loss"
    with pytest.raises(FloatingPointError, match=f"toy: seed 1 gave {name} that is NaN or inf"):
        run(["toy"])
    assert [r["seed"] for r in load("toy").runs] == [0]
    assert main(["results", "run", "--only", "toy"]) == 1


def test_folders_that_cannot_be_kept_are_told_before_the_work(
    toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(context: Context) -> Measurement:
        raise AssertionError("an hour is spent")

    CLAIMS["toy"] = replace(CLAIM, measure=never)
    (toy / "file").touch()
    for folder in (toy / "file", toy / "file" / "below", Path("/proc/nowhere")):
        with pytest.raises(OSError, match=f"{folder} cannot be written"):
            run(["toy"], runs_dir=folder)
        with pytest.raises(OSError, match=f"{folder} cannot be written"):
            run(["toy"], results_dir=folder)
    usage = namedtuple("usage", ["total", "used", "free"])
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(0, 0, 5_000_000))
    with pytest.raises(OSError, match="runs has 5 MB free, and about 200 MB are needed"):
        run(["toy"])


def test_measuring_again_goes_on_after_an_interruption(toy: Path) -> None:
    run(["toy"])
    folder = toy / "runs" / "toy" / "seed-1"
    folder.mkdir(exist_ok=True)
    (folder / "old").touch()

    def interrupted(context: Context, *, again: bool) -> Measurement:
        assert (context.out_dir / "old").exists() is False
        if context.seed == 1 and again:
            (context.out_dir / "saved").touch()
            raise KeyboardInterrupt
        assert context.seed == 1 or again
        assert (context.out_dir / "saved").exists() is (context.seed == 1)
        return Measurement({"score": 9.0, "val_score": 0.0}, "anew")

    CLAIMS["toy"] = replace(CLAIM, measure=partial(interrupted, again=True))
    with pytest.raises(KeyboardInterrupt):
        run(["toy"], missing=False)
    assert load("toy").values("score") == [9.0, 0.6, 0.7]
    CLAIMS["toy"] = replace(CLAIM, measure=partial(interrupted, again=False))
    run(["toy"])
    assert load("toy").values("score") == [9.0, 9.0, 0.7]


def test_the_seconds_are_those_of_all_sessions(tmp_path: Path) -> None:
    first = Session(tmp_path)
    first.began -= 100  # it began then, saved something, and was killed
    first.path.write_text(json.dumps(vars_of(first)))
    (tmp_path / "checkpoint.pt").touch()
    second = Session(tmp_path)
    assert 100 <= second.seconds() < 105
    assert 100 <= Session(tmp_path).seconds() < 110  # this one saved nothing
    second.end()
    assert unfinished(tmp_path) is None
    first.path.write_text("")  # damaged
    assert Session(tmp_path).seconds() < 5


@pytest.mark.parametrize("text", ["", "[1]", "3", "{}", '{"began": "a", "before": 0}'])
def test_a_damaged_session_is_none(text: str, tmp_path: Path) -> None:
    (tmp_path / "session.json").write_text(text)
    assert unfinished(tmp_path) is None
    Session(tmp_path).end()


def vars_of(session: Session) -> dict[str, object]:
    return {"began": session.began, "before": session.before, "again": False}


@dataclass(frozen=True)
class Recipe:
    lr: float
    model: type = tiny.UNet
    widths: tuple[int, ...] = (4, 8)


def test_a_changed_recipe_is_noticed(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(["toy"], seeds=[0])  # before the claim names a recipe: it is not known
    CLAIMS["toy"] = replace(CLAIM, recipe=Recipe(1e-3))
    run(["toy"], seeds=[1])
    assert load("toy").older(CLAIMS["toy"].digest) == []
    main(["results", "list"])
    assert "older recipe" not in capsys.readouterr().out
    CLAIMS["toy"] = replace(CLAIM, recipe=Recipe(2e-3))
    main(["results", "list"])
    assert "A toy [measured by an older recipe: seed 1]" in capsys.readouterr().out
    run(["toy"])
    assert "toy: another recipe or other images gave seed 1; use --again" in capsys.readouterr().out
    run(["toy"], missing=False)
    assert load("toy").older(CLAIMS["toy"].digest) == []


def test_a_recipes_hash_depends_on_all_of_it_and_on_nothing_else() -> None:
    digests = [
        replace(CLAIM, recipe=recipe).digest
        for recipe in (Recipe(1), Recipe(2), Recipe(1, tiny.ImageSet), {"a": 1}, {"a": [1]}, [1])
    ]
    assert len(set(digests)) == len(digests)
    assert replace(CLAIM, recipe={"b": 2, "a": 1}).digest == (
        replace(CLAIM, recipe={"a": 1, "b": 2}).digest
    )
    assert CLAIM.digest == ""
    with pytest.raises(ValueError, match="it must be plain data"):
        _ = replace(CLAIM, recipe=object()).digest


def test_a_reader_that_goes_away_does_not_end_the_measurement(
    toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object, **__: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr("builtins.print", gone)
    run(["toy"])
    assert len(load("toy").runs) == 3


def test_the_list_of_claims_is_consistent() -> None:
    for name, claim in CLAIMS.items():
        assert name == claim.name
        assert set(claim.after) <= CLAIMS.keys()
        assert claim.digest == CLAIMS[name].digest  # a recipe is plain data
        if claim.checkpoint and load(name).measured:
            load(name).mean("val_score")  # which picks the seed that is shipped


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
    assert default_dir() != tmp_path / "r"
    if len(names) > 1:  # the training of unet-pets is used again, not made again
        once, averaged = (load(name, tmp_path / "r") for name in ("unet-pets", after[1]))
        assert averaged.mean("plain_mean_iou") == once.mean("test_mean_iou")
        assert not list((tmp_path / "runs/smoke" / after[1]).rglob("checkpoint.pt"))


def test_every_claim_waits_for_claims_that_there_are() -> None:
    for claim in CLAIMS.values():
        assert set(claim.after) <= set(CLAIMS), claim.name
