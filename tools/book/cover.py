"""Draw the cover, a film: a street and what it shows pixel by pixel, and digits drawn from noise.

    python -m tools.book.cover        writes book/images/cover.png and book/static/moving/cover.webp

On the left a street scene, beside it the label map that the course's own U-Net predicts, coming in
column by column. On the right twelve digits by the course's own StyleGAN: at first each is
drawn by the average style, then its own style counts more and more. The scene and the codes are the
first ones; nothing is picked. The picture is the film's last frame, for those who want no motion;
it says which checkpoints drew it, so that a test sees when it is stale.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin

from tools.common import ROOT, ToolError, run_main, say

COVER = ROOT / "book" / "images" / "cover.png"
FILM = ROOT / "book" / "static" / "moving" / "cover.webp"
CHECKPOINTS = {"segments": "unet-streets", "generates": "stylegan-digits"}
SIZE = (96, 128)
ROWS, COLUMNS = 3, 4  # of digits, 32 pixels each
SCALE = 2  # screen pixels for each pixel
GAP = 6
STEPS = 24
STEP_MS, FIRST_MS, LAST_MS = 90, 700, 2600
SEED = 0


def ensure() -> None:
    """Draw the cover if there is none."""
    if not (COVER.is_file() and FILM.is_file()):
        draw(COVER, FILM)


def street() -> tuple[np.ndarray, np.ndarray, float]:
    """The first street scene of the test split, its predicted map, and the share that is right."""
    from course_lib import viz
    from course_lib.data import load
    from course_lib.train import load_checkpoint, predict

    model, _ = load_checkpoint(CHECKPOINTS["segments"])
    scenes = load("streets", "test", size=SIZE, num=1)
    labels = predict(model, scenes.images).argmax(1)[0]
    palette = np.array(
        [style.rgb for style in viz.class_styles(scenes.classes).values()], dtype=np.uint8
    )
    truth = scenes.targets[0].long()
    right = (labels == truth)[truth != 255].float().mean().item()
    return scenes.images[0].permute(1, 2, 0).numpy(), palette[labels.numpy()], right


def digits(amounts: list[float]) -> list[np.ndarray]:
    """The same twelve digits, with so much of the way from the average code to their own."""
    import torch

    from course_lib.train import draw_codes, load_checkpoint

    model, _ = load_checkpoint(CHECKPOINTS["generates"])
    model.eval()
    z = draw_codes(ROWS * COLUMNS, model.latent_dim, seed=SEED)  # the labs' first samples
    sheets = []
    for amount in amounts:
        with torch.no_grad():
            drawn = model.synthesis(model.styles(z, truncation=amount), noise="fixed")
        grey = ((drawn.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)[:, 0].numpy()
        rows = [np.concatenate(list(grey[r * COLUMNS : (r + 1) * COLUMNS]), 1) for r in range(ROWS)]
        sheets.append(np.concatenate(rows, 0)[..., None].repeat(3, -1))
    return sheets


def frames() -> tuple[list[Image.Image], float]:
    """The film, and the share of the street's pixels that the map has right."""
    scene, labels, right = street()
    amounts = [0.5 - 0.5 * math.cos(math.pi * i / STEPS) for i in range(STEPS + 1)]
    height, width = SIZE
    film = []
    for amount, sheet in zip(amounts, digits(amounts), strict=True):
        edge = round(amount * width)
        wiped = np.concatenate([labels[:, :edge], scene[:, edge:]], 1)
        if 0 < edge < width:
            wiped[:, edge - 1] = 255
        whole = np.zeros((height, 3 * width + 2 * GAP, 4), dtype=np.uint8)
        for place, part in enumerate((scene, wiped, sheet)):
            left = place * (width + GAP)
            whole[:, left : left + width, :3] = part
            whole[:, left : left + width, 3] = 255
        large = whole.repeat(SCALE, 0).repeat(SCALE, 1)
        film.append(Image.fromarray(large))
    return film, right


def draw(picture: Path, moving: Path) -> None:
    """Write the last frame and the film."""
    from course_lib.train.checkpoint import shipped

    try:
        film, right = frames()
    except (FileNotFoundError, KeyError, ValueError) as error:
        needed = " and ".join(CHECKPOINTS.values())
        raise ToolError(f"the cover needs the checkpoints {needed}: {error}") from None
    for path in (picture, moving):
        path.parent.mkdir(parents=True, exist_ok=True)
    made_with = PngImagePlugin.PngInfo()
    for task, name in CHECKPOINTS.items():
        made_with.add_text(task, shipped()[name]["sha256"])
    film[-1].save(picture, optimize=True, pnginfo=made_with)
    times = [FIRST_MS, *[STEP_MS] * (len(film) - 2), LAST_MS]
    film[0].save(
        moving,
        save_all=True,
        append_images=film[1:],
        duration=times,
        loop=0,
        lossless=True,
        quality=100,
        method=5,
        minimize_size=True,
    )
    say(f"{picture.relative_to(ROOT)}: {right:.1%} of the street's pixels right")
    say(f"{moving.relative_to(ROOT)}: {moving.stat().st_size / 1000:.0f} kB")


def main() -> None:
    argparse.ArgumentParser(
        prog="python -m tools.book.cover", description=__doc__.splitlines()[0]
    ).parse_args()
    draw(COVER, FILM)


if __name__ == "__main__":
    run_main(main)
