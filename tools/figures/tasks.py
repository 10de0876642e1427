"""One street scene and what the tasks make of it: semantic, instance, panoptic, generated."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from course_lib import viz
from course_lib.data import load

SIZE, SEED = (96, 128), 0
TITLES = ("image", "semantic", "instance", "panoptic", "same map, generated at dusk", "… at night")
HUES = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7")


def scene_with_most_things(num: int = 60) -> int:
    """The number of the test scene that has most instances; it is not picked by eye."""
    ids = load("streets", "test", size=SIZE, num=num, seed=SEED, task="instance").targets
    return int(ids.flatten(1).max(1).values.argmax())


def borders(ids: np.ndarray) -> np.ndarray:
    """The pixels of objects that touch anything else, on both sides of each border."""
    beside = np.zeros(ids.shape, bool)
    for axis in (0, 1):
        for step in (1, -1):
            beside |= ids != np.roll(ids, step, axis)
    return beside & (ids > 0)


def coloured(ids: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Give each object a colour of its own, on what lies below."""
    picture = below.copy()
    for number in range(1, int(ids.max()) + 1):
        hue = HUES[(number - 1) % len(HUES)]
        picture[ids == number] = [int(hue[k : k + 2], 16) for k in (1, 3, 5)]
    return picture


def tasks(num: int = 60) -> Figure:
    """Return the figure: a scene, three answers to it, and two images made from its label map."""
    index = scene_with_most_things(num)

    def one(condition: str, task: str = "semantic"):
        scenes = load(
            "streets", "test", size=SIZE, num=num, seed=SEED, task=task, condition=condition
        )
        return scenes.images[index], scenes.targets[index], scenes.classes

    image, labels, classes = one("day")
    ids = one("day", "instance")[1].numpy()
    scale = 4
    painted = np.asarray(viz.paint(labels, classes, scale=scale))
    large = ids.repeat(scale, 0).repeat(scale, 1)
    grey = np.full((*large.shape, 3), 235, dtype=np.uint8)
    panels = [
        image.movedim(0, -1).numpy(),
        painted,
        np.where(borders(large)[..., None], np.uint8(20), coloured(large, grey)),
        np.where(borders(large)[..., None], np.uint8(255), painted),
        *(one(light)[0].movedim(0, -1).numpy() for light in ("dusk", "night")),
    ]
    figure, axes = plt.subplots(2, 3, figsize=(9, 5.2), layout="constrained")
    for axis, panel, title in zip(axes.flat, panels, TITLES, strict=True):
        axis.imshow(panel, interpolation="nearest")
        axis.set(title=title, xticks=[], yticks=[])
    return figure
