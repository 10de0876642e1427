"""Pictures in fewer bytes keep every pixel."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tools.book.pictures import lean


def png(pixels: np.ndarray) -> bytes:
    made = io.BytesIO()
    Image.fromarray(pixels).save(made, "png")
    return made.getvalue()


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_every_pixel_stays_also_where_nothing_is_seen(tmp_path: Path, channels: int) -> None:
    rng = np.random.default_rng(0)
    pixels = np.kron(rng.integers(0, 256, (19, 31, channels)), np.ones((8, 8, 1))).astype(np.uint8)
    if channels == 4:
        pixels[:40, :, 3] = 0
    given = pixels[..., 0] if channels == 1 else pixels
    large = png(given) + bytes(5000)  # what follows the picture is not part of it
    webp = lean(large, tmp_path)
    assert webp is not None and len(webp) < len(large)
    with Image.open(io.BytesIO(webp)) as picture:
        wanted = Image.fromarray(given).convert("RGBA")
        assert (np.asarray(picture.convert("RGBA")) == np.asarray(wanted)).all()
    assert lean(large, tmp_path) == webp  # from what it keeps


def test_small_and_incompressible_pictures_stay(tmp_path: Path) -> None:
    assert lean(png(np.zeros((8, 8, 3), np.uint8)), tmp_path) is None
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    webp = lean(png(noise), tmp_path)
    assert webp is None or len(webp) < len(png(noise))
