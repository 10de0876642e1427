"""The picture on top of the lab "The classifier": what the learner will have made at the end."""

from __future__ import annotations

from matplotlib.figure import Figure

from course_lib import viz
from course_lib.data import load
from course_lib.train import load_checkpoint, predict


def answers() -> Figure:
    """The first twelve test pictures with the shipped checkpoint's answers; needs CIFAR-10."""
    model, _ = load_checkpoint("simple-cnn-cifar10")
    test_set = load("cifar10", "test", num=12)
    sure, answer = predict(model, test_set.images).softmax(dim=1).max(dim=1)
    hit = answer == test_set.targets
    titles = [
        f"{'✓' if hit[i] else '✗'} {test_set.classes[answer[i]]}\n{sure[i]:.0%} sure"
        for i in range(12)
    ]
    return viz.image_grid(test_set.images, titles, columns=4)
