"""Answers to the exercises of the lab `judging`: right ones in other styles, and wrong ones."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F

from course_lib.checks.judging import dice_from_iou as mean_dice
from course_lib.checks.judging import examine_iou as by_iou
from course_lib.checks.judging import soft_dice as dice
from course_lib.checks.judging import two_means as means
from course_lib.losses import dice_loss
from course_lib.metrics import averages
from tests.checks.shared import by_the_name, with_an_error


def by_list(iou):
    scores = [2 * j / (1 + j) for j in iou.tolist() if j == j]
    return torch.tensor(sum(scores) / len(scores))


def shape_of_one(iou):
    return mean_dice.reference(iou).reshape(1)


def by_areas(iou):
    """Intersection J and union 1: Dice is 2 J / (1 + J), by scikit-learn's f1_score on counts."""
    from sklearn.metrics import f1_score

    scores = []
    for j in iou[~iou.isnan()].tolist():
        common = round(j * 10_000_000)
        weights = [common, 10_000_000 - common]
        scores.append(f1_score([1, 1], [1, 0], sample_weight=weights, zero_division=0.0))
    return torch.tensor(scores).mean()


def nan_in_place(value):
    def answer(iou):
        iou[iou.isnan()] = value
        return mean_dice.reference(iou)

    return answer


def right_but_in_place(iou):
    iou.mul_(2).div_(iou / 2 + 1)
    return iou.nanmean()


def by_indexing(logits, targets, ignore_index=255):
    """Cut the ignored pixels out, loop over the classes."""
    counted = targets != ignore_index
    p, y = logits.softmax(1).movedim(1, -1)[counted], targets[counted]
    losses = []
    for k in y.unique():
        g = (y == k).float()
        losses.append(1 - 2 * (p[:, k] * g).sum() / (p[:, k] + g).sum())
    return torch.stack(losses).mean()


def by_the_package(logits, targets, ignore_index=255):
    return dice_loss(logits, targets, ignore_index=ignore_index)


def by_smp(logits, targets, ignore_index=255):
    """The mean of smp counts absent classes as 0, so it is scaled to those that occur."""
    import segmentation_models_pytorch as smp

    loss = smp.losses.DiceLoss("multiclass", ignore_index=ignore_index)(logits, targets)
    return loss * logits.shape[1] / len(targets[targets != ignore_index].unique())


def zero_in_place(logits, targets, ignore_index=255):
    targets[targets == ignore_index] = 0
    return dice.reference(logits, targets, ignore_index)


def zero_in_place_and_right(logits, targets, ignore_index=255):
    loss = dice.reference(logits, targets, ignore_index)
    targets[targets == ignore_index] = 0
    return loss


def softmax_over_the_batch(logits, targets, ignore_index=255):
    return dice.reference(logits.softmax(0).log(), targets, ignore_index)


def softmax_over_rows(logits, targets, ignore_index=255):
    p = logits.softmax(2)
    one_hot = F.one_hot(torch.where(targets == ignore_index, 0, targets), logits.shape[1])
    truth = one_hot.movedim(-1, 1) * (targets != ignore_index)[:, None]
    scores = 2 * (p * truth).sum((0, 2, 3)) / (p + truth).sum((0, 2, 3))
    return 1 - scores[truth.sum((0, 2, 3)) > 0].mean()


def squares_below(logits, targets, ignore_index=255):
    """V-Net's form."""
    counted = (targets != ignore_index)[:, None]
    labels = torch.where(counted[:, 0], targets, 0)
    truth = F.one_hot(labels, logits.shape[1]).movedim(-1, 1) * counted
    p = logits.softmax(1) * counted
    scores = 2 * (p * truth).sum((0, 2, 3)) / (p**2 + truth**2).sum((0, 2, 3))
    return 1 - scores[truth.sum((0, 2, 3)) > 0].mean()


def soft_iou(logits, targets, ignore_index=255):
    loss = dice.reference(logits, targets, ignore_index)
    return 1 - (1 - loss) / (1 + loss)


def one_fraction(logits, targets, ignore_index=255):
    """One ratio over all classes: that is the mean probability of the right class."""
    counted = targets != ignore_index
    p = logits.softmax(1).movedim(1, -1)[counted]
    return 1 - p.gather(1, targets[counted][:, None]).mean()


def logarithm(logits, targets, ignore_index=255):
    return -(1 - dice.reference(logits, targets, ignore_index)).log()


def without_background(logits, targets, ignore_index=255):
    return by_indexing(logits, torch.where(targets == 0, ignore_index, targets), ignore_index)


def losses_of_the_classes(logits, targets, ignore_index=255):
    return dice.reference(logits, targets, ignore_index).expand(logits.shape[1])


def no_softmax(logits, targets, ignore_index=255):
    return dice.reference(logits.exp().softmax(1).log() * 2, targets, ignore_index)


def mean_of_present_predictions(logits, targets, ignore_index=255):
    """Classes that are predicted somewhere, not those that occur."""
    found = logits.argmax(1).unique()
    keep = torch.zeros(logits.shape[1], dtype=torch.bool).scatter(0, found, True)
    p = logits.softmax(1)
    truth = torch.stack([(targets == k).float() for k in range(logits.shape[1])], 1)
    scores = 2 * (p * truth).sum((0, 2, 3)) / (p + truth).sum((0, 2, 3))
    return 1 - scores[keep].mean()


def means_by_loop(confusions):
    def mean_iou(matrix):
        scores = []
        for k in range(len(matrix)):
            union = (matrix[k].sum() + matrix[:, k].sum() - matrix[k, k]).item()
            if union:
                scores.append(matrix[k, k].item() / union)
        return sum(scores) / len(scores)

    return mean_iou(confusions.sum(0)), sum(map(mean_iou, confusions)) / len(confusions)


def means_by_the_package(confusions):
    got = averages(confusions)
    return [got.macro, got.per_image]


def means_by_float32(confusions):
    hits = torch.einsum("nkk->nk", confusions).float()
    union = confusions.sum(1) + confusions.sum(2) - hits
    single = (hits / union).nanmean(1).mean()
    return (hits.sum(0) / union.sum(0)).nanmean(), single


def means_in_place(confusions):
    right = means.reference(confusions)
    confusions[:] = 0
    return right


def scores_of(keep):
    """The mean over those IoU that `keep` chooses, for the data set and in each image."""

    def mean(matrix):
        scores = means._iou(matrix)
        return scores[keep(scores, matrix)].mean()

    return lambda c: (mean(c.sum(0)), torch.stack([mean(m) for m in c]).mean())


def one_of_each(iou):
    """One call for each promise."""
    close = partial(torch.allclose, atol=1e-5, equal_nan=True)

    def score(predictions, targets, classes, **options):
        return iou(torch.tensor(predictions), torch.tensor(targets), classes, **options).double()

    def wanted(*values):
        return torch.tensor(values).double()

    assert close(score([[[0, 0, 0, 1, 1]]], [[[0, 0, 1, 1, 1]]], 2), wanted(2 / 3, 2 / 3))
    assert close(score([[[0, 0, 0, 1]]], [[[0, 1, 1, 1]]], 2), wanted(1 / 3, 1 / 3))
    assert close(score([[[1, 1]], [[0, 0]]], [[[0, 1]], [[0, 0]]], 2), wanted(2 / 3, 1 / 2))
    assert close(score([[[0, 1]]], [[[0, 255]]], 2), wanted(1.0, float("nan")))
    assert close(score([[[0, 1]]], [[[0, 7]]], 2, ignore_index=7), wanted(1.0, float("nan")))
    assert close(score([[[0, 1, 1]]], [[[1, 1, 255]]], 3), wanted(0.0, 0.5, float("nan")))


def against_my_own(iou):
    """Random maps against a function of one's own."""
    rng = torch.Generator().manual_seed(3)
    for _ in range(3):
        targets = torch.randint(0, 4, (3, 5, 6), generator=rng)
        predictions = torch.where(torch.rand(3, 5, 6, generator=rng) < 0.6, targets, 4)
        targets[:, 0, :3] = 255
        got = iou(predictions, targets, 6)
        keep = targets != 255
        for k in range(6):
            a, b = predictions[keep] == k, targets[keep] == k
            both, either = (a & b).sum().item(), (a | b).sum().item()
            if either:
                assert abs(got[k].item() - both / either) < 1e-5
            else:
                assert torch.isnan(got[k])


def only_shapes(iou):
    assert iou(by_iou.PREDICTIONS, by_iou.TARGETS, 4).shape == (4,)


def only_the_sum(iou):
    """Compares the mean of all classes, from one image without anything special."""
    got = iou(torch.tensor([[[0, 1, 1]]]), torch.tensor([[[0, 0, 1]]]), 2)
    assert abs(got.mean().item() - 0.5) < 1e-6


def wants_float32(iou):
    assert iou(by_iou.PREDICTIONS, by_iou.TARGETS, 4).dtype == torch.float32
    by_iou.reference(iou)


def zero_for_absent(iou):
    got = iou(by_iou.PREDICTIONS, by_iou.TARGETS, 4)
    assert torch.allclose(got.double(), torch.tensor([4 / 5, 1 / 3, 0, 0]).double(), atol=1e-6)


def returns_its_verdict(iou):
    try:
        by_iou.reference(iou)
    except AssertionError:
        return False
    return True


def swallows(iou):
    try:
        by_iou.reference(iou)
    except AssertionError:
        print("wrong!")


def wrong_by_hand(iou):
    got = iou(by_iou.PREDICTIONS, by_iou.TARGETS, 4)
    assert abs(got[0].item() - 3 / 5) < 1e-6


def asks_for_a_list(iou):
    assert iou(by_iou.PREDICTIONS, by_iou.TARGETS, 4)[:2].tolist() == [4 / 5, 1 / 3]


RIGHT_ANSWERS = {
    "two_means": [means_by_loop, means_by_the_package, means_by_float32],
    "dice_from_iou": [by_list, shape_of_one, by_areas],
    "soft_dice": [by_indexing, by_the_package, by_smp],
    "examine_iou": [one_of_each, against_my_own],
}

WRONG_ANSWERS = {
    "two_means": [
        (lambda confusions: torch.tensor(0.5), "two numbers"),
        (lambda confusions: None, "return"),
        (means_in_place, "you changed your input `confusions`"),
        (scores_of(lambda iou, m: iou > 0), "every class whose IoU is 0"),
        (scores_of(lambda iou, m: m.sum(1) > 0), "truth does not contain"),
        (scores_of(lambda iou, m: m.sum(0) > 0), "never predicted"),
        (scores_of(lambda iou, m: ~iou.isnan() & (torch.arange(len(iou)) > 0)), ""),
        (lambda c: (means.reference(c)[0], means._iou(c).nanmean(-1).median()), "mean over images"),
        (lambda c: (means._iou(c.double().mean(0).round()).nanmean(), means.reference(c)[1]), ""),
        (lambda c: (means._iou(c.sum(0)).nanmedian(), means.reference(c)[1]), "data set"),
        (lambda c: (means.reference(c)[0], means._iou(c[:1]).nanmean()), "mean over images"),
        (lambda c: (means._iou(c.sum(0)).nan_to_num(1.0).mean(), means.reference(c)[1]), ""),
        (
            lambda c: (
                means.reference(c)[0],
                (means._iou(c).nanmean(-1) * c.sum((1, 2))).sum() / c.sum(),
            ),
            "mean over images",
        ),
        (lambda c: tuple(100 * x for x in means.reference(c)), ""),
    ],
    "dice_from_iou": [
        (nan_in_place(0.0), "you changed your input `iou`"),
        (nan_in_place(0.0), "was counted as 0"),
        (nan_in_place(1.0), "was counted as 1"),
        (right_but_in_place, "you changed your input `iou`"),
        (lambda iou: 2 * iou / (1 + iou), "wanted one number"),
        (lambda iou: mean_dice.reference(iou).item(), "torch.tensor(...) makes one"),
        (lambda iou: (2 * iou / (1 + iou)).nanmedian(), ""),
        (lambda iou: (2 * iou / (1 + iou)).nansum() / len(iou), "two classes have no IoU"),
        (lambda iou: mean_dice.reference(iou).round(decimals=2), ""),
        (lambda iou: 2 * iou[~iou.isnan()] / (1 + iou[~iou.isnan()].mean()), ""),
        (lambda iou: (2 * iou.nansum()) / (1 + iou.nansum()), ""),
        (lambda iou: (2 * iou / (2 + iou)).nanmean(), ""),
        (lambda iou: iou.nanmean(), ""),
        (lambda iou: 2 / (1 + (1 / iou).nanmean()), ""),
        (lambda iou: (1 - (1 - iou) ** 2).nanmean(), ""),
        (lambda iou: mean_dice.reference(iou).round(), ""),
    ],
    "soft_dice": [
        (zero_in_place, "these pixels are class 0"),
        (zero_in_place, "you changed your input `targets`"),
        (zero_in_place_and_right, "you changed your input `targets`"),
        (softmax_over_the_batch, ""),
        (softmax_over_rows, ""),
        (squares_below, ""),
        (soft_iou, ""),
        (one_fraction, ""),
        (logarithm, ""),
        (without_background, ""),
        (losses_of_the_classes, "wanted one number"),
        (no_softmax, ""),
        (mean_of_present_predictions, ""),
        (lambda *args: dice.reference(*args).detach(), "has no gradient"),
        (lambda *args: dice.reference(*args).item(), "wanted a torch.Tensor"),
        (lambda *args: dice.reference(args[0].detach().requires_grad_(), *args[1:]), "no gradient"),
    ],
    "examine_iou": [
        (with_an_error, "RuntimeError"),
        (only_shapes, "accepts it"),
        (only_the_sum, "accepts it"),
        (wants_float32, "rejects a right function"),
        (zero_for_absent, "rejects a right function"),
        (returns_its_verdict, "returns True"),
        (swallows, "accepts every wrong one"),
        (by_the_name, "rejects a right function"),
        (wrong_by_hand, "rejects a right function"),
        (asks_for_a_list, "rejects a right function"),
    ],
}

POINTS = {
    "two_means": {"absent classes count as 0": 3, "the data set twice": 2, "Dice": 0},
    "dice_from_iou": {"the mean is NaN": 3, "the mean was converted": 1, "half of it": 0},
    "soft_dice": {
        "absent classes counted": 5,
        "probabilities of ignored pixels counted": 4,
        "the score, not the loss": 0,
    },
    "examine_iou": {"no ignored pixels": 8, "one image where nothing special happens": 5},
}
