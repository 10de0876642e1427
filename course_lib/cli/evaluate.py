"""``course evaluate``: a checkpoint is judged on images that it has never seen."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from torch import nn

from course_lib.data import ImageSet
from course_lib.recipes import DataSpec
from course_lib.train import evaluate, load_checkpoint, object_scores, pick_device

DETECTED = 16  # images at a time, at most, where objects are looked for: their masks are large


@dataclass(frozen=True, kw_only=True)
class Evaluate:
    """Judge a checkpoint on images that it has never seen.

    Args:
        checkpoint: name of a shipped checkpoint, or a .safetensors file.
        data: name of a data set, see `course data list`.
        root: folder of the data; ``None``: COURSE_DATA, then the download folder.
        split: which part of the data set.
        size: height and width in pixels, or one number for a square; ``None``: those that the
            checkpoint was trained at.
        limit: use only so many images.
        batch_size: images at a time.
        device: auto, cpu or cuda.
        as_json: end with one line that holds everything as a JSON object.

    Raises:
        ValueError: for a number below 1.
    """

    checkpoint: tyro.conf.Positional[str]
    data: str
    root: Path | None = None
    split: Literal["train", "val", "test"] = "test"
    size: int | tuple[int, int] | None = None
    limit: int | None = None
    batch_size: int = 64
    device: str = "auto"
    as_json: Annotated[bool, tyro.conf.arg(name="json"), tyro.conf.FlagCreatePairsOff] = False

    def __post_init__(self) -> None:
        for name, value in (("limit", self.limit), ("batch-size", self.batch_size)):
            if value is not None and value < 1:
                raise ValueError(f"--{name} is {value}; it must be at least 1.")
        self.images(self.size)  # which checks the size

    def images(self, size: int | tuple[int, int] | None, task: str | None = None) -> DataSpec:
        """Return which images are meant."""
        num = self.limit
        return DataSpec(
            name=self.data, size=size, task=task, num_train=num, num_val=num, num_test=num
        )

    def run(self) -> int:
        """Load, judge and print."""
        model, card = load_checkpoint(self.checkpoint)
        if card["task"] == "generation":
            raise ValueError(
                f"{self.checkpoint} is a generator; `course sample` with --data scores its samples."
            )
        height, width = card["size"]
        images = self.images(self.size or (height, width), card["task"])
        data = images.load(self.split, self.root)
        if tuple(data.classes) != tuple(card["classes"]):
            raise ValueError(
                f"{self.checkpoint} tells apart {', '.join(card['classes'])}; {self.data} has "
                f"{', '.join(data.classes)}. Choose a data set with the same classes."
            )
        size = tuple(data.images.shape[-2:])
        print(f"{self.checkpoint} on {self.data}/{self.split}: {len(data)} images at {size}")
        scores = (self._objects if card["task"] == "instance" else self._labels)(model, data)
        if self.as_json:
            record = {
                "checkpoint": self.checkpoint,
                "data": self.data,
                "split": self.split,
                "num_images": len(data),
                "size": list(size),
                "fingerprint": data.fingerprint,
                **scores,
                "note": data.note,
            }
            print(json.dumps(record, allow_nan=False))
        return 0

    def _labels(self, model: nn.Module, data: ImageSet) -> dict[str, Any]:
        """Judge labels of images or pixels; print the scores and return them."""
        device = pick_device(self.device)
        result = evaluate(model, data.to(device), batch_size=self.batch_size, device=device)
        per_class = dict(zip(result.classes, result.iou.tolist(), strict=True))
        for name, value in per_class.items():
            print(f"  IoU {name:15s} {value:.4f}" if value == value else f"  IoU {name:15s} absent")
        print(f"  mean IoU            {result.mean_iou:.4f}")
        print(f"  accuracy            {result.accuracy:.4f}")
        return {
            "mean_iou": _number(result.mean_iou),
            "accuracy": _number(result.accuracy),
            "loss": _number(result.loss),
            "iou": {name: _number(value) for name, value in per_class.items()},
        }

    def _objects(self, model: nn.Module, data: ImageSet) -> dict[str, Any]:
        """Judge boxes and masks of objects; print the scores and return them."""
        device = pick_device(self.device)
        batch_size = min(self.batch_size, DETECTED)
        scores = object_scores(model.to(device), data, batch_size=batch_size, device=device)
        objects = sum(map(len, data.labels or []))
        print(f"  objects             {objects}")
        for name in ("box_ap", "mask_ap"):
            for share in ("", "50", "75"):
                value = scores[f"{name}{share}"]
                print(f"  {name + share:19s} " + (f"{value:.4f}" if value == value else "absent"))
        return {"num_objects": objects, **{k: _number(v) for k, v in scores.items()}}


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def parse(words: list[str]) -> Evaluate:
    """Return what these words ask for."""
    return tyro.cli(Evaluate, args=words, prog="course evaluate")
