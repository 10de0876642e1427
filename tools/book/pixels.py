"""What the pixel explorers show: one layer of a shipped model, and what went into it.

`book/_ext/course_pixels.py` puts an explorer on a page, `book/static/pixels.js` computes each
output pixel from these numbers, and a test holds its sums to torch's.
"""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

from tools.common import ROOT, read_json

KEPT = ROOT / "_build" / "pixels"
CHECKPOINTS = {"conv": "unet-streets", "transposed": "dcgan-mnist"}
SCENE = (48, 64)  # rows and columns; pixels that a finger can hit
SEED = 0
# Where each begins: row, column, and which output channel shows something at once.
START = {"conv": (27, 30), "transposed": (12, 14)}


def layer(kind: str) -> dict[str, Any]:
    """Return a layer of a shipped model, its input and what it gives, as tensors and numbers.

    Args:
        kind: "conv", the first convolution of the U-Net that labels streets, on a scene; or
            "transposed", the last layer of the DCGAN that draws digits, on what comes before it.

    Returns:
        "input" (C, H, W), "weight" as torch has it, "output" (O, H', W') before any activation,
        "shown" (O, H', W') after it, "scale" and "shift" (O,) of the normalisation between the two,
        "stride", "padding".
    """
    import torch

    from course_lib.data import load
    from course_lib.train import load_checkpoint

    model, _ = load_checkpoint(CHECKPOINTS[kind])
    model.eval()
    with torch.no_grad():
        if kind == "conv":
            images = load("streets", "test", size=SCENE, num=1).images
            x = images.float().div(127.5).sub(1)
            conv, norm, relu = list(model.stem)[:3]
            output = conv(x)
            scale = norm.weight / (norm.running_var + norm.eps).sqrt()
            shift = norm.bias - norm.running_mean * scale
            shown = relu(norm(output))
        else:
            z = torch.randn(1, model.latent_dim, generator=torch.Generator().manual_seed(SEED))
            conv = model.layers[-1]
            x = model.layers[:-1](model.code(z, None)[:, :, None, None])
            output = conv(x)
            scale, shift = torch.ones(output.shape[1]), torch.zeros(output.shape[1])
            shown = output.tanh()
    return {
        "input": x[0],
        "weight": conv.weight.detach(),
        "output": output[0],
        "shown": shown[0],
        "scale": scale.detach(),
        "shift": shift.detach(),
        "stride": conv.stride[0],
        "padding": conv.padding[0],
    }


def script(kind: str, kept: Path = KEPT) -> bytes:
    """Return the script that brings an explorer its numbers; it is made once for each checkpoint.

    Args:
        kind: see `layer`.
        kept: folder that remembers it.
    """
    checkpoint = read_json(ROOT / "course_lib" / "checkpoints" / "index.json")[CHECKPOINTS[kind]]
    made_of = json.dumps(checkpoint, sort_keys=True).encode() + Path(__file__).read_bytes()
    file = kept / f"{kind}-{hashlib.sha256(made_of).hexdigest()[:16]}.js"
    if not file.is_file():
        found = layer(kind)
        data = {
            "kind": kind,
            "start": START[kind],
            "stride": found["stride"],
            "padding": found["padding"],
            **{name: packed(found[name]) for name in ("input", "weight", "scale", "shift")},
        }
        text = json.dumps(data, separators=(",", ":"))
        kept.mkdir(parents=True, exist_ok=True)
        file.write_text(
            "window.coursePixels = window.coursePixels || {};"
            f"window.coursePixels[{json.dumps(kind)}] = {text};\n",
            encoding="utf-8",
        )
    return file.read_bytes()


def packed(tensor: Any) -> dict[str, Any]:
    """A tensor's shape, and its numbers as little-endian float32 in base64."""
    numbers = tensor.contiguous().numpy().astype("<f4").tobytes()
    return {"shape": list(tensor.shape), "data": base64.b64encode(numbers).decode()}
