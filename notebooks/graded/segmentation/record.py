"""Record what the question `diagnose_counts` shows: run this file, in the course's folder.

The course's own U-Net for streets is used in seven ways, of which six are wrong, on three lots of
test scenes. What is kept are its confusion matrices, in percent of each row. Takes about a minute.
"""

import json
from pathlib import Path

import torch
import torch.nn.functional as F

from course_lib.data import load, to_float
from course_lib.metrics import confusion_matrix
from course_lib.train import load_checkpoint

SCENES, LOTS = 24, 3


def matrix(logits: torch.Tensor, masks: torch.Tensor, classes: int) -> list[list[int]]:
    """The confusion matrix in percent of each row, rounded."""
    counts = confusion_matrix(logits.argmax(1), masks, classes).double()
    rows = 100 * counts / counts.sum(1, keepdim=True).clamp(min=1)
    return rows.round().long().tolist()


@torch.no_grad()
def main() -> None:
    net, card = load_checkpoint("unet-streets", device="cpu")
    net.eval()
    found: dict[str, list] = {"classes": [], "lots": []}
    scenes = load("streets", "test", size=tuple(card["size"]), num=LOTS * SCENES)
    found["classes"] = list(scenes.classes)
    classes = len(scenes.classes)
    for lot in range(LOTS):
        part = slice(lot * SCENES, (lot + 1) * SCENES)
        images, masks = to_float(scenes.images[part]), scenes.targets[part].long()
        small = F.interpolate(images, scale_factor=0.25, mode="bilinear", antialias=True)
        ways = {
            "sound": net(images),
            "range": net((images + 1) / 2),
            "colours": net(images.flip(1)),
            "mirrored": net(images).flip(-1),
            "moved": net(images).roll(5, 2),
            "quarter": F.interpolate(net(small), images.shape[-2:]),
            "numbers": net(images).roll(-1, 1),
        }
        found["lots"].append({name: matrix(out, masks, classes) for name, out in ways.items()})
    path = Path(__file__).with_name("diagnose_counts.json")
    path.write_text(json.dumps(found) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
