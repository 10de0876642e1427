"""Trained models in files: safetensors with a model card, checked before use.

A checkpoint is one ``.safetensors`` file. Its header holds the card: which model with which
arguments, its classes, the data and command that made it, its score. The checkpoints shipped with
the course are listed with their SHA-256 in ``course_lib/checkpoints/index.json``.
"""

import difflib
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from course_lib.models import (
    FCN,
    DCGANDiscriminator,
    DCGANGenerator,
    DeepLabV3,
    DeepLabV3Plus,
    DilatedFCN,
    PixelwiseClassifier,
    ResNetUNet,
    SampleFeatures,
    SimpleCNN,
    SimpleGANDiscriminator,
    SimpleGANGenerator,
    StyleGANDiscriminator,
    StyleGANGenerator,
    UNet,
)

MODELS: dict[str, type[nn.Module]] = {
    "DCGANDiscriminator": DCGANDiscriminator,
    "DCGANGenerator": DCGANGenerator,
    "DeepLabV3": DeepLabV3,
    "DeepLabV3Plus": DeepLabV3Plus,
    "DilatedFCN": DilatedFCN,
    "FCN": FCN,
    "PixelwiseClassifier": PixelwiseClassifier,
    "ResNetUNet": ResNetUNet,
    "SampleFeatures": SampleFeatures,
    "SimpleCNN": SimpleCNN,
    "SimpleGANDiscriminator": SimpleGANDiscriminator,
    "SimpleGANGenerator": SimpleGANGenerator,
    "StyleGANDiscriminator": StyleGANDiscriminator,
    "StyleGANGenerator": StyleGANGenerator,
    "UNet": UNet,
}
SHIPPED = Path(__file__).resolve().parent.parent / "checkpoints"
REQUIRED = ("model", "arguments", "classes", "task", "size", "data")


def save_checkpoint(
    path: str | Path, model: nn.Module, card: dict[str, Any], *, half: bool = True
) -> Path:
    """Write a model and its card: whole, or not at all.

    Args:
        path: ends in ``.safetensors``.
        model: one of the course's models.
        card: at least "arguments" (of the model's constructor), "classes", "task", "size" (H, W)
            and "data"; everything that JSON can hold is kept.
        half: store floating-point weights as float16.

    Raises:
        ValueError: for another suffix, a model that is not the course's, or a card with gaps.
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise ValueError(f"{path} must end in .safetensors.")
    card = {"model": type(model).__name__, **card}
    if MODELS.get(card["model"]) is not type(model):
        raise ValueError(f"{card['model']} is none of the course's models: {', '.join(MODELS)}.")
    missing = [key for key in REQUIRED if key not in card]
    if missing:
        raise ValueError(f"The card lacks {', '.join(missing)}.")
    tensors = {
        k: (v.half() if half and v.is_floating_point() else v).detach().cpu().contiguous()
        for k, v in model.state_dict().items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        save_file(tensors, temporary, metadata={"card": json.dumps(card, sort_keys=True)})
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def load_checkpoint(
    name_or_path: str | Path, *, device: str | torch.device = "cpu"
) -> tuple[nn.Module, dict[str, Any]]:
    """Return a trained model in eval mode, and its card.

    Args:
        name_or_path: the name of a shipped checkpoint, such as "unet-pets", or a file.
        device: where to put the model.

    Raises:
        FileNotFoundError: if there is no such checkpoint.
        ValueError: if the file is damaged, was changed, or does not fit the course's models.
    """
    path = _find(name_or_path)
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ValueError(
            f"{path} is not a whole safetensors file ({error}); fetch or train it again."
        ) from error
    if "card" not in metadata:
        raise ValueError(f"{path} has no model card, so it was not saved by the course.")
    card = json.loads(metadata["card"])
    if card.get("model") not in MODELS:
        raise ValueError(
            f"{path} holds a {card.get('model')!r}; this version of the course knows "
            f"{', '.join(MODELS)}."
        )
    model = MODELS[card["model"]](**card["arguments"])
    try:
        model.load_state_dict({k: v.to(_dtype(v)) for k, v in tensors.items()})
    except RuntimeError as error:
        raise ValueError(f"{path} does not fit {card['model']} as it is now: {error}") from error
    return model.to(device).eval(), card


def shipped() -> dict[str, dict[str, Any]]:
    """Return the shipped checkpoints: name -> {"sha256", "bytes", "card"}."""
    index = SHIPPED / "index.json"
    return json.loads(index.read_text()) if index.exists() else {}


def ship(path: str | Path, name: str) -> None:
    """Copy a checkpoint among those shipped with the course, and list it with its hash."""
    content = Path(path).read_bytes()
    with safe_open(path, framework="pt") as file:
        card = json.loads(file.metadata()["card"])
    (SHIPPED / f"{name}.safetensors").write_bytes(content)
    index = shipped()
    sha256 = hashlib.sha256(content).hexdigest()
    index[name] = {"sha256": sha256, "bytes": len(content), "card": card}
    text = json.dumps(index, indent=1, sort_keys=True, ensure_ascii=False)
    (SHIPPED / "index.json").write_text(text + "\n")


def _find(name_or_path: str | Path) -> Path:
    index = shipped()
    name = str(name_or_path)
    if name not in index:
        path = Path(name_or_path)
        if path.is_file():
            return path
        close = difflib.get_close_matches(name, index, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise FileNotFoundError(
            f"There is no checkpoint {name!r}: neither a file nor one of the shipped ones "
            f"({', '.join(index) or 'none'}).{hint}"
        )
    path = SHIPPED / f"{name}.safetensors"
    if not path.exists():
        raise FileNotFoundError(f"{path} is listed but missing; install the course again.")
    if hashlib.sha256(path.read_bytes()).hexdigest() != index[name]["sha256"]:
        raise ValueError(f"{path} is not the file that was shipped; install the course again.")
    return path


def _dtype(tensor: torch.Tensor) -> torch.dtype:
    return torch.float32 if tensor.is_floating_point() else tensor.dtype
