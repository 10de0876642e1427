"""What a call does to its arguments: told as data by one side, done again by the other."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .remote import Borrowed


def apply_changes(given: Any, after: Any) -> None:
    """Write what the other side made of the arguments into the caller's own."""
    if isinstance(given, Tensor):
        if not isinstance(after, Tensor):
            return
        if given.grad_fn is not None and not after.requires_grad and torch.is_grad_enabled():
            given.detach_()
        with torch.no_grad():
            if given.shape != after.shape and given.dtype == after.dtype:
                given.data = after.detach()
            elif given.dtype == after.dtype and not same(given, after):
                given.copy_(after)
    elif isinstance(given, list) and isinstance(after, list):
        if len(given) == len(after):
            for index, (old, new) in enumerate(zip(given, after, strict=True)):
                if _scalar(old) and _scalar(new):
                    given[index] = new
                else:
                    apply_changes(old, new)
        else:
            given[:] = after
    elif isinstance(given, tuple) and isinstance(after, tuple):
        for old, new in zip(given, after, strict=False):
            apply_changes(old, new)
    elif isinstance(given, dict) and isinstance(after, dict):
        if given.keys() != after.keys():
            given.clear()
            given.update(after)
        for key, old in given.items():
            if _scalar(old) and _scalar(after[key]):
                given[key] = after[key]
            else:
                apply_changes(old, after[key])
    elif isinstance(given, nn.Module) and isinstance(after, dict):
        _load(given, after)
    elif isinstance(given, np.ndarray) and isinstance(after, np.ndarray):
        fits = given.shape == after.shape and given.dtype == after.dtype
        given[...] = after if fits else given


def unleaved(value: Any) -> Any:
    """The same, with a copy in the place of each leaf: a copy can be changed in place."""
    if isinstance(value, Tensor):
        return value.clone() if value.requires_grad and value.is_leaf else value
    if type(value) in (list, tuple):
        return type(value)(unleaved(item) for item in value)
    if type(value) is dict:
        return {key: unleaved(item) for key, item in value.items()}
    return value


def states(value: Any) -> Any:
    """The arguments as they are now: of a borrowed network its state."""
    if isinstance(value, Borrowed):
        return {
            "parameters": {
                name: (p.detach(), p.grad, bool(p.requires_grad))
                for name, p in value.named_parameters()
            },
            "buffers": {name: b.detach() for name, b in value.named_buffers()},
            "modes": [bool(layer.training) for layer in value.modules()],
        }
    if type(value) in (list, tuple):
        return type(value)(states(item) for item in value)
    if type(value) is dict:
        return {key: states(item) for key, item in value.items()}
    return None if callable(value) else value


def _load(module: nn.Module, state: dict[str, Any]) -> None:
    """Give a network the state that `states` made of its borrowed twin."""
    parameters, buffers = dict(module.named_parameters()), dict(module.named_buffers())
    with torch.no_grad():
        for name, (value, gradient, needs) in state.get("parameters", {}).items():
            own = parameters.get(name)
            if own is None or not isinstance(value, Tensor) or not _fits(own, value):
                continue
            if not same(own, value):
                own.copy_(value)
            fits = isinstance(gradient, Tensor) and _fits(own, gradient)
            own.grad = gradient.detach().clone() if fits else None
            if own.is_floating_point():
                own.requires_grad_(needs is True)
        for name, value in state.get("buffers", {}).items():
            stored = buffers.get(name)
            if stored is None or not isinstance(value, Tensor) or not _fits(stored, value):
                continue
            if not same(stored, value):
                stored.copy_(value)
    layers, modes = list(module.modules()), state.get("modes")
    if isinstance(modes, list) and len(modes) == len(layers):
        for layer, mode in zip(layers, modes, strict=True):
            layer.training = mode is True


def _fits(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and a.dtype == b.dtype


def same(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors hold the same numbers; NaN is NaN."""
    a, b = a.detach(), b.detach()
    return bool(((a == b) | ((a != a) & (b != b))).all())


def _scalar(value: Any) -> bool:
    return value is None or type(value) in (bool, int, float, str, complex)


def swapped(value: Any, new: dict[int, Tensor]) -> Any:
    """The same, with other tensors in the place of some."""
    if isinstance(value, Tensor):
        return new.get(id(value), value)
    if type(value) in (list, tuple):
        return type(value)(swapped(item, new) for item in value)
    if type(value) is dict:
        return {key: swapped(item, new) for key, item in value.items()}
    return value
