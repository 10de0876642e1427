"""Samples are the first of a seed, the same in any batch, and leave the generator as it was."""

import pytest
import torch
from torch import Tensor, nn

from course_lib.models import DCGANGenerator, StyleGANGenerator
from course_lib.train import draw_codes, draw_samples


def generator(num_classes: int = 0) -> DCGANGenerator:
    torch.manual_seed(0)
    return DCGANGenerator(
        width=4, size=(8, 16), latent_dim=5, out_channels=1, num_classes=num_classes
    )


def test_a_longer_sheet_begins_with_the_shorter_one() -> None:
    model = generator()
    long = draw_samples(model, 7, seed=3)
    assert long.shape == (7, 1, 8, 16) and long.dtype == torch.uint8
    assert torch.equal(draw_samples(model, 4, seed=3), long[:4])
    close = draw_samples(model, 7, seed=3, batch_size=2).int() - long.int()
    assert close.abs().max() <= 1  # another batch may round otherwise
    assert not torch.equal(draw_samples(model, 7, seed=4), long)


def test_codes_are_standard_normal_and_each_depends_on_its_number_alone() -> None:
    codes = draw_codes(4000, 8, seed=1)
    assert torch.equal(draw_codes(5, 8, seed=1), codes[:5])
    torch.testing.assert_close(codes.mean(0), torch.zeros(8), atol=0.07, rtol=0)
    torch.testing.assert_close(codes.T.cov(), torch.eye(8), atol=0.1, rtol=0)


def test_mode_and_random_state_stay_as_they_were() -> None:
    model = StyleGANGenerator(size=8, latent_dim=4, style_dim=4, channels=(8, 8)).train()
    torch.manual_seed(5)
    expected = torch.randn(3)
    torch.manual_seed(5)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    first = draw_samples(model, 3)
    assert torch.equal(torch.randn(3), expected)
    assert model.training
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert torch.equal(draw_samples(model, 3), first)


def test_classes_are_asked_for_in_turn_or_as_told() -> None:
    class Says(nn.Module):
        latent_dim, num_classes = 2, 3

        def forward(self, z: Tensor, labels: Tensor) -> Tensor:
            return labels[:, None, None, None].expand(-1, 1, 2, 2) - 1.0  # -1, 0 or 1

    shown = draw_samples(Says(), 5)[:, 0, 0, 0].tolist()
    assert shown == [0, 128, 255, 0, 128]
    assert draw_samples(Says(), 2, labels=2)[:, 0, 0, 0].tolist() == [255, 255]
    told = draw_samples(Says(), 2, labels=torch.tensor([2, 0]))[:, 0, 0, 0].tolist()
    assert told == [255, 0]
    with pytest.raises(ValueError, match=r"labels have shape \(3,\), wanted \(2,\)"):
        draw_samples(Says(), 2, labels=torch.tensor([0, 1, 2]))
    for wrong in (3, -1, torch.tensor([0, 7])):
        with pytest.raises(ValueError, match="knows 3 classes, 0 to 2"):
            draw_samples(Says(), 2, labels=wrong)


def test_values_outside_the_range_are_clipped() -> None:
    class Loud(nn.Module):
        latent_dim = 1

        def forward(self, z: Tensor) -> Tensor:
            return torch.tensor([-3.0, 3.0]).expand(len(z), 1, 1, 2)

    assert draw_samples(Loud(), 1).flatten().tolist() == [0, 255]


def test_no_samples_is_an_error() -> None:
    with pytest.raises(ValueError, match="num is 0"):
        draw_samples(generator(), 0)
    with pytest.raises(ValueError, match="batch_size 0"):
        draw_samples(generator(), 2, batch_size=0)


def test_a_generator_that_has_diverged_is_no_black_picture() -> None:
    broken = generator()
    next(broken.parameters()).data.fill_(torch.nan)
    with pytest.raises(ValueError, match="DCGANGenerator draws images that hold NaN"):
        draw_samples(broken, 2)
    assert broken.training  # put back, also after an error


def test_the_device_may_be_found_and_labels_may_be_bytes() -> None:
    assert draw_samples(generator(), 2, device="auto").device.type == "cpu"
    labels = torch.tensor([2, 0])
    told = draw_samples(generator(3), 2, labels=labels.to(torch.uint8))
    assert torch.equal(told, draw_samples(generator(3), 2, labels=labels))


def test_no_other_device_is_seeded(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch.manual_seed seeds every GPU, where nothing puts the state back."""
    seeded: list[int] = []
    monkeypatch.setattr(torch, "manual_seed", seeded.append)
    draw_samples(StyleGANGenerator(size=8, channels=(4, 4)), 3)
    assert seeded == []


def test_each_part_has_its_own_mode_back() -> None:
    """A part that is to stay in eval mode, in a generator that is being trained."""
    generator = DCGANGenerator(latent_dim=6, out_channels=1, width=4, size=8).train()
    still = next(part for part in generator.modules() if not list(part.children()))
    still.eval()
    draw_samples(generator, 3)
    assert generator.training and not still.training
