"""The street scenes on which the shipped networks do worst together, side by side.

Scenes are not picked by eye: they are those with the lowest mean over the networks of the image's
mean IoU. Networks whose checkpoint is not shipped yet are left out.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from matplotlib.figure import Figure

from course_lib import viz
from course_lib.data import load
from course_lib.metrics import confusion_per_image, mean_iou
from course_lib.train import load_checkpoint, predict
from course_lib.train.checkpoint import shipped

CHECKPOINTS = ("fcn-streets", "unet-streets", "deeplab-streets")
WORST = 4


def failures(names: Sequence[str] | None = None, *, num: int = 400) -> Figure:
    """Return the figure: input, truth and each network's label map for the worst scenes.

    Args:
        names: checkpoints; default: those of `CHECKPOINTS` that are shipped.
        num: how many test scenes are searched.
    """
    names = list(names) if names else [name for name in CHECKPOINTS if name in shipped()]
    scenes = load("streets", "test", size=(96, 128), num=num, seed=0)
    maps, scores, titles = [], [], []
    for name in names:
        model, card = load_checkpoint(name)
        maps.append(predict(model, scenes.images, batch_size=32).argmax(dim=1))
        counts = confusion_per_image(maps[-1], scenes.targets, scenes.num_classes)
        scores.append(mean_iou(counts))
        titles.append(card["model"])
    worst = torch.stack(scores).mean(0).argsort()[:WORST].tolist()
    panels, above = [], []
    for row, i in enumerate(worst):
        panels += [scenes.images[i], viz.paint(scenes.targets[i], scenes.classes)]
        panels += [viz.paint(found[i], scenes.classes) for found in maps]
        first = row == 0
        above += [f"scene {i}", "truth" if first else ""]
        above += [
            f"{title}\n{score[i]:.2f}" if first else f"{score[i]:.2f}"
            for title, score in zip(titles, scores, strict=True)
        ]
    return viz.image_grid(panels, above, columns=2 + len(names))
