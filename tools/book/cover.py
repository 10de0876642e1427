"""Draw the cover: street scenes, and what the course's own U-Net says about them.

    python -m tools.book.cover        writes book/images/cover.png

The scenes are the first ones of the test split, each in another condition; nothing is picked. The
picture is committed and says which checkpoint drew it, so that a test sees when it is stale.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image, PngImagePlugin

from tools.common import ROOT, ToolError, run_main, say

COVER = ROOT / "book" / "images" / "cover.png"
CHECKPOINT = "unet-streets"
CONDITIONS = ("day", "day", "dusk", "fog", "night")
SIZE = (96, 128)
SCALE = 3  # screen pixels for each pixel of the scene
GAP = 8
TRANSPARENT = 255  # the palette's last entry


def ensure() -> None:
    """Draw the cover if there is none."""
    if not COVER.is_file():
        draw(COVER)


def draw(path: Path) -> None:
    """Write the picture: scenes, predicted label maps, errors."""
    import numpy as np
    import torch

    from course_lib import viz
    from course_lib.data import load
    from course_lib.train import load_checkpoint, predict
    from course_lib.train.checkpoint import shipped

    try:
        model, _ = load_checkpoint(CHECKPOINT)
    except (FileNotFoundError, KeyError, ValueError) as error:
        raise ToolError(f"the cover needs the checkpoint {CHECKPOINT!r}: {error}") from None
    scenes = [
        load("streets", "test", size=SIZE, num=number + 1, condition=condition)
        for number, condition in enumerate(CONDITIONS)
    ]
    images = torch.stack([scene.images[-1] for scene in scenes])
    truth = torch.stack([scene.targets[-1] for scene in scenes]).long()
    predicted = predict(model, images).argmax(1)
    styles = viz.class_styles(scenes[0].classes)
    palette = np.array([style.rgb for style in styles.values()], dtype=np.uint8)
    wrong = (predicted != truth) & (truth != 255)
    rows = [
        images.permute(0, 2, 3, 1).numpy(),
        palette[predicted.numpy()],
        np.where(wrong.numpy()[..., None], 0, 240).astype(np.uint8).repeat(3, axis=-1),
    ]
    height, width = (SCALE * side for side in SIZE)
    sheet = Image.new(
        "RGB",
        (len(images) * (width + GAP) - GAP, len(rows) * (height + GAP) - GAP),
        "white",
    )
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            tile = Image.fromarray(picture).resize((width, height), Image.Resampling.NEAREST)
            sheet.paste(tile, (x * (width + GAP), y * (height + GAP)))
    path.parent.mkdir(parents=True, exist_ok=True)
    made_with = PngImagePlugin.PngInfo()
    made_with.add_text("checkpoint", shipped()[CHECKPOINT]["sha256"])
    with_gaps(sheet, height, width).save(
        path, optimize=True, pnginfo=made_with, transparency=TRANSPARENT
    )
    say(f"{path.relative_to(ROOT)}: {1 - wrong.float().mean().item():.1%} of the pixels right")


def with_gaps(sheet: Image.Image, height: int, width: int) -> Image.Image:
    """Return the picture in few colours, with gaps that any page's ground shines through."""
    few = sheet.quantize(TRANSPARENT, dither=Image.Dither.FLOYDSTEINBERG)
    for y in range(height, sheet.height, height + GAP):
        few.paste(TRANSPARENT, (0, y, sheet.width, y + GAP))
    for x in range(width, sheet.width, width + GAP):
        few.paste(TRANSPARENT, (x, 0, x + GAP, sheet.height))
    return few


def main() -> None:
    argparse.ArgumentParser(
        prog="python -m tools.book.cover", description=__doc__.splitlines()[0]
    ).parse_args()
    draw(COVER)


if __name__ == "__main__":
    run_main(main)
