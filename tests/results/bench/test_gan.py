"""The bench compares like with like: the same networks, timed in turns."""

import torch

from course_lib.models import DCGANDiscriminator, DCGANGenerator
from course_lib.results.bench.gan import ExampleStep, example_networks, step_times


def test_the_examples_networks_are_ours_weight_by_weight() -> None:
    for ours, theirs in zip(
        (DCGANGenerator(width=8), DCGANDiscriminator(width=8)),
        example_networks(8),
        strict=True,
    ):
        shapes = [tuple(p.shape) for p in ours.parameters()]
        assert shapes == [tuple(p.shape) for p in theirs.parameters()]


def test_the_examples_step_changes_both_players() -> None:
    torch.manual_seed(0)
    step = ExampleStep(2, torch.device("cpu"))
    before = [[p.clone() for p in net.parameters()] for net in (step.generator, step.discriminator)]
    step(torch.randn(2, 3, 64, 64))
    for net, old in zip((step.generator, step.discriminator), before, strict=True):
        assert any(not torch.equal(a, b) for a, b in zip(net.parameters(), old, strict=True))


def test_times_are_of_one_step_and_ratios_are_theirs() -> None:
    times = step_times(width=2, batch_size=2, steps=1, rounds=1)
    assert min(times.values()) > 0
    assert times["quick_share"] == times["quick_ms"] / times["ours_ms"]
