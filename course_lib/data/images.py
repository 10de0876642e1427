"""One image file or mask to an array: upright, with 8 bits, or refused in one clear line."""

from __future__ import annotations

import os
import re
import stat
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from course_lib.data.sets import DataError

Array = NDArray[np.uint8]
LARGEST_JPEG = 32_000_000  # bytes
TURNS = {  # by the number that EXIF gives to where the sensor's first row and column ended up
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def open_image(path: Path) -> Image.Image:
    """Open and decode an image file.

    Raises:
        DataError: When the file is missing, is no image or ends too early. When it would take
            without end: a pipe, or a JPEG with so much metadata (Pillow needs minutes for 100 MB).
    """
    try:
        state = os.stat(path)
        if not stat.S_ISREG(state.st_mode):
            raise DataError(f"{path} is a folder, a pipe or a device, not a file. Remove it.")
        if state.st_size > LARGEST_JPEG:
            with path.open("rb") as file:
                if file.read(2) == b"\xff\xd8":
                    raise DataError(
                        f"{path} has {state.st_size / 1e6:.0f} MB; a JPEG of at most "
                        f"{LARGEST_JPEG / 1e6:.0f} MB is read. Save it without its metadata."
                    )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd metadata is not the learner's problem
            image = Image.open(path)
            deep = re.search(";16[BLN]", str(image.tile)) is not None
            image.load()
            turn = _turn_of(image)
    except FileNotFoundError:
        raise DataError(f"{path} is missing. Fetch or unpack the data set again.") from None
    except DataError:
        raise
    except Exception as error:  # Pillow raises whatever its parsers stumble over
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise DataError(
            f"{path} cannot be read as an image ({reason}). It is damaged or no image: replace it, "
            f"or fetch the data set again."
        ) from None
    image.info["deep"] = deep  # 16 bits, of which Pillow keeps the upper 8 if there are colours
    image.info["turn"] = turn  # how to turn it to stand upright, or None
    return image


def _turn_of(image: Image.Image) -> Image.Transpose | None:
    """Return how to turn a photograph: cameras store pixels as they lay on the sensor, and a note.

    EXIF calls the note orientation. One that cannot be read turns nothing.
    """
    try:
        return TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:
        return None


def turned(labels: NDArray[Any], turn: Image.Transpose | None) -> NDArray[Any]:
    """Return a mask (H, W) turned as its photograph was."""
    return labels if turn is None else np.asarray(Image.fromarray(labels).transpose(turn))


def resize_labels(labels: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """Take the nearest pixel's label: labels are names, a mean of two of them means nothing."""
    if labels.shape == size:
        return labels
    height, width = labels.shape
    rows = ((np.arange(size[0]) + 0.5) * height / size[0]).astype(np.int64)
    columns = ((np.arange(size[1]) + 0.5) * width / size[1]).astype(np.int64)
    return labels[rows[:, None], columns]


def eight_bits(image: Image.Image, source: object) -> Image.Image:
    """Return an image with 8 bits for each channel.

    Of 16 bits the upper 8 are kept. Floats are read as 0 (black) to 1 (white), or as grey levels
    if they are whole numbers up to 255.

    Raises:
        DataError: When the numbers have another range, so that the image would come out black or
            white: other floats, and 12 bits or fewer that are stored in 16.
    """
    if image.mode == "F":
        values = np.asarray(image)
        low, high = float(values.min()), float(values.max())
        if low >= 0 and high <= 1:
            values = np.rint(values * 255)
        elif not (low >= 0 and high <= 255 and (values == np.rint(values)).all()):
            raise DataError(
                f"{source} holds numbers from {low:g} to {high:g}; wanted 0 (black) to 1 (white). "
                f"Scale them, and save the image again."
            )
        return Image.fromarray(values.astype(np.uint8))
    if image.mode.startswith("I"):
        values = np.asarray(image)
    elif image.info.get("deep"):  # Pillow has dropped the lower 8 bits
        values = np.asarray(image.convert("RGB")).astype(np.uint16) << 8
    else:
        return image
    low, high = int(values.min()), int(values.max())
    if low < 0 or high >= 1 << 16 or 0 < high < 1 << 12:
        raise DataError(
            f"{source} stores 16 bits, but its numbers run from {low} to {high}, so that it would "
            f"come out black or white. Scale them to 0 ... 255, and save the image with 8 bits."
        )
    return Image.fromarray((values >> 8).astype(np.uint8))


def to_pixels(
    image: Image.Image, channels: int, size: tuple[int, int] | None, source: object
) -> Array:
    """Return an image as (C, H, W) uint8, resized with antialiasing."""
    image = eight_bits(image, source)
    mode = "RGB" if channels == 3 else "L"
    if image.mode != mode:
        image = image.convert(mode)
    if size is not None and image.size != (size[1], size[0]):
        image = image.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    pixels = np.asarray(image)
    return pixels.transpose(2, 0, 1) if channels == 3 else pixels[None]


def read_labels(path: Path) -> NDArray[Any]:
    """Read one mask as (H, W) whole numbers; the palette of a PNG is not applied."""
    image = open_image(path)
    labels = turned(np.asarray(image), image.info["turn"])
    if labels.ndim != 2 or labels.dtype.kind == "f":
        raise DataError(
            f"{path}: a mask has one whole number per pixel, this file has shape {labels.shape} "
            f"and type {labels.dtype}. Save it as a grey or palette PNG whose values are the "
            f"labels."
        )
    return labels.astype(np.uint8) if labels.dtype == bool else labels


def read_stack(path: Path) -> Array:
    """Read all pages of a TIFF file as (N, H, W) uint8."""
    stack = open_image(path)
    pages = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # Where the entry of a page is cut, Pillow warns, and decodes the first page once more.
            warnings.filterwarnings("error", message="Corrupt EXIF data")
            for number in range(getattr(stack, "n_frames", 1)):
                stack.seek(number)
                pages.append(to_pixels(stack, 1, None, path)[0].copy())
    except DataError:
        raise
    except Exception as error:  # as in `open_image`
        raise DataError(f"{path} ends too early ({error}): get it again.") from None
    return np.stack(pages)
