"""What every loss does first: look at the labels, and set the ignored ones aside.

A label out of range must not pass in silence. On a CPU it raises at once. On an accelerator a look
at the data would make the processor wait at every step, so there the loss becomes NaN, and the
training loop stops and names the step.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

IGNORE = 255
_INTEGERS = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.bool)


@dataclass(frozen=True)
class Labelled:
    """Logits and labels that fit, ready for a loss.

    Attributes:
        logits: (B, C, ...) float32 or float64.
        target: (B, ...) int64 in [0, C); 0 where no label counts.
        valid: (B, ...) bool, where a label counts.
        broken: whether a label was out of range: a bool tensor, or None if it was looked at.
    """

    logits: Tensor
    target: Tensor
    valid: Tensor
    broken: Tensor | None

    @property
    def num_classes(self) -> int:
        """Number of classes C."""
        return self.logits.shape[1]

    def finish(self, loss: Tensor) -> Tensor:
        """Return the loss, or NaN if a label was out of range."""
        return loss if self.broken is None else torch.where(self.broken, torch.nan, loss)


def labelled(logits: Tensor, target: Tensor, ignore_index: int | None) -> Labelled:
    """Check logits and labels against each other and set ignored pixels aside.

    Args:
        logits: (B, C, ...) floats.
        target: (B, ...) integers in [0, C) or ignore_index.
        ignore_index: label of pixels that do not count, or None.

    Returns:
        Both, in the form of :class:`Labelled`.

    Raises:
        ValueError: a wrong dtype, shapes that do not fit, another device, or (on a CPU) a label out
            of range.
    """
    if not logits.dtype.is_floating_point or logits.ndim < 2:
        raise ValueError(
            f"logits have dtype {logits.dtype} and shape {tuple(logits.shape)}; a model's float "
            "output (B, C, H, W) is needed."
        )
    if target.dtype not in _INTEGERS:
        raise ValueError(
            f"target has dtype {target.dtype} and shape {tuple(target.shape)}; integer labels "
            f"{_wanted(logits)} are needed. From a one-hot mask take target.argmax(dim=1), from "
            "labels read as floats target.long()."
        )
    if target.shape != logits.shape[:1] + logits.shape[2:]:
        raise ValueError(
            f"logits have shape {tuple(logits.shape)} and target {tuple(target.shape)}; target "
            f"must be {_wanted(logits)}, one label for each pixel. A channel axis of length 1 goes "
            "with squeeze(1)."
        )
    if logits.device != target.device:
        raise ValueError(
            f"logits are on {logits.device} and target on {target.device}; move one of them with "
            ".to(device)."
        )
    num_classes = logits.shape[1]
    target = target.long()
    valid = torch.ones_like(target, dtype=torch.bool)
    if ignore_index is not None:
        valid = target != ignore_index
    bad = valid & ((target < 0) | (target >= num_classes))
    broken = bad.any()
    if target.device.type == "cpu" and bool(broken):
        found = ", ".join(str(label) for label in target[bad].unique().tolist()[:5])
        ignored = "no label is ignored" if ignore_index is None else f"{ignore_index} is ignored"
        raise ValueError(
            f"target holds {found} ({int(bad.sum())} of {target.numel()} labels), but the model's "
            f"{num_classes} classes allow 0 to {num_classes - 1} and {ignored}. Pass ignore_index "
            "for a label that is not to be counted, or correct the labels."
        )
    return Labelled(
        logits=logits if logits.dtype == torch.float64 else logits.float(),
        target=target.masked_fill(~valid | bad, 0),
        valid=valid,
        broken=None if target.device.type == "cpu" else broken,
    )


def class_weights(weight: Tensor | Sequence[float] | None, like: Tensor) -> Tensor | None:
    """Return checked weights of the classes (C,), on the logits' device.

    Args:
        weight: one number of at least 0 for each class, or None.
        like: the logits, (B, C, ...).

    Raises:
        ValueError: another number of weights, or one that is negative or not finite.
    """
    if weight is None:
        return None
    given = torch.as_tensor(weight, dtype=like.dtype)
    if given.shape != like.shape[1:2]:
        raise ValueError(
            f"got weights of shape {tuple(given.shape)} for {like.shape[1]} classes; one number "
            "for each class is needed."
        )
    if given.device.type == "cpu" and not bool((given.isfinite() & (given >= 0)).all()):
        raise ValueError(f"weights are {given.tolist()}; each must be finite and at least 0.")
    return given.to(like.device)


def mean_over_present(values: Tensor, present: Tensor) -> Tensor:
    """Mean of the values of those classes that occur, then over the groups that have any.

    Args:
        values: (G, C), one loss for each group of pixels and class; may be NaN where absent.
        present: (G, C) bool.

    Returns:
        Scalar; 0 if no class occurs anywhere.
    """
    kept = torch.where(present, values, 0).sum(1) / present.sum(1).clamp(min=1)  # (G,)
    return kept.sum() / present.any(1).sum().clamp(min=1)


def _wanted(logits: Tensor) -> str:
    return str(tuple(logits.shape[:1] + logits.shape[2:]))
