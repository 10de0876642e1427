"""Masks repaired and taken apart: specks removed, holes filled, touching objects separated.

Everything here runs on the CPU, on one picture at a time, in SciPy's and scikit-image's compiled
code; :func:`course_lib.ops.connected_components`, :func:`course_lib.ops.watershed` and
:mod:`course_lib.ops.distance` show how that works.
"""

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor


def remove_small(mask: Tensor, area: int, *, connectivity: int = 8) -> Tensor:
    """Remove the connected regions that are smaller than some area.

    Args:
        mask: (H, W) bool.
        area: regions of fewer pixels are removed.
        connectivity: 8 if pixels that touch at a corner belong together, 4 if a side is needed.

    Returns:
        (H, W) bool on the mask's device.

    Raises:
        ValueError: for another shape, dtype or connectivity, or a negative area.
    """
    labels, sizes = _regions(mask, area, connectivity)
    return torch.from_numpy((sizes >= area)[labels]).to(mask.device) & mask


def fill_holes(mask: Tensor, area: int | None = None, *, connectivity: int = 8) -> Tensor:
    """Fill the holes of a mask: regions of background that do not reach the picture's edge.

    Args:
        mask: (H, W) bool.
        area: only holes of at most so many pixels; None for all.
        connectivity: of the mask. Its background hangs together the other way, at 8 by sides only:
            otherwise it would leak through a line of corners.

    Returns:
        (H, W) bool on the mask's device.

    Raises:
        ValueError: for another shape, dtype or connectivity, or a negative area.
    """
    _check(mask, area or 0, connectivity)
    labels, sizes = _regions(~mask, 0, 4 if connectivity == 8 else 8)
    hole = np.ones(len(sizes), dtype=bool)
    for edge in (labels[:1], labels[-1:], labels[:, :1], labels[:, -1:]):
        hole[edge] = False
    hole[0] = False  # the mask itself
    if area is not None:
        hole &= sizes <= area
    return mask | torch.from_numpy(hole[labels]).to(mask.device)


def split_touching(mask: Tensor, *, depth: float = 0.5) -> Tensor:
    """Number the objects of a mask, and separate those that touch at a neck.

    The distance to the outside is a landscape with a peak in each object. Each peak that stands out
    by more than `depth` becomes a marker, and from the markers the landscape is flooded, upside
    down. Where two waters meet, two objects are separated.

    Args:
        mask: (H, W) bool.
        depth: in pixels: how much of a neck it takes. Small: rough outlines are split; large: pairs
            stay together. Choose it on validation pictures.

    Returns:
        (H, W) int64 on the mask's device: 0 = outside, objects from 1. Each connected region (by
        corners too) has at least one.

    Raises:
        ValueError: for another shape or dtype, or a negative depth.
    """
    from skimage.morphology import local_maxima, reconstruction
    from skimage.segmentation import watershed

    _check(mask, 0, 8)
    if not depth >= 0:
        raise ValueError(f"depth is {depth}; it must be at least 0 pixels.")
    inside = mask.cpu().numpy()
    if not inside.any() or inside.all():
        return mask.long()
    distance = ndimage.distance_transform_edt(inside)  # eq-inner-distance
    # Nothing flows from one region to another: outside it is lower than any peak cut off below.
    landscape = np.where(inside, distance, -depth - 1)
    # Cut the peaks off by `depth`, and fill the valleys up to there: only deep saddles are left.
    lowered = reconstruction(landscape - depth, landscape)
    peaks = local_maxima(lowered, connectivity=2) & inside
    markers, _ = ndimage.label(peaks, np.ones((3, 3)))
    labels = watershed(-distance, markers, mask=inside, connectivity=2)
    return torch.from_numpy(labels.astype(np.int64)).to(mask.device)


def grow(markers: Tensor, mask: Tensor) -> Tensor:
    """Give each pixel of a mask to the marker whose way to it, inside of the mask, is short.

    Water rises from the markers over a landscape of the distance to the nearest of them. It serves
    to give the border class of a network back to the objects that it lies between.

    Args:
        markers: (H, W) integer, 0 = none.
        mask: (H, W) bool: where markers may grow.

    Returns:
        (H, W) int64 on the mask's device; 0 outside, and where no marker can come.

    Raises:
        ValueError: for maps that do not fit.
    """
    from skimage.segmentation import watershed

    _check(mask, 0, 8)
    if markers.shape != mask.shape or markers.is_floating_point():
        raise ValueError(
            f"markers are {markers.dtype} of shape {tuple(markers.shape)}; give whole numbers of "
            f"shape {tuple(mask.shape)}, 0 where there is none."
        )
    inside, start = mask.cpu().numpy(), markers.cpu().numpy().astype(np.int64)
    if not (start > 0).any():
        return torch.zeros(mask.shape, dtype=torch.int64, device=mask.device)
    distance = ndimage.distance_transform_edt(start == 0)
    grown = watershed(distance, start, mask=inside, connectivity=2)
    return torch.from_numpy(grown.astype(np.int64)).to(mask.device)


def _regions(mask: Tensor, area: int, connectivity: int) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the connected regions (H, W), and the size of each, that of the outside first."""
    _check(mask, area, connectivity)
    touching = np.ones((3, 3)) if connectivity == 8 else None
    labels, number = ndimage.label(mask.cpu().numpy(), touching)
    return labels, np.bincount(labels.ravel(), minlength=number + 1)


def _check(mask: Tensor, area: int, connectivity: int) -> None:
    if mask.ndim != 2 or mask.dtype != torch.bool:
        raise ValueError(
            f"mask is {mask.dtype} of shape {tuple(mask.shape)}; give (H, W) bool, such as "
            "probability >= 0.5 of one picture."
        )
    if connectivity not in (4, 8):
        raise ValueError(f"connectivity is {connectivity}; choose 4 (sides) or 8 (corners too).")
    if area < 0:
        raise ValueError(f"area is {area}; it must be at least 0 pixels.")
