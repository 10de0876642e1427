"""Check of the exercise `cheapest_game`: the fewest updates after which a ring is drawn whole."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import torch

from course_lib.checks.kinds import Design
from course_lib.data import ring, ring_centres
from course_lib.metrics import mode_coverage
from course_lib.models import PointDiscriminator, PointGenerator
from course_lib.train import PointsConfig, train_points

STD, POINTS = 0.1, 2000
SEEDS = (0, 1, 2)
GOOD_SHARE = 0.5  # of the samples within three deviations of a centre
MOST_UPDATES, MOST_POINTS = 4000, 128
LIMITS = (2400, 1600, 1200)  # updates of both players; the fewest that are known are 1,000


class Tried(NamedTuple):
    """What came of a schedule: its updates, and modes and good samples of each game."""

    updates: int
    modes: tuple[int, ...]
    good: tuple[float, ...]


def reference() -> PointsConfig:
    """Return a schedule with R1 and a discriminator that learns twice as fast."""
    return PointsConfig(
        steps=500,
        batch_size=128,
        lr=4e-3,
        lr_discriminator=8e-3,
        penalty="r1",
        penalty_weight=0.05,
    )


def _updates(config: Any) -> int:
    assert isinstance(config, PointsConfig), (
        f"you return a {type(config).__name__}, wanted a train.PointsConfig"
    )
    return config.steps * (1 + config.critic_steps)


def trial(config: Any) -> Tried:
    """Play the game with three seeds and count the modes of each."""
    updates = _updates(config)
    assert updates <= MOST_UPDATES, (
        f"{updates:,} updates are not even tried; at most {MOST_UPDATES:,}"
    )
    assert config.batch_size <= MOST_POINTS, (
        f"{config.batch_size} points in a batch, wanted at most {MOST_POINTS}"
    )
    centres, points = ring_centres(8), ring(20_000, std=STD, seed=0)
    modes, good = [], []
    for seed in SEEDS:
        torch.manual_seed(seed)
        players = PointGenerator(), PointDiscriminator()
        fixed = replace(config, seed=seed, num_samples=POINTS, snapshot_every=0)
        try:
            samples = train_points(*players, points, config=fixed).samples[-1]
        except FloatingPointError as error:
            raise AssertionError(f"with seed {seed}: {error}") from None
        found = mode_coverage(samples, centres, STD, min_count=POINTS // 50)
        modes.append(int(found.covered))
        good.append(float(found.high_quality))
    return Tried(updates, tuple(modes), tuple(good))


def _kind(student: Any, arguments: tuple) -> tuple[bool, int, int]:
    """What tells two schedules apart without playing: penalty, critic steps, class of updates."""
    config = student()
    updates = _updates(config)
    return config.penalty == "none", config.critic_steps, bisect_left((500, *LIMITS[::-1]), updates)


cheapest_game = Design(
    "cheapest_game",
    lab="gan_2d",
    level="stretch",
    minutes=30,
    reference=reference,
    trial=trial,
    probe=_kind,
    seconds=180.0,
)


@cheapest_game.meets("in each of three games all 8 modes, and half of the samples good", points=2)
def _bar(tried: Tried) -> None:
    assert min(tried.modes) == 8, f"modes in the three games: {tried.modes}, wanted 8 in each"
    assert min(tried.good) >= GOOD_SHARE, (
        "good samples in the three games: "
        f"{', '.join(f'{share:.0%}' for share in tried.good)}, wanted {GOOD_SHARE:.0%} in each"
    )


def _cheap(limit: int, tried: Tried) -> None:
    _bar(tried)
    assert tried.updates <= limit, f"{tried.updates:,} updates of both players, wanted {limit:,}"


for _limit in LIMITS:
    cheapest_game.meets(f"the same with at most {_limit:,} updates", points=1)(
        partial(_cheap, _limit)
    )

cheapest_game.mistake(
    "no penalty",
    lambda: PointsConfig(steps=500, batch_size=128, lr=2e-3),
    hint="Without a penalty the discriminator becomes steep around the clouds it knows, and "
    "whoever sits on one stays. Section 6 has two cures; one of them costs no update.",
)
cheapest_game.mistake(
    "the lab's recipe",
    lambda: PointsConfig(steps=1200, batch_size=128, lr=2e-3, penalty="r1", penalty_weight=0.1),
    hint="That many updates are safe. What limits the speed: how far a generator's step goes, or "
    "how well the discriminator has answered before it? Try both learning rates, apart.",
)
cheapest_game.mistake(
    "far too short",
    lambda: PointsConfig(steps=100, batch_size=128, lr=4e-3, penalty="r1", penalty_weight=0.05),
    hint="After so few updates the generator is still spreading to the radius of the ring. No rate "
    "makes up for that: a larger one throws it past the data.",
)
cheapest_game.mistake(
    "five critic steps",
    lambda: PointsConfig(
        steps=100, critic_steps=5, batch_size=128, lr=4e-3, penalty="r1", penalty_weight=0.05
    ),
    hint="Five updates of the discriminator for each of the generator: five of six updates do not "
    "move a single sample. A faster discriminator can be had for nothing, by its learning rate.",
)
