"""An exponential moving average of a model's weights.

theta_ema <- decay * theta_ema + (1 - decay) * theta, after each update. Source: Polyak and
Juditsky, "Acceleration of stochastic approximation by averaging", 1992; the exponential form as in
arXiv:1706.02677 and most generative models since.

``torch.optim.swa_utils.AveragedModel`` computes the same, but asks the device for a number in every
step and so makes the program wait for it.
"""

import copy
from typing import cast

import torch
from torch import Tensor, nn


class EMA:
    """Keep a smoothed copy of a model, `EMA.model`, to be evaluated and shipped.

    Args:
        model: the model in training; parameters and floating-point buffers are followed.
        decay: how much of the old average stays in an update. In the first updates a smaller decay,
            (1 + n) / (10 + n), lets the average forget the initial weights.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self.model = copy.deepcopy(model).eval().requires_grad_(False)

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Move the average towards the model's present weights."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        average, current = _floats(self.model), _floats(model)
        torch._foreach_lerp_(average, current, 1 - decay)

    def state_dict(self) -> dict[str, object]:
        """Return what `load_state_dict` needs to go on exactly."""
        return {"updates": self.updates, "model": self.model.state_dict()}

    def load_state_dict(self, state: dict[str, object]) -> None:
        """Take over a stored average."""
        self.updates = cast(int, state["updates"])
        self.model.load_state_dict(cast(dict[str, Tensor], state["model"]))


def _floats(model: nn.Module) -> list[Tensor]:
    buffers = (b for b in model.buffers() if b.is_floating_point())
    return [p.detach() for p in model.parameters()] + list(buffers)
