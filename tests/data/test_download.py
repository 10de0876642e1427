"""Fetching: whole or not at all, whatever the network does."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path

import pytest

from course_lib.data import DataError, download, fetch, load, verify
from course_lib.data.cache import half_name
from course_lib.data.real.base import Archive


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(download.download, "__kwdefaults__",
                        {"tries": 4, "wait": lambda seconds: None})  # fmt: skip


def tape(folder: Path, *parts: str) -> bytes:
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w:gz") as file:
        for part in parts:
            file.add(folder / part, part)
    return memory.getvalue()


@pytest.fixture
def pets(build, server, monkeypatch):
    """The pets as two archives, as they are published."""
    source = build.pets([f"pug_{n}" for n in range(6)], ["pug_9"], at="source")
    plan = (
        server.archive("images.tar.gz", tape(source, "images")),
        server.archive("annotations.tar.gz", tape(source, "annotations")),
    )
    monkeypatch.setattr(download, "archives", lambda name: plan)
    return server


def contents(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def test_fetch(pets, tmp_path, own_folder):
    root = tmp_path / "new" / "data"
    place = fetch("pets", root)
    assert place == root / "oxford-iiit-pet" and contents(root) == ["oxford-iiit-pet"]
    assert contents(place) == ["annotations", "images"]
    assert len(load("pets", "train", root=root)) == 5 and verify("pets", root) == []
    requests = len(pets.log)
    assert fetch("pets", root) == place and len(pets.log) == requests  # nothing is fetched twice


def test_load_downloads_when_asked(pets, own_folder):
    with pytest.raises(DataError, match="course data fetch pets"):
        load("pets", "test")
    assert len(load("pets", "test", download=True)) == 1  # into the cache's download folder
    assert (own_folder / "downloads" / "oxford-iiit-pet").is_dir()
    assert len(load("pets", "test")) == 1


def test_a_broken_connection_is_continued(pets, tmp_path):
    pets.plan = ["cut", "cut", "whole"]
    fetch("pets", tmp_path / "data")
    ranges = [asked for name, asked in pets.log if name == "images.tar.gz"]
    assert ranges[0] is None and all(asked.startswith("bytes=") for asked in ranges[1:])


def test_a_server_that_starts_again(pets, tmp_path):
    pets.plan = ["cut", "again"]
    fetch("pets", tmp_path / "data")
    assert verify("pets", tmp_path / "data") == []


@pytest.mark.adversarial
@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (["missing"] * 9, "404"),
        (["wrong"] * 9, "wrong checksum"),
        (["cut"] * 9, "ended after"),
        (["whole", "missing", "missing", "missing", "missing"], "annotations.tar.gz"),
    ],
)
def test_a_failed_fetch_leaves_nothing(pets, tmp_path, plan, message):
    pets.plan = plan
    with pytest.raises(DataError, match=message) as error:
        fetch("pets", tmp_path / "data")
    assert contents(tmp_path / "data") == [] and "4 tries" in str(error.value)
    pets.plan = []
    fetch("pets", tmp_path / "data")  # and does not stand in the way


@pytest.mark.adversarial
def test_a_server_that_crawls_counts_as_broken(pets, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "_WINDOW", 0.3)
    pets.plan = ["drip"] * 9
    with pytest.raises(DataError, match=r"4 tries .*too slow: \d+ bytes in 0 s"):
        fetch("pets", tmp_path / "data")
    pets.plan = ["drip", "whole"]
    fetch("pets", tmp_path / "data")  # what came is kept, and the next try goes on
    assert pets.log[-2][1].startswith("bytes=")


def test_mirrors_are_tried(server, tmp_path):
    server.files["a.bin"] = b"content"
    urls = (server.url("gone.bin"), server.url("a.bin"))
    waits: list[float] = []
    download.download(urls, tmp_path / "a.bin", None, wait=waits.append)
    assert (tmp_path / "a.bin").read_bytes() == b"content" and waits == [1.0]


def test_no_network(tmp_path, monkeypatch):
    plan = (Archive(("http://127.0.0.1:9/x.zip",), "x.zip", None),)
    monkeypatch.setattr(download, "archives", lambda name: plan)
    with pytest.raises(DataError, match="Check the network.*--root.*Nothing was left"):
        fetch("penn-fudan", tmp_path / "data")
    assert contents(tmp_path / "data") == []


def test_interrupted_by_the_user(pets, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "unpack", lambda *a: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        fetch("pets", tmp_path / "data")
    assert contents(tmp_path / "data") == []


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")
@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGKILL])
def test_killed_while_downloading(pets, tmp_path, kind):
    """Ctrl-C cleans up; after a kill the next fetch does. Never is the place itself half full."""
    pets.plan = ["slow"]
    plan = [(a.urls, a.file, a.md5) for a in download.archives("pets")]
    root = tmp_path / "data"
    code = (
        "import signal\n"  # a shell's background jobs, and their children, ignore Ctrl-C
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from course_lib.data import download\n"
        "from course_lib.data.real.base import Archive\n"
        f"plan = tuple(Archive(*a) for a in {plan!r})\n"
        "download.archives = lambda name: plan\n"
        f"download.fetch('pets', {str(root)!r})\n"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE)
    deadline = time.monotonic() + 120
    while not list(root.glob(".fetch-*/*.part")) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert list(root.glob(".fetch-*/*.part"))
    os.kill(child.pid, kind)
    child.communicate(timeout=60)
    assert child.returncode != 0 and not (root / "oxford-iiit-pet").exists()
    assert bool(contents(root)) == (kind == signal.SIGKILL)
    fetch("pets", root)
    assert contents(root) == ["oxford-iiit-pet"]


@pytest.mark.adversarial
def test_a_truncated_archive(pets, tmp_path, monkeypatch):
    """The checksum is right, but the archive is damaged all the same."""
    content = pets.files["images.tar.gz"][:-200]
    plan = (pets.archive("images.tar.gz", content), download.archives("pets")[1])
    monkeypatch.setattr(download, "archives", lambda name: plan)
    with pytest.raises(DataError, match="images.tar.gz cannot be unpacked .* truncated or damaged"):
        fetch("pets", tmp_path / "data")
    assert contents(tmp_path / "data") == []


@pytest.mark.adversarial
def test_an_archive_of_something_else(pets, tmp_path, monkeypatch):
    """All is well with the archive, but it does not hold the data set."""
    images, _ = download.archives("pets")
    monkeypatch.setattr(download, "archives", lambda name: (images,))
    with pytest.raises(DataError, match="pets is not in"):
        fetch("pets", tmp_path / "data")
    assert contents(tmp_path / "data") == []


@pytest.mark.adversarial
@pytest.mark.parametrize("old_python", [False, True])
def test_an_archive_that_writes_elsewhere(tmp_path, monkeypatch, old_python):
    if old_python:
        monkeypatch.delattr(tarfile, "data_filter", raising=False)
    with tarfile.open(tmp_path / "evil.tar", "w") as file:
        entry = tarfile.TarInfo("../outside.txt")
        entry.size = 2
        file.addfile(entry, io.BytesIO(b"no"))
    with pytest.raises(DataError, match=r"evil\.tar cannot be unpacked"):
        download.unpack(tmp_path / "evil.tar", tmp_path / "in")
    assert not (tmp_path / "outside.txt").exists()


def test_archives_downloaded_by_hand(pets, tmp_path, own_folder):
    root = tmp_path / "data"
    (root / "oxford-iiit-pet").mkdir(parents=True)
    (root / "images.tar.gz").write_bytes(pets.files["images.tar.gz"])
    other = root / "oxford-iiit-pet" / "annotations.tar.gz"
    other.write_bytes(pets.files["annotations.tar.gz"][:-5])
    with pytest.raises(DataError, match="annotations.tar.gz is damaged: its checksum is wrong"):
        fetch("pets", root)
    assert other.exists()  # what the user put there stays
    other.write_bytes(pets.files["annotations.tar.gz"])
    fetch("pets", root)
    assert len(load("pets", "train", root=root)) == 5 and pets.log == []


def test_what_is_in_the_way_is_not_touched(pets, tmp_path):
    (tmp_path / "data" / "oxford-iiit-pet").mkdir(parents=True)
    (tmp_path / "data" / "oxford-iiit-pet" / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match="Move or remove that folder"):
        fetch("pets", tmp_path / "data")
    assert contents(tmp_path / "data" / "oxford-iiit-pet") == ["notes.txt"]


def test_a_full_disk_is_noticed_first(pets, tmp_path, monkeypatch):
    import shutil

    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(download.shutil, "disk_usage", lambda p: usage._replace(free=10**8))
    with pytest.raises(DataError, match="0.1 GB free; pets needs about 1.8 GB"):
        fetch("pets", tmp_path / "data")
    assert pets.log == [] and contents(tmp_path / "data") == []


@pytest.mark.skipif(sys.platform == "win32", reason="limits of Unix")
@pytest.mark.parametrize("where", ["downloading", "unpacking"])
def test_a_disk_that_fills_up(pets, tmp_path, monkeypatch, where):
    """Neither "check the network" nor "truncated": the disk is full."""
    import resource

    build_noise = os.urandom(300_000) if where == "downloading" else bytes(10**6)
    (tmp_path / "images").mkdir()
    (tmp_path / "images/a.jpg").write_bytes(build_noise)
    plan = (pets.archive("images.tar.gz", tape(tmp_path, "images")),)
    monkeypatch.setattr(download, "archives", lambda name: plan)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, limits[1]))
        with pytest.raises(DataError, match="data is full .File too large.*Make room") as error:
            fetch("pets", tmp_path / "data")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "network" not in str(error.value) and "truncated" not in str(error.value)
    assert contents(tmp_path / "data") == [] and len(pets.log) == 1


def test_what_a_killed_fetch_left_goes_even_if_the_set_is_there(pets, tmp_path):
    root = tmp_path / "data"
    fetch("pets", root)
    left = root / f"{half_name('fetch')}x"  # this process's number, from before it began
    left.mkdir()
    (left / "images.tar.gz.part").write_text("half")
    os.utime(left, (1, 1))
    fetch("pets", root)
    assert contents(root) == ["oxford-iiit-pet"]


@pytest.mark.adversarial
@pytest.mark.parametrize(("at", "value", "message"), [(6, 1, "encrypted"), (8, 97, "compression")])
def test_a_zip_that_cannot_be_unpacked(build, tmp_path, at, value, message):
    """Encrypted, and of a compression that nobody knows."""
    folder = tmp_path / "data" / "PennFudanPed"
    folder.mkdir(parents=True)
    path = folder / "PennFudanPed.zip"
    with zipfile.ZipFile(path, "w") as pack:
        pack.writestr("a.png", b"x" * 100)
    whole = bytearray(path.read_bytes())
    for head, shift in ((b"PK\3\4", 0), (b"PK\1\2", 2)):  # in the file's head and the directory
        whole[whole.index(head) + at + shift] = value
    path.write_bytes(whole)
    with pytest.raises(
        DataError, match=f"PennFudanPed.zip cannot be unpacked .*{message}"
    ) as error:
        fetch("penn-fudan", tmp_path / "data")
    assert "\n" not in str(error.value) and contents(folder) == [path.name]


def test_a_root_that_cannot_be_written(pets, tmp_path):
    (tmp_path / "file").write_text("in the way")
    for root in (tmp_path / "file" / "data", tmp_path / ("x" * 300)):
        with pytest.raises(DataError, match="cannot be written"):
            fetch("pets", root)


def test_scenes_and_unknown_names():
    with pytest.raises(DataError, match="nothing to fetch"):
        fetch("streets")
    with pytest.raises(DataError, match="Did you mean 'pets'"):
        fetch("pet")
    assert verify("streets") == []
