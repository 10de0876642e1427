"""What is downloaded for each set, and where it is unpacked."""

from __future__ import annotations

import gzip
import io
import zipfile
from os import listdir

import pytest

from course_lib.data import DataError, download, fetch, load


@pytest.mark.parametrize("name", ["membrane", "imagenet", "cityscapes"])
def test_sets_behind_a_registration_say_how(name, tmp_path):
    with pytest.raises(DataError, match="without registering. Get it by hand"):
        fetch(name, tmp_path)
    assert listdir(tmp_path) == []


def test_cityscapes_archives_by_hand(build, tmp_path):
    key = "ulm_000000_000019"
    build.image(f"s/leftImg8bit/train/ulm/{key}_leftImg8bit.png")
    build.mask(f"s/gtFine/train/ulm/{key}_gtFine_labelIds.png", labels=(7, 8))
    (tmp_path / "cityscapes").mkdir()
    for part in ("leftImg8bit", "gtFine"):
        with zipfile.ZipFile(tmp_path / "cityscapes" / f"{part}_trainvaltest.zip", "w") as pack:
            for path in (build.folder / "s" / part).rglob("*.png"):
                pack.write(path, path.relative_to(build.folder / "s"))
    assert fetch("cityscapes", tmp_path) == tmp_path / "cityscapes"
    assert len(load("cityscapes", "train", root=tmp_path)) == 1


def test_penn_fudan_archive(build, server, tmp_path, monkeypatch):
    for n in range(3):
        build.image(f"s/PennFudanPed/PNGImages/{n}.png")
        build.mask(f"s/PennFudanPed/PedMasks/{n}_mask.png")
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as pack:
        for path in (build.folder / "s").rglob("*.png"):
            pack.write(path, path.relative_to(build.folder / "s"))
    plan = (server.archive("PennFudanPed.zip", memory.getvalue()),)
    monkeypatch.setattr(download, "archives", lambda name: plan)
    assert sorted(listdir(fetch("penn-fudan", tmp_path / "d"))) == ["PNGImages", "PedMasks"]
    assert listdir(tmp_path / "d") == ["PennFudanPed"]


def test_mnist_archives(build, server, tmp_path, monkeypatch):
    build.mnist("s")
    plan = tuple(
        server.archive(f"{path.name}.gz", gzip.compress(path.read_bytes()), "MNIST/raw")
        for path in sorted((build.folder / "s").iterdir())
    )
    monkeypatch.setattr(download, "archives", lambda name: plan)
    assert sorted(listdir(fetch("mnist", tmp_path / "d") / "MNIST" / "raw")) == [
        path.name for path in sorted((build.folder / "s").iterdir())
    ]
    assert len(load("mnist", "test", root=tmp_path / "d")) == 6


@pytest.mark.parametrize("name", ["cifar10", "mnist", "fashion-mnist", "pets", "penn-fudan", "voc"])
def test_addresses_and_checksums_come_from_torchvision(name):
    plan = download.archives(name)
    assert plan and all(url.startswith("http") for a in plan for url in a.urls)
    assert all(a.md5 and len(a.md5) == 32 for a in plan) or name == "penn-fudan"
    assert {url.rsplit("/", 1)[1] for a in plan for url in a.urls} == {a.file for a in plan}
