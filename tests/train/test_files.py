"""Files are whole or not there, leftovers go, a folder belongs to one process, disks are asked."""

import errno
import os
import resource
import stat
import subprocess
import sys
import time
from collections import namedtuple
from pathlib import Path

import pytest
import torch

from course_lib.train.files import HERE, claimed, sweep, whole, write_json

LARGE = {"weights": torch.zeros(100_000)}  # 400 kB


@pytest.fixture
def small_files():
    """No file may be longer than 20 kB, as on a disk that is nearly full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_file_gets_the_users_mode_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_json(tmp_path / "deep" / "a.json", {"a": 1})
    finally:
        os.umask(before)
    path = tmp_path / "deep" / "a.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert os.listdir(path.parent) == ["a.json"]


@pytest.mark.parametrize("write", [torch.save, lambda _, file: file.write(b"x" * 400_000)])
def test_a_full_disk_leaves_the_old_file_and_one_line(tmp_path: Path, small_files, write) -> None:
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(b"old")
    with (
        pytest.raises(OSError, match=r"checkpoint.pt cannot be written \(File too large\)") as told,
        whole(path) as file,
    ):
        write(LARGE, file)
    assert "\n" not in str(told.value) and "pos" not in str(told.value)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["checkpoint.pt"]


def test_what_is_no_fault_of_the_disk_is_passed_on(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="^mine$"), whole(tmp_path / "a.json"):
        raise RuntimeError("mine")
    assert not os.listdir(tmp_path)


def test_only_the_dead_leave_files_that_are_swept(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    names = {
        f".checkpoint.pt.{HERE}.{dead.pid}": False,
        f".model.safetensors.{HERE}.{dead.pid}": False,
        f".step-0000014.png.{HERE}.{dead.pid}": False,
        f".history.json.{HERE}.{os.getpid()}": True,  # being written at this moment
        f".old.json.{HERE}.{os.getpid()}": False,  # the process has another owner by now
        f".checkpoint.pt.another-machine.{dead.pid}": True,  # whose processes nobody knows here
        f".notes.{HERE}.{dead.pid}": True,  # not ours
        "checkpoint.pt": True,
    }
    for name in names:
        (tmp_path / name).touch()
    two_days_ago = time.time() - 48 * 3600
    os.utime(tmp_path / f".old.json.{HERE}.{os.getpid()}", (two_days_ago, two_days_ago))
    sweep(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {n for n, stays in names.items() if stays}


HOLD = """
import sys
from pathlib import Path
from course_lib.train.files import claimed
with claimed(Path(sys.argv[1]), 0):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_folder_belongs_to_one_process_until_it_ends_even_by_a_kill(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path / "run")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as other:
        assert other.stdout is not None and other.stdout.readline() == "held\n"
        message = rf"Another process \({other.pid} on .*\) is training in .*run .*another folder"
        with pytest.raises(ValueError, match=message), claimed(tmp_path / "run", 0):
            pass
        other.kill()
    held = pytest.raises(ValueError, match=f"{os.getpid()} on")
    with claimed(tmp_path / "run", 0), held, claimed(tmp_path / "run", 0):
        pass


def test_too_little_room_is_told_before_anything_is_written(tmp_path: Path, monkeypatch) -> None:
    usage = namedtuple("usage", "free")
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(3_000_000))
    message = "has 3 MB free, and about 8 MB are needed. The disk is full: free"
    with pytest.raises(OSError, match=message), claimed(tmp_path / "run", 8_000_000):
        pass


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="cannot be written"), claimed(tmp_path / "file" / "run", 0):
        pass

    def refuse(**_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    message = r"\(Permission denied\). Choose a folder that you"
    with pytest.raises(PermissionError, match=message), claimed(tmp_path, 0):
        pass
