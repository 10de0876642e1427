"""Evaluation on a whole set, against scikit-learn and a plain computation."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.metrics import accuracy_score, confusion_matrix, jaccard_score
from torch import nn

from course_lib.data import ImageSet
from course_lib.models import SimpleCNN, UNet
from course_lib.train import evaluate, per_image_confusions, pick_device, predict


def semantic(ignore: bool) -> ImageSet:
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(256, (7, 3, 15, 22), generator=generator, dtype=torch.uint8)
    targets = torch.randint(3, (7, 15, 22), generator=generator, dtype=torch.uint8)
    if ignore:
        targets[:, :4] = 255
    return ImageSet(
        images, targets, ("a", "b", "c"), task="semantic", ignore_index=255 if ignore else None
    )


@pytest.mark.parity
@pytest.mark.parametrize("ignore", [True, False])
@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_scores_equal_scikit_learns(ignore: bool, batch_size: int) -> None:
    torch.manual_seed(0)
    model, data = UNet(num_classes=3, widths=(4, 8)).eval(), semantic(ignore)
    result = evaluate(model, data, batch_size=batch_size)
    logits = predict(model, data.images, batch_size=2)
    guess, truth = logits.argmax(1).flatten().numpy(), data.targets.flatten().numpy()
    kept = truth != 255
    np.testing.assert_array_equal(
        result.confusion.numpy(), confusion_matrix(truth[kept], guess[kept], labels=[0, 1, 2])
    )
    expected = jaccard_score(truth[kept], guess[kept], average=None, labels=[0, 1, 2])
    np.testing.assert_allclose(result.iou.numpy(), expected)
    assert result.mean_iou == pytest.approx(expected.mean())
    assert result.accuracy == pytest.approx(accuracy_score(truth[kept], guess[kept]))
    loss = F.cross_entropy(logits, data.targets.long(), ignore_index=255)
    assert result.loss == pytest.approx(float(loss), rel=1e-5)
    assert torch.equal(per_image_confusions(model, data).sum(0), result.confusion)


def test_a_network_that_answers_with_nan_gets_no_score() -> None:
    model = UNet(num_classes=3, widths=(4, 8))
    nn.init.constant_(model.head.bias, torch.nan)
    for judge in (evaluate, per_image_confusions):
        with pytest.raises(ValueError, match="UNet answers with NaN or infinite values.*diverged"):
            judge(model, semantic(ignore=True))


def test_a_classifier_is_judged_image_by_image() -> None:
    class First(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(()))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.stack([x.mean((1, 2, 3)), torch.zeros(len(x))], dim=1) * self.weight

    images = torch.full((4, 1, 3, 5), 255, dtype=torch.uint8)
    images[2:] = 0  # these are labelled 1 by the model
    data = ImageSet(images, torch.tensor([0, 1, 1, 1]), ("bright", "dark"))
    result = evaluate(First(), data, batch_size=3)
    assert result.confusion.tolist() == [[1, 0], [1, 2]]
    assert result.accuracy == 0.75


def test_the_mode_is_put_back_and_batchnorm_left_alone() -> None:
    model, data = UNet(num_classes=3, widths=(4, 8)).train(), semantic(False)
    before = model.stem[1].running_mean.clone()
    evaluate(model, data)
    predict(model, data.images)
    assert model.training and torch.equal(model.stem[1].running_mean, before)


def test_what_does_not_fit_is_named() -> None:
    data = semantic(False)
    with pytest.raises(ValueError, match="returns 2 classes, but unnamed has 3"):
        evaluate(UNet(num_classes=2, widths=(4, 8)), data)
    with pytest.raises(ValueError, match="empty"):
        evaluate(UNet(num_classes=3, widths=(4, 8)), data.subset(torch.arange(0)))
    with pytest.raises(ValueError, match="uint8"):
        predict(SimpleCNN(), torch.zeros(1, 3, 32, 32))
    with pytest.raises(ValueError, match='"auto", "cpu" or "cuda"'):
        pick_device("gpu")


def test_a_label_out_of_range_is_named() -> None:
    data = semantic(True)
    data.ignore_index = None
    with pytest.raises(ValueError, match="target holds 255"):
        evaluate(UNet(num_classes=3, widths=(4, 8)), data, device="cpu")
