"""Check of the exercise `nms_survivors`: how many boxes of a chain are left?"""

from __future__ import annotations

from functools import cache

import torch

from course_lib.checks.kinds import Outcome, Predict
from course_lib.ops import nms

SCORES = (0.90, 0.95, 0.85, 0.60, 0.80, 0.75, 0.50, 0.55, 0.65)
SIDE, STEP, THRESHOLD = 20, 5, 0.5  # pixels, pixels, IoU


@cache
def run() -> Outcome:
    """Lay the boxes in a row and suppress."""
    left = STEP * torch.arange(len(SCORES), dtype=torch.float32)
    zeros = torch.zeros_like(left)
    boxes = torch.stack([left, zeros, left + SIDE, zeros + SIDE], dim=1)
    kept = [int(k) + 1 for k in nms(boxes, torch.tensor(SCORES), THRESHOLD)]
    names = ", ".join(map(str, kept[:-1])) + f" and {kept[-1]}"
    return Outcome(len(kept), f"Kept, in this order, are the boxes {names}: {len(kept)} boxes.")


def reference() -> int:
    """Return what the run shows."""
    return int(run().answer)


nms_survivors = Predict(
    "nms_survivors",
    lab="after_the_network",
    level="warm-up",
    minutes=10,
    reference=reference,
    choices=range(1, len(SCORES) + 1),
    run=run,
    tempting="The tempting answer is 3, the boxes that are better than both of their neighbours. "
    "Box 7 is better than neither, and is kept all the same: both of its neighbours have been "
    "removed before its turn comes, and a removed box removes nobody.",
)

nms_survivors.wrong(
    1,
    "The boxes are linked to a chain, but suppression does not follow links: it removes what "
    "overlaps the *kept* box. How much does box 2 overlap box 4?",
)
nms_survivors.wrong(
    2,
    "How much do two boxes overlap that are 10 pixels apart? A strip of 10 by 20 pixels is common "
    "to them, and each has 20 by 20.",
)
nms_survivors.wrong(
    3,
    "These are the boxes that are better than both neighbours: 2, 5 and 9. Go on in order of the "
    "score: which box is left when its turn comes, because its neighbours are gone?",
)
nms_survivors.wrong(
    5,
    "Every second box, 1, 3, 5, 7 and 9, would be left if box 1 came first. Begin with the best "
    "score.",
)
nms_survivors.wrong(
    9,
    "Neighbours have 15 by 20 pixels in common: 300 of 500, an IoU of 0.6. Is that more than the "
    "threshold?",
)
