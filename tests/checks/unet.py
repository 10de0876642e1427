"""Answers to the exercises of the lab `unet`: right ones in other styles, and wrong ones.

Those to `train_pass` stand in `unet_train_pass.py`.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from course_lib.checks.unet import flip_together as flip
from course_lib.checks.unet import iou as check
from course_lib.checks.unet import match_skip as skip_check
from course_lib.checks.unet import smallest_net as net
from course_lib.metrics import confusion_matrix
from course_lib.metrics import iou as iou_of
from course_lib.models import UNet
from tests.checks.shared import letters


def from_confusion(predictions, targets, num_classes, ignore_index=255):
    """One bincount; float32."""
    valid = targets != ignore_index
    pairs = targets[valid] * num_classes + predictions[valid]
    confusion = torch.bincount(pairs, minlength=num_classes**2).view(num_classes, num_classes)
    return confusion.diag() / (confusion.sum(0) + confusion.sum(1) - confusion.diag())


def by_loop(predictions, targets, num_classes, ignore_index=255):
    """A loop over classes, and a list of numbers made a tensor."""
    scores = []
    for k in range(num_classes):
        p = (predictions == k) & (targets != ignore_index)
        t = targets == k
        union = (p | t).sum().item()
        scores.append((p & t).sum().item() / union if union else float("nan"))
    return torch.tensor(scores)


def by_the_package(predictions, targets, num_classes, ignore_index=255):
    return iou_of(confusion_matrix(predictions, targets, num_classes, ignore_index=ignore_index))


def by_torchmetrics(predictions, targets, num_classes, ignore_index=255):
    from torchmetrics.functional.classification import multiclass_jaccard_index

    scores = multiclass_jaccard_index(
        predictions, targets, num_classes, average="none", ignore_index=ignore_index
    )
    counted = targets != ignore_index
    for k in range(num_classes):  # torchmetrics gives an absent class 0
        if not ((predictions == k) | (targets == k))[counted].any():
            scores[k] = torch.nan
    return scores


def ignored_to(value):
    """The learner's own tensor is overwritten before anything is counted."""

    def answer(predictions, targets, num_classes, ignore_index=255):
        hidden = targets == ignore_index
        targets[hidden] = predictions[hidden] if value == "prediction" else value
        return check.reference(predictions, targets, num_classes, ignore_index)

    return answer


def ignored_in_place_and_right(predictions, targets, num_classes, ignore_index=255):
    scores = check.reference(predictions, targets, num_classes, ignore_index)
    targets[targets == ignore_index] = 0
    return scores


def ignored_by_prediction(predictions, targets, num_classes, ignore_index=255):
    return check.reference(
        torch.where(predictions == ignore_index, 0, predictions), targets, num_classes, -1
    )


def label_255_built_in(predictions, targets, num_classes, ignore_index=255):
    return check.reference(predictions, targets, num_classes, 255)


def one_more_below(predictions, targets, num_classes, ignore_index=255):
    """+ 1 against 0 / 0."""
    return check._scores(
        predictions, targets, num_classes, ignore_index, ratio=lambda c, p, t: c / (p + t - c + 1)
    )


def wrong_pixels(predictions, targets, num_classes, ignore_index=255):
    """Common pixels over the wrong ones."""
    return check._scores(
        predictions, targets, num_classes, ignore_index, ratio=lambda c, p, t: c / (p + t - 2 * c)
    )


def larger_area(predictions, targets, num_classes, ignore_index=255):
    return check._scores(
        predictions, targets, num_classes, ignore_index, ratio=lambda c, p, t: c / torch.max(p, t)
    )


def only_true_classes(predictions, targets, num_classes, ignore_index=255):
    present = [k for k in targets.unique().tolist() if k != ignore_index]
    return check.reference(predictions, targets, num_classes, ignore_index)[present]


def mean_of_all(predictions, targets, num_classes, ignore_index=255):
    return check.reference(predictions, targets, num_classes, ignore_index).nanmean()


def one_class_short(predictions, targets, num_classes, ignore_index=255):
    """Class 0 taken for background."""
    return check.reference(predictions, targets, num_classes, ignore_index)[1:]


def percent(predictions, targets, num_classes, ignore_index=255):
    return 100 * check.reference(predictions, targets, num_classes, ignore_index)


def first_image(predictions, targets, num_classes, ignore_index=255):
    return check.reference(predictions[:1], targets[:1], num_classes, ignore_index)


def rounded(predictions, targets, num_classes, ignore_index=255):
    return check.reference(predictions, targets, num_classes, ignore_index).round(decimals=2)


def false_alarm_of_an_absent_class(predictions, targets, num_classes, ignore_index=255):
    scores = check.reference(predictions, targets, num_classes, ignore_index)
    return torch.where(scores == 0, torch.nan, scores)


def skip_by_cat(up, skip):
    """Append the last row and column by hand."""
    if up.shape[2] < skip.shape[2]:
        up = torch.cat([up, up[:, :, -1:]], dim=2)
    if up.shape[3] < skip.shape[3]:
        up = torch.cat([up, up[:, :, :, -1:]], dim=3)
    return torch.cat((skip, up), 1)


def skip_by_index(up, skip):
    """Clamp the indices of rows and columns."""
    rows = torch.arange(skip.shape[2]).clamp(max=up.shape[2] - 1)
    columns = torch.arange(skip.shape[3]).clamp(max=up.shape[3] - 1)
    return torch.cat((skip, up[:, :, rows[:, None], columns]), dim=1)


def skip_into_empty(up, skip):
    out = skip.new_empty(len(skip), skip.shape[1] + up.shape[1], *skip.shape[2:])
    out[:, : skip.shape[1]] = skip
    rows, columns = (skip.shape[d] - up.shape[d] for d in (2, 3))
    out[:, skip.shape[1] :] = torch.nn.ReplicationPad2d((0, columns, 0, rows))(up)
    return out


def skip_joined(match, order=(0, 1)):
    def answer(up, skip):
        maps = skip, match(up, skip)
        return torch.cat([maps[i] for i in order], dim=1)

    return answer


def skip_overwritten(up, skip):
    up.mul_(1.0).add_(1.0).sub_(1.0).zero_()
    return torch.cat([skip, skip_check._padded(up, skip)], dim=1)


def skip_always_one_more(up, skip):
    return torch.cat([skip, F.pad(up, [0, 1, 0, 1], mode="replicate")], dim=1)


def skip_one_axis_for_both(up, skip):
    rows = skip.shape[2] - up.shape[2]
    return torch.cat([skip, F.pad(up, [0, rows, 0, rows], mode="replicate")], dim=1)


def skip_from_the_skip(up, skip):
    """The missing row and column are taken from the skip."""
    if up.shape[1] != skip.shape[1]:
        return skip_check.reference(up, skip)
    padded = skip_check._padded(up, skip).clone()
    padded[:, :, up.shape[2] :], padded[..., up.shape[3] :] = (
        skip[:, :, up.shape[2] :],
        skip[..., up.shape[3] :],
    )
    return torch.cat([skip, padded], dim=1)


def skip_nearest(up, skip):
    return F.interpolate(up, size=skip.shape[-2:], mode="nearest")


def skip_mean_row(up, skip):
    mean = skip_check._padded(up, skip).clone()
    mean[:, :, up.shape[2] :] = up.mean(2, keepdim=True)[..., :1].expand_as(
        mean[:, :, up.shape[2] :]
    )
    return mean


def flip_by_index(images, masks, coins):
    images, masks = images.clone(), masks.clone()
    images[coins] = images[coins].flip(-1)
    masks[coins] = masks[coins].flip(-1)
    return images, masks


def flip_by_loop(images, masks, coins):
    pairs = [
        (i.flip(2), m.flip(1)) if c else (i, m)
        for i, m, c in zip(images, masks, coins, strict=True)
    ]
    return [torch.stack(x) for x in zip(*pairs, strict=True)]


def flip_by_gather(images, masks, coins):
    width = images.shape[-1]
    order = torch.where(coins[:, None], torch.arange(width - 1, -1, -1), torch.arange(width))
    images = images.gather(3, order[:, None, None].expand_as(images))
    return images, masks.gather(2, order[:, None].expand_as(masks))


def flip_mask_as_float(images, masks, coins):
    images, masks = flip.reference(images, masks, coins)
    return images, masks.float()


def flip_rolled(images, masks, coins):
    """Moved by one column instead of mirrored."""
    return flip._flip(images, masks, coins, image=lambda x: x.roll(1, -1))


def flip_first_coin(images, masks, coins):
    return flip.reference(images, masks, coins[:1].expand(len(coins)))


def flip_masks_by_other_coins(images, masks, coins):
    return flip.reference(images, masks, coins)[0], flip.reference(images, masks, coins.roll(1))[1]


def flip_own_coins(images, masks, coins):
    return flip.reference(images, masks, torch.rand(len(coins)) < 0.5)


def flip_copies_nothing(images, masks, coins):
    flip._in_place(images.clone(), masks.clone(), coins)
    return images, masks


def flip_mask_in_place(images, masks, coins):
    images = flip.reference(images, masks, coins)[0]
    masks[coins] = masks[coins].flip(-1)
    return images, masks


def flip_only_chosen(images, masks, coins):
    return images[coins].flip(-1), masks[coins].flip(-1)


def wider():
    """The reference with one channel more."""
    channels = 17
    parts = [net._Separable(channels, rate) for rate in (1, 2, 4, 1)]
    first = [net._Placed(), nn.Conv2d(5, channels, 3, padding=1), nn.BatchNorm2d(channels)]
    return nn.Sequential(*first, nn.ReLU(), *parts, nn.Conv2d(channels, 10, 1))


def frozen():
    return net.reference().requires_grad_(False)


RIGHT_ANSWERS = {
    "flip_together": [flip_by_index, flip_by_loop, flip_by_gather],
    "match_skip": [skip_by_cat, skip_by_index, skip_into_empty],
    "iou": [from_confusion, by_loop, by_the_package, by_torchmetrics],
    "shift_map": [lambda: 8],
    "smallest_net": [wider],
}

CHANGED = "you changed your input `targets`"
WRONG_ANSWERS = {
    "flip_together": [
        (lambda images, masks, coins: images, "return two tensors"),
        (lambda images, masks, coins: None, "return"),
        (flip_mask_as_float, "masks came back as torch.float32"),
        (flip_rolled, "images, with coins"),
        (flip_first_coin, ""),
        (flip_masks_by_other_coins, "masks, with coins"),
        (flip_own_coins, ""),
        (flip_copies_nothing, "Nothing is mirrored"),
        (flip_mask_in_place, "your argument `masks`"),
        (flip_only_chosen, "shape"),
        (lambda i, m, c: flip.reference(i, m, c)[::-1], ""),
        (lambda i, m, c: (i.flip(-1), torch.where(c[:, None, None], m.flip(-1), m)), ""),
        (lambda i, m, c: flip._flip(i, m, c, mask=lambda x: x.flip(1)), "masks, with coins"),
    ],
    "match_skip": [
        (lambda up, skip: None, ""),
        (skip_overwritten, "you changed your input `up`"),
        (skip_always_one_more, ""),
        (skip_one_axis_for_both, ""),
        (skip_from_the_skip, "with a row or a column missing"),
        (skip_joined(skip_nearest), "first row or column"),
        (skip_joined(skip_mean_row), ""),
        (skip_joined(lambda up, skip: F.pad(up, [1, 1, 1, 1])), ""),
        (skip_joined(lambda up, skip: skip_check._padded(up, skip), (1, 0)), "[skip, up]"),
        (skip_joined(lambda up, skip: skip_check._padded(up, skip), (0, 1, 1)), ""),
        (skip_joined(lambda up, skip: skip_check._padded(up, skip).flip(-1)), ""),
        (skip_joined(lambda up, skip: skip_check._padded(up, skip).relu() + 1e-3), ""),
        (lambda up, skip: skip_check.reference(up, skip).numpy(), "torch.Tensor"),
    ],
    "iou": [
        (ignored_to(0), CHANGED),
        (ignored_to(0), "You gave the ignored pixels the class 0"),
        (ignored_to(-1), "still count as predicted"),
        (ignored_to("prediction"), "every ignored pixel counts as right"),
        (ignored_in_place_and_right, CHANGED),
        (ignored_by_prediction, ""),
        (label_255_built_in, "ignored pixels"),
        (one_more_below, ""),
        (wrong_pixels, ""),
        (larger_area, ""),
        (only_true_classes, "shape"),
        (mean_of_all, "has shape (), wanted (4,)"),
        (one_class_short, "has shape (3,), wanted (4,)"),
        (percent, ""),
        (first_image, "over 4 images"),
        (rounded, ""),
        (false_alarm_of_an_absent_class, "class 3 is predicted but not there"),
        (lambda *arguments: check.reference(*arguments).tolist(), "torch.tensor(...) makes one"),
    ],
    "shift_map": [
        *[(letters(n), "you committed") for n in (1, 2, 3, 4, 7, 9, 16)],
        *[(letters(n), "nothing is committed") for n in (0, 17, 8.0, "8", True, [8])],
    ],
    "smallest_net": [
        (lambda: 3, "wanted a network"),
        (lambda: UNet, "wanted a network"),
        (lambda: [net.reference()], "wanted a network"),
        (lambda: nn.Conv2d(3, 11, 1), "wanted logits"),
        (lambda: nn.Sequential(nn.Conv2d(3, 10, 3, padding=1), nn.MaxPool2d(2)), "wanted logits"),
        (lambda: nn.Sequential(nn.Conv2d(3, 10, 1), nn.Flatten()), "wanted logits"),
        (lambda: nn.Conv2d(1, 10, 1), "RuntimeError"),
        (lambda: UNet(num_classes=10, widths=(32, 64)), "over the budget"),
        (frozen, "RuntimeError"),
        (lambda: nn.Upsample(scale_factor=1), "wanted logits"),
    ],
}

POINTS = {
    "flip_together": {"only the image is mirrored": 3},
    "match_skip": {
        "padded with zeros": 3,
        "sizes not matched": 2,
        "up before skip": 2,
        "joined along the batch": 0,
    },
    "iou": {"mean over images": 4, "an absent class counts as 0": 4, "Dice": 0},
}
