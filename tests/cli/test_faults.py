"""Whatever goes wrong: one line, a status that says so, and no traceback."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError

from course_lib import cli
from course_lib.cli.console import stopping_at_once
from course_lib.results import CLAIMS, Claim, Measurement, load


def failing(error: BaseException) -> object:
    def run() -> int:
        raise error

    return type("Failing", (), {"run": staticmethod(run)})


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (ValueError("lr is -1;\n  it is positive."), 2, "course: lr is -1; it is positive."),
        (KeyError("There is no claim."), 2, "course: There is no claim."),
        (PermissionError(13, "Permission denied", "x"), 2, "course: [Errno 13] Permission denied"),
        (OSError(28, "No space left on device"), 1, "course: [Errno 28] No space left on device"),
        (FloatingPointError("the loss is not finite"), 1, "course: the loss is not finite"),
        (RuntimeError("size mismatch\nfor a"), 1, "course: RuntimeError: size mismatch for a"),
        (TypeError("unexpected keyword"), 1, "course: TypeError: unexpected keyword"),
        (MemoryError(), 1, "course: the memory is full; use fewer or smaller images"),
        (RuntimeError("can't allocate memory: 9 GB"), 1, "course: the memory is full; use fewer"),
        (SafetensorError("header too large"), 1, "course: SafetensorError: header too large"),
        (AssertionError(), 1, "course: AssertionError: no more is known"),
        (KeyboardInterrupt(), 130, "course: interrupted"),
        (KeyboardInterrupt("interrupted; goes on"), 130, "course: interrupted; goes on"),
    ],
)
def test_an_error_is_one_line(
    error: BaseException, status: int, said: str, course, monkeypatch: pytest.MonkeyPatch
) -> None:
    ignored = []
    monkeypatch.setattr(
        signal, "signal", lambda *what: ignored.append(what) if signal.SIG_IGN in what else None
    )
    monkeypatch.setattr(cli, "parse", lambda _: failing(error))
    got, _, err = course()
    assert got == status and err.startswith(said) and err.count("\n") == 1
    assert bool(ignored) is isinstance(error, KeyboardInterrupt)  # a second Ctrl-C says nothing
    if isinstance(error, Exception):
        monkeypatch.setenv("COURSE_DEBUG", "1")
        with pytest.raises(type(error)):
            cli.main([])


def test_ctrl_c_ends_an_import_at_once(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    ended: list[object] = []
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's & ignores it
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    monkeypatch.setattr(os, "_exit", ended.append)
    monkeypatch.setattr(os, "write", lambda _, text: ended.append(text))
    with stopping_at_once():
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.01)
    assert ended == [b"course: interrupted\n", 130]
    with pytest.raises(KeyboardInterrupt):  # as usual again
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1)
    monkeypatch.setattr(signal, "getsignal", lambda _: signal.SIG_IGN)  # started in the background
    with stopping_at_once():
        monkeypatch.undo()
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def console(encoding: str, monkeypatch: pytest.MonkeyPatch) -> io.BytesIO:
    shown = io.BytesIO()
    for name in ("stdout", "stderr"):
        stream = io.TextIOWrapper(shown, encoding=encoding, write_through=True)
        monkeypatch.setattr(sys, name, stream)
    return shown


@pytest.mark.parametrize("encoding", ["ascii", "cp437", "latin-1", "utf-8"])
def test_a_console_that_lacks_characters_gets_the_answer(
    encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = console(encoding, monkeypatch)
    assert cli.main(["results", "list"]) == 0
    text = shown.getvalue().decode(encoding)
    line = next(line for line in text.splitlines() if line.startswith("unet-pets "))
    assert ("+-" if encoding == "ascii" else "±") in line
    with pytest.raises(SystemExit) as left:
        cli.main(["train", "unet", "--data", "pets", "--help"])
    assert left.value.code == 0
    assert "--epochs INT" in shown.getvalue().decode(encoding)
    with pytest.raises(SystemExit):
        cli.main(["train", "unet", "--data", "pets", "--out", "x", "--epochs", "many"])
    assert "invalid literal" in shown.getvalue().decode(encoding)
    print("…→×漢")
    wanted = {"ascii": "...->x?", "cp437": "...->x?", "latin-1": "...->×?", "utf-8": "…→×漢"}
    assert shown.getvalue().decode(encoding).splitlines()[-1] == wanted[encoding]


TRAIN = ["train", "unet", "--data", "shapes", "--task", "semantic", "--size", "16", "--limit", "8"]
TRAIN += ["--num-val", "4", "--epochs", "1", "--batch-size", "4", "--widths", "4", "8"]
TRAIN += ["--device", "cpu"]


class Gone(io.StringIO):
    """A stream whose reader has closed."""

    def write(self, text: str) -> int:
        raise BrokenPipeError(32, "Broken pipe")

    flush = close = lambda self: self.write("")


@pytest.mark.parametrize("stream", [Gone(), None], ids=["gone", "closed"])
def test_nobody_reads_the_progress(
    stream: Gone | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COURSE_PROGRESS", "1")
    monkeypatch.setattr(sys, "stderr", stream)
    assert cli.main([*TRAIN, "--out", str(tmp_path)]) == 0
    assert (tmp_path / "model.safetensors").exists()


def test_a_reader_that_goes_away_is_no_success(tmp_path: Path, monkeypatch) -> None:
    toy = Claim("toy", "A toy", lambda c: Measurement({"score": c.seed}, "nothing"), "score")
    monkeypatch.setitem(CLAIMS, "toy", toy)
    read, write = os.pipe()
    monkeypatch.setattr(sys, "stdout", open(write, "w", buffering=1))  # noqa: SIM115
    os.close(read)
    command = ["results", "run", "--only", "toy", "--results", str(tmp_path / "r")]
    assert cli.main([*command, "--runs", str(tmp_path / "runs")]) == 141
    monkeypatch.undo()
    monkeypatch.setitem(CLAIMS, "toy", toy)
    assert cli.main([*command, "--runs", str(tmp_path / "runs")]) == 0
    assert [run["seed"] for run in load("toy", tmp_path / "r").runs] == [0, 1, 2]


def test_a_seed_that_no_claim_has_is_not_called_measured(course, tmp_path: Path) -> None:
    status, out, err = course("results", "run", "--only", "unet-pets", "--seeds", "99")
    assert status == 2 and "measured" not in out
    assert err == "course: There is no seed 99; the seeds of unet-pets are 0, 1, 2.\n"
    status, _, err = course("results", "run", "--missing", "--again")
    assert status == 2 and "exclude each other" in err
    assert course("results", "run", "--only", "nonsense")[0] == 2


def test_a_data_set_that_cannot_be_read_is_one_line_of_the_list(course, monkeypatch) -> None:
    def look(name: str, root: object) -> bool:
        if name == "pets":
            raise PermissionError(13, "Permission denied")
        return name == "streets"

    monkeypatch.setattr("course_lib.cli.data.available", look)
    status, out, _ = course("data", "list")
    lines = {line.split()[0]: line for line in out.splitlines()}
    assert status == 0
    assert {"streets", "cells", "shapes", "rooms", "cifar10", "voc", "imagenet"} < set(lines)
    assert "cannot be read (Permission denied)" in lines["pets"]
    assert lines["streets"].split()[1] == "here" and lines["voc"].split()[1] == "-"


@pytest.mark.parametrize("words", [["data", "verify", "nonsense"], ["data", "fetch", "nonsense"]])
def test_an_unknown_data_set_is_one_line(words: list[str], course) -> None:
    status, _, err = course(*words)
    assert status == 2 and err.startswith("course: ") and "nonsense" in err


def test_an_unknown_command_names_the_nearest(course) -> None:
    status, _, err = course("trian")
    assert status == 2 and "Did you mean 'train'?" in err and err.count("\n") == 1


def test_the_command_starts_without_torch() -> None:
    code = (
        "import json, sys\nfrom course_lib.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit as left: status = left.code\n"
        "print(json.dumps([status, 'torch' in sys.modules, 'tyro' in sys.modules]))"
    )
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == [0, False, False]
    assert "course evaluate unet-pets" in done.stdout and time.perf_counter() - started < 5


def test_only_the_first_process_saves(monkeypatch: pytest.MonkeyPatch) -> None:
    from course_lib.cli.options import first_process

    monkeypatch.setenv("RANK", "1")  # left over, without a second process
    assert first_process()
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_rank", lambda: 1)
    assert not first_process()
