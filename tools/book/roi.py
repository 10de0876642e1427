"""What the RoIAlign explorer shows: a map inside a shipped network, and the box of an object.

`{roi-explorer}` (`book/_ext/course_pixels.py`) puts it on a page, `book/static/roi.js` reads the
map between its places, and a test holds each cell to `course_lib.ops` and to torchvision.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from tools.book.pixels import KEPT, packed
from tools.common import ROOT, read_json

CHECKPOINT = "unet-streets"
SIZE, STRIDE = (96, 128), 8  # of the scene, and pixels for one place of the map
CELLS, POINTS = 3, 2  # of the box along a side, and of a cell along a side
SHIFTS = range(-12, 4)  # pixels that the box can be moved to the right; no point leaves the map
START = (1, 1)  # row and column of the cell that is shown first


def example() -> dict[str, Any]:
    """Return a map (H, W) of the coarsest level of the U-Net that labels streets, and a box (4,).

    The scene is the first of the test split, the box that of its largest object, and the map
    that of the channel which varies most.
    """
    import torch
    import torch.nn.functional as F

    from course_lib.data import load, to_float
    from course_lib.ops import box_area
    from course_lib.train import load_checkpoint

    scene = load("streets", "test", size=SIZE, num=1, seed=0, task="instance")
    model, _ = load_checkpoint(CHECKPOINT)
    model.eval()
    with torch.no_grad():
        x = model.stem(to_float(scene.images))
        for level in model.encoder:
            x = level(F.max_pool2d(x, 2))
    channel = x[0].flatten(1).std(dim=1).argmax()
    assert scene.boxes is not None
    boxes = scene.boxes[0]
    return {"map": x[0, channel], "box": boxes[box_area(boxes).argmax()]}


def script(kept: Path = KEPT) -> bytes:
    """Return the script that brings the explorer its numbers; it is made once for a checkpoint.

    Args:
        kept: folder that remembers it.
    """
    checkpoint = read_json(ROOT / "course_lib" / "checkpoints" / "index.json")[CHECKPOINT]
    made_of = json.dumps(checkpoint, sort_keys=True).encode() + Path(__file__).read_bytes()
    file = kept / f"roi-{hashlib.sha256(made_of).hexdigest()[:16]}.js"
    if not file.is_file():
        found = example()
        data = {
            "map": packed(found["map"]),
            "box": found["box"].tolist(),
            "stride": STRIDE,
            "cells": CELLS,
            "points": POINTS,
            "shifts": [SHIFTS[0], SHIFTS[-1]],
            "start": START,
        }
        text = json.dumps(data, separators=(",", ":"))
        kept.mkdir(parents=True, exist_ok=True)
        file.write_text(f"window.courseRoi = {text};\n", encoding="utf-8")
    return file.read_bytes()
