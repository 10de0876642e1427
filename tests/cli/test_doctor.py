"""``course doctor`` says what is in order, and of each fault what to do."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from course_lib.cli import doctor
from course_lib.train import checkpoint

ROOT = Path(__file__).resolve().parents[2]


def answer(course) -> dict[str, tuple[str, str]]:
    _, out, _ = course("doctor", "--json")
    return {f["name"]: (f["state"], f["text"]) for f in json.loads(out)["findings"]}


def test_it_fits_on_one_screen_and_tells_a_status(course) -> None:
    status, out, err = course("doctor")
    lines = out.splitlines()
    assert len(lines) == len(doctor.LOOKS) + 1 <= 24 and not err
    assert {line.split()[0] for line in lines[:-1]} <= {"ok", "attention", "missing"}
    assert (status == 0) is (lines[-1] == "The labs have what they need.")
    assert out.isascii()  # on whatever console


@pytest.mark.parametrize("needed", [False, True])
def test_only_what_the_labs_need_decides_the_status(
    needed: bool, course, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = {"a": (True, lambda: ("ok", "fine")), "b": (needed, lambda: ("missing", "gone"))}
    monkeypatch.setattr(doctor, "LOOKS", looks)
    status, out, _ = course("doctor", "--json")
    assert status == int(needed) and json.loads(out)["ok"] is not needed
    assert course("doctor")[0] == int(needed)


def test_a_look_that_fails_is_one_of_the_answers(course, monkeypatch) -> None:
    def look():
        raise RuntimeError("no\n  driver")

    monkeypatch.setattr(doctor, "LOOKS", {"GPU": (False, look)})
    assert answer(course) == {"GPU": ("missing", "could not be looked at: RuntimeError: no driver")}


def test_a_missing_or_broken_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor._torch()[0] == "ok"
    monkeypatch.setitem(sys.modules, "torchvision", None)
    state, text = doctor._torch()
    assert state == "missing" and "make setup" in text


def test_a_gpu_that_torch_does_not_see(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert doctor._gpu() == ("ok", "none; the labs need none")
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    state, text = doctor._gpu()
    assert state == "attention" and "update the driver" in text


def test_a_kernel_that_is_missing_or_another_pythons(monkeypatch: pytest.MonkeyPatch) -> None:
    from jupyter_client.kernelspec import KernelSpec, KernelSpecManager

    for argv, state in (
        ([sys.executable], "ok"),
        (["python"], "ok"),
        (["/elsewhere/python"], "attention"),
    ):
        spec = KernelSpec(argv=argv)
        monkeypatch.setattr(KernelSpecManager, "get_kernel_spec", lambda *_, s=spec: s)
        assert doctor._jupyter()[0] == state, argv
    monkeypatch.setattr(KernelSpecManager, "find_kernel_specs", lambda _: {})
    assert doctor._jupyter()[0] == "missing" and "ipykernel install" in doctor._jupyter()[1]
    monkeypatch.setitem(sys.modules, "ipykernel", None)
    assert doctor._jupyter()[0] == "missing" and "ipykernel" in doctor._jupyter()[1]


def test_a_browser_that_is_missing_or_misnamed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setattr(shutil, "which", lambda name: "/x/chrome" if name == "chrome" else None)
    assert doctor._browser() == ("ok", "/x/chrome")
    monkeypatch.setenv("CHROMIUM", "/nowhere/chrome")
    assert doctor._browser()[0] == "attention" and "/nowhere/chrome" in doctor._browser()[1]
    monkeypatch.delenv("CHROMIUM")
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert doctor._browser()[0] == "missing" and "apt install chromium" in doctor._browser()[1]


def test_a_sandbox_that_is_missing_or_may_not_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert doctor._sandbox()[0] == "missing" and "apt install bubblewrap" in doctor._sandbox()[1]
    monkeypatch.setattr(shutil, "which", lambda _: "/usr/bin/bwrap")
    tried = []

    def run(command, **_):
        tried.append(command)
        return subprocess.CompletedProcess(command, 1, "", "bwrap: No permissions to create")

    monkeypatch.setattr(subprocess, "run", run)
    state, text = doctor._sandbox()
    assert state == "attention" and "No permissions" in text and "sysctl" in text
    assert tried[0][:3] == ["/usr/bin/bwrap", "--unshare-all", "--unshare-user"]

    def hang(command, **_):
        raise subprocess.TimeoutExpired(command, 10)

    monkeypatch.setattr(subprocess, "run", hang)
    assert doctor._sandbox()[0] == "attention"
    monkeypatch.setitem(sys.modules, "course_lib.grading.sandbox", None)
    assert doctor._sandbox()[0] == "missing"


def test_data_that_is_elsewhere_or_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "nowhere"))
    assert doctor._data()[0] == "attention" and "COURSE_DATA" in doctor._data()[1]
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    state, text = doctor._data()
    assert state == "ok" and text.startswith("streets, ") and str(tmp_path) in text

    def look(name: str) -> bool:
        if name == "voc":
            raise PermissionError(13, "Permission denied")
        return False

    monkeypatch.setattr("course_lib.data.available", look)
    assert doctor._data()[0] == "attention"
    assert "voc cannot be read (Permission denied)" in doctor._data()[1]


def test_checkpoints_that_are_damaged_or_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert doctor._checkpoints()[0] == "ok"
    copy = tmp_path / "checkpoints"
    copy.mkdir()
    index = json.loads((checkpoint.SHIPPED / "index.json").read_text())
    first, second = sorted(index, key=lambda name: index[name]["bytes"])[:2]
    for name in (first, second):
        shutil.copy(checkpoint.SHIPPED / f"{name}.safetensors", copy)
    kept = {name: index[name] for name in (first, second)}
    (copy / "index.json").write_text(json.dumps(kept))
    monkeypatch.setattr(checkpoint, "SHIPPED", copy)
    assert doctor._checkpoints() == ("ok", "2 trained models, all whole")
    path = copy / f"{first}.safetensors"
    damaged = bytearray(path.read_bytes())
    damaged[-1] ^= 1
    path.write_bytes(damaged)
    (copy / f"{second}.safetensors").unlink()
    state, text = doctor._checkpoints()
    assert state == "missing" and "install the course again" in text
    assert f"{first} is damaged" in text and f"{second} is not there" in text
    (copy / "index.json").write_text("{")
    found = doctor._looked_at("checkpoints", True, doctor._checkpoints)
    assert found.state == "missing" and "could not be looked at" in found.text


def test_a_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    assert doctor._cache() == ("ok", f"{tmp_path / 'cache'}, 0.0 GB")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "file"))
    assert doctor._cache()[0] == "attention" and "COURSE_CACHE" in doctor._cache()[1]


@pytest.mark.parametrize(("free", "state"), [(1e8, "missing"), (1e9, "attention"), (1e11, "ok")])
def test_a_disk_that_is_full(free: float, state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type("Usage", (), {"free": free})
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    assert doctor._disk()[0] == state


@pytest.mark.parametrize(("free", "state"), [(1e9, "attention"), (1e10, "ok")])
def test_a_memory_that_is_full(free: float, state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = type("Memory", (), {"available": free})
    monkeypatch.setattr("psutil.virtual_memory", lambda: memory)
    assert doctor._memory()[0] == state


def test_variables_that_were_left_or_misspelt(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*doctor.VARIABLES, *doctor.FOR_SEVERAL):
        monkeypatch.delenv(name, raising=False)
    assert doctor._variables() == ("ok", "none of the course's set")
    monkeypatch.setenv("COURSE_SCALE", "smoke")
    assert doctor._variables() == ("ok", "COURSE_SCALE=smoke")
    monkeypatch.setenv("COURSE_DATE", "x")
    assert doctor._variables()[0] == "attention" and "no COURSE_DATE" in doctor._variables()[1]
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert doctor._variables()[0] == "attention" and "unset WORLD_SIZE" in doctor._variables()[1]


def test_it_knows_every_variable_that_the_course_reads() -> None:
    code = [*(ROOT / "course_lib").rglob("*.py"), *(ROOT / "tools").rglob("*.py")]
    named = {
        name
        for path in code
        for name in re.findall(r"environ\S*[\"'](COURSE_[A-Z]+)", path.read_text("utf-8"))
    }
    assert named and named <= doctor.VARIABLES
