"""Check of the exercise `shift_map`: does the label map of a U-Net move with the image?"""

from __future__ import annotations

from functools import cache

import torch

from course_lib.checks.kinds import Outcome, Predict
from course_lib.data import load, to_float
from course_lib.train import load_checkpoint

SHIFTS = range(1, 17)
VIEW, MARGIN = (
    192,
    64,
)  # columns of a view; what is compared lies farther from its sides than it sees


@cache
def run() -> Outcome:
    """Shift a street under the trained U-Net, and compare its logits where both views see all."""
    network, _ = load_checkpoint("unet-streets", device="cpu")
    wide = to_float(load("streets", "test", size=(96, VIEW + max(SHIFTS)), num=1, seed=0).images)
    network.eval()
    changed: dict[int, int] = {}
    exact = []
    with torch.no_grad():
        still = network(wide[..., :VIEW])
        for shift in SHIFTS:
            moved = network(wide[..., shift : shift + VIEW])
            a = still[..., MARGIN + shift : VIEW - MARGIN]
            b = moved[..., MARGIN : VIEW - MARGIN - shift]
            changed[shift] = int((a.argmax(1) != b.argmax(1)).sum())
            if torch.allclose(a, b, atol=1e-3):
                exact.append(shift)
    answer = exact[0]
    labels = ", ".join(f"{changed[shift]} after {shift} px" for shift in (1, 2, 4, answer))
    return Outcome(
        answer,
        f"The logits move along with the image at shifts of {' and '.join(map(str, exact))} "
        f"pixels, and at none between. Labels that differ from the moved map: {labels}.",
    )


def reference() -> int:
    """Return what the run shows."""
    return int(run().answer)


shift_map = Predict(
    "shift_map",
    lab="unet",
    level="warm-up",
    minutes=5,
    reference=reference,
    choices=SHIFTS,
    run=run,
    tempting="The tempting answer is 1: a convolution does move with its image. Pooling does not: "
    "it takes one value from each pair of columns, and after a shift by 1 the pairs are others. "
    "Three poolings in a row begin the same pairs again after 2 · 2 · 2 pixels.",
)

shift_map.wrong(
    1,
    "Convolutions and activations move with the image, for any shift. Which layer of the encoder "
    "treats even columns differently from odd ones?",
)
shift_map.wrong(
    2,
    "That is right for one pooling. The next pooling makes pairs of columns that are already 2 "
    "pixels wide. How many poolings are there?",
)
shift_map.wrong(
    4,
    "That is right for two poolings. Four levels are joined by three.",
)
shift_map.wrong(
    6,
    "Each pooling doubles the width of the pairs; the widths are multiplied, not added.",
)
shift_map.wrong(
    16,
    "That holds as well, but it is not the smallest. Four levels are joined by three poolings, not "
    "four.",
)
