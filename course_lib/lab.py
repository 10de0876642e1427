"""What every lab does first: one call that seeds, picks the device and sets the size.

lab = start(scale="quick", seed=0, device="auto")
epochs = lab.pick(smoke=1, quick=3, full=40)
"""

import os
import random
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch

from course_lib.train import pick_device

SCALES = ("smoke", "quick", "full")
Value = TypeVar("Value")


@dataclass(frozen=True)
class Lab:
    """What a lab was started with.

    Attributes:
        scale: "smoke" (seconds: does every line run), "quick" (about a minute on two CPU cores:
            what the book shows) or "full" (a GPU).
        seed: of Python's, NumPy's and PyTorch's random numbers.
        device: where models and data live.
    """

    scale: str
    seed: int
    device: torch.device

    def pick(self, *, smoke: Value, quick: Value, full: Value) -> Value:
        """Return the value for this lab's scale.

        Args:
            smoke: value for a run of seconds.
            quick: value for a run of about a minute on two CPU cores.
            full: value for a GPU.

        Returns:
            One of the three.
        """
        return {"smoke": smoke, "quick": quick, "full": full}[self.scale]

    def said(self, sentence: str, holds: Any) -> None:
        """Hold a sentence of this page to the run.

        The book is built only if all of them hold. Your own run, with another seed, size, data set
        or with code that you changed, may come out otherwise: then a remark says so.

        Args:
            sentence: as it stands on the page, word for word.
            holds: whether it is true of this run. "smoke" is too short to tell and asks for
                nothing but an answer.

        Raises:
            ValueError: `holds` is neither true nor false.
            AssertionError: it is untrue, and the environment variable COURSE_SAID is "strict".
        """
        answer = holds.item() if hasattr(holds, "item") else holds
        if not isinstance(answer, bool):
            raise ValueError(f"got {holds!r} for {sentence!r}; True or False is needed.")
        if answer or self.scale == "smoke":
            return
        if os.environ.get("COURSE_SAID") == "strict":
            raise AssertionError(f"the page says what is not so in this run: {sentence!r}")
        print(f"In your run it came out otherwise than the page says: “{sentence}”")


def start(scale: str = "quick", seed: int = 0, device: str = "auto") -> Lab:
    """Seed everything, choose the device and print both in one line.

    The environment variable COURSE_SCALE, where set, replaces `scale`: test runs use it.

    Args:
        scale: "smoke", "quick" or "full".
        seed: any integer from 0 to 2**32 - 1.
        device: "auto" (a GPU if there is one), "cpu", "cuda", "cuda:1", "mps" …

    Returns:
        The lab, with its scale, seed and device.

    Raises:
        ValueError: an unknown scale, a seed out of range or a device that is not there.
    """
    origin = "scale"
    if os.environ.get("COURSE_SCALE"):
        scale, origin = os.environ["COURSE_SCALE"], "the environment variable COURSE_SCALE"
    if scale not in SCALES:
        raise ValueError(f"{origin} is {scale!r}; choose one of {', '.join(SCALES)}.")
    if not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise ValueError(f"seed is {seed!r}; a whole number from 0 to 2**32 - 1 is needed.")
    chosen = pick_device(device)
    random.seed(seed)
    np.random.seed(seed)  # libraries that a learner may call still use the global generator
    torch.manual_seed(seed)
    print(f"scale {scale} · seed {seed} · {_describe(chosen)} · torch {torch.__version__}")
    return Lab(scale=scale, seed=seed, device=chosen)


def _describe(device: torch.device) -> str:
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    if device.type == "cpu":
        num = torch.get_num_threads()
        return f"cpu ({num} thread{'s' if num > 1 else ''})"
    return str(device)
