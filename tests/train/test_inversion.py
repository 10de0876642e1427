"""Training of an inverse encoder: by hand, resumed, and what it refuses."""

import copy
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from course_lib.data.augment import stream_seed
from course_lib.models import VAE, CodeGenerator, DCGANGenerator, InverseEncoder
from course_lib.train import InversionConfig, train_inverse
from tests.train.small_sets import same
from tests.train.tiny_game import SIZE

QUIET = {"device": "cpu", "progress": False}


def generator(seed: int = 0) -> nn.Module:
    """A decoder whose pictures differ."""
    torch.manual_seed(seed)
    decoder = VAE(latent_dim=3, in_channels=1, size=SIZE, width=4).decoder.train()
    for part in decoder.parameters():
        nn.init.normal_(part, 0.0, 0.3)
    return decoder


def encoder() -> InverseEncoder:
    torch.manual_seed(1)
    return InverseEncoder(latent_dim=3, in_channels=1, size=SIZE, width=4)


def test_it_learns_and_the_generator_stays(tmp_path: Path) -> None:
    made, first, second = generator(), encoder(), encoder()
    before = copy.deepcopy(made)
    config = InversionConfig(steps=100, batch_size=16, lr=3e-3, log_every=5)
    history = train_inverse(first, made, config=config, out_dir=tmp_path, **QUIET)
    assert history.column("codes")[-1] < history.column("codes")[0]
    assert same(made, before)
    assert made.training and all(p.requires_grad for p in made.parameters())
    assert all(p.grad is None for p in made.parameters())
    train_inverse(second, made, config=config, **QUIET)
    assert same(first, second)


@pytest.mark.parametrize("weight", [0.0, 4.0])
def test_the_steps_by_hand(monkeypatch: pytest.MonkeyPatch, weight: float) -> None:
    """Plain descent on the difference of codes plus the weighted one of pictures."""
    monkeypatch.setattr(
        "course_lib.train.inversion.make_adam",
        lambda model, lr, betas: torch.optim.SGD(model.parameters(), lr=lr),
    )
    made, ours, twin = generator().eval(), encoder(), encoder()
    config = InversionConfig(steps=4, batch_size=5, lr=0.1, picture_weight=weight, log_every=1)
    history = train_inverse(ours, made, config=config, **QUIET)
    for step in range(4):
        torch.manual_seed(stream_seed(0, 0, step, 0))
        z = torch.randn(5, 3)
        images = made(z).detach()
        named = twin(images)
        codes, pictures = (named - z).square().mean(), (made(named) - images).square().mean()
        assert history.column("codes")[step] == pytest.approx(codes.item(), rel=1e-4)
        assert history.column("pictures")[step] == pytest.approx(pictures.item(), rel=1e-4)
        weights = list(twin.parameters())
        slopes = torch.autograd.grad(codes + weight * pictures, weights)
        with torch.no_grad():
            for p, g in zip(weights, slopes, strict=True):
                p -= 0.1 * g
    for a, b in zip(ours.parameters(), twin.parameters(), strict=True):
        assert torch.allclose(a, b, rtol=1e-4, atol=1e-6)


def test_it_goes_on_with_its_own_generator_only(tmp_path: Path) -> None:
    """Another one is refused, and stays what it is."""
    config = InversionConfig(steps=3, batch_size=4)
    train_inverse(encoder(), generator(), config=config, out_dir=tmp_path, **QUIET)
    other = generator(seed=2)
    before = copy.deepcopy(other)
    with pytest.raises(ValueError, match="another run: weights of the generator"):
        train_inverse(encoder(), other, config=config, out_dir=tmp_path, **QUIET)
    assert same(other, before) and other.training
    train_inverse(encoder(), generator(), config=config, out_dir=tmp_path, **QUIET)


class Breaks(nn.Module):
    """A generator that fails at its third call, and has a part in eval mode."""

    latent_dim, calls = 3, 0

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.still = nn.Linear(3, SIZE * SIZE), nn.Identity().eval()

    def forward(self, z: Tensor) -> Tensor:
        self.calls += 1
        if self.calls > 2:
            raise RuntimeError("out of memory")
        return self.layer(z).view(-1, 1, SIZE, SIZE)


def test_after_an_error_the_generator_is_as_it_was() -> None:
    made = Breaks()
    with pytest.raises(RuntimeError, match="out of memory"):
        train_inverse(encoder(), made, config=InversionConfig(steps=3, batch_size=4), **QUIET)
    assert made.training and made.layer.training and not made.still.training


def test_what_has_no_way_back_is_refused() -> None:
    config = InversionConfig(steps=1, batch_size=4)
    with pytest.raises(ValueError, match="the same latent_dim"):
        train_inverse(InverseEncoder(latent_dim=9, size=SIZE), generator(), config=config, **QUIET)
    drawn = CodeGenerator(
        codes={"size": SIZE, "in_channels": 1, "width": 4, "dim": 2, "num_codes": 4, "halvings": 1},
        prior={"width": 4, "layers": 1, "heads": 1},
    )
    told = InverseEncoder(latent_dim=drawn.latent_dim, in_channels=1, size=SIZE, width=4)
    with pytest.raises(ValueError, match="pictures of a CodeGenerator have no gradient"):
        train_inverse(told, drawn, config=config, **QUIET)


def test_the_generator_is_asked_in_eval_mode() -> None:
    """In training mode its batch norms would follow what it is asked."""
    torch.manual_seed(0)
    made = DCGANGenerator(latent_dim=3, out_channels=1, width=4, size=SIZE).train()
    before = copy.deepcopy(made)
    train_inverse(encoder(), made, config=InversionConfig(steps=2, batch_size=4), **QUIET)
    assert same(made, before) and made.training
