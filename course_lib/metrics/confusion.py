"""The confusion matrix, counted in one pass.

Entry (t, p) is the number of pixels (or images) whose true class is t and whose predicted class
is p: rows are the truth, columns the prediction.

Every pair (t, p) becomes one integer, t * num_classes + p, and one histogram of these integers is
the whole matrix. Ignored pixels are not cut out first, which would copy both label maps: they
are counted in rows of their own, and those rows are dropped.

Labels out of range must not pass in silence. On a CPU they raise at once. On an accelerator a
check would make the processor wait for the device at every step, so the matrix is marked there
instead (all entries get a large negative number, which survives adding further matrices) and
whatever reads the matrix raises.
"""

import torch
from torch import Tensor

# Added to every entry of a matrix with labels out of range, on devices where raising would mean
# waiting. Stays negative until 2**40 pixels are added, and does not overflow for 2**22 matrices.
_MARK = -(2**40)
_MAX_EXTRA_ROWS = 1024  # labels outside of [0, num_classes), such as 255, that get their own row
_INTEGERS = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.bool)


def confusion_matrix(
    prediction: Tensor, target: Tensor, num_classes: int, ignore_index: int | None = None
) -> Tensor:
    """Count how often each true class was predicted as each class.

    Matrices of several batches may be added: ``total += confusion_matrix(...)``.

    Args:
        prediction: predicted labels, any shape, integers in [0, num_classes).
        target: true labels, same shape and device, integers in [0, num_classes) or ignore_index.
        num_classes: number of classes C.
        ignore_index: pixels with this true label are not counted, whatever their prediction.

    Returns:
        (C, C) int64 on the inputs' device; rows are the truth, columns the prediction.

    Raises:
        ValueError: wrong shape, dtype, device or number of classes; labels out of range (on a
            CPU; on other devices the functions that read the matrix raise, see the module).
    """
    _check(prediction, target, num_classes, ignore_index)
    prediction, target = _plain(prediction), _plain(target)
    if target.device.type == "cpu":
        return _count_on_cpu(prediction, target, num_classes, ignore_index)
    return _count_and_mark(prediction, target, num_classes, ignore_index)


def confusion_per_image(
    prediction: Tensor, target: Tensor, num_classes: int, ignore_index: int | None = None
) -> Tensor:
    """Count a confusion matrix for every image of a batch; their sum is the batch's.

    Args:
        prediction: (N, H, W) integers in [0, num_classes).
        target: (N, H, W) integers in [0, num_classes) or ignore_index.
        num_classes: number of classes C.
        ignore_index: pixels with this true label are not counted.

    Returns:
        (N, C, C) int64, the input of :func:`course_lib.metrics.paired_bootstrap`.

    Raises:
        ValueError: as :func:`confusion_matrix`.
    """
    _check(prediction, target, num_classes, ignore_index)
    matrices = [
        confusion_matrix(one, truth, num_classes, ignore_index)
        for one, truth in zip(prediction, target, strict=True)
    ]
    if not matrices:
        return torch.zeros(0, num_classes, num_classes, dtype=torch.int64, device=target.device)
    return torch.stack(matrices)


def checked(confusion: Tensor) -> Tensor:
    """Return the matrix as float64 after making sure that it is one that may be read.

    Args:
        confusion: (..., C, C) counts.

    Returns:
        (..., C, C) float64.

    Raises:
        ValueError: not square, or marked as holding labels out of range.
    """
    confusion = torch.as_tensor(confusion)
    if confusion.ndim < 2 or confusion.shape[-1] != confusion.shape[-2]:
        raise ValueError(
            f"got a tensor of shape {tuple(confusion.shape)}; a confusion matrix has shape "
            "(..., num_classes, num_classes). Make one with confusion_matrix(prediction, target, "
            "num_classes)."
        )
    if confusion.numel() and bool((confusion < 0).any()):
        raise ValueError(
            "this confusion matrix was counted from labels outside of [0, num_classes): its "
            "numbers mean nothing. Pass ignore_index if the data set has an ignored label, and "
            "look at target.unique() and prediction.unique(); on a CPU, confusion_matrix names "
            "the labels."
        )
    if confusion.device.type == "mps":  # has no float64
        confusion = confusion.cpu()
    return confusion.double()


def _count_on_cpu(
    prediction: Tensor, target: Tensor, num_classes: int, ignore_index: int | None
) -> Tensor:
    """The quick way: two passes for the ranges, one for the sum, one for the histogram."""
    if target.numel() == 0:
        return torch.zeros(num_classes, num_classes, dtype=torch.int64)
    lowest, highest = _range(target)
    lowest, highest = min(lowest, 0), max(highest, num_classes - 1)
    p_lowest, p_highest = _range(prediction)
    if p_lowest < 0 or p_highest >= num_classes or highest - lowest > num_classes + _MAX_EXTRA_ROWS:
        # Perhaps only under ignored pixels, perhaps an error: find out.
        counts = _count_anywhere(prediction, target, num_classes, ignore_index)
        if int(_num_bad(counts)):
            raise ValueError(_range_message(prediction, target, num_classes, ignore_index))
        return counts[:num_classes, :num_classes].clone()
    # One row for every label from lowest to highest, the ignored one among them.
    num_rows = highest - lowest + 1
    cells = torch.add(prediction, target, alpha=num_classes)
    if lowest < 0:
        cells -= lowest * num_classes
    counts = torch.bincount(cells, minlength=num_rows * num_classes)
    counts = counts.view(num_rows, num_classes)
    if ignore_index is not None and lowest <= ignore_index <= highest:
        counts[ignore_index - lowest] = 0
    matrix = counts[-lowest : num_classes - lowest]
    if num_rows > num_classes and bool(counts.sum() != matrix.sum()):
        raise ValueError(_range_message(prediction, target, num_classes, ignore_index))
    return matrix.clone()


def _count_anywhere(
    prediction: Tensor, target: Tensor, num_classes: int, ignore_index: int | None
) -> Tensor:
    """The way without a look at the data: nothing here makes a CPU wait for a device.

    Returns (C + 2, C + 1) counts: column C holds predictions out of range, row C truths out of
    range, row C + 1 the ignored pixels.
    """
    columns = prediction.clamp(-1, num_classes).remainder(num_classes + 1)  # -1 -> C
    rows = target.clamp(-1, num_classes).remainder(num_classes + 1)
    if ignore_index is not None:
        rows = torch.where(target == ignore_index, num_classes + 1, rows)
    num_cells = (num_classes + 2) * (num_classes + 1)
    cells = torch.add(columns, rows, alpha=num_classes + 1)
    # torch.bincount waits for a GPU; adding at an index does not. Neighbouring pixels mostly fall
    # into the same cell and would queue for it, so they are spread over copies of the matrix.
    copies = max(1, min(32, 2**20 // num_cells))
    lanes = torch.arange(cells.numel(), device=cells.device).remainder_(copies)
    counts = torch.zeros(copies * num_cells, dtype=torch.int64, device=cells.device)
    counts.index_add_(0, cells + lanes * num_cells, torch.ones_like(cells))
    return counts.view(copies, num_classes + 2, num_classes + 1).sum(0)


def _count_and_mark(
    prediction: Tensor, target: Tensor, num_classes: int, ignore_index: int | None
) -> Tensor:
    """The matrix, or one of marks if any counted label was out of range."""
    counts = _count_anywhere(prediction, target, num_classes, ignore_index)
    return torch.where(_num_bad(counts) > 0, _MARK, counts[:num_classes, :num_classes])


def _num_bad(counts: Tensor) -> Tensor:
    """How many counted pixels of `_count_anywhere` have a label out of range."""
    num_classes = counts.shape[1] - 1
    return counts[:num_classes, num_classes].sum() + counts[num_classes].sum()


def _range(labels: Tensor) -> tuple[int, int]:
    lowest, highest = torch.aminmax(labels)
    return int(lowest), int(highest)


def _plain(labels: Tensor) -> Tensor:
    """One axis, int64: what is added up below does not fit into a byte."""
    return labels.detach().reshape(-1).to(torch.int64)


def _check(prediction: Tensor, target: Tensor, num_classes: int, ignore_index: int | None) -> None:
    for name, labels in (("prediction", prediction), ("target", target)):
        if not isinstance(labels, Tensor):
            raise ValueError(
                f"{name} is a {type(labels).__name__}; a tensor of labels is needed: "
                f"torch.as_tensor({name})."
            )
        if labels.dtype not in _INTEGERS:
            cure = (
                "Take the most likely class first: logits.argmax(dim=1)."
                if name == "prediction"
                else "Convert it: target.long()."
            )
            raise ValueError(
                f"{name} has dtype {labels.dtype} and shape {tuple(labels.shape)}; integer "
                f"labels are needed. {cure}"
            )
    if prediction.shape != target.shape:
        raise ValueError(
            f"prediction has shape {tuple(prediction.shape)} and target "
            f"{tuple(target.shape)}; they must be equal, one label for each pixel. From logits "
            "(B, C, H, W) take logits.argmax(dim=1); a channel axis of length 1 goes with "
            "squeeze(1)."
        )
    if prediction.device != target.device:
        raise ValueError(
            f"prediction is on {prediction.device} and target on {target.device}; move one of "
            "them with .to(device)."
        )
    for name, number, lowest in (
        ("num_classes", num_classes, 1),
        ("ignore_index", ignore_index, None),
    ):
        if number is None and name == "ignore_index":
            continue
        if isinstance(number, bool) or not isinstance(number, int):
            raise ValueError(f"{name} is {number!r}; an integer is needed.")
        if lowest is not None and number < lowest:
            raise ValueError(f"{name} is {number}; it must be at least {lowest}.")


def _range_message(
    prediction: Tensor, target: Tensor, num_classes: int, ignore_index: int | None
) -> str:
    """Say which labels are out of range; only called when some are."""
    counted = torch.ones_like(target, dtype=torch.bool)
    if ignore_index is not None:
        counted = target != ignore_index
    parts = []
    for name, labels in (("target", target), ("prediction", prediction)):
        labels = labels[counted]
        bad = labels[(labels < 0) | (labels >= num_classes)]
        if bad.numel():
            values = bad.unique().tolist()
            shown = ", ".join(str(value) for value in values[:5])
            more = f" and {len(values) - 5} more" if len(values) > 5 else ""
            parts.append(f"{name} holds {shown}{more} ({bad.numel()} of {labels.numel()} labels)")
    ignored = "no label is ignored" if ignore_index is None else f"{ignore_index} is ignored"
    return (
        f"{'; '.join(parts)}, but num_classes={num_classes} allows 0 to {num_classes - 1} and "
        f"{ignored}. Pass ignore_index for a label that is not to be counted, or correct the "
        "labels."
    )
