"""The loop on points: each kind of step against a step done by hand, snapshots, and its errors."""

import copy
import math

import pytest
import torch
import torch.nn.functional as F

from course_lib.data import ring, ring_centres
from course_lib.metrics import mode_coverage
from course_lib.models import PointDiscriminator, PointGenerator
from course_lib.train import PointsConfig, lattice, pull, train_points

DATA = ring(500)


def networks(seed=0, **kinds):
    torch.manual_seed(seed)
    return PointGenerator(latent_dim=3, width=8, **kinds), PointDiscriminator(width=8, **kinds)


def by_hand(config, generator, discriminator):
    """One step of either of two games, without the package's losses, penalties or loop."""
    rng = torch.Generator().manual_seed(config.seed)
    torch.randn(config.num_samples, 3, generator=rng)
    adam = dict(lr=config.lr, betas=config.betas)
    g_step = torch.optim.Adam(generator.parameters(), **adam)
    d_step = torch.optim.Adam(discriminator.parameters(), **adam)
    real = DATA[torch.randint(len(DATA), (config.batch_size,), generator=rng)]
    fake = generator(torch.randn(config.batch_size, 3, generator=rng)).detach()
    loss = -F.logsigmoid(discriminator(real)).mean() - F.logsigmoid(-discriminator(fake)).mean()
    if config.loss == "relativistic":
        loss = -F.logsigmoid(discriminator(real) - discriminator(fake)).mean()
    for at in {"r1": [real], "r1-r2": [real, fake]}.get(config.penalty, []):
        x = at.clone().requires_grad_()
        (slope,) = torch.autograd.grad(discriminator(x).sum(), x, create_graph=True)
        loss = loss + config.penalty_weight / 2 * slope.pow(2).sum(1).mean()
    if config.penalty == "gradient":
        mix = torch.rand(config.batch_size, generator=rng)[:, None]
        x = (mix * real + (1 - mix) * fake).requires_grad_()
        (slope,) = torch.autograd.grad(discriminator(x).sum(), x, create_graph=True)
        loss = loss + config.penalty_weight * (slope.norm(dim=1) - 1).pow(2).mean()
    loss.backward()
    opponent = copy.deepcopy(discriminator)  # the old one
    d_step.step()
    if not config.simultaneous:
        opponent = discriminator
    z = torch.randn(config.batch_size, 3, generator=rng)
    rival = opponent(real) if config.loss == "relativistic" else 0
    (-F.logsigmoid(opponent(generator(z)) - rival).mean()).backward()
    g_step.step()


@pytest.mark.parametrize("simultaneous", [False, True])
@pytest.mark.parametrize("penalty", ["none", "r1", "r1-r2", "gradient"])
@pytest.mark.parametrize("loss", ["non-saturating", "relativistic"])
def test_a_step_equals_one_by_hand(loss, penalty, simultaneous):
    config = PointsConfig(
        steps=1, batch_size=9, num_samples=4, loss=loss, penalty=penalty, penalty_weight=0.7,
        simultaneous=simultaneous, seed=5, lr=1e-2,
    )  # fmt: skip
    ours, theirs = networks(), networks()
    train_points(*ours, DATA, config=config)
    by_hand(config, *theirs)
    for a, b in zip(ours, theirs, strict=True):
        for x, y in zip(a.parameters(), b.parameters(), strict=True):
            torch.testing.assert_close(x, y)


def test_clipping_cuts_every_weight_of_the_discriminator_only():
    g, d = networks()
    config = PointsConfig(
        steps=3, batch_size=8, loss="wasserstein", penalty="clip", penalty_weight=0.02,
        critic_steps=2, lr=1e-2,
    )  # fmt: skip
    train_points(g, d, DATA, config=config)
    assert max(p.abs().max() for p in d.parameters()) <= 0.02
    assert max(p.abs().max() for p in g.parameters()) > 0.02


def test_the_discriminators_own_learning_rate():
    config = PointsConfig(steps=2, batch_size=8, lr_discriminator=1e-12)
    before, after = networks(), networks()
    train_points(*after, DATA, config=config)
    for a, b in zip(before[1].parameters(), after[1].parameters(), strict=True):
        torch.testing.assert_close(a, b)
    assert not torch.allclose(before[0].head.weight, after[0].head.weight)


def test_snapshots():
    g, d = networks()
    config = PointsConfig(
        steps=5, batch_size=8, snapshot_every=2, num_samples=6, extent=1.5, lattice_size=4
    )
    first = g(torch.randn(6, 3, generator=torch.Generator().manual_seed(0)))
    history = train_points(g, d, DATA, config=config)
    assert history.steps == [0, 2, 4, 5] and len(history.samples) == len(history.fields) == 4
    torch.testing.assert_close(history.samples[0], first.detach())
    last = history.fields[-1]
    corner = d(torch.tensor([[-1.5, -1.5], [1.5, -1.5], [-1.5, 1.5]]))
    torch.testing.assert_close(torch.stack([last[0, 0], last[0, -1], last[-1, 0]]), corner.detach())
    assert math.isnan(history.generator_loss[0]) and history.generator_loss[-1] > 0


def test_the_same_seed_gives_the_same_run_whatever_the_global_dice_do():
    runs = []
    for noise in (1, 2):
        pair = networks()
        torch.manual_seed(noise)
        config = PointsConfig(steps=4, batch_size=8, penalty="gradient")
        runs.append(train_points(*pair, DATA, config=config).samples[-1])
    assert torch.equal(*runs)


def test_labels_reach_both_players():
    centres = ring_centres(2)
    points, labels = centres.repeat(50, 1), torch.arange(100) % 2
    g, d = networks(num_classes=2)
    config = PointsConfig(
        steps=400, batch_size=64, lr=5e-3, penalty="r1", penalty_weight=0.2, num_samples=10
    )
    history = train_points(g, d, points, labels, config=config)
    assert (history.samples[-1] - centres.repeat(5, 1)).norm(dim=1).mean() < 0.5


def test_one_gaussian_is_learnt():
    points = ring(2000, modes=1, radius=1.0, std=0.3)
    torch.manual_seed(0)
    g, d = PointGenerator(latent_dim=2, width=16), PointDiscriminator(width=16)
    config = PointsConfig(
        steps=600, batch_size=64, lr=4e-3, penalty="r1", penalty_weight=0.3, num_samples=500
    )
    samples = train_points(g, d, points, config=config).samples[-1]
    found = mode_coverage(samples, ring_centres(1, 1.0), 0.3)
    assert found.high_quality > 0.9
    assert (samples.mean(0) - points.mean(0)).norm() < 0.3  # one deviation


def test_pull_is_minus_the_gradient_of_a_points_own_loss():
    _, d = networks()
    x = torch.randn(5, 2)
    for kind in ("minimax", "non-saturating", "hinge"):
        got, h = pull(d, x, kind=kind), 1e-3
        for axis in (0, 1):
            step = h * F.one_hot(torch.tensor(axis), 2)
            slopes = (d(x + step) - d(x - step)) / (2 * h)
            s = torch.sigmoid(d(x))
            times = {"minimax": s, "non-saturating": 1 - s, "hinge": torch.ones(5)}[kind]
            torch.testing.assert_close(got[:, axis], times * slopes, atol=2e-3, rtol=1e-2)
    assert not got.requires_grad and not x.requires_grad


def test_the_lattice_goes_row_by_row_upwards():
    assert lattice(1.0, 2).tolist() == [[-1, -1], [1, -1], [-1, 1], [1, 1]]


@pytest.mark.parametrize("points", [torch.zeros(0, 2), torch.zeros(4, 3), torch.zeros(4)])
def test_bad_points_are_named(points):
    with pytest.raises(ValueError, match="N > 0"):
        train_points(*networks(), points, config=PointsConfig(steps=1))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (torch.zeros(3, dtype=torch.long), "wanted whole numbers of shape"),
        (torch.full((len(DATA),), 2), "labels go from 2 to 2; with 2 classes"),
    ],
)
def test_bad_labels_are_named(labels, message):
    with pytest.raises(ValueError, match=message):
        train_points(*networks(num_classes=2), DATA, labels, config=PointsConfig(steps=1))


def test_a_diverging_run_says_so():
    config = PointsConfig(steps=60, batch_size=8, lr=1e18, loss="wasserstein")
    with pytest.raises(FloatingPointError, match="learning rate"):
        train_points(*networks(), DATA, config=config)
