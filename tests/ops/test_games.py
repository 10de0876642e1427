"""Games of two parameters: shapes, batches, equal to the package's losses, errors that help."""

import pytest
import torch

from course_lib.losses import discriminator_loss, generator_loss
from course_lib.ops import games

F64 = torch.float64


@pytest.mark.parametrize("kind", games.DIRAC_LOSSES)
def test_the_losses_are_those_of_the_package(kind):
    theta, psi = torch.randn(2, 5, dtype=F64, generator=torch.Generator().manual_seed(0))
    game = games.dirac_gan(kind)
    for t, p in zip(theta, psi, strict=True):
        real, fake = torch.zeros(1, dtype=F64), (p * t).reshape(1)
        wanted = discriminator_loss(real, fake, kind=kind)
        torch.testing.assert_close(game.discriminator_loss(t, p), wanted)
        torch.testing.assert_close(
            game.generator_loss(t, p), generator_loss(fake, kind=kind, real=real)
        )


@pytest.mark.parametrize("play", [games.simultaneous, games.alternating])
@pytest.mark.parametrize("momentum", [0.0, 0.6])
def test_many_starts_at_once_are_the_starts_one_by_one(play, momentum):
    starts = torch.randn(2, 3, 2, dtype=F64, generator=torch.Generator().manual_seed(1))
    game = games.dirac_gan("non-saturating", gamma=0.3)
    options = {"lr": 0.3, "steps": 5, "momentum": momentum, "rates": (1.0, 2.0)}
    paths = play(game, starts, **options)
    assert paths.shape == (6, 2, 3, 2)
    alone = play(game, starts[1, 2], **options)
    torch.testing.assert_close(paths[:, 1, 2], alone)
    flows = games.flow(game, starts, time=2.0, steps=5, rates=(1.0, 2.0))
    torch.testing.assert_close(
        flows[:, 1, 2], games.flow(game, starts[1, 2], time=2.0, steps=5, rates=(1.0, 2.0))
    )


def test_small_steps_follow_the_flow():
    game, start = games.dirac_gan("minimax", gamma=0.2), torch.tensor([1.0, -0.4], dtype=F64)
    end = games.flow(game, start, time=2.0, steps=40)[-1]
    for play in (games.simultaneous, games.alternating):
        errors = [
            (play(game, start, lr=2 / n, steps=n)[-1] - end).norm().item() for n in (100, 200)
        ]
        assert errors[0] < 0.03
        assert errors[1] == pytest.approx(errors[0] / 2, rel=0.1)  # of first order


def test_more_discriminator_steps_are_a_faster_discriminator():
    game, start = games.dirac_gan(gamma=0.5), torch.tensor([1.0, 0.0], dtype=F64)
    path = games.alternating(game, start, lr=0.1, steps=1, discriminator_steps=3)
    psi = 0.0
    for _ in range(3):
        psi += 0.1 * (-1.0 - 0.5 * psi)
    assert path[1].tolist() == pytest.approx([1.0 + 0.1 * psi, psi])


def test_the_jacobian_anywhere_is_the_derivative_of_the_field():
    game = games.dirac_gan("non-saturating", gamma=0.3)
    at = torch.tensor([0.7, -1.1], dtype=F64)
    got = games.jacobian(game, at, rates=(1.0, 3.0))
    columns = [
        (games.field(game, at + e, rates=(1, 3)) - games.field(game, at - e, rates=(1, 3))) / 2e-6
        for e in 1e-6 * torch.eye(2, dtype=F64)
    ]
    torch.testing.assert_close(got, torch.stack(columns, dim=1), atol=1e-8, rtol=1e-7)


def test_a_game_whose_slopes_are_constant_has_a_jacobian_of_zeros():
    game = games.Game(lambda theta, psi: theta + 0 * psi, lambda theta, psi: 2 * psi + 0 * theta)
    assert games.jacobian(game, torch.zeros(2)).tolist() == [[0, 0], [0, 0]]


def test_it_works_where_gradients_are_off():
    with torch.no_grad():
        path = games.simultaneous(games.dirac_gan(), torch.tensor([1.0, 0.0]), lr=0.5, steps=1)
        jacobian = games.jacobian(games.dirac_gan(), torch.tensor([1.0, 0.0]))
    assert path.tolist() == [[1, 0], [1, -0.5]]
    assert jacobian.tolist() == [[0, 1], [-1, 0]]


def test_the_average_starts_at_the_start():
    path = torch.tensor([[1.0, 0.0], [3.0, 2.0]])
    assert games.averaged(path, 0.75).tolist() == [[1, 0], [1.5, 0.5]]


def test_errors():
    with pytest.raises(ValueError, match="choose one of"):
        games.dirac_gan("hinge")
    with pytest.raises(ValueError, match="0 or more"):
        games.dirac_gan(gamma=-1)
    with pytest.raises(ValueError, match="0 or more"):
        games.dirac_gan(gradient_weight=-1)
    with pytest.raises(ValueError, match="floats"):
        games.field(games.dirac_gan(), torch.zeros(3))
    with pytest.raises(ValueError, match="floats"):
        games.field(games.dirac_gan(), torch.zeros(2, dtype=torch.int64))
    with pytest.raises(ValueError, match="one state"):
        games.jacobian(games.dirac_gan(), torch.zeros(4, 2))
    with pytest.raises(ValueError, match="decay"):
        games.averaged(torch.zeros(3, 2), 1.0)
