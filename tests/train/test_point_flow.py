"""Flows of points: densities that are known, and what is refused."""

import math

import pytest
import torch

from course_lib.data.points import mixture, mixture_log_density, ring_centres
from course_lib.models import PointField
from course_lib.ops import PATHS, TARGETS, optimal_velocity, solve, time_steps
from course_lib.train import (
    PointFlowConfig,
    point_log_density,
    train_point_flow,
    velocity_of,
)


def field(classes: int = 0) -> PointField:
    torch.manual_seed(0)
    return PointField(width=48, num_layers=2, num_classes=classes)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("predicts", TARGETS)
def test_every_way_is_trained_and_draws(path: str, predicts: str) -> None:
    points = mixture(2000, ring_centres(3), 0.2)
    config = PointFlowConfig(
        steps=60, batch_size=64, snapshot_every=20, path=path, predicts=predicts, num_samples=16
    )
    history = train_point_flow(field(), points, config=config)
    assert history.steps == [0, 20, 40, 60] and math.isnan(history.loss[0])
    assert all(math.isfinite(loss) for loss in history.loss[1:])
    assert all(s.shape == (16, 2) and s.isfinite().all() for s in history.samples)


def test_the_density_of_a_normal_distribution_is_learned() -> None:
    mean, std = torch.tensor([[1.0, -0.5]]), 0.6
    points, test = (mixture(20_000, mean, std, seed=s) for s in (0, 1))
    network = field()
    config = PointFlowConfig(steps=1500, batch_size=256, lr=3e-3)
    train_point_flow(network, points, config=config)
    got = point_log_density(network, test[:1000], steps=30).log_density
    true = mixture_log_density(test[:1000], mean, std)
    assert (true.mean() - got.mean()).item() == pytest.approx(0.0, abs=0.05)
    assert (got - true).abs().mean() < 0.25


def test_transport_makes_the_loss_smaller() -> None:
    """Short ways cross less, so the network errs less."""
    points = mixture(5000, ring_centres(8), 0.1)
    losses = [
        train_point_flow(
            field(), points, config=PointFlowConfig(steps=300, batch_size=128, transport=pairs)
        ).loss[-1]
        for pairs in (False, True)
    ]
    assert losses[1] < 0.5 * losses[0]


def test_transport_leaves_each_class_the_whole_noise() -> None:
    """Two classes side by side, paired, one of them rare: samples of each have its moments."""
    points = 0.5 * torch.randn(1000, 2, generator=torch.Generator().manual_seed(0))
    labels = (torch.arange(1000) % 8 == 0).long()
    points[:, 0] += 4.0 * labels - 2
    network = field(2)
    config = PointFlowConfig(steps=500, batch_size=64, lr=5e-3, transport=True)
    train_point_flow(network, points, labels, config=config)
    torch.manual_seed(1)
    start = torch.randn(2000, 2)
    for name in (0, 1):
        told = torch.full((2000,), name)
        x = solve(velocity_of(network, told), start, time_steps(20))
        assert x.mean(0).tolist() == pytest.approx([4.0 * name - 2, 0], abs=0.15)
        assert x.std(0).tolist() == pytest.approx([0.5, 0.5], abs=0.12)


def test_a_class_is_told() -> None:
    points = torch.cat([torch.full((500, 2), -2.0), torch.full((500, 2), 2.0)])
    points = points + 0.1 * torch.randn(1000, 2, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(1000) // 500
    network = field(2)
    history = train_point_flow(
        network, points, labels, config=PointFlowConfig(steps=400, num_samples=10)
    )
    assert history.samples[-1].shape == (10, 2)
    for name in (0, 1):
        told = torch.full((64,), name)
        speed = velocity_of(network, told)(torch.zeros(64, 2), torch.tensor(0.5))
        assert (speed.sign() == (1 if name else -1)).all()


def test_equal_seeds_give_equal_weights() -> None:
    points = mixture(100, ring_centres(3), 0.2)
    first, second, other = field(), field(), field()
    for network, seed in ((first, 0), (second, 0), (other, 1)):
        train_point_flow(network, points, config=PointFlowConfig(steps=5, seed=seed))
    a, b, c = (n.last.weight for n in (first, second, other))
    assert torch.equal(a, b) and not torch.equal(a, c)


def test_the_best_answer_is_better_than_the_network() -> None:
    points = mixture(20, ring_centres(4), 0.2)
    network = field()
    train_point_flow(network, points, config=PointFlowConfig(steps=500))
    torch.manual_seed(1)
    data, noise, t = points[torch.randint(20, (5000,))], torch.randn(5000, 2), torch.rand(5000)
    x = t[:, None] * data + (1 - t[:, None]) * noise
    with torch.no_grad():
        ours = (network(x, t) - (data - noise)).square().mean()
    assert (optimal_velocity(x, t, points) - (data - noise)).square().mean() < ours


@pytest.mark.adversarial
@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: train_point_flow(field(), torch.ones(0, 2), config=PointFlowConfig()), "N > 0"),
        (
            lambda: train_point_flow(field(2), torch.ones(3, 2), config=PointFlowConfig()),
            "give labels",
        ),
        (
            lambda: train_point_flow(
                field(2), torch.ones(3, 2), torch.tensor([0, 1, 2]), config=PointFlowConfig()
            ),
            "0 to 1",
        ),
        (lambda: PointField(width=0), "at least 1"),
        (lambda: field()(torch.ones(3, 3), torch.ones(3)), "x: got"),
        (lambda: PointFlowConfig(path="curly"), "choose one of"),
    ],
)
def test_what_makes_no_sense_is_refused(call, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        call()


@pytest.mark.adversarial
def test_a_loss_that_is_not_finite_is_told() -> None:
    with pytest.raises(FloatingPointError, match="seen at step 2"):
        train_point_flow(field(), torch.full((9, 2), math.nan), config=PointFlowConfig(steps=2))
