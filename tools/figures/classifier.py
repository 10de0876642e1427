"""Draw the picture on top of the lab "The classifier": what the learner will have made at the end.

    COURSE_DATA=… python -m tools.figures.classifier      write book/images/classifier-answers.png

It is the lab's own figure of the first twelve test pictures, with the answers of the shipped
checkpoint. Needs CIFAR-10. To be run again when the checkpoint changes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from course_lib import viz
from course_lib.data import load
from course_lib.train import load_checkpoint, predict

PICTURE = Path(__file__).resolve().parents[2] / "book" / "images" / "classifier-answers.png"


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(prog="python -m tools.figures.classifier")
    parser.add_argument("--checkpoint", default="simple-cnn-cifar10", help="a name, or a file")
    given = parser.parse_args()
    model, _ = load_checkpoint(given.checkpoint)
    test_set = load("cifar10", "test", num=12)
    sure, answer = predict(model, test_set.images).softmax(dim=1).max(dim=1)
    hit = answer == test_set.targets
    titles = [
        f"{'✓' if hit[i] else '✗'} {test_set.classes[answer[i]]}\n{sure[i]:.0%} sure"
        for i in range(12)
    ]
    viz.use()
    figure = viz.image_grid(test_set.images, titles, columns=4)
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(PICTURE, metadata={"Software": None})
    print(PICTURE.name)


if __name__ == "__main__":
    main()
