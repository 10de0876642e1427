"""What shipped networks make of photographs: pictures for labs that run on drawn images.

They need CIFAR-10 and the pets in the folder COURSE_DATA. No picture is picked: the first ones, or
those with the lowest score.
"""

from __future__ import annotations

from matplotlib.figure import Figure

from course_lib import viz
from course_lib.data import load
from course_lib.metrics import mean_iou
from course_lib.train import load_checkpoint, per_image_confusions, predict

WORST = 4


def named() -> Figure:
    """The first twelve test pictures of CIFAR-10 with the shipped classifier's answers."""
    model, _ = load_checkpoint("simple-cnn-cifar10")
    test_set = load("cifar10", "test", num=12)
    sure, answer = predict(model, test_set.images).softmax(dim=1).max(dim=1)
    hit = answer == test_set.targets
    titles = [
        f"{'✓' if hit[i] else '✗'} {test_set.classes[answer[i]]}\n{sure[i]:.0%} sure"
        for i in range(12)
    ]
    return viz.image_grid(test_set.images, titles, columns=4)


def outlined(*, num: int = 200) -> Figure:
    """The pets on which the shipped U-Net is worst: input, truth, answer, error.

    Args:
        num: how many test photographs are searched.
    """
    model, card = load_checkpoint("unet-pets")
    pets = load("pets", "test", size=tuple(card["size"]), num=num, task="semantic")
    scores = mean_iou(per_image_confusions(model, pets))
    worst = scores.argsort()[:WORST]
    answer = predict(model, pets.images[worst]).argmax(dim=1)
    titles = [f"photograph {i}: mean IoU {scores[i]:.2f}" for i in worst.tolist()]
    images, masks = pets.images[worst], pets.targets[worst]
    return viz.segmentation_rows(images, masks, answer, pets.classes, titles=titles)
