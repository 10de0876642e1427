"""What a result states about the machine that measured it."""

import datetime
import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from course_lib.train.precision import computes_bf16

LIBRARIES = ("torch", "torchvision", "accelerate", "numpy")


def environment() -> dict[str, Any]:
    """Return date, hardware and versions."""
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "hardware": hardware(),
        "versions": {"python": platform.python_version(), **{n: version(n) for n in LIBRARIES}},
    }


def hardware() -> str:
    """Describe the processor, and the GPU if there is one.

    Without bfloat16 in hardware, what asks for it was computed in float32: that is stated.
    """
    text = _processor()
    if hasattr(os, "sched_getaffinity"):  # on Linux: the cores that this process may use
        text += f", {len(os.sched_getaffinity(0))} cores"
    if not computes_bf16(torch.device("cpu")):
        text += ", no bfloat16"
    if torch.cuda.is_available():
        text += f"; {torch.cuda.get_device_name()}"
    return text


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
