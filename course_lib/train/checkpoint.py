"""Trained models in files: safetensors with a model card, checked before use.

A checkpoint is one ``.safetensors`` file. Its header holds the card: which model with which
arguments, its classes, the data and command that made it, its score. The checkpoints shipped with
the course are listed with their SHA-256 in ``course_lib/checkpoints/index.json``.
"""

import difflib
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from course_lib.models import MODELS
from course_lib.train.files import one_line, whole

SHIPPED = Path(__file__).resolve().parent.parent / "checkpoints"
REQUIRED: dict[str, type | tuple[type, ...]] = {
    "model": str,
    "arguments": dict,
    "classes": (list, tuple),
    "task": str,
    "size": (list, tuple),
    "data": str,
}
TASKS = ("classification", "semantic", "instance", "generation")
SOUND: dict[str, Callable[[Any], bool]] = {  # what a card's values must be, besides their kind
    "classes": lambda names: all(isinstance(name, str) for name in names),
    "task": lambda task: task in TASKS,
    "size": lambda size: len(size) == 2 and all(type(side) is int and side > 0 for side in size),
}


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
        ValueError: for another suffix, a model that is not the course's, a card with gaps, or
            weights that are not finite, or would not be as float16.
        OSError: if the file cannot be written.
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
    bad = _not_finite(tensors)
    if bad:
        raise ValueError(
            f"{path} was not written: the weights {bad} hold NaN or infinite values. The training "
            "has diverged, or they are too large for float16: use half=False."
        )
    with whole(path) as file:
        file.write(save(tensors, metadata={"card": json.dumps(card, sort_keys=True)}))
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
        ValueError: if the file is damaged, was changed, does not fit the course's models, or holds
            weights that are not finite.
    """
    path = _find(name_or_path)
    card, tensors = _read(path)
    arguments = {k: v for k, v in card["arguments"].items() if k != "weights"}  # it has its own
    make = MODELS[card["model"]]
    try:
        with torch.device("meta"):  # without memory: a card may ask for any size
            wanted = {k: v.shape for k, v in make(**arguments).state_dict().items()}
        if wanted != {k: v.shape for k, v in tensors.items()}:
            raise ValueError("its weights are those of another network")
        model = make(**arguments)
        model.load_state_dict({k: v.to(_dtype(v)) for k, v in tensors.items()})
    except Exception as error:  # a constructor fed with garbage raises anything
        raise ValueError(
            f"{path} does not fit {card['model']} with the arguments of its card: "
            f"{one_line(error)}. Fetch or train it again."
        ) from error
    return model.to(device).eval(), card


def shipped() -> dict[str, dict[str, Any]]:
    """Return the shipped checkpoints: name -> {"sha256", "bytes", "card"}.

    Raises:
        ValueError: if their list is damaged.
    """
    index = SHIPPED / "index.json"
    try:
        found = json.loads(index.read_bytes()) if index.exists() else {}
        return {name: entry for name, entry in found.items() if entry["sha256"] and entry["card"]}
    except (ValueError, AttributeError, TypeError, KeyError) as error:
        raise ValueError(f"{index} is damaged ({error}); install the course again.") from error


def ship(path: str | Path, name: str) -> None:
    """Copy a checkpoint among those shipped with the course, and list it with its hash.

    Whenever this is interrupted, the checkpoint is the old one or the new one: the weights wait
    under the name of their hash until they are listed, and are looked for under both names.
    """
    content = Path(path).read_bytes()
    card, _ = _read(Path(path))
    sha256 = hashlib.sha256(content).hexdigest()
    with FileLock(SHIPPED / ".lock", timeout=60):  # others may ship something else
        with whole(_waiting(name, sha256)) as file:
            file.write(content)
        entry = {"sha256": sha256, "bytes": len(content), "card": card}
        text = json.dumps(shipped() | {name: entry}, indent=1, sort_keys=True, ensure_ascii=False)
        with whole(SHIPPED / "index.json") as file:  # from here on it is the new one
            file.write(text.encode() + b"\n")
        os.replace(_waiting(name, sha256), SHIPPED / f"{name}.safetensors")
        for other in SHIPPED.glob(f".{name}.*.safetensors"):  # of earlier, interrupted attempts
            other.unlink()


def _waiting(name: str, sha256: str) -> Path:
    return SHIPPED / f".{name}.{sha256[:16]}.safetensors"


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
    sha256 = index[name]["sha256"]
    places = (SHIPPED / f"{name}.safetensors", _waiting(name, sha256))
    found = [path for path in places if path.exists()]
    for path in found:
        if hashlib.sha256(path.read_bytes()).hexdigest() == sha256:
            return path
    if not found:
        raise FileNotFoundError(f"{places[0]} is listed but missing; install the course again.")
    raise ValueError(f"{found[0]} is not the file that was shipped; install the course again.")


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return a file's card and weights, both looked at."""
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
    try:
        card = json.loads(metadata["card"])
    except ValueError as error:
        raise ValueError(
            f"{path} has a damaged card ({error}); fetch or train it again."
        ) from error
    wrong = [k for k, kind in REQUIRED.items() if not isinstance(_get(card, k), kind)]
    if wrong:
        raise ValueError(
            f"{path} has no card of the course: its {', '.join(wrong)} are missing or of another "
            "kind. Fetch or train it again."
        )
    odd = [key for key, holds in SOUND.items() if not holds(card[key])]
    if odd:
        raise ValueError(
            f"{path} has a card of which the {odd[0]} is {card[odd[0]]!r}. Fetch or train it again."
        )
    if card["model"] not in MODELS:
        raise ValueError(
            f"{path} holds a {card['model']!r}; this version of the course knows "
            f"{', '.join(MODELS)}."
        )
    bad = _not_finite(tensors)
    if bad:
        raise ValueError(
            f"The weights {bad} in {path} hold NaN or infinite values: its training has diverged, "
            "and it answers nothing. Train it again with a lower learning rate."
        )
    return card, tensors


def _get(card: Any, key: str) -> Any:
    return card.get(key) if isinstance(card, dict) else None


def _not_finite(tensors: dict[str, Tensor]) -> str:
    """Return the name of the first tensor with a value that is not finite, or nothing."""
    return next((k for k, v in tensors.items() if not v.isfinite().all()), "")


def _dtype(tensor: torch.Tensor) -> torch.dtype:
    return torch.float32 if tensor.is_floating_point() else tensor.dtype
