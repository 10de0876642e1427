"""Check of the exercise `first_step`: where does one single step of the perfect flow lead?"""

from __future__ import annotations

from functools import cache

import torch

from course_lib.checks.kinds import Outcome, Predict
from course_lib.data import ring_centres
from course_lib.ops import optimal_velocity, solve, time_steps

CHOICES = {
    "a": "each at the point of the set that is nearest to its start",
    "b": "in nine heaps, one at each point of the set",
    "c": "all at one place",
    "d": "in a cloud like the noise, moved half of the way",
}
NUM = 1000


def _ends(steps: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Where so many Euler steps lead, and the set."""
    points = torch.cat([ring_centres(8).double(), torch.tensor([[3.0, 0.0]]).double()])
    noise = torch.randn(NUM, 2, generator=torch.Generator().manual_seed(0)).double()

    def velocity(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return optimal_velocity(x, t, points)

    return solve(velocity, noise, time_steps(steps).double(), solver="euler"), points


@cache
def run() -> Outcome:
    """Follow the perfect flow with one step, and with a hundred."""
    (one, points), (many, _) = _ends(1), _ends(100)
    near = [torch.cdist(ends, points).amin(1) < 0.05 for ends in (one, many)]
    if float((one - one.mean(0)).norm(dim=1).max()) < 1e-3:
        answer = "c"
    elif bool(near[0].all()):
        answer = "b"
    else:
        answer = "d"
    place = ", ".join(f"{x:.2f}" for x in (one.mean(0) + 0.0).tolist())
    return Outcome(
        answer,
        f"After one step all {NUM} samples lie within "
        f"{float((one - one.mean(0)).norm(dim=1).max()):.3f} of ({place}), the mean of the set, "
        f"and {near[0].double().mean():.0%} of them at a point of it; after 100 steps "
        f"{near[1].double().mean():.0%} do.",
    )


def reference() -> str:
    """Return what the run shows."""
    return str(run().answer)


first_step = Predict(
    "first_step",
    lab="flow_2d",
    level="warm-up",
    minutes=5,
    reference=reference,
    choices=CHOICES,
    run=run,
    tempting="The tempting answer is a: the lines are straight, so why not go along one in a "
    "single step? Because at t = 0 nobody knows which line it is. The lines to all points start "
    "at every place, and their mean leads to the mean of the points.",
)

first_step.wrong(
    "a",
    "The start is noise, drawn without regard to the set: a start near a point is no more likely "
    "to be paired with it than with any other.",
)
first_step.wrong(
    "b",
    "That is where many steps lead. One step knows the velocity at t = 0 only. What does a noisy "
    "point tell at that time about where its line ends?",
)
first_step.wrong(
    "d",
    "The step is as long as the whole time, so it goes the whole way along the velocity at the "
    "start. Which velocity is that?",
)
