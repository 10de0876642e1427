"""The transformer on patches: diffusers' block and positions, and what each part must do."""

import math

import pytest
import torch
from torch import nn

from course_lib.models import Flow, PatchTransformer
from course_lib.models.patch_transformer import ToldBlock, positions
from course_lib.models.time_unet import squares
from course_lib.train import draw_samples
from tests.models.test_flow import lively

SMALL = {"width": 16, "layers": 2, "heads": 2}
SHAPES = [(1, (8, 8), 1), (3, (33, 17), 4), (2, (9, 14), 2), (1, (13, 10), 5), (16, (8, 8), 2)]


@pytest.mark.parametrize(("channels", "size", "patch"), SHAPES)
@pytest.mark.parametrize("classes", [0, 4])
def test_shapes_at_odd_sizes_too(channels: int, size, patch: int, classes: int) -> None:
    given = {"in_channels": channels, "size": size, "num_classes": classes, "patch": patch}
    net = lively(PatchTransformer(**given, **SMALL))
    x, t = torch.randn(3, channels, *size), torch.rand(3)
    labels = torch.tensor([0, -1, 3]) if classes else None
    out = net.train()(x, t, labels)
    assert out.shape == x.shape
    out.square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())


@pytest.mark.parity
@pytest.mark.parametrize("grid", [(4, 4), (3, 5)])
def test_a_block_equals_that_of_diffusers(grid: tuple[int, int]) -> None:
    """BasicTransformerBlock, "ada_norm_zero", with our weights gives our answers."""
    from diffusers.models.attention import BasicTransformerBlock

    class Told(nn.Module):
        def forward(self, *_, **__):
            return told

    block = lively(ToldBlock(16, 2))
    peer = BasicTransformerBlock(
        16,
        2,
        8,
        activation_fn="gelu-approximate",
        num_embeds_ada_norm=1,
        attention_bias=True,
        norm_type="ada_norm_zero",
        norm_elementwise_affine=False,
        norm_eps=1e-6,
    )
    peer.norm1.emb = Told()
    query, key, value = block.attention.project.weight.chunk(3)
    bias = block.attention.project.bias.chunk(3)
    own = {
        "norm1.linear": block.modulate,
        "attn1.to_out.0": block.attention.out,
        "ff.net.0.proj": block.layers[0],
        "ff.net.2": block.layers[2],
    }
    state = {f"{k}.{n}": p for k, layer in own.items() for n, p in layer.named_parameters()}
    for name, weight, b in zip("qkv", (query, key, value), bias, strict=True):
        state |= {f"attn1.to_{name}.weight": weight, f"attn1.to_{name}.bias": b}
    peer.load_state_dict(state)
    x, told = torch.randn(3, grid[0] * grid[1], 16), torch.randn(3, 16)
    with torch.no_grad():
        ours = block(x, nn.functional.silu(told))
        theirs = peer(x, timestep=torch.zeros(3), class_labels=torch.zeros(3))
    assert (ours - x).abs().max() > 0.1
    assert torch.allclose(ours, theirs, atol=1e-4, rtol=1e-4)


@pytest.mark.parity
def test_positions_equal_those_of_diffusers() -> None:
    """There the column comes first, and the sines before the cosines."""
    from diffusers.models.embeddings import get_2d_sincos_pos_embed

    theirs = get_2d_sincos_pos_embed(24, 5, base_size=5).float()  # sin, cos of column, then of row
    parts = theirs.split(6, dim=1)
    wanted = torch.cat([parts[3], parts[2], parts[1], parts[0]], dim=1)
    assert torch.allclose(positions(5, 5, 24), wanted, atol=1e-6)


def test_positions_on_a_grid_that_is_not_square() -> None:
    ours = positions(3, 5, 16)
    assert ours.shape == (15, 16) and len(ours.unique(dim=0)) == 15
    for place in range(15):
        row, column = divmod(place, 5)
        for at, numbers in ((row, ours[place, :8]), (column, ours[place, 8:])):
            angle = [at / 10_000 ** (i / 4) for i in range(4)]
            wanted = [math.cos(a) for a in angle] + [math.sin(a) for a in angle]
            assert torch.allclose(numbers, torch.tensor(wanted), atol=1e-6)


def test_it_begins_by_answering_nothing_and_its_blocks_by_handing_on() -> None:
    net = PatchTransformer(size=8, num_classes=3, patch=2, **SMALL)
    x, t, labels = torch.randn(2, 1, 8, 8), torch.rand(2), torch.tensor([0, -1])
    assert not net(x, t, labels).any()
    places, told = torch.randn(2, 16, 16), net.embedding(t, labels)
    for block in net.blocks:
        assert torch.equal(block(places, told), places)


def test_every_picture_is_answered_by_itself() -> None:
    """And time and class reach the answer."""
    net = lively(PatchTransformer(size=8, num_classes=3, patch=2, **SMALL))
    x, t, labels = torch.randn(4, 1, 8, 8), torch.rand(4), torch.tensor([0, 1, 2, -1])
    together = net(x, t, labels)
    for i in range(4):
        alone = net(x[i : i + 1], t[i : i + 1], labels[i : i + 1])
        assert torch.allclose(alone[0], together[i], atol=1e-4)
    assert not torch.allclose(net(x, t / 2, labels), together, atol=1e-3)
    assert not torch.allclose(net(x, t, labels.roll(1)), together, atol=1e-3)


def test_without_positions_it_could_not_tell_places_apart() -> None:
    """Squares in another order give the answers in that order: the positions are what tells."""
    net = lively(PatchTransformer(size=(8, 12), patch=4, **SMALL))
    x, t = torch.randn(2, 1, 8, 12), torch.rand(2)
    swapped = torch.cat([x[..., 4:8], x[..., :4], x[..., 8:]], dim=3)

    def back(y: torch.Tensor) -> torch.Tensor:
        return torch.cat([y[..., 4:8], y[..., :4], y[..., 8:]], dim=3)

    assert not torch.allclose(back(net(swapped, t)), net(x, t), atol=1e-3)
    net.positions.zero_()
    assert torch.allclose(back(net(swapped, t)), net(x, t), atol=1e-4)


def test_squares_are_read_row_by_row_and_put_back() -> None:
    x = torch.arange(2 * 24.0).view(1, 2, 4, 6)
    cut = squares(x, 2)  # (1, 8, 2, 3)
    assert torch.equal(cut[0, :4, 1, 2], x[0, 0, 2:, 4:].flatten())
    assert torch.equal(cut[0, 4:, 0, 1], x[0, 1, :2, 2:4].flatten())
    assert torch.equal(squares(x[..., :5], 2)[0, 1, :, 2], x[0, 0, ::2, 4])  # repeated


def test_a_flow_can_hold_it() -> None:
    network = {"in_channels": 1, "size": (9, 6), "num_classes": 3, "patch": 2, **SMALL}
    model = lively(Flow(network=network, architecture="transformer", steps=3, guidance=1.5))
    assert isinstance(model.network, PatchTransformer)
    assert draw_samples(model, 5).shape == (5, 1, 9, 6)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"width": 18, "heads": 3}, "it must be a multiple of 4, .* Try 24"),
        ({"width": 20, "heads": 3}, "of the 3 heads. Try 24"),
        ({"patch": 0}, "patch 0; each must be at least 1"),
        ({"layers": 0}, "layers 0"),
    ],
)
def test_what_cannot_be_built_is_said(given, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        PatchTransformer(size=8, **{**SMALL, **given})


def test_what_cannot_be_answered_is_said() -> None:
    net = PatchTransformer(size=8, num_classes=3, patch=2, **SMALL)
    x, t, labels = torch.randn(2, 1, 8, 8), torch.rand(2), torch.tensor([0, 1])
    for arguments, said in (
        ((x[..., :6], t, labels), r"wanted \(B, 1, 8, 8\)"),
        ((x, t[:1], labels), r"shape \(2,\)"),
        ((x, t, None), "This model has 3 classes"),
        ((x, t, labels.float()), "wanted whole numbers"),
    ):
        with pytest.raises(ValueError, match=said):
            net(*arguments)
    with pytest.raises(ValueError, match="choose one of unet, transformer"):
        Flow(network={}, architecture="resnet")
