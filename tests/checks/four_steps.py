"""Answers to the exercises of the lab `four-steps`: right ones in other styles, and wrong ones."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from scipy import ndimage
from torchvision.transforms import v2

from course_lib.checks.four_steps import clean_mask as clean
from course_lib.checks.four_steps import diagnose_training as training
from course_lib.checks.four_steps import resize_pair as resize
from tests.checks.shared import causes


def clean_by_flood(mask, min_pixels):
    """Floods with a list of pixels still to be visited."""
    height, width = mask.shape
    edge = [(y, x) for y in range(height) for x in (0, width - 1)]
    edge += [(y, x) for x in range(width) for y in (0, height - 1)]
    beside = [(0, 1), (1, 0), (0, -1), (-1, 0)]
    around = [*beside, (1, 1), (1, -1), (-1, 1), (-1, -1)]

    def flood(starts, inside, steps):
        seen, todo = set(), [p for p in starts if inside[p]]
        while todo:
            p = todo.pop()
            if p not in seen:
                seen.add(p)
                near = [(p[0] + dy, p[1] + dx) for dy, dx in steps]
                todo += [
                    (y, x) for y, x in near if 0 <= y < height and 0 <= x < width and inside[y, x]
                ]
        return seen

    outside = flood(edge, (~mask).numpy(), beside)
    filled = torch.ones_like(mask)
    for y, x in outside:
        filled[y, x] = False
    cleaned, left = torch.zeros_like(mask), {tuple(p) for p in filled.nonzero().tolist()}
    while left:
        part = flood([next(iter(left))], filled.numpy(), around)
        left -= part
        for y, x in part if len(part) >= min_pixels else ():
            cleaned[y, x] = True
    return cleaned


def clean_by_skimage(mask, min_pixels):
    from skimage.measure import label, regionprops

    background = label(~mask.numpy(), connectivity=1)
    edge = np.unique(np.concatenate([background[[0, -1]].ravel(), background[:, [0, -1]].ravel()]))
    filled = mask.numpy() | (~np.isin(background, edge) & (background > 0))
    out = np.zeros(mask.shape, dtype=bool)
    for region in regionprops(label(filled, connectivity=2)):
        if region.area >= min_pixels:
            out[tuple(region.coords.T)] = True
    return torch.from_numpy(out)


def clean_by_sizes(mask, min_pixels):
    labels, count = ndimage.label(ndimage.binary_fill_holes(mask.numpy()), np.ones((3, 3)))
    sizes = ndimage.sum_labels(np.ones_like(labels), labels, range(count + 1))
    return torch.from_numpy((sizes[labels] >= min_pixels) & (labels > 0))


def clean_in_place(mask, min_pixels):
    right = clean.reference(mask, min_pixels)
    mask.copy_(right)
    return mask


def clean_halves(mask, min_pixels):
    """The threshold is a share of the picture."""
    return clean._clean(mask, min_pixels, remove=lambda m, n: clean._large(m, m.mean() * m.size))


def clean_by_closing(mask, min_pixels):
    closed = ndimage.binary_closing(mask.numpy(), np.ones((3, 3)))
    return clean._tensor(clean._large(closed, min_pixels))


def clean_by_box(mask, min_pixels):
    """The area of the bounding box is counted."""
    labels, _ = ndimage.label(clean._filled(mask), clean.SQUARE)
    out = np.zeros_like(labels, dtype=bool)
    for index, box in enumerate(ndimage.find_objects(labels), start=1):
        height, width = (s.stop - s.start for s in box)
        if height * width >= min_pixels:
            out |= labels == index
    return clean._tensor(out)


def clean_largest_two(mask, min_pixels):
    labels, _ = ndimage.label(clean._filled(mask), clean.SQUARE)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return clean._tensor(np.isin(labels, np.argsort(sizes)[-2:]) & (labels > 0))


def clean_edge_removed(mask, min_pixels):
    out = clean.reference(mask, min_pixels)
    out[0] = out[-1] = False
    out[:, 0] = out[:, -1] = False
    return out


def clean_own_number(mask, min_pixels):
    return clean.reference(mask, 9)


def resize_by_index(image, mask, size):
    """Pick the mask's pixels by their index; scale first."""
    rows = ((torch.arange(size[0]) + 0.5) * mask.shape[0] / size[0]).long()
    columns = ((torch.arange(size[1]) + 0.5) * mask.shape[1] / size[1]).long()
    scaled = image.float().div(127.5).sub(1)
    small = F.interpolate(scaled[None], size, mode="bilinear", antialias=True)
    return small[0], mask[rows][:, columns]


def resize_by_torchvision(image, mask, size):
    bilinear, nearest = v2.InterpolationMode.BILINEAR, v2.InterpolationMode.NEAREST_EXACT
    small = v2.functional.resize(image.float(), list(size), bilinear, antialias=True)
    return small / 127.5 - 1, v2.functional.resize(mask[None], list(size), nearest)[0]


def resize_mask_by_pillow(image, mask, size):
    picture = Image.fromarray(mask.numpy()).resize(size[::-1], Image.Resampling.NEAREST)
    return resize.reference(image, mask, size)[0], torch.from_numpy(np.array(picture))


def resize_changes_its_input(image, mask, size):
    right = resize.reference(image, mask, size)
    image.zero_()
    return right


def resize_image_of(change):
    return lambda image, mask, size: (change(image, size), resize._picked(mask, size))


def resize_after(change):
    return lambda image, mask, size: change(*resize.reference(image, mask, size))


RIGHT_ANSWERS = {
    "resize_pair": [resize_by_index, resize_by_torchvision, resize_mask_by_pillow],
    "clean_mask": [clean_by_flood, clean_by_skimage, clean_by_sizes],
    "diagnose_training": [causes(training)],
}

WRONG_ANSWERS = {
    "resize_pair": [
        (lambda image, mask, size: None, "return"),
        (resize_changes_its_input, "you changed your input `image`"),
        (resize_image_of(lambda i, s: resize._smooth(i.float(), s) / 128 - 1), "divide by 128"),
        (resize_image_of(resize._other("area")), "asks for the bilinear filter"),
        (resize_image_of(resize._other("bicubic", antialias=True)), "overshoots"),
        (resize_image_of(lambda i, s: resize._scaled(resize._smooth(i.float(), s)).half()), ""),
        (resize_image_of(lambda i, s: resize._scaled(resize._smooth(i.float(), s)).double()), ""),
        (resize_image_of(lambda i, s: resize._scaled(resize._smooth(i.float(), s)).flip(0)), ""),
        (resize_image_of(lambda i, s: resize._scaled(resize._smooth(i.float(), s))[None]), "shape"),
        (resize_after(lambda image, mask: (image, mask.long())), "wanted torch.uint8"),
        (resize_after(lambda image, mask: (image, mask.float())), "wanted torch.uint8"),
        (resize_after(lambda image, mask: (mask, image)), "shape"),
        (resize_after(lambda image, mask: (image.numpy(), mask.numpy())), "wanted a torch.Tensor"),
        (resize_after(lambda image, mask: (image, mask.roll(1, 0))), "the mask"),
    ],
    "clean_mask": [
        (lambda mask, min_pixels: None, "return"),
        (clean_in_place, "you changed your input `mask`"),
        (clean_halves, ""),
        (clean_by_closing, ""),
        (clean_by_box, ""),
        (clean_largest_two, ""),
        (clean_edge_removed, ""),
        (clean_own_number, ""),
        (lambda mask, n: clean._clean(mask, n).float(), "wanted torch.bool"),
        (lambda mask, n: clean._clean(mask, n).numpy(), "torch.from_numpy"),
        (lambda mask, n: ~clean._clean(mask, n), ""),
        (lambda mask, n: clean._clean(mask, n) & mask, ""),
        (
            lambda mask, n: clean._clean(
                mask, n, remove=lambda m, k: clean._large(m, k, background=True)
            ),
            "keep[0] = False",
        ),
    ],
    "diagnose_training": [
        (causes(training, A="nothing is wrong"), "not 'nothing is wrong'"),
        (causes(training, B="few images"), "not 'few images'"),
        (causes(training, D="mask left behind"), "not 'mask left behind'"),
        (causes(training, C="overfitting"), "wanted one of"),
        (causes(training, E=None), "your cause is None"),
        (causes(training, F=["rate too low"]), "wanted one of"),
        (lambda: {"A": "mask left behind"}, "says nothing about run 'B'"),
        (lambda: {k.lower(): v for k, v in training.reference().items()}, "says nothing"),
        (lambda: list(training.reference().values()), "wanted a dictionary"),
        (lambda: {v: k for k, v in training.reference().items()}, "says nothing"),
        (lambda: dict.fromkeys("ABCDEF", "other scale"), "not 'other scale'"),
    ],
}

POINTS = {
    "resize_pair": {
        "range from 0 to 1": 4,
        "not scaled": 4,
        "no averaging": 4,
        "the corner pixel": 4,
        "labels interpolated": 3,
    },
    "clean_mask": {"removed first, filled later": 4},
    "diagnose_training": {"the two rates exchanged": 4},
}
