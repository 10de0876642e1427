"""PixelwiseClassifier: its count, and what it can learn."""

import torch

import course_lib.models.pixelwise as module
from course_lib.data import ImageSet
from course_lib.models import PixelwiseClassifier
from course_lib.train import TrainConfig, train_supervised
from tests.models.peers import count


def test_the_parameter_count_is_that_of_the_docstring() -> None:
    assert f"{count(PixelwiseClassifier(num_classes=9)):,}" in (module.__doc__ or "")


def test_a_rule_that_one_pixel_reveals_is_learnt() -> None:
    torch.manual_seed(0)
    images = torch.randint(256, (8, 3, 16, 24), dtype=torch.uint8)
    targets = (images[:, 0] > 127).to(torch.uint8)
    data = ImageSet(images, targets, ("a", "b"), task="semantic")
    config = TrainConfig(epochs=100, batch_size=8, lr=1e-2, log_every=100)
    history = train_supervised(PixelwiseClassifier(), data, config=config, progress=False)
    assert history.epochs[-1]["train_loss"] < 0.1 < history.epochs[0]["train_loss"]
