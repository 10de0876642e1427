"""What is handed in is read with limits, or refused with a reason; nothing is unpacked."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import random
import stat
import struct
import tarfile
import tracemalloc
import zipfile

import pytest

from course_lib.grading import archive
from course_lib.grading.archive import Bounds, Refused

BOOK = b'{"cells": []}'
SMALL = Bounds(members=20, whole=2 << 20, one=1 << 20, packed=1 << 16)


def zipped(*members, **more):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in members:
            made.writestr(name, data)
    return stream.getvalue()


def tarred(*infos, kind="w"):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=kind) as made:
        for info, data in infos:
            info.size = len(data)
            made.addfile(info, io.BytesIO(data))
    return stream.getvalue()


def member(name, **values):
    info = tarfile.TarInfo(name)
    for key, value in values.items():
        setattr(info, key, value)
    return info


def link(name, to):
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info, to


def test_plain_ones_are_read(tmp_path):
    files = {"iou.ipynb": BOOK, "data/x.csv": b"1"}
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "data").mkdir()
    for name, data in files.items():
        (tmp_path / "a" / name).write_bytes(data)
    assert archive.read(tmp_path / "a").files == files
    assert archive.unpacked(zipped(*files.items()), "x.zip").files == files
    infos = [(member(name), data) for name, data in files.items()]
    assert archive.unpacked(tarred(*infos), "x.tar").files == files
    assert archive.unpacked(tarred(*infos, kind="w:gz"), "x.tar.gz").files == files
    assert archive.unpacked(tarred(*infos, kind="w:bz2"), "x.tar.bz2").files == files
    mac = zipped(("iou.ipynb", BOOK), ("__MACOSX/._iou.ipynb", b"x"), (".git/config", b"x"))
    assert archive.unpacked(mac, "x.zip").files == {"iou.ipynb": BOOK}


NAMES = {
    "up": "../bob/iou.ipynb",
    "up inside": "a/../../bob/iou.ipynb",
    "absolute": "/etc/passwd",
    "home": "~/.bashrc",
    "drive": "C:/x.ipynb",
    "backslash": "..\\bob\\iou.ipynb",
    "control": "iou\x01.ipynb",
    "right to left": "iou\u202eipynb.py",
    "empty part": "a//iou.ipynb",
    "device": "aux.ipynb",
    "trailing dot": "iou.ipynb.",
    "trailing space": "iou.ipynb ",
    "long": "x" * 300,
    "deep": "/".join("abcdefghijkl") + "/iou.ipynb",
    "stream": "iou.ipynb:hidden",
}


@pytest.mark.adversarial
@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_odd_names_are_refused(name):
    for data, ending in (
        (zipped((name, BOOK)), "x.zip"),
        (tarred((member(name), BOOK)), "x.tar"),
    ):
        with pytest.raises(Refused, match="the name"):
            archive.unpacked(data, ending)


@pytest.mark.adversarial
def test_a_name_that_stands_twice(recwarn):
    for one, other in (
        ("iou.ipynb", "iou.ipynb"),
        ("iou.ipynb", "IOU.ipynb"),
        ("caf\u00e9.ipynb", "cafe\u0301.ipynb"),
        ("./iou.ipynb", "iou.ipynb"),
    ):
        with pytest.raises(Refused, match="twice"):
            archive.unpacked(zipped((one, BOOK), (other, b"other")), "x.zip")


@pytest.mark.adversarial
def test_links_and_devices_are_refused(tmp_path):
    with pytest.raises(Refused, match="link"):
        archive.unpacked(zipped(link("iou.ipynb", "/etc/passwd")), "x.zip")
    kinds = {
        "symlink": (tarfile.SYMTYPE, "link"),
        "hard link": (tarfile.LNKTYPE, "link"),
        "device": (tarfile.CHRTYPE, "no plain file"),
        "pipe": (tarfile.FIFOTYPE, "no plain file"),
    }
    for kind, said in kinds.values():
        info = member("iou.ipynb", type=kind, linkname="../../gradebook.db")
        with pytest.raises(Refused, match=said):
            archive.unpacked(tarred((info, b"")), "x.tar")
    secret = tmp_path / "gradebook.db"
    secret.write_text("secret")
    folder = tmp_path / "ada"
    for make, said in (
        (lambda: (folder / "x").symlink_to(secret), "link"),
        (lambda: os.link(secret, folder / "x"), "hard link"),
        (lambda: os.mkfifo(folder / "x"), "no plain file"),
        (lambda: (folder / "x").symlink_to(tmp_path), "link"),
    ):
        folder.mkdir()
        make()
        with pytest.raises(Refused, match=said):
            archive.read(folder)
        (folder / "x").unlink()
        folder.rmdir()
    folder.symlink_to(tmp_path)
    with pytest.raises(Refused, match="link"):
        archive.read(folder)


@pytest.mark.adversarial
def test_bombs_are_refused_before_they_go_off():
    zeros = bytes(40 << 20)
    headers = member("x", type=tarfile.XHDTYPE)
    bombs = {
        "x.zip": zipped(("iou.ipynb", zeros)),
        "y.zip": zipped(*((f"{i}.txt", zeros[: 900 << 10]) for i in range(10))),
        "x.tar.gz": gzip.compress(tarred((member("iou.ipynb"), zeros))),
        "y.tar.gz": gzip.compress(tarred((headers, zeros))),
        "x.tar": tarred((member("iou.ipynb"), zeros)),
        "z.zip": zipped(("x.txt", zeros[: 900 << 10])),
    }
    for name, data in bombs.items():
        tracemalloc.start()
        with pytest.raises(Refused):
            archive.unpacked(data, name, SMALL)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 8 << 20, (name, peak)


@pytest.mark.adversarial
def test_a_size_that_lies_is_not_believed():
    data = bytearray(zipped(("iou.ipynb", bytes(3 << 20))))
    for at in (data.find(b"PK\3\4") + 22, data.find(b"PK\1\2") + 24):
        struct.pack_into("<L", data, at, 10)
    with pytest.raises(Refused):
        archive.unpacked(bytes(data), "x.zip", SMALL)


@pytest.mark.adversarial
def test_too_many_members_and_a_long_table_are_refused():
    many = zipped(*((f"{i}.txt", b"") for i in range(30)))
    with pytest.raises(Refused, match="more than 20"):
        archive.unpacked(many, "x.zip", SMALL)
    with pytest.raises(Refused, match="more than 20"):
        archive.unpacked(tarred(*((member(f"{i}.txt"), b"") for i in range(30))), "x.tar", SMALL)
    few = zipped(("iou.ipynb", BOOK))
    with pytest.raises(Refused, match="table of contents"):
        archive.unpacked(few, "x.zip", Bounds(directory=10))
    # The table's end may say a size of its own, in the larger format too.
    lying = bytearray(few)
    struct.pack_into("<L", lying, len(lying) - 10, 0xFFFFFFF)
    with pytest.raises(Refused):
        archive.unpacked(bytes(lying), "x.zip")


@pytest.mark.adversarial
def test_encrypted_and_oddly_packed_members_are_refused():
    data = bytearray(zipped(("iou.ipynb", BOOK)))
    for at in (data.find(b"PK\3\4") + 6, data.find(b"PK\1\2") + 8):
        data[at] |= 1
    with pytest.raises(Refused, match="encrypted"):
        archive.unpacked(bytes(data), "x.zip")
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_LZMA) as made:
        made.writestr("iou.ipynb", BOOK)
    with pytest.raises(Refused, match="unusual"):
        archive.unpacked(stream.getvalue(), "x.zip")


@pytest.mark.adversarial
def test_damaged_archives_are_refused():
    good = zipped(("iou.ipynb", BOOK * 50))
    for name, data in {
        "x.zip": b"",
        "y.zip": b"PK\5\6",
        "z.zip": good[:-30],
        "v.zip": good[:40] + b"\xff" * 10 + good[50:],
        "x.tar": b"x" * 2000,
        "x.tar.gz": b"\x1f\x8b" + b"x" * 100,
        "y.tar.gz": gzip.compress(tarred((member("iou.ipynb"), BOOK)))[:-20],
        "x.tar.bz2": b"BZh9" + b"x" * 100,
    }.items():
        with pytest.raises(Refused):
            archive.unpacked(data, name)


@pytest.mark.adversarial
def test_the_bytes_of_a_random_archive_never_raise_anything_else():
    dice = random.Random(0)
    good = zipped(("a/iou.ipynb", BOOK * 20), ("x.csv", b"1,2"))
    tar = tarred((member("iou.ipynb"), BOOK * 20), (member("x"), b"1"))
    taken = 0
    for _ in range(100):
        for name, whole in (("x.zip", good), ("x.tar", tar)):
            data = bytearray(whole)
            for _ in range(dice.randint(1, 5)):
                data[dice.randrange(len(data))] = dice.randrange(256)
            with contextlib.suppress(Refused):
                archive.unpacked(bytes(data), name, SMALL)
                taken += 1
    assert 0 < taken < 200  # some changes are harmless, and some are not
