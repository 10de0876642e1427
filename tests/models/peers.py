"""What the tests of all models share: weights as after a training, and what every model must do."""

import torch
from torch import Tensor, nn


def unsettle(net: nn.Module) -> nn.Module:
    """Give every normalisation statistics and weights of its own, as training would; eval mode."""
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.normal_(0, 0.1)
            layer.running_var.uniform_(0.5, 1.5)
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.normal_(layer.bias, 0, 0.1)
    return net.eval()


def shuffled(model: nn.Module) -> nn.Module:
    """Give every weight and every running statistic a value of its own; in eval mode."""
    generator = torch.Generator().manual_seed(3)
    for name, value in model.state_dict().items():
        if value.is_floating_point() and name.split(".")[-1] not in ("mean", "std"):
            noise = torch.randn(value.shape, generator=generator)
            value.copy_(value + 0.05 * noise.abs() if "var" in name else value + 0.05 * noise)
    return model.eval()


def relative_error(ours: Tensor, theirs: Tensor) -> float:
    """The largest difference, as a share of the largest value."""
    return float((ours - theirs).abs().max() / theirs.abs().max())


def count(model: nn.Module) -> int:
    """The number of weights."""
    return sum(p.numel() for p in model.parameters())


def check_gradients(*models: nn.Module) -> None:
    """After a backward pass: every weight has a finite gradient that is not zero."""
    for model in models:
        for key, parameter in model.named_parameters():
            assert parameter.grad is not None, key
            assert parameter.grad.isfinite().all(), key
            assert parameter.grad.abs().sum() > 0, key


@torch.no_grad()
def check_state_dict(first: nn.Module, second: nn.Module, x: Tensor) -> None:
    """Two models answer differently, and equally once one has the other's weights."""
    first.eval(), second.eval()
    assert not torch.allclose(first(x), second(x))
    second.load_state_dict(first.state_dict())
    assert torch.equal(first(x), second(x))
