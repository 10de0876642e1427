"""The queue: its order, its end, what it says, and that a kill costs nothing."""

import random
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
import torch

import course_lib.results.queue as queue
from course_lib.cli import main
from course_lib.cli import results as cli_results
from course_lib.results import CLAIMS, Claim, Context, Measurement
from course_lib.results.files import load
from course_lib.results.queue import State, called, jobs, work
from course_lib.results.session import Session
from course_lib.results.status import report
from tests.results import tiny


def state(folder: Path) -> State | None:
    """What the queue in a folder wrote last."""
    path = next((folder / "runs").glob("queue-*.json"), None)
    return State.read(path) if path else None


def until(process: Any, condition: Callable[[], object]) -> None:
    while not condition():
        assert process.is_alive()
        time.sleep(0.01)


def at_work(folder: Path, pid: int) -> bool:
    found = state(folder)
    return found is not None and found.pid == pid and found.now is not None


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """What an undisturbed queue measures."""
    folder = tmp_path_factory.mktemp("whole")
    process = tiny.start(tiny.run_queue, folder)
    process.join(120)
    assert process.exitcode == 0
    found = tiny.outcome(folder)
    assert found["shipped"] and [*map(len, found["results"].values())] == [1, 3]
    return found


@pytest.mark.slow
def test_ten_kills_at_random_moments_change_nothing(tmp_path: Path, whole: dict) -> None:
    moments = random.Random(0)
    hit = set()
    for _ in range(10):
        process = tiny.start(tiny.run_queue, tmp_path, None, 0.04)
        until(process, partial(at_work, tmp_path, process.pid))
        time.sleep(moments.uniform(0, 0.4))
        assert process.is_alive(), "the queue ended before it could be killed ten times"
        process.kill()
        process.join()
        hit.add(str(state(tmp_path).now))
    assert len(hit - {"None"}) > 5
    process = tiny.start(tiny.run_queue, tmp_path)
    process.join(120)
    assert process.exitcode == 0
    assert tiny.outcome(tmp_path) == whole


POINTS = ["_save_model", "add_run", "end", "ship"]


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("point", POINTS)
def test_a_kill_between_model_result_and_shipping(
    tmp_path: Path, whole: dict, point: str, moment: str
) -> None:
    process = tiny.start(tiny.killed, tmp_path, point, moment)
    process.join(120)
    assert process.exitcode == -signal.SIGKILL
    for run in load("tiny-segment", tmp_path / "results").runs:  # what counts has its model
        assert (tmp_path / "runs/tiny-segment" / f"seed-{run['seed']}/model.safetensors").exists()
    process = tiny.start(tiny.run_queue, tmp_path)
    process.join(120)
    assert process.exitcode == 0
    assert tiny.outcome(tmp_path) == whole


@pytest.mark.slow
def test_the_queue_ends_in_time_where_a_shell_has_turned_ctrl_c_off(tmp_path: Path) -> None:
    process = tiny.start(tiny.sleep_in_background, tmp_path, 0.5 / 60)
    process.join(60)
    assert process.exitcode == 0
    assert state(tmp_path).ended == "the time was over" and state(tmp_path).done == []


def test_the_queue_ends_in_time_and_goes_on(tmp_path: Path, whole: dict) -> None:
    process = tiny.start(tiny.run_queue, tmp_path, 1 / 60, 0.04)
    process.join(60)
    assert process.exitcode == 0
    first = state(tmp_path)
    assert first.ended == "the time was over" and len(first.done) < 4
    process = tiny.start(tiny.run_queue, tmp_path)
    process.join(120)
    assert tiny.outcome(tmp_path) == whole
    assert state(tmp_path).ended == "nothing was left to do"


def test_sigterm_saves_the_training_in_hand(tmp_path: Path) -> None:
    process = tiny.start(tiny.run_queue, tmp_path, None, 0.04)
    until(process, (tmp_path / "runs/tiny-segment/seed-0/checkpoint.pt").exists)
    process.terminate()
    process.join(60)
    assert process.exitcode == 1 and state(tmp_path).ended == "stopped"
    text = report(tiny.place(tmp_path, tiny.SEGMENT, tiny.PLAY))
    assert "not at work (stopped)" in text and "seeds 0 (step " in text


@pytest.mark.parametrize(("minutes", "in_mid_epoch"), [(0.1 / 60, True), (5, False)])
def test_a_training_is_saved_by_the_clock(
    tmp_path: Path, minutes: float, in_mid_epoch: bool
) -> None:
    process = tiny.start(tiny.run_queue_without_checkpoints, tmp_path, minutes)
    checkpoint = tmp_path / "runs/tiny-segment/seed-0/checkpoint.pt"
    until(process, checkpoint.exists)
    process.kill()
    process.join()
    done = torch.load(checkpoint, weights_only=True)["done"]
    assert done in range(1, 6) if in_mid_epoch else done == 6


def test_the_order_is_begun_priority_gain_list(tmp_path: Path) -> None:
    long = replace(tiny.SCORE, name="long", minutes=60, seeds=(0,))
    urgent = replace(tiny.SCORE, name="urgent", priority=1, seeds=(0,))
    place = tiny.place(tmp_path, tiny.SCORE, long, urgent)
    claims = list(place.claims.values())

    def order(gpu: bool = False, last: tuple[str, ...] = ()) -> list[str]:
        return [called(job) for job in jobs(place, claims, gpu=gpu, last=last)]

    listed = [f"tiny-score seed {seed}" for seed in range(3)]
    assert order() == ["urgent seed 0", *listed, "long seed 0"]
    assert order(gpu=True) == ["urgent seed 0", "long seed 0", *listed]
    Session(place.folder(tiny.SCORE, 2))
    assert order()[:2] == ["tiny-score seed 2", "urgent seed 0"]
    assert order(last=("tiny-score seed 2",))[-1] == "tiny-score seed 2"
    assert [called(job) for job in jobs(place, claims, [1])] == ["tiny-score seed 1"]


def test_a_failure_is_noted_and_the_others_go_on(tmp_path: Path) -> None:
    place = tiny.place(tmp_path, tiny.FAIL, tiny.LATER, tiny.SCORE)
    assert work(place) == ["tiny-failure seed 0: The loss is nan at step 3."]
    assert state(tmp_path).done[-1] == "tiny-later seed 0"  # ready only after what it needs
    assert "Traceback" in (place.folder(tiny.FAIL, 0) / "error.txt").read_text()
    assert "failed: tiny-failure seed 0: The loss is nan at step 3." in report(place)
    again = tiny.place(tmp_path, tiny.FAIL, replace(tiny.SCORE, name="new"))
    assert len(work(again)) == 1
    assert state(tmp_path).failed_before == []
    assert state(tmp_path).done == [f"new seed {seed}" for seed in range(3)]  # before the failure


def test_missing_data_and_damaged_results_are_said_and_skipped(tmp_path: Path) -> None:
    needy = replace(tiny.SCORE, name="needy", needs=("mnist",))
    place = replace(
        tiny.place(tmp_path, needy, replace(tiny.SCORE, name="odd"), tiny.SCORE), root=tmp_path
    )
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "odd.json").write_text("<<<<<<< HEAD\n")
    trouble = work(place)
    assert [line.split(":")[0] for line in trouble] == ["odd", "needy"]
    assert "odd.json is no result" in trouble[0] and "course data fetch mnist" in trouble[1]
    assert len(load("tiny-score", tmp_path / "results").runs) == 3


def test_a_disk_that_is_full_ends_the_queue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = iter([2**40, 2**40, 2**40, 2**40, 2**40, 2**40, 0])  # of two folders, three times
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=next(free)))
    with pytest.raises(OSError, match="runs has 0 MB free, and about 200 MB are needed"):
        work(tiny.place(tmp_path, tiny.SCORE))
    assert state(tmp_path).done == ["tiny-score seed 0"] and not state(tmp_path).failed
    assert "not at work (" in (text := report(tiny.place(tmp_path, tiny.SCORE)))
    assert "has 0 MB free" in text


def test_a_second_queue_is_told_who_works(tmp_path: Path) -> None:
    ready = tiny.event()
    process = tiny.start(tiny.hold, tmp_path, ready)
    assert ready.wait(60)
    place = tiny.place(tmp_path, tiny.SCORE)
    with pytest.raises(ValueError, match=f"at work in .* already .process {process.pid}, since"):
        work(place)
    text = report(place)
    assert f"process {process.pid}: at work" in text and "now: tiny-score, seed 0, since" in text
    # A run by hand takes the other seeds and leaves this one.
    with pytest.raises(queue.Busy, match="seed 0 is being measured by another process"):
        place.measure(tiny.SCORE, 0)
    place.measure(tiny.SCORE, 1)
    process.kill()
    process.join()
    assert "not at work (it was killed)" in report(place)
    assert work(place) == []
    assert [run["seed"] for run in load("tiny-score", tmp_path / "results").runs] == [0, 1, 2]


def test_what_is_left_is_told_in_hours(tmp_path: Path) -> None:
    def slowly(context: Context) -> Measurement:
        return tiny.score(context)

    half = Claim("half", "Half", slowly, "score", seeds=(0, 1), minutes=120)
    other = Claim("other", "Other", slowly, "score", seeds=(0,), minutes=30)
    place = tiny.place(tmp_path, half, other)
    assert "left: about 2.5 hours" in report(place)
    place.measure(half, 0)
    path = tmp_path / "results" / "half.json"
    path.write_text(path.read_text().replace('"seconds": 0.0', '"seconds": 7200.0'))
    # Two hours a seed where one was stated: the other claim takes twice its time as well.
    assert "left: about 3.0 hours" in report(place)
    assert "1.00 h  other, seeds 0" in report(place)


@mock.patch.dict(CLAIMS, clear=True)  # which gives back the order too
def test_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settled = []
    monkeypatch.setattr(cli_results, "settle", settled.append)
    CLAIMS["tiny-score"] = tiny.SCORE
    folders = ["--runs", str(tmp_path / "runs"), "--results", str(tmp_path / "results")]
    command = ["results", "run", *folders, "--device", "cpu"]
    assert main([*command, "--queue", "--minutes", "1", "--threads", "1"]) == 0
    assert settled == [1]
    assert main(["results", "queue", *folders]) == 0
    assert "left: about 0.0 hours" in capsys.readouterr().out
    CLAIMS["tiny-failure"] = tiny.FAIL
    assert main([*command, "--queue"]) == 1
    assert capsys.readouterr().err == "course: tiny-failure seed 0: The loss is nan at step 3.\n"
    with pytest.raises(SystemExit):  # what a word alone makes wrong, tyro says
        main([*command, "--minutes", "1"])
    with pytest.raises(SystemExit):
        main([*command, "--queue", "--minutes", "0"])
    assert main([*command, "--queue", "--seeds", "9"]) == 2
    assert "minutes is 0.0" in (err := capsys.readouterr().err) and "There is no seed 9;" in err
