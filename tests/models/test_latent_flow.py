"""A flow on codes: there and back, the scale of the codes, and what never learns."""

import pytest
import torch

from course_lib.models import VQVAE, LatentFlow, generator_of
from course_lib.train import draw_samples, load_checkpoint, save_checkpoint
from tests.models.test_flow import lively

CODES = {"in_channels": 2, "size": (18, 13), "width": 8, "dim": 4, "num_codes": 12}
UNET = {"widths": (8, 12), "patch": 1, "heads": 2, "num_classes": 3}
KINDS = {
    "unet": UNET,
    "transformer": {"width": 16, "layers": 2, "heads": 2, "patch": 2, "num_classes": 3},
}


def make(architecture: str = "unet", **given) -> LatentFlow:
    model = lively(
        LatentFlow(
            codes=CODES,
            network=KINDS[architecture],
            architecture=architecture,
            **{"steps": 3, **given},
        )
    )
    model.codes.quantiser.codebook.normal_()
    return model


@pytest.mark.parametrize("architecture", KINDS)
def test_shapes_at_odd_sizes_too(architecture: str, tmp_path) -> None:
    model = make(architecture, guidance=1.5)
    images = torch.rand(3, 2, 18, 13) * 2 - 1
    assert model.shape == (4, 5, 4) and model.latent_dim == 80
    assert model.encode(images).shape == (3, 4, 5, 4)
    assert model.decode(torch.randn(3, 4, 5, 4)).shape == images.shape
    assert generator_of(model) is model
    sheet = draw_samples(model, 4)
    assert sheet.shape == (4, 2, 18, 13) and not torch.equal(sheet[0], sheet[1])
    arguments = {
        "codes": CODES,
        "network": KINDS[architecture],
        "architecture": architecture,
        "steps": 3,
        "guidance": 1.5,
    }
    card = {
        "arguments": arguments,
        "classes": ["a", "b", "c"],
        "task": "generation",
        "size": (18, 13),
        "data": "none",
    }
    save_checkpoint(tmp_path / "m.safetensors", model, card, half=False)
    again, _ = load_checkpoint(tmp_path / "m.safetensors")
    assert torch.equal(draw_samples(again, 4), sheet)


def test_there_and_back_is_what_the_autoencoder_does() -> None:
    """The scale goes out and in again, and the list of codes lies before the decoder."""
    model = make()
    images = torch.rand(40, 2, 18, 13) * 2 - 1
    model.measure(images)
    assert torch.allclose(
        model.decode(model.encode(images)), model.codes.reconstruct(images), atol=1e-4
    )
    # So small a step away from a code's own vector is forgotten.
    own = (model.codes.quantiser.codebook[:3, :, None, None].expand(3, 4, 5, 4) - model.mean) / (
        model.std
    )
    assert torch.allclose(model.decode(own + 1e-4), model.decode(own))


def test_codes_are_scaled_each_channel_by_itself() -> None:
    model = make()
    images = torch.rand(50, 2, 18, 13) * 2 - 1
    with torch.no_grad():
        vectors = model.codes.encoder(images)
    model.measure(images, batch_size=7)
    for channel in range(4):
        own = vectors[:, channel].double()
        assert model.mean[channel].item() == pytest.approx(own.mean().item(), abs=1e-5)
        assert model.std[channel].item() == pytest.approx(own.std().item(), rel=1e-5)
    scaled = model.encode(images)
    assert scaled.mean((0, 2, 3)).abs().max() < 1e-4
    assert (scaled.std((0, 2, 3)) - 1).abs().max() < 1e-4


def test_the_autoencoder_never_learns() -> None:
    model = make().train()
    assert model.network.training and not model.codes.training
    learning = {name.split(".")[0] for name, p in model.named_parameters() if p.requires_grad}
    assert learning == {"network"}
    before = model.codes.quantiser.codebook.clone()
    model.decode(model.encode(torch.rand(2, 2, 18, 13)))
    assert torch.equal(before, model.codes.quantiser.codebook)


def test_samples_on_the_way_are_codes() -> None:
    model = make()
    labels = torch.tensor([0, 2])
    seen: list[torch.Size] = []
    with torch.no_grad():
        z = torch.randn(2, *model.shape)
        end = model.follow(z, labels, seen=lambda x, t: seen.append(x.shape))
        assert torch.equal(model(z.flatten(1), labels), model.decode(end))
    assert set(seen) == {(2, 4, 5, 4)}


def test_what_does_not_fit_is_said() -> None:
    model = make()
    with pytest.raises(ValueError, match=r"Load the set with size=\(18, 13\)"):
        model.encode(torch.rand(2, 2, 13, 18))
    with pytest.raises(ValueError, match="4 of 4 channels of the codes do not vary over 8"):
        same = make()
        same.codes.encoder[-1].weight.data.zero_()
        same.measure(torch.rand(8, 2, 18, 13))
    with pytest.raises(ValueError, match=r"codes of shape \(B, 80\)"):
        model(torch.randn(2, 16))


def test_vectors_are_what_is_quantised() -> None:
    codes = lively(VQVAE(**CODES))
    codes.quantiser.codebook.normal_()
    images = torch.rand(2, 2, 18, 13) * 2 - 1
    assert torch.equal(codes.quantiser.codes(codes.vectors(images)), codes.encode(images))


def test_pictures_in_the_place_of_codes_are_told() -> None:
    model = make()
    pictures = torch.zeros(2, model.out_channels, *model.size)
    noise = torch.zeros(2, *model.shape)
    with pytest.raises(ValueError, match="which `encode` makes"):
        model.edit(pictures, start=0.5, noise=noise)
    with pytest.raises(ValueError, match="which `encode` makes"):
        model.inpaint(pictures, torch.ones(*model.size), noise=noise)
