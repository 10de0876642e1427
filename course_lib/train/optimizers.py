"""Optimisers and learning-rate schedules, made from a configuration."""

from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LRScheduler, OneCycleLR

from course_lib.train.config import TrainConfig


def make_adam(model: nn.Module, lr: float, betas: tuple[float, float]) -> torch.optim.Optimizer:
    """Return Adam for the weights that learn."""
    return torch.optim.Adam(_learning(model), lr=lr, betas=betas, fused=_fused(model))


def make_optimizer(model: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    """Return the configured optimiser for the weights that learn."""
    parameters = _learning(model)
    common: dict[str, Any] = {"lr": config.lr, "weight_decay": config.weight_decay}
    common["fused"] = _fused(model)
    if config.optimizer == "sgd":
        return torch.optim.SGD(parameters, momentum=0.9, nesterov=True, **common)
    if config.optimizer == "adamw":
        return torch.optim.AdamW(parameters, **common)
    return torch.optim.Adam(parameters, **common)


def make_schedule(
    optimizer: torch.optim.Optimizer, config: TrainConfig, *, updates: int
) -> LRScheduler:
    """Return the configured learning-rate schedule, stepped once for each of the updates."""
    if config.schedule == "one-cycle":
        return OneCycleLR(optimizer, max_lr=config.lr, total_steps=updates + 1)
    if config.schedule == "cosine":
        return CosineAnnealingLR(optimizer, T_max=updates)
    return LambdaLR(optimizer, lambda _: 1.0)


def _learning(model: nn.Module) -> list[nn.Parameter]:
    return [p for p in model.parameters() if p.requires_grad]


def _fused(model: nn.Module) -> bool:
    """Tell whether there is one kernel that updates all weights."""
    parameters = _learning(model)
    return bool(parameters) and all(p.device.type in ("cpu", "cuda") for p in parameters)
