"""Random objects for the tests of detection, and pycocotools' verdict on them."""

import contextlib
import io

import numpy as np
import torch
from pycocotools import mask as coder
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from course_lib.metrics import FoundObjects, TrueObjects

AREAS = {"all": (0.0, 1e10), "small": (0.0, 9.0), "medium": (9.0, 30.0), "large": (30.0, 1e10)}
LIMITS = (1, 3, 100)


def boxes_in(generator: torch.Generator, number: int, size: tuple[int, int]) -> torch.Tensor:
    """Whole boxes inside of an image, among them some without area."""
    height, width = size
    corners = torch.rand(number, 2, 2, generator=generator)
    corners = (corners * torch.tensor([width + 1, height + 1])).floor().sort(1).values
    return corners.reshape(number, 4)


def masks_of(boxes: torch.Tensor, size: tuple[int, int], generator: torch.Generator):
    """The boxes filled, with a quarter of the pixels left out at random in half of the objects."""
    height, width = size
    y, x = torch.arange(height)[:, None], torch.arange(width)
    x1, y1, x2, y2 = boxes[:, :, None, None].unbind(1)
    inside = (x >= x1) & (x < x2) & (y >= y1) & (y < y2)
    torn = torch.rand(len(boxes), 1, 1, generator=generator) < 0.5
    return inside & ~(torn & (torch.rand(inside.shape, generator=generator) < 0.25))


def random_images(
    generator: torch.Generator, *, crowds: bool = True
) -> tuple[list[FoundObjects], list[TrueObjects]]:
    """One to three images: objects found near true ones, by chance, twice, or not at all."""

    def pick(low: int, high: int) -> int:
        return int(torch.randint(low, high, (), generator=generator))

    size = (pick(4, 14), pick(4, 17))
    found, truths = [], []
    for _ in range(pick(1, 4)):
        num_true, num_found = (0 if pick(0, 6) == 0 else pick(1, 7) for _ in range(2))
        boxes = boxes_in(generator, num_true, size)
        labels = torch.randint(1, 3, (num_true,), generator=generator)
        masks = masks_of(boxes, size, generator)
        crowd = torch.rand(num_true, generator=generator) < (0.2 if crowds else 0.0)
        truths.append(TrueObjects(boxes, labels, masks, crowd if pick(0, 4) else None))
        guesses = boxes_in(generator, num_found, size)
        names = torch.randint(1, 4, (num_found,), generator=generator)  # 3 is never true
        shapes = masks_of(guesses, size, generator)
        for row in range(num_found):
            if num_true and pick(0, 3):  # a true object, exactly or nearly
                which = pick(0, num_true)
                move = torch.randint(-1, 2, (4,), generator=generator) * pick(0, 2)
                limit = torch.tensor([size[1], size[0]]).repeat(2)
                near = (boxes[which] + move).clamp(min=0).minimum(limit)
                near[2:] = near[2:].maximum(near[:2])
                guesses[row] = near
                names[row] = labels[which] if pick(0, 5) else names[row]
                shapes[row] = masks[which] & (torch.rand(size, generator=generator) < 0.9)
        scores = torch.rand(num_found, generator=generator)
        if pick(0, 2):
            scores = (scores * 3).round() / 3  # ties
        found.append(FoundObjects(guesses, names, scores, shapes))
    return found, truths


def _rows(objects: TrueObjects | FoundObjects, image: int) -> list[dict]:
    rows = []
    for row in range(len(objects)):
        x1, y1, x2, y2 = objects.boxes[row].tolist()
        mask = objects.masks[row].numpy()
        entry = {
            "image_id": image,
            "category_id": int(objects.labels[row]),
            "bbox": [x1, y1, x2 - x1, y2 - y1],
            "segmentation": coder.encode(np.asfortranarray(mask.astype(np.uint8))),
            "area": float(mask.sum()),
            "height": mask.shape[0],
        }
        rows.append(entry)
    return rows


def pycocotools_verdict(
    found: list[FoundObjects], truths: list[TrueObjects], kind: str
) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Precision (T, R, K, A, M) and recall (T, K, A, M), -1 where nothing is true, and classes."""
    images, annotations, results = [], [], []
    for number, (ours, true) in enumerate(zip(found, truths, strict=True), 1):
        height, width = true.masks.shape[1:]
        images.append({"id": number, "height": height, "width": width})
        for row, entry in enumerate(_rows(true, number)):
            crowd = bool(true.crowd[row]) if true.crowd is not None else False
            annotations.append(entry | {"id": len(annotations) + 1, "iscrowd": int(crowd)})
        for row, entry in enumerate(_rows(ours, number)):
            entry = entry | {"score": float(ours.scores[row])}
            drop = "segmentation" if kind == "box" else "bbox"
            results.append({k: v for k, v in entry.items() if k not in (drop, "area")})
    classes = sorted({entry["category_id"] for entry in annotations + results})
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {
            "images": images,
            "annotations": annotations,
            "categories": [{"id": label} for label in classes],
        }
        truth.createIndex()
        if results:
            guesses = truth.loadRes(results)
        else:  # it cannot load an empty list
            guesses = COCO()
            guesses.dataset = truth.dataset | {"annotations": []}
            guesses.createIndex()
        run = COCOeval(truth, guesses, {"box": "bbox", "mask": "segm"}[kind])
        run.params.areaRng = [list(bounds) for bounds in AREAS.values()]
        run.params.areaRngLbl = list(AREAS)
        run.params.maxDets = list(LIMITS)
        run.evaluate()
        run.accumulate()
    return run.eval["precision"], run.eval["recall"], classes


def mean_of(values: np.ndarray) -> float:
    """Mean of what is not -1, as pycocotools' summary takes it, NaN if there is nothing."""
    values = values[values > -1]
    return float(values.mean()) if values.size else float("nan")
