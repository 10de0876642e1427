"""Pictures in fewer bytes: the same pixels, as lossless WebP."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

from PIL import Image

from tools.common import ROOT

KEPT = ROOT / "_build" / "pictures"
LARGE = 4000  # bytes; a smaller picture gains nothing worth a file of its own


def lean(png: bytes, kept: Path = KEPT) -> bytes | None:
    """Return the picture as WebP, pixel by pixel the same; None if that is not smaller.

    Args:
        png: the picture's file.
        kept: folder that remembers what was made of it.
    """
    if len(png) < LARGE:
        return None
    file = kept / f"{hashlib.sha256(png).hexdigest()[:24]}.webp"
    if not file.is_file():
        made = io.BytesIO()
        with Image.open(io.BytesIO(png)) as picture:
            if getattr(picture, "n_frames", 1) > 1:
                return None
            same = picture.convert("RGBA")
        if same.getextrema()[3] == (255, 255):
            same = same.convert("RGB")
        same.save(made, "webp", lossless=True, exact=True, method=4, quality=80)
        kept.mkdir(parents=True, exist_ok=True)
        file.write_bytes(made.getvalue())
    webp = file.read_bytes()
    return webp if len(webp) < len(png) else None
