"""RoIAlign: the features inside a box, on a grid of fixed size, without rounding the box.

Each cell of the grid is the mean of a few samples, and each sample is interpolated linearly between
its four neighbouring pixels. Interpolation along the rows and along the columns are independent of
each other, and both are linear in the features: a box's output is R F S^T, where F (H, W) is a
channel, R (h, H) holds the weights of the rows and S (w, W) those of the columns. Written like
this, the gradient needs no code of its own.

For work take `torchvision.ops.roi_align`, which does the same in compiled code.

Source: He et al., "Mask R-CNN", arXiv:1703.06870, section 3. `aligned=False` is the first
published code, half a pixel off; `aligned=True` is Detectron2's correction.
"""

import torch
from torch import Tensor

from course_lib.ops.nms import check_boxes


def roi_align(
    features: Tensor,
    boxes: list[Tensor],
    output_size: int | tuple[int, int],
    *,
    spatial_scale: float = 1.0,
    sampling_ratio: int = 2,
    aligned: bool = True,
) -> Tensor:
    """Features inside of boxes, each resampled to the same size.

    The result is differentiable in the features, and, unlike torchvision's, in the boxes: detach
    boxes that a network has predicted if they are not to learn from it.

    Args:
        features: (B, C, H, W) float.
        boxes: of each of the B images, (n_i, 4) float, (x1, y1, x2, y2) in the image's pixels.
        output_size: (h, w) of the result, or one number for both.
        spatial_scale: size of the features divided by that of the image: 1 / stride.
        sampling_ratio: samples of a cell along each axis; -1: as many as the cell has pixels along
            this axis, rounded up.
        aligned: True: the centre of the first pixel is at 0.5, as half-open boxes mean it. False:
            at 0, so that everything is taken half a pixel too far to the lower right, and boxes
            count as at least one pixel wide and high.

    Returns:
        (n_1 + ... + n_B, C, h, w) of the features' dtype: the boxes of the first image come first.

    Raises:
        ValueError: wrong shapes or sizes; boxes that :func:`~course_lib.ops.nms.check_boxes`
            refuses.
    """
    height, width = (output_size,) * 2 if isinstance(output_size, int) else output_size
    _check(features, boxes, (height, width), spatial_scale, sampling_ratio)
    results = []
    for image, of_image in zip(features, boxes, strict=True):  # (C, H, W) and (n, 4)
        corners = of_image.to(features) * spatial_scale - (0.5 if aligned else 0.0)
        x1, y1, x2, y2 = corners.unbind(1)  # each (n,), where pixel i has its centre at i
        tall, wide = y2 - y1, x2 - x1
        if not aligned:
            tall, wide = tall.clamp(min=1), wide.clamp(min=1)
        rows = axis_weights(y1, tall, height, image.shape[1], sampling_ratio)  # (n, h, H)
        columns = axis_weights(x1, wide, width, image.shape[2], sampling_ratio)  # (n, w, W)
        results.append(torch.einsum("nyi,cij,nxj->ncyx", rows, image, columns))  # eq-roi-matrix
    return torch.cat(results)


def axis_weights(
    start: Tensor, length: Tensor, cells: int, pixels: int, sampling_ratio: int
) -> Tensor:
    """How much each pixel of an axis counts in each cell of boxes, along this axis.

    A sample at position t weighs pixel i by max(0, 1 - |t - i|): linear interpolation. Samples up
    to one pixel outside of the axis are moved to its end; those farther out are 0.

    Args:
        start: (n,) where the boxes begin, in units in which pixel i has its centre at i.
        length: (n,) of the boxes, at least 0.
        cells: into how many equal cells each box is divided.
        pixels: length of the axis.
        sampling_ratio: samples in each cell; -1: as many as it has pixels, rounded up.

    Returns:
        (n, cells, pixels). A row sums to 1 where all its samples lie on the axis.
    """
    cell = length / cells  # (n,)
    fixed = torch.full_like(cell, sampling_ratio)
    number = fixed if sampling_ratio > 0 else cell.detach().ceil()  # of samples in a cell
    most = int(number.max()) if len(number) else 0
    index = torch.arange(most, device=start.device, dtype=start.dtype)  # of a sample in its cell
    count = number.clamp(min=1)[:, None, None]  # a box without length has no sample
    of_cell = torch.arange(cells, device=start.device, dtype=start.dtype)[:, None]
    step = cell[:, None, None]
    position = (
        start[:, None, None] + of_cell * step + (index + 0.5) * step / count
    )  # eq-roi-samples
    on_axis = (position >= -1) & (position <= pixels) & (index < number[:, None, None])
    position = position.clamp(0, pixels - 1)[..., None]  # (n, cells, most, 1)
    pixel = torch.arange(pixels, device=start.device, dtype=start.dtype)
    hat = (1 - (position - pixel).abs()).clamp(min=0)  # (n, cells, most, pixels)  eq-hat
    return (hat * on_axis[..., None]).sum(2) / count


def _check(
    features: Tensor,
    boxes: list[Tensor],
    size: tuple[int, int],
    spatial_scale: float,
    sampling_ratio: int,
) -> None:
    if features.ndim != 4 or not features.is_floating_point() or 0 in features.shape[2:]:
        raise ValueError(
            f"features are {features.dtype} of shape {tuple(features.shape)}; give float of shape "
            "(B, C, H, W) with at least one pixel."
        )
    if isinstance(boxes, Tensor) or len(boxes) != len(features):
        got = f"a tensor of shape {tuple(boxes.shape)}" if isinstance(boxes, Tensor) else len(boxes)
        raise ValueError(
            f"boxes: got {got}, wanted a list of {len(features)} tensors (n, 4), one for each "
            "image; an image without boxes has torch.zeros(0, 4)."
        )
    for image, of_image in enumerate(boxes):
        check_boxes(of_image, f"boxes[{image}]")
    if min(size) < 1:
        raise ValueError(f"output_size is {size}; height and width must be at least 1.")
    if not spatial_scale > 0:
        raise ValueError(f"spatial_scale is {spatial_scale}; it must be positive: 1 / stride.")
    if sampling_ratio < 1 and sampling_ratio != -1:
        raise ValueError(
            f"sampling_ratio is {sampling_ratio}; give a number from 1, or -1 to sample each pixel."
        )
