"""One label for each pixel, of things that can be counted and of stuff that cannot.

A panoptic result is a map of segment numbers, 0 = nothing said (void), and a list that says what
each number is. Segments do not overlap, and stuff has one segment for each class and picture.

Source: Kirillov et al., "Panoptic Segmentation", arXiv:1801.00868, section 7: how outputs that
overlap are merged.
"""

from collections.abc import Collection
from typing import NamedTuple

import torch
from torch import Tensor


class Segment(NamedTuple):
    """A segment of a panoptic map.

    Attributes:
        id: its number in the map, at least 1.
        label: its class.
        thing: whether it is one object, rather than all that there is of some stuff.
        crowd: whether, in the truth, it holds uncountably many objects that nobody told apart.
    """

    id: int
    label: int
    thing: bool
    crowd: bool = False


def panoptic_merge(
    semantic: Tensor,
    masks: Tensor,
    labels: Tensor,
    scores: Tensor,
    *,
    things: Collection[int],
    min_score: float = 0.5,
    min_share: float = 0.5,
    min_stuff: int = 0,
) -> tuple[Tensor, list[Segment]]:
    """Merge a semantic map with instances that may overlap.

    The surest instance takes its pixels first. A later one takes what is free of its own, if that
    is enough of it; otherwise it is dropped. Then each stuff class takes those of its pixels that
    are free. Thing pixels of the semantic map that no instance has taken are left void.

    Args:
        semantic: (H, W) integer classes.
        masks: (n, H, W) bool, of instances.
        labels: (n,) integer classes of the instances, numbered as in the semantic map.
        scores: (n,) float.
        things: the classes that are things.
        min_score: instances below it are not used.
        min_share: an instance is dropped if less than this share of it is free.
        min_stuff: pixels below which a stuff segment is left void.

    Returns:
        (H, W) int64 segment numbers, 0 = void; and the segments, instances first, as they came.

    Raises:
        ValueError: for shapes that do not fit, masks that are not bool, a class of an instance that
            is no thing, or NaN scores.
    """
    _check(semantic, masks, labels, scores, things)
    ids = torch.zeros(semantic.shape, dtype=torch.int64, device=semantic.device)
    segments: list[Segment] = []
    for row in scores.argsort(descending=True, stable=True).tolist():
        if scores[row] < min_score:
            break
        free = masks[row] & (ids == 0)
        if not free.any() or free.sum() < min_share * masks[row].sum():  # eq-panoptic-merge
            continue
        segments.append(Segment(len(segments) + 1, int(labels[row]), True))
        ids[free] = len(segments)
    _fill_stuff(ids, segments, semantic, things, max(min_stuff, 1))
    return ids, segments


def panoptic_of(
    semantic: Tensor,
    instances: Tensor,
    labels: Tensor,
    *,
    things: Collection[int],
    void: int | None = None,
) -> tuple[Tensor, list[Segment]]:
    """Write the truth of a data set as a panoptic map.

    Args:
        semantic: (H, W) integer classes.
        instances: (H, W) integer, 0 = no object, k = object k.
        labels: (n,) integer classes of the objects 1 to n.
        things: the classes that are things; their pixels without an object are void.
        void: the semantic label of pixels that nobody labelled, or None.

    Returns:
        As :func:`panoptic_merge`. Objects without a pixel have no segment.

    Raises:
        ValueError: for maps of two shapes, an object without a class or with one that is no thing.
    """
    if semantic.ndim != 2 or instances.shape != semantic.shape:
        raise ValueError(
            f"semantic has shape {tuple(semantic.shape)}, instances {tuple(instances.shape)}; give "
            "two maps (H, W) of the same picture."
        )
    if int(instances.max()) > len(labels):
        raise ValueError(
            f"the map has object {int(instances.max())}, labels has {len(labels)} classes; give "
            "the class of each object, that of object 1 first."
        )
    ids = torch.zeros(semantic.shape, dtype=torch.int64, device=semantic.device)
    segments: list[Segment] = []
    for number, label in enumerate(labels.tolist(), 1):
        _check_thing(label, things)
        inside = instances == number
        if inside.any():
            segments.append(Segment(len(segments) + 1, label, True))
            ids[inside] = len(segments)
    outside = set(things) if void is None else {*things, void}
    if void is not None:
        ids[semantic == void] = 0
        segments = [s for s in segments if (ids == s.id).any()]
    _fill_stuff(ids, segments, semantic, outside, 1)
    return ids, segments


def _fill_stuff(
    ids: Tensor, segments: list[Segment], semantic: Tensor, others: Collection[int], least: int
) -> None:
    """Give each class but the others what is free of its pixels, as one segment."""
    last = max((segment.id for segment in segments), default=0)
    for label in semantic.unique().tolist():
        free = (semantic == label) & (ids == 0)
        if label not in others and int(free.sum()) >= least:
            last += 1
            segments.append(Segment(last, label, False))
            ids[free] = last


def _check(
    semantic: Tensor, masks: Tensor, labels: Tensor, scores: Tensor, things: Collection[int]
) -> None:
    if semantic.ndim != 2 or semantic.is_floating_point():
        raise ValueError(
            f"semantic is {semantic.dtype} of shape {tuple(semantic.shape)}; give (H, W) whole "
            "numbers, such as logits.argmax(1)[0]."
        )
    if masks.dtype != torch.bool or masks.ndim != 3 or masks.shape[1:] != semantic.shape:
        raise ValueError(
            f"masks are {masks.dtype} of shape {tuple(masks.shape)}; give bool of shape (n, "
            f"{semantic.shape[0]}, {semantic.shape[1]}), such as paste_masks(...) >= 0.5."
        )
    if labels.shape != (len(masks),) or scores.shape != (len(masks),):
        raise ValueError(
            f"got {len(masks)} masks, labels of shape {tuple(labels.shape)} and scores of shape "
            f"{tuple(scores.shape)}; give one of each for every instance."
        )
    if scores.isnan().any():
        raise ValueError("scores has NaN, which has no rank; look for a training that diverged.")
    for label in labels.tolist():
        _check_thing(label, things)


def _check_thing(label: int, things: Collection[int]) -> None:
    if label not in things:
        raise ValueError(
            f"an instance has class {label}, which is none of the things {sorted(things)}; number "
            "the classes of instances as in the semantic map, or add it to the things."
        )
