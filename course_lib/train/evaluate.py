"""Judging a trained model on a whole data set."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.data import ImageSet
from course_lib.losses.labels import labelled
from course_lib.metrics import (
    confusion_matrix,
    confusion_per_image,
    dice,
    iou,
    mean_iou,
    pixel_accuracy,
)
from course_lib.models.conditioning import exact_dtype
from course_lib.models.modes import eval_mode
from course_lib.train.config import TrainConfig
from course_lib.train.engine import Engine, pick_device
from course_lib.train.precision import autocast


@dataclass(frozen=True)
class Evaluation:
    """Scores of one model on one data set.

    Attributes:
        confusion: (C, C) int64 on the CPU, rows = truth, columns = prediction.
        loss: mean cross-entropy over all counted images or pixels, in nats.
        classes: names of the classes.
    """

    confusion: Tensor
    loss: float
    classes: tuple[str, ...]

    @property
    def accuracy(self) -> float:
        """Share of the images (or pixels) that got the right label."""
        return float(pixel_accuracy(self.confusion))

    @property
    def iou(self) -> Tensor:
        """Intersection over union per class (C,), NaN where a class never occurs."""
        return iou(self.confusion)

    @property
    def dice(self) -> Tensor:
        """Dice coefficient per class (C,), NaN where a class never occurs."""
        return dice(self.confusion)

    @property
    def mean_iou(self) -> float:
        """Mean IoU over the classes that occur."""
        return float(mean_iou(self.confusion))


@torch.no_grad()
def evaluate(
    model: nn.Module,
    data: ImageSet,
    *,
    batch_size: int = 256,
    device: str | torch.device | None = None,
    precision: str = "no",
) -> Evaluation:
    """Run a model over a data set once and count.

    Args:
        model: returns logits (B, C) or (B, C, H, W); put into eval mode and back.
        data: labelled images with len(data.classes) = C.
        batch_size: images at a time.
        device: where to compute; default: where the model is.
        precision: "no" or "bf16".

    Raises:
        ValueError: for an empty set, a model with another number of classes, or one whose answers
            are NaN or infinite.
    """
    confusion, loss = _count(model, data, batch_size, device, precision)
    _check_finite(model, loss)
    total = int(confusion.sum())
    return Evaluation(confusion.cpu(), float(loss) / max(total, 1), data.classes)


def validation_scores(
    model: nn.Module, data: ImageSet | None, config: TrainConfig, engine: Engine, *, epoch: int
) -> dict[str, float]:
    """Return a training's scores after an epoch, where they are due; each process counts a share.

    Args:
        model: that would be kept.
        data: the validation set, or ``None``: no scores.
        config: of the training.
        engine: of the training.
        epoch: the one that ends.
    """
    due = (epoch + 1) % config.evaluate_every == 0 or epoch + 1 == config.epochs
    if data is None or not due:
        return {}
    engine.broadcast_buffers(model)
    confusion, loss = _count(
        model,
        data,
        batch_size=max(config.batch_size, 64),
        device=engine.device,
        precision=config.precision,
        rank=engine.rank,
        world_size=engine.world_size,
    )
    confusion, loss = engine.sum(confusion).cpu(), engine.sum(loss)
    scores = {
        "val_loss": float(loss) / max(int(confusion.sum()), 1),
        "val_accuracy": float(pixel_accuracy(confusion)),
    }
    if data.task == "semantic":
        scores["val_mean_iou"] = float(mean_iou(confusion))
    return scores


@torch.no_grad()
def _count(
    model: nn.Module,
    data: ImageSet,
    batch_size: int,
    device: str | torch.device | None,
    precision: str,
    rank: int = 0,
    world_size: int = 1,
) -> tuple[Tensor, Tensor]:
    """Return this process's confusion matrix and summed loss, both still on the device."""
    if len(data) == 0:
        raise ValueError(f"The set {data.name}/{data.split} is empty; there is nothing to judge.")
    device = _where(model, device)
    num_classes = len(data.classes)
    confusion = torch.zeros(num_classes, num_classes, dtype=torch.int64, device=device)
    exact = exact_dtype(device)
    loss = torch.zeros((), dtype=exact, device=device)
    model.to(device)
    with eval_mode(model):
        indices = torch.arange(rank, len(data), world_size)
        share = data if world_size == 1 else data.subset(indices)
        if len(share) == 0:
            return confusion, loss
        for images, targets in share.batches(batch_size, shuffle=False):
            images, targets = images.to(device), targets.to(device)
            with autocast(device, precision):
                logits = model(images)
            if logits.shape[1] != num_classes:
                raise ValueError(
                    f"The model returns {logits.shape[1]} classes, but {data.name} has "
                    f"{num_classes}: {', '.join(data.classes)}."
                )
            given = labelled(logits.float(), targets, data.ignore_index)
            surprise = F.cross_entropy(given.logits, given.target, reduction="none")
            loss += surprise.masked_fill(~given.valid, 0).sum(dtype=exact)
            confusion += confusion_matrix(
                logits.argmax(dim=1), targets, num_classes, ignore_index=data.ignore_index
            )
    return confusion, loss


@torch.no_grad()
def predict(
    model: nn.Module,
    images: Tensor,
    *,
    batch_size: int = 256,
    device: str | torch.device | None = None,
) -> Tensor:
    """Return logits for uint8 images (N, C, H, W), on the CPU, float32.

    Raises:
        ValueError: if the images are not uint8 with four dimensions.
    """
    if images.dtype != torch.uint8 or images.ndim != 4:
        raise ValueError(
            f"images are {images.dtype} of shape {tuple(images.shape)}; "
            "give uint8 images of shape (N, C, H, W), as a loaded set holds them."
        )
    device = _where(model, device)
    model.to(device)
    with eval_mode(model):
        parts = [
            model(part.to(device).float().div_(127.5).sub_(1)).float().cpu()
            for part in images.split(batch_size)
        ]
    return torch.cat(parts)


def per_image_confusions(model: nn.Module, data: ImageSet, *, batch_size: int = 64) -> Tensor:
    """Return one confusion matrix per image, (N, C, C) int64: what a bootstrap resamples."""
    logits = predict(model, data.images, batch_size=batch_size)
    _check_finite(model, logits)
    return confusion_per_image(
        logits.argmax(dim=1), data.targets.cpu(), len(data.classes), ignore_index=data.ignore_index
    )


def _check_finite(model: nn.Module, answers: Tensor) -> None:
    if not answers.isfinite().all():
        raise ValueError(
            f"The {type(model).__name__} answers with NaN or infinite values, so there is nothing "
            "to judge: its training has diverged."
        )


def _where(model: nn.Module, device: str | torch.device | None) -> torch.device:
    return next(model.parameters()).device if device is None else pick_device(device)
