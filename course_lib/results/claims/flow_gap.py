"""A network's loss above that of the perfect model of its training set, by time, in the plane.

The perfect model is a formula (`course_lib.ops.optimal_velocity`). The same network learns equally
long from few points and from many; then both are held against lines to the training set and
against lines to points that nobody has seen.
"""

from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from course_lib.data.points import mixture
from course_lib.metrics import nearest_distances, velocity_gap
from course_lib.models import PointField
from course_lib.recipes.flow import PLANE_LAYERS, PLANE_STD, PLANE_WIDTH, plane_centres
from course_lib.results.claim import Claim, Context, Measurement
from course_lib.train import PointFlowConfig, train_point_flow

DENSITY = "spiral"
POINTS = (16, 256, 4096)  # of the training set
NEAR, NUM_NEAR = 0.02, 1000  # how near samples, and as many unseen points, lie to a training point
CONFIG = PointFlowConfig(steps=4000, batch_size=256, lr=2e-3, num_samples=NUM_NEAR)
BINS = 5


def _gap(context: Context, recipe: PointFlowConfig) -> Measurement:
    """Train on sets of different size, and compare losses with the least that there is."""
    config = replace(recipe, seed=context.seed, steps=context.pick(smoke=5, full=recipe.steps))
    num = context.pick(smoke=64, full=20_000)
    centres, std = plane_centres(DENSITY), PLANE_STD[DENSITY]
    unseen = mixture(num, centres, std, seed=2 * context.seed + 1)
    metrics: dict[str, float] = {}
    curves: dict[str, list[float]] = {}
    for size in POINTS:
        points = mixture(size, centres, std, seed=2 * context.seed)
        torch.manual_seed(context.seed)
        network = PointField(width=PLANE_WIDTH, num_layers=PLANE_LAYERS)
        history = train_point_flow(network, points, config=config)

        def velocity(x: Tensor, t: Tensor, network: PointField = network) -> Tensor:
            return network(x, t)

        seen = velocity_gap(velocity, points, bins=BINS, num=num, seed=context.seed)
        new = velocity_gap(velocity, points, data=unseen, bins=BINS, num=num, seed=context.seed)
        for name, gap in (("seen", seen), ("unseen", new)):
            for part in range(BINS):
                metrics |= {
                    f"{name}_{size}_loss_{part}": gap.loss[part],
                    f"{name}_{size}_floor_{part}": gap.floor[part],
                    f"{name}_{size}_gap_{part}": gap.gap[part],
                    f"{name}_{size}_error_{part}": gap.error[part],
                }
            # Towards the end the perfect model's loss on unseen data grows without bound.
            for kind, values in (("loss", gap.loss), ("floor", gap.floor), ("gap", gap.gap)):
                metrics[f"{name}_{size}_{kind}"] = sum(values[:-1]) / (BINS - 1)
            curves[f"{name}_{size}_gap"] = gap.gap
        metrics[f"distance_{size}"] = sum(seen.distance) / BINS
        for name, cloud in (("near", history.samples[-1]), ("near_unseen", unseen[:NUM_NEAR])):
            distances, _ = nearest_distances(cloud, points)
            metrics[f"{name}_{size}"] = (distances < NEAR).double().mean().item()
    return Measurement(
        metrics={
            **metrics,
            "least_gap": min(
                metrics[f"seen_{size}_gap_{part}"] for size in POINTS for part in range(BINS)
            ),
        },
        curves=curves,
        data=f"points of a spiral with deviation {std}, {config.steps} updates on each set; means "
        f"of {num} lines in each fifth of the time, half of a squared length; those without the "
        "fifth's number are of the first four",
    )


CLAIMS = (
    Claim(
        name="flow-gap",
        title="Loss of a network above the perfect model's, by time and size of the training set",
        measure=partial(_gap, recipe=CONFIG),
        main="least_gap",
        minutes=4,
        priority=30,
    ),
)
