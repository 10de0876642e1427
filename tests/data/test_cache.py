"""The cache of decoded tensors: never half a file, never a wrong one, never in the way."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time

import pytest
import torch

from course_lib.data import cache, load, loading


@pytest.fixture
def counted(monkeypatch) -> list[str]:
    """Titles of the sets that were really decoded."""
    calls: list[str] = []
    decode = loading.decode

    def counting(items, size, title):
        calls.append(title)
        return decode(items, size, title)

    monkeypatch.setattr(loading, "decode", counting)
    return calls


def test_the_second_load_reads_one_file(build, own_folder, counted):
    root = build.folders("mine")
    first, second = load("pets", "test", root=root), load("pets", "test", root=root)
    assert len(counted) == 1 and len(list(own_folder.rglob("*.safetensors"))) == 1
    assert torch.equal(first.images, second.images) and torch.equal(first.targets, second.targets)
    assert second.keys == first.keys and second.fingerprint == first.fingerprint
    load("pets", "test", root=root, size=16)
    load("pets", "test", root=root, num=2)
    assert len(counted) == 3  # another request, another file
    load("pets", "test", root=root, cache=False)
    assert len(counted) == 4


def test_boxes_survive_the_cache(build, own_folder, counted):
    for n, labels in enumerate([(0, 1, 2), (0,), (0, 5)]):
        build.image(f"PNGImages/{n}.png", (10, 10))
        build.mask(f"PedMasks/{n}_mask.png", (10, 10), labels)
    one, two = (load("penn-fudan", "all", root=build.folder, size=10) for _ in range(2))
    assert len(counted) == 1 and sorted(map(len, two.boxes)) == [0, 1, 2]
    for field in ("boxes", "labels"):
        for a, b in zip(getattr(one, field), getattr(two, field), strict=True):
            assert torch.equal(a, b) and a.dtype == b.dtype


def test_a_changed_file_is_decoded_again(build, own_folder, counted):
    root = build.folders("mine")
    before = load("pets", "test", root=root)
    path = build.image("mine/images/0.jpg")
    os.utime(path, ns=(0, time.time_ns() + 10**9))
    after = load("pets", "test", root=root)
    assert len(counted) == 2 and not torch.equal(before.images, after.images)


@pytest.mark.parametrize("damage", ["empty", "cut", "another file", "a block of zeros", "flipped"])
def test_a_damaged_cache_file_is_made_again_with_one_warning(build, own_folder, counted, damage):
    root = build.folders("mine", size=(60, 60))
    wanted = load("pets", "test", root=root).fingerprint
    (path,) = own_folder.rglob("*.safetensors")
    whole = path.read_bytes()
    half = len(whole) // 2
    path.write_bytes(
        {
            "empty": b"",
            "cut": whole[:100],
            "another file": b"x" * 500,
            "a block of zeros": whole[:half] + bytes(4096) + whole[half + 4096 :],
            "flipped": whole[:half] + bytes(255 - byte for byte in whole[half:]),
        }[damage]
    )
    with pytest.warns(UserWarning, match=f"{path.name} is damaged .*: it is made again") as warned:
        assert load("pets", "test", root=root).fingerprint == wanted
    assert len(warned) == 1 and "\n" not in str(warned[0].message)
    assert load("pets", "test", root=root).fingerprint == wanted and len(counted) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of Unix")
def test_a_pipe_in_the_cache_is_not_waited_for(build, own_folder, counted):
    root = build.folders("mine", size=(60, 60))
    wanted = load("pets", "test", root=root).fingerprint
    (path,) = own_folder.rglob("*.safetensors")
    path.unlink()
    os.mkfifo(path)
    assert load("pets", "test", root=root).fingerprint == wanted and path.is_file()


def test_changed_class_names_of_a_cached_scene_are_noticed(own_folder):
    wanted = load("shapes", "val", num=2, size=16)
    (path,) = own_folder.rglob("*.safetensors")
    path.write_bytes(path.read_bytes().replace(b"triangle", b"trinagle"))
    with pytest.warns(UserWarning, match="its checksum is wrong"):
        assert load("shapes", "val", num=2, size=16).classes == wanted.classes


def test_the_checksum_covers_names_types_shapes_and_order():
    x = torch.arange(6, dtype=torch.int16)
    sums = {
        cache.checksum(tensors, notes)
        for tensors, notes in (
            ({"x": x}, ""),
            ({"x": x}, "a"),
            ({"y": x}, ""),
            ({"x": x.reshape(2, 3)}, ""),
            ({"x": x.view(torch.uint16)}, ""),
            ({"x": x.flip(0)}, ""),
            ({"x": x, "none": torch.zeros(0)}, ""),
        )
    }
    assert len(sums) == 7


def test_a_cache_that_cannot_be_written_costs_time_only(build, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "file"))
    with pytest.warns(UserWarning, match="set COURSE_CACHE"):
        assert len(load("pets", "test", root=build.folders("mine"))) == 3


def test_nothing_half_written(tmp_path, monkeypatch):
    def killed(tensors, path, metadata):
        with open(path, "wb") as file:
            file.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(cache, "save_file", killed)
    with pytest.raises(KeyboardInterrupt):
        cache.write(tmp_path / "a" / "b.safetensors", {"x": torch.zeros(3)}, {})
    assert not any((tmp_path / "a").iterdir())


def test_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    assert cache.cache_dir() == tmp_path
    monkeypatch.delenv("COURSE_CACHE")
    assert cache.cache_dir().name == "course_lib"


@pytest.mark.skipif(sys.platform == "win32", reason="limits of Unix")
def test_a_full_disk_costs_time_only(build, own_folder):
    import resource

    root = build.folders("mine", size=(200, 200))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
        with pytest.warns(UserWarning, match="Could not keep .* Make room there") as warned:
            assert len(load("pets", "test", root=root)) == 3
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert len(warned) == 1 and "\n" not in str(warned[0].message)
    assert not list(own_folder.rglob("*.*"))


def test_what_killed_processes_left_is_swept(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    here, me = socket.gethostname(), os.getpid()
    left = {
        f".half-{here}-{gone.pid}-a": (0, False),
        f".half-{here}-{me}-b": (0, True),
        f".half-{here}-{me}-c": (3 * 365, False),  # days: before this process began
        f".half-else-where-{me}-d": (0, True),
        f".half-else-where-{me}-e": (2, False),
        ".half-strange": (2, False),
        ".other-strange": (2, True),
    }
    for name, (days, _) in left.items():
        (tmp_path / name).write_text("half")
        begun = time.time() - days * 86400
        os.utime(tmp_path / name, (begun, begun))
    cache.write(tmp_path / "x.safetensors", {"x": torch.zeros(3)}, {})
    kept = {name for name, (_, keep) in left.items() if keep} | {"x.safetensors"}
    assert {path.name for path in tmp_path.iterdir()} == kept


@pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")
def test_killed_while_writing(tmp_path):
    code = (
        "import os, sys, torch\n"
        "from course_lib.data import cache\n"
        "def killed(tensors, path, notes):\n"
        "    open(os.path.join(os.path.dirname(path), '.tmpABC'), 'w').write('half')\n"
        "    os.kill(os.getpid(), 9)\n"
        "cache.save_file = killed\n"
        "cache.write(cache.Path(sys.argv[1]), {'x': torch.zeros(3)}, {})\n"
    )
    path = tmp_path / "x.safetensors"
    assert subprocess.run([sys.executable, "-c", code, str(path)], check=False).returncode == -9
    assert len(list(tmp_path.rglob("*"))) > 1 and not path.exists()
    cache.write(path, {"x": torch.zeros(3)}, {})
    assert list(tmp_path.rglob("*")) == [path]


@pytest.mark.skipif(sys.platform == "win32", reason="modes of Unix")
def test_whoever_shares_the_folder_can_read_it(tmp_path):
    old = os.umask(0o027)
    try:
        cache.write(tmp_path / "x.safetensors", {"x": torch.zeros(3)}, {})
    finally:
        os.umask(old)
    assert (tmp_path / "x.safetensors").stat().st_mode & 0o777 == 0o640
