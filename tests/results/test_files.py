"""Result files that somebody has damaged are one clear line, wherever they are read."""

import json
from pathlib import Path

import pytest

from course_lib.cli import main
from course_lib.results import CLAIMS, files, load, run, table

WHOLE = {
    "claim": "unet-pets",
    "title": "A title",
    "date": "2026-01-02",
    "hardware": "a processor",
    "runs": [{"seed": 0, "metrics": {"test_mean_iou": 0.5}, "curves": {"loss": [1.0]}}],
}


def changed(**parts: object) -> str:
    return json.dumps({**WHOLE, **parts})


def one_run(**parts: object) -> str:
    return changed(runs=[{"seed": 0, "metrics": {"test_mean_iou": 0.5}, **parts}])


DAMAGED = {
    "empty": ("", "Expecting value"),
    "merge conflict": ("<<<<<<< HEAD\n{}\n=======\n", "Expecting value"),
    "cut": (json.dumps(WHOLE)[:60], "Unterminated string|Expecting"),
    "too deep": ("[" * 100_000, "recursion"),
    "a list": ("[1, 2]", "it holds a list, not an object"),
    "nothing": ("null", "it holds nothing, not an object"),
    "a title that is a number": (changed(title=3), "its title is a number, not text"),
    "a number for runs": (changed(runs=3), "its runs are a number, not a list"),
    "no runs": ("{}", "its runs are nothing, not a list"),
    "a run that is text": (changed(runs=["x"]), "one of its runs has no seed"),
    "a run without seed": (one_run(seed=None), "one of its runs has no seed"),
    "a seed twice": (changed(runs=2 * WHOLE["runs"]), "it has seed 0 twice"),
    "a seed that is true": (one_run(seed=True), "one of its runs has no seed"),
    "a metric that is true": (one_run(metrics={"a": True}), "a of seed 0 is True, not a number"),
    "metrics that are text": (
        one_run(metrics="x"),
        "the metrics or curves of seed 0 are no object",
    ),
    "a metric that is text": (one_run(metrics={"a": "x"}), "a of seed 0 is 'x', not a number"),
    "a metric that is NaN": (one_run(metrics={"a": float("nan")}), "a of seed 0 is nan, not a"),
    "seconds that are text": (one_run(seconds="x"), "seconds of seed 0 is 'x', not a number"),
    "a curve of text": (one_run(curves={"loss": ["x"]}), "the curve loss of seed 0 is no list"),
    "published numbers": (changed(published=[{"text": "x"}]), "its published numbers are no list"),
    "another claim's": (changed(claim="x"), "it is the result of 'x'"),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COURSE_RESULTS", str(tmp_path))
    return tmp_path


def test_the_whole_one_is_read(folder: Path) -> None:
    (folder / "unet-pets.json").write_text(json.dumps(WHOLE))
    assert load("unet-pets").mean("test_mean_iou") == 0.5
    assert "2026-01-02, a processor" in repr(table(["unet-pets"]))


@pytest.mark.slow
@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_one_line_everywhere(
    folder: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text, fault = DAMAGED[name]
    path = folder / "unet-pets.json"
    path.write_text(text)
    cure = "Take it back from version control, or delete it and measure again: course results run"
    with pytest.raises(ValueError, match=rf"{path} is no result: .*({fault}).*{cure}"):
        load("unet-pets")
    with pytest.raises(ValueError, match=fault):
        table(["unet-pets"])
    with pytest.raises(ValueError, match=fault):
        run(["unet-pets-difference"], runs_dir=folder / "runs")
    assert path.read_text() == text
    assert main(["results", "list"]) == 1
    told = capsys.readouterr()
    assert told.err.startswith(f"course: {path} is no result") and told.err.count("\n") == 1
    assert len(told.out.splitlines()) == len(CLAIMS) - 1  # the others are listed
    assert main(["results", "queue", "--runs", str(folder / "runs")]) == 0
    assert f"unet-pets: {path} is no result" in capsys.readouterr().out


def test_a_result_without_its_main_metric_is_one_line_of_the_list(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "unet-pets.json").write_text(one_run(metrics={"other": 0.5}))
    assert main(["results", "list"]) == 1
    told = capsys.readouterr()
    assert told.err == "course: unet-pets has no 'test_mean_iou'; it has other.\n"
    assert len(told.out.splitlines()) == len(CLAIMS) - 1


def test_a_folder_in_place_of_a_file_is_a_clear_line(folder: Path) -> None:
    (folder / "unet-pets.json").mkdir()
    with pytest.raises(ValueError, match="unet-pets.json is no result: .*directory"):
        load("unet-pets")


def test_runs_with_different_metrics_share_what_both_have(folder: Path) -> None:
    both = [{"seed": 0, "metrics": {"a": 1, "b": 2}}, {"seed": 1, "metrics": {"a": 3}}]
    files.store({"claim": "unet-pets", "runs": both}, folder)
    result = load("unet-pets")
    assert result.metrics == ["a"] and result.mean("a") == 2
    assert list(result.content["summary"]) == ["a"]
    with pytest.raises(KeyError, match="has no 'b'; it has a"):
        result.mean("b")


def test_a_number_that_json_cannot_hold_is_not_written(folder: Path) -> None:
    bad = {"claim": "x", "runs": [{"seed": 0, "metrics": {}, "arrays": {"a": [float("nan")]}}]}
    with pytest.raises(ValueError, match="JSON"):
        files.store(bad, folder)
    assert list(folder.iterdir()) == []


def test_seeds_of_different_machines_name_both(folder: Path) -> None:
    """Also where the first one's seeds are measured again, one by one."""
    head = {"claim": "unet-pets", "size": "full", "hardware": "a processor"}
    for seed, place in ((0, "a processor"), (1, "a processor"), (2, "a card"), (1, "a card")):
        run = {"seed": seed, "metrics": {"test_mean_iou": 0.5}}
        files.add_run({**head, "hardware": place}, run, folder)
        result = load("unet-pets")
        if seed == 2:
            assert result.content["hardware"] == "a processor; a card"
            assert [r["hardware"] for r in result.runs] == ["a processor", "a processor", "a card"]
        elif place == "a processor":
            assert result.content["hardware"] == place and "hardware" not in result.runs[0]
    assert [r["hardware"] for r in result.runs] == ["a processor", "a card", "a card"]
    files.add_run(
        {**head, "hardware": "a card"}, {"seed": 0, "metrics": {"test_mean_iou": 0.5}}, folder
    )
    again = load("unet-pets")
    assert again.content["hardware"] == "a card" and "hardware" not in again.runs[0]
