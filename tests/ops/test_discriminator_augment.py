"""Augmenting what the discriminator sees: each image by itself, as often as asked, adaptively."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import course_lib.ops.discriminator_augment as module
from course_lib.models import StyleGANDiscriminator, StyleGANGenerator
from course_lib.ops.discriminator_augment import DiscriminatorAugment


def images(batch: int = 64, size: tuple[int, int] = (12, 16), channels: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return 2 * torch.rand(batch, channels, *size, generator=generator) - 1


def only(monkeypatch: pytest.MonkeyPatch, *kept: str) -> None:
    """Give every distortion but those kept the strength 0."""
    for name in ("SHIFT", "FINE_SHIFT", "ZOOM", "DEGREES", "BRIGHTNESS", "CONTRAST", "CUTOUT"):
        if name not in kept:
            monkeypatch.setattr(module, name, 0.0)


def test_without_probability_images_stay_as_they_are() -> None:
    x = images()
    torch.testing.assert_close(DiscriminatorAugment(flip=True)(x), x, rtol=0, atol=1e-5)


def test_the_share_of_changed_images_follows_the_probability() -> None:
    x = images(2000, (8, 8), 1)
    for p in (0.1, 0.3, 1.0):
        torch.manual_seed(1)
        changed = ((DiscriminatorAugment(p)(x) - x).abs().amax((1, 2, 3)) > 1e-3).float().mean()
        # six draws matter: shift, fine shift, zoom, rotation, brightness, contrast; and the square
        expected = 1 - (1 - p) ** 7
        assert float(changed) == pytest.approx(expected, abs=0.04)


@pytest.mark.parametrize("size", [(8, 8), (9, 14)])
def test_mirroring_happens_to_half_of_those_drawn_and_only_if_allowed(
    monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    only(monkeypatch)
    x = images(1000, size, 1)
    torch.manual_seed(0)
    y = DiscriminatorAugment(0.8, flip=True)(x)
    mirrored = (y - x.flip(-1)).abs().amax((1, 2, 3)) < 1e-4
    same = (y - x).abs().amax((1, 2, 3)) < 1e-4
    assert bool((mirrored ^ same).all())
    assert float(mirrored.float().mean()) == pytest.approx(0.4, abs=0.05)
    torch.testing.assert_close(DiscriminatorAugment(1.0)(x), x, rtol=0, atol=1e-4)


def test_whole_shifts_move_pixels_without_interpolation(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, "SHIFT")
    x = images(200, (16, 24), 1)
    torch.manual_seed(0)
    y = DiscriminatorAugment(1.0)(x)
    found = set()
    for before, after in zip(x[:, 0], y[:, 0], strict=True):
        matches = []
        for down in range(-2, 3):
            for across in range(-3, 4):
                source = before[4 + down : 12 + down, 6 + across : 18 + across]
                if (after[4:12, 6:18] - source).abs().max() < 1e-3:
                    matches.append((down, across))
        assert len(matches) == 1
        found.add(matches[0])
    assert {down for down, _ in found} == {-2, -1, 0, 1, 2}
    assert {across for _, across in found} == {-3, -2, -1, 0, 1, 2, 3}


def test_rotating_and_zooming_keep_the_middle_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, "DEGREES", "ZOOM")
    rows, columns = torch.meshgrid(torch.arange(33.0), torch.arange(33.0), indexing="ij")
    distance = ((rows - 16) ** 2 + (columns - 16) ** 2).sqrt()
    disc = (distance < 6).float()[None, None].expand(100, -1, -1, -1)
    torch.manual_seed(0)
    y = DiscriminatorAugment(1.0)(disc)
    mass = y.sum((1, 2, 3))
    centre = (y * rows).sum((1, 2, 3)) / mass, (y * columns).sum((1, 2, 3)) / mass
    for axis in centre:
        torch.testing.assert_close(axis, torch.full((100,), 16.0), rtol=0, atol=0.1)
    zoom = (mass / disc[0].sum()).log2() / 2  # areas grow with the square
    assert float(zoom.std()) == pytest.approx(module.ZOOM, rel=0.2)
    ramp = (columns - 16)[None, None].expand(500, -1, -1, -1) / 16
    monkeypatch.setattr(module, "ZOOM", 0.0)
    turned = DiscriminatorAugment(1.0)(ramp)[:, 0, 12:21, 12:21]
    slope = torch.atan2(turned.diff(dim=1).mean((1, 2)), turned.diff(dim=2).mean((1, 2)))
    assert float(slope.abs().rad2deg().max()) == pytest.approx(module.DEGREES, rel=0.05)


def test_colour_is_added_and_multiplied(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, "BRIGHTNESS", "CONTRAST")
    x = images(2000, (8, 8), 1)
    torch.manual_seed(0)
    y = DiscriminatorAugment(1.0)(x)
    gain = y.std((1, 2, 3)) / x.std((1, 2, 3))
    offset = y.mean((1, 2, 3)) - gain * x.mean((1, 2, 3))
    torch.testing.assert_close(
        y, x * gain[:, None, None, None] + offset[:, None, None, None], rtol=0, atol=1e-4
    )
    assert float(gain.log2().std()) == pytest.approx(module.CONTRAST, rel=0.1)
    assert float(offset.std()) == pytest.approx(module.BRIGHTNESS, rel=0.1)


def test_the_square_is_grey_and_its_place_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, "CUTOUT")
    x = torch.ones(500, 2, 16, 16)
    torch.manual_seed(0)
    y = DiscriminatorAugment(1.0)(x)
    hidden = y[:, 0] < 0.5
    assert bool((y[hidden[:, None].expand_as(y)] == 0).all())
    assert hidden.sum((1, 2)).max() == 64  # half of each side
    assert hidden.any(0).all() and not hidden.all(0).any()
    rows, columns = hidden.any(2), hidden.any(1)
    torch.testing.assert_close(hidden, rows[:, :, None] & columns[:, None, :])


def test_gradients_reach_the_images_and_the_draws_follow_the_seed() -> None:
    x = images(8).requires_grad_()
    augment = DiscriminatorAugment(0.7, flip=True)
    torch.manual_seed(3)
    y = augment(x)
    (grad,) = torch.autograd.grad(y.square().sum(), x)
    assert grad.isfinite().all() and bool((grad.abs().sum((1, 2, 3)) > 0).all())
    torch.manual_seed(3)
    assert torch.equal(augment(x), y)
    assert not torch.equal(augment(x), y)
    assert augment(x.half()).dtype == torch.float16


class Operations(TorchDispatchMode):
    """Notes the names of all operations."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.add(func.__name__)
        return func(*args, **(kwargs or {}))


def test_nothing_makes_the_program_wait_for_a_gpu() -> None:
    """Neither a list that is copied to it nor a number that is read from it."""
    waits = {"lift_fresh.default", "_local_scalar_dense.default"}
    with Operations() as seen:
        torch.tensor([1.0, 2.0]).sum().item()
    assert waits <= seen.names
    augment = DiscriminatorAugment(0.5, target=0.6, flip=True)
    x, z = images(), torch.randn(4, 6)
    players = (
        StyleGANGenerator(latent_dim=6, style_dim=8, channels=4, size=16),
        StyleGANDiscriminator(channels=4, size=16),
    )
    with Operations() as seen:
        augment.adjust(augment(x).mean((1, 2, 3)))
    assert "grid_sampler_2d.default" in seen.names and not waits & seen.names
    with Operations() as seen:
        made = players[0](z)
    assert not waits & seen.names
    with Operations() as seen:
        players[1](made)
    # one_hot reads a number on a CPU, to check it, and does not on a GPU.
    assert waits & seen.names <= {"_local_scalar_dense.default"}


def test_each_image_is_distorted_by_itself() -> None:
    x = images(1).expand(16, -1, -1, -1)
    y = DiscriminatorAugment(1.0)(x)
    assert len({tuple(row.tolist()) for row in y.flatten(1)}) == 16


def run(augment: DiscriminatorAugment, sign: float, turns: int, batch: int = 10) -> float:
    for _ in range(turns):
        augment.adjust(torch.full((batch,), sign))
    return float(augment.p)


def test_the_probability_rises_and_falls_in_units_of_images() -> None:
    augment = DiscriminatorAugment(target=0.6, ramp_images=1000, every=4)
    assert run(augment, 3.0, 3) == 0  # three readings are not yet four
    assert run(augment, 3.0, 1) == pytest.approx(40 / 1000)
    assert run(augment, 3.0, 96) == pytest.approx(1)
    assert run(augment, 3.0, 8) == 1  # no further
    assert run(augment, -3.0, 4) == pytest.approx(1 - 40 / 1000)
    assert run(augment, -0.1, 200) == 0
    half = torch.tensor([1.0] * 8 + [-1.0] * 2)  # mean sign 0.6: on target
    for _ in range(8):
        augment.adjust(half)
    assert float(augment.p) == 0


def test_readings_weigh_as_many_images_as_they_stand_for() -> None:
    augment = DiscriminatorAugment(0.5, target=0.0, ramp_images=1000, every=2)
    augment.adjust(torch.ones(4), num_images=30)
    augment.adjust(-torch.ones(4), num_images=10)  # mean sign (30 - 10) / 40
    assert float(augment.p) == pytest.approx(0.54)


def test_without_a_target_the_probability_stays() -> None:
    assert run(DiscriminatorAugment(0.25), 5.0, 50) == 0.25


def test_the_state_is_saved_with_what_was_counted() -> None:
    first = DiscriminatorAugment(target=0.6, ramp_images=1000)
    run(first, 1.0, 6)
    second = DiscriminatorAugment(target=0.6, ramp_images=1000)
    second.load_state_dict(first.state_dict())
    assert run(first, 1.0, 2) == run(second, 1.0, 2) == pytest.approx(0.08)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DiscriminatorAugment(1.2), "probability"),
        (lambda: DiscriminatorAugment(target=2.0), "-1 to 1"),
        (lambda: DiscriminatorAugment(ramp_images=0), "at least 1"),
        (lambda: DiscriminatorAugment()(torch.zeros(3, 8, 8)), r"\(B, C, H, W\)"),
        (lambda: DiscriminatorAugment()(torch.zeros(1, 3, 8, 8).byte()), "floating-point"),
    ],
)
def test_bad_arguments_are_named_with_their_cure(make: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()  # type: ignore[operator]
