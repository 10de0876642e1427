"""Image files as people have them: turned, deep, damaged, hostile; each read right or refused."""

from __future__ import annotations

import os
import struct
import sys
import time
import zlib

import numpy as np
import pytest
from PIL import Image

from course_lib.data import DataError, load, verify
from course_lib.data.images import TURNS, open_image, read_stack

# Orientation


def note(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def save_turned(build, orientation: int, suffix: str = ".png"):
    """Save a photograph as a camera does that was held so that this note is right."""
    rows, columns = np.mgrid[0:9, 0:12].astype(np.uint8)
    upright = Image.fromarray(np.stack([rows * 28, columns * 20, 0 * rows], 2))
    back = {5: 5, 6: 8, 7: 7, 8: 6}.get(orientation, orientation)  # what undoes the turn
    stored = upright.transpose(TURNS[back]) if orientation > 1 else upright
    (build.folder / "mine/images").mkdir(parents=True)
    stored.save(build.folder / f"mine/images/0{suffix}", exif=note(orientation), quality=95)
    return np.asarray(upright), TURNS.get(back)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_a_photograph_is_turned_upright(build, orientation, suffix):
    upright, _ = save_turned(build, orientation, suffix)
    mask = build.mask("mine/masks/0.png")
    data = load("pets", "test", root=build.folder / "mine", size=(9, 12))
    got = data.images[0].permute(1, 2, 0).numpy().astype(int)
    assert np.abs(got - upright).max() <= (25 if suffix == ".jpg" else 0)
    assert (data.targets[0].numpy() == np.asarray(Image.open(mask))).all()


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_a_mask_of_the_stored_pixels_is_turned_with_them(build, orientation):
    upright, back = save_turned(build, orientation)
    mask = Image.open(build.mask("mask.png"))
    (build.folder / "mine/masks").mkdir()
    mask.transpose(back).save(build.folder / "mine/masks/0.png")
    data = load("pets", "test", root=build.folder / "mine", size=(9, 12))
    assert (data.images[0].permute(1, 2, 0).numpy() == upright).all()
    assert (data.targets[0].numpy() == np.asarray(mask)).all()


def test_a_mask_that_fits_neither_way_is_refused(build):
    save_turned(build, 6)
    build.mask("mine/masks/0.png", (9, 11))
    with pytest.raises(DataError, match=r"0\.png is 9x12 and its mask .* 9x11"):
        load("pets", "test", root=build.folder / "mine")


def test_photographs_in_class_folders_are_turned(build):
    upright, _ = save_turned(build, 6)
    (build.folder / "test").mkdir()
    os.replace(build.folder / "mine/images", build.folder / "test/cat")
    data = load("cifar10", "test", root=build.folder)
    assert (data.images[0].permute(1, 2, 0).numpy() == upright).all()


# Bit depth

RAMP = np.linspace(0, 1, 12, dtype=np.float32)[None].repeat(9, 0)


def grey(build, values: np.ndarray, suffix: str = ".tif"):
    build.mask("mine/masks/0.png")
    (build.folder / "mine/images").mkdir(parents=True)
    Image.fromarray(values).save(build.folder / f"mine/images/0{suffix}")
    return build.folder / "mine"


@pytest.mark.parametrize(
    ("values", "suffix"),
    [
        (RAMP, ".tif"),
        (np.rint(RAMP * 255).astype(np.float32), ".tif"),
        (np.rint(RAMP * 65535).astype(np.uint16), ".tif"),
        (np.rint(RAMP * 65535).astype(np.uint16), ".png"),
        (np.rint(RAMP * 65535).astype(np.int32), ".tif"),
    ],
)
def test_floats_and_16_bits_are_read_from_black_to_white(build, values, suffix):
    data = load("membrane", "test", root=grey(build, values, suffix))
    wanted = np.rint(RAMP * 255).astype(int)
    assert np.abs(data.images[0, 0].numpy().astype(int) - wanted).max() <= 1


@pytest.mark.parametrize("value", [0, 65535])
def test_black_and_white_pictures_of_16_bits_are_read(build, value):
    root = grey(build, np.full((9, 12), value, np.uint16))
    assert load("membrane", "test", root=root).images.unique().tolist() == [value >> 8]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (RAMP * 4095, "holds numbers from 0 to 4095; wanted 0 .black. to 1 .white."),
        (RAMP * 1.02, "from 0 to 1.02"),
        (RAMP - 1, "from -1 to 0"),
        (RAMP * np.float32("nan"), "from nan to nan"),
        (np.rint(RAMP * 4095).astype(np.uint16), "stores 16 bits, but .* from 0 to 4095"),
        (np.rint(RAMP * 255).astype(np.uint16), "from 0 to 255, .*save the image with 8 bits"),
        (np.rint(RAMP * 255).astype(np.int32), "from 0 to 255"),
        (np.rint(RAMP * 70000).astype(np.int32), "from 0 to 70000"),
    ],
)
def test_numbers_that_would_come_out_black_or_white_are_refused(build, values, message):
    with pytest.raises(DataError, match=rf"0\.tif {message}" if "stores" in message else message):
        load("membrane", "test", root=grey(build, values))


def colour_png(path, top: int) -> None:
    """A PNG with three channels of 16 bits, which Pillow cannot write."""
    rows = np.linspace(0, top, 9 * 12 * 3).astype(">u2").reshape(9, 36)
    raw = b"".join(b"\0" + row.tobytes() for row in rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        for kind, data in (
            (b"IHDR", struct.pack(">2I5B", 12, 9, 16, 2, 0, 0, 0)),
            (b"IDAT", zlib.compress(raw)),
            (b"IEND", b""),
        ):
            file.write(struct.pack(">I", len(data)) + kind + data)
            file.write(struct.pack(">I", zlib.crc32(kind + data)))


def test_colours_of_16_bits(build):
    build.mask("mine/masks/0.png")
    colour_png(build.folder / "mine/images/0.png", 65535)
    assert load("pets", "test", root=build.folder / "mine").images.max() == 255
    colour_png(build.folder / "mine/images/0.png", 4095)
    with pytest.raises(DataError, match="stores 16 bits"):
        load("pets", "test", root=build.folder / "mine")


def test_masks_of_16_bits_hold_small_numbers(build):
    root = build.folders("mine", 1)
    labels = np.asarray(Image.open(root / "masks/0.png")).astype(np.uint16)
    Image.fromarray(labels).save(root / "masks/0.png")
    assert (load("pets", "test", root=root, size=(9, 12)).targets[0].numpy() == labels).all()


# Damaged and hostile files


@pytest.mark.adversarial
@pytest.mark.skipif(sys.platform == "win32", reason="pipes with a name are Unix's")
@pytest.mark.parametrize("part", ["images/1.jpg", "masks/1.png"])
def test_a_pipe_among_the_images_is_refused(build, part):
    root = build.folders("mine")
    (root / part).unlink()
    os.mkfifo(root / part)
    for in_memory in (True, False):
        with pytest.raises(DataError, match=r"1\.(jpg|png) is a folder, a pipe or a device"):
            data = load("pets", "test", root=root, in_memory=in_memory)
            list(data.batches(4))
    assert "pipe" in "".join(verify("pets", root))


@pytest.mark.slow
@pytest.mark.adversarial
def test_metadata_without_end_is_refused_at_once(build):
    root = build.folders("mine")
    path = root / "images/1.jpg"
    whole = path.read_bytes()
    piece = b"\xff\xe1\xff\xffExif\0\0" + bytes(65527)
    path.write_bytes(whole[:2] + piece * 2500 + whole[2:])
    begin = time.process_time()
    with pytest.raises(DataError, match="164 MB; a JPEG of at most 32 MB"):
        load("pets", "test", root=root)
    assert time.process_time() - begin < 10


@pytest.mark.adversarial
@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate"])
def test_a_truncated_stack_is_one_clear_line(tmp_path, compression):
    """Cut at any byte, it is refused in one line, or gives fewer pages."""
    path = tmp_path / "train-volume.tif"
    pages = [Image.fromarray(np.full((8, 8), n * 20, np.uint8)) for n in range(4)]
    pages[0].save(path, save_all=True, append_images=pages[1:], compression=compression)
    whole = path.read_bytes()
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        try:
            read = read_stack(path)
            assert [page.max() for page in read] == [0, 20, 40, 60][: len(read)]
        except DataError as error:
            assert str(path) in str(error) and "\n" not in str(error)


@pytest.mark.parametrize(
    "error", [struct.error("x"), TypeError("x\ny"), MemoryError(), KeyError(9)]
)
def test_whatever_pillow_raises_is_one_clear_line(build, monkeypatch, error):
    def stumble(path):
        raise error

    monkeypatch.setattr(Image, "open", stumble)
    with pytest.raises(DataError, match=r"a\.png cannot be read as an image") as refused:
        open_image(build.image("a.png"))
    assert "\n" not in str(refused.value)


@pytest.mark.adversarial
def test_a_tiff_of_unknown_compression(build):
    root = build.folders("mine", 1)
    (root / "images/0.jpg").unlink()
    path = root / "images/0.tif"
    Image.open(build.image("a.png")).save(path)
    entry = struct.pack("<HHII", 259, 3, 1, 1)  # tag 259, compression: 1, none
    assert entry in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(entry, struct.pack("<HHII", 259, 3, 1, 4711)))
    with pytest.raises(DataError, match=r"0\.tif cannot be read as an image"):
        load("pets", "test", root=root)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names are Unicode")
def test_a_folder_whose_name_is_not_unicode(build):
    folder = os.fsdecode(os.fsencode(build.folder) + b"/caf\xe9")
    os.rename(build.folders("mine"), folder)
    for in_memory in (True, False):
        assert len(load("pets", "test", root=folder, in_memory=in_memory).fingerprint) == 16
    os.rename(f"{folder}/images/0.jpg", f"{folder}/images/" + os.fsdecode(b"\xe9.jpg"))
    os.rename(f"{folder}/masks/0.png", f"{folder}/masks/" + os.fsdecode(b"\xe9.png"))
    assert len(load("pets", "test", root=folder)) == 3
