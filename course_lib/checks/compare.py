"""Compares what a learner's function gives with what is wanted, in words for learners."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

Probe = Callable[[Any, tuple], Any]  # what is compared: probe(function, arguments)


def call(function: Any, arguments: tuple) -> Any:
    """The probe of most exercises: the returned value."""
    return function(*arguments)


def whole_numbers(function: Any, arguments: tuple) -> Any:
    """The probe where integers are wanted: a float tensor with the same numbers is not right.

    Raises:
        AssertionError: The result is a tensor of another kind.
    """
    got = function(*arguments)
    if isinstance(got, Tensor):
        _assert_integers(got, "the result")
    return got


def _assert_integers(value: Tensor, what: str) -> None:
    if value.is_floating_point() or value.is_complex() or value.dtype == torch.bool:
        raise AssertionError(f"{what} has dtype {value.dtype}, wanted integers: torch.int64, say")


def one_number(function: Any, arguments: tuple) -> Any:
    """The probe where "a tensor with one number" is wanted: the shapes () and (1,) are both one."""
    got = function(*arguments)
    return got.reshape(()) if isinstance(got, Tensor) and got.numel() == 1 else got


def number(value: Any) -> Any:
    """Return a tensor's or an array's only number as Python's; anything else as it is."""
    if isinstance(value, Tensor | np.ndarray | np.generic) and math.prod(value.shape) == 1:
        return value.item()
    return value


def gradient_at(place: int) -> Probe:
    """Make a probe that gives the gradient of the result at one argument, a tensor or a module.

    Args:
        place: Position of the argument.

    Returns:
        The probe. It gives the gradient, or for a module a list of its parameters' gradients, and
        raises AssertionError if there is none.
    """

    def probe(function: Any, arguments: tuple) -> Any:
        inputs = list(arguments)
        module = inputs[place] if isinstance(inputs[place], nn.Module) else None
        if module is None:
            inputs[place] = inputs[place].detach().clone().requires_grad_()
        value = function(*inputs)
        if not isinstance(value, Tensor):
            raise AssertionError(f"the result is a {type(value).__name__}, wanted a torch.Tensor")
        if not value.requires_grad:
            raise AssertionError(
                "the result has no gradient: somewhere the graph was cut (detach, no_grad, "
                ".item(), argmax, torch.tensor, a create_graph forgotten)"
            )
        wanted = list(function.given[place].parameters()) if module else [inputs[place]]
        weights = torch.linspace(1, 2, value.numel(), dtype=value.dtype).view_as(value)
        found = torch.autograd.grad((value * weights).sum(), wanted, allow_unused=True)
        if all(gradient is None for gradient in found):
            raise AssertionError("no gradient arrives: the result does not depend on this input")
        full = [torch.zeros_like(w) if g is None else g for g, w in zip(found, wanted, strict=True)]
        return full if module else full[0]

    return probe


def whole(value: Any, what: str = "the result") -> int:
    """Return a whole number as an int: an int, NumPy's or a tensor with one, never 8.0 or True.

    Raises:
        AssertionError: It is none.
    """
    if not isinstance(value, bool | np.bool_):
        try:
            return operator.index(value)
        except TypeError:
            pass
    cure = ": divide with // instead of /" if isinstance(value, float) else ""
    raise AssertionError(
        f"{what} is a {type(value).__name__} ({_short(value)}), wanted an int{cure}"
    )


def wholes(value: Any, number: int, what: str = "the result") -> list[int]:
    """Return so many whole numbers as a list; they may come in a tuple, list, array or tensor.

    Raises:
        AssertionError: They are not so many, or not whole.
    """
    if not isinstance(value, list | tuple | np.ndarray | Tensor) or not np.ndim(value):
        raise AssertionError(f"{what} is a {type(value).__name__}, wanted {number} whole numbers")
    if len(value) != number:
        raise AssertionError(f"{what} has {len(value)} numbers, wanted {number}")
    if isinstance(value, Tensor):
        _assert_integers(value, what)
    return [whole(item, f"number {i + 1} of {what}") for i, item in enumerate(value)]


def pair(value: Any, what: str) -> tuple[Any, Any]:
    """Return the two parts of an answer.

    Raises:
        AssertionError: If it has not two parts; `what` says which are wanted.
    """
    if value is None:
        raise AssertionError("the result is None: is the `return` missing?")
    if isinstance(value, Tensor) and value.shape == (2,):
        return value[0], value[1]
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise AssertionError(f"return {what}; got {type(value).__name__}")
    return value[0], value[1]


def assert_close(
    got: Any, wanted: Any, what: str | Sequence[str] = "the result", *, tolerance: float = 1e-5
) -> None:
    """Raise AssertionError with a message for learners if `got` is not `wanted`.

    Compares type (tensor or number), shape and values, in this order; the tolerance is absolute
    plus relative. NaN equals NaN. An integer or boolean tensor may stand for a float one.

    Args:
        got: What the learner's function returned.
        wanted: A tensor, a number, None, or a tuple or list of these.
        what: Names the thing in the message, for instance "the output for stride 2". For a tuple:
            one name for each of its parts.
        tolerance: Largest |got - wanted| / (1 + |wanted|).
    """
    if isinstance(wanted, list | tuple):
        _assert_all_close(got, wanted, what, tolerance)
        return
    what = what if isinstance(what, str) else what[0]
    if got is None and wanted is not None:
        raise AssertionError(f"{what} is None: is the `return` missing?")
    if isinstance(wanted, Tensor) and not isinstance(got, Tensor):
        raise AssertionError(
            f"{what} is a {type(got).__name__}, wanted a torch.Tensor{_tensor_cure(got)}"
        )
    try:
        left, right = torch.as_tensor(got).detach(), torch.as_tensor(wanted).detach()
    except (TypeError, ValueError, RuntimeError):
        name = "None" if wanted is None else f"a {type(wanted).__name__}"
        if wanted is None and got is None:
            return
        raise AssertionError(f"{what} is a {type(got).__name__}, wanted {name}") from None
    if left.shape != right.shape:
        raise AssertionError(
            f"{what} has shape {tuple(left.shape)}, wanted {tuple(right.shape)}"
            if right.ndim
            else f"{what} has shape {tuple(left.shape)}, wanted one number"
        )
    if left.is_complex() != right.is_complex() or left.layout != right.layout:
        raise AssertionError(f"{what} is {left.dtype}, {left.layout}, wanted {right.dtype}, dense")
    a, b = left.cpu().to(torch.float64), right.cpu().to(torch.float64)
    wrong = ~torch.isclose(a, b, rtol=tolerance, atol=tolerance, equal_nan=True)
    if wrong.any():
        if not a.ndim:
            raise AssertionError(f"{what} is {a.item():.6g}, wanted {b.item():.6g}")
        place = tuple(int(i) for i in wrong.nonzero()[0])
        raise AssertionError(
            f"{what} is wrong in {int(wrong.sum())} of {wrong.numel()} places; the first is "
            f"[{', '.join(map(str, place))}]: {a[place].item():.6g}, wanted {b[place].item():.6g}"
        )


def _assert_all_close(
    got: Any, wanted: list | tuple, what: str | Sequence[str], tolerance: float
) -> None:
    title = what if isinstance(what, str) else "the result"
    if got is None:
        raise AssertionError(f"{title} is None: is the `return` missing?")
    if not isinstance(got, list | tuple) or len(got) != len(wanted):
        number = f" of {len(got)}" if isinstance(got, list | tuple) else ""
        raise AssertionError(
            f"{title} is a {type(got).__name__}{number}, wanted a "
            f"{type(wanted).__name__} of {len(wanted)}"
        )
    for index, (mine, theirs) in enumerate(zip(got, wanted, strict=True)):
        name = f"part {index + 1} of {what}" if isinstance(what, str) else what[index]
        assert_close(mine, theirs, name, tolerance=tolerance)


def _tensor_cure(got: Any) -> str:
    if isinstance(got, np.ndarray):
        return ": torch.from_numpy(...)"
    if isinstance(got, list | tuple):
        return ": torch.tensor(...) makes one of numbers, torch.stack(...) of tensors"
    return ": torch.tensor(...) makes one" if isinstance(got, int | float | np.generic) else ""


def _short(value: Any) -> str:
    text = repr(value) if isinstance(value, int | float | str | Tensor) else "…"
    return text if len(text) <= 40 else text[:39] + "…"


def agree(a: Any, b: Any) -> bool:
    """Whether two answers are the same; a learner's class that cannot be compared is different."""
    try:
        return _same(a, b)
    except Exception:
        return False


def _same(a: Any, b: Any) -> bool:
    """Compare by value, never by `==` of a class that is not known here."""
    if isinstance(a, BaseException) or isinstance(b, BaseException):
        return type(a) is type(b) and str(a) == str(b)
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        if a.shape != b.shape or a.requires_grad != b.requires_grad:
            return False
        left, right = a.detach().cpu().double(), b.detach().cpu().double()
        return torch.allclose(left, right, rtol=1e-4, atol=1e-6, equal_nan=True)
    if isinstance(a, np.ndarray | np.generic) and isinstance(
        b, np.ndarray | np.generic | float | int
    ):
        first, second = np.asarray(a), np.asarray(b)
        same_shape = first.shape == second.shape
        return same_shape and bool(np.allclose(first, second, 1e-4, 1e-6, equal_nan=True))
    if isinstance(a, bool | int | float) and isinstance(b, bool | int | float):
        same_nan = math.isnan(a) and math.isnan(b)
        return same_nan or math.isclose(a, b, rel_tol=1e-4, abs_tol=1e-6)
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(_same(x, y) for x, y in zip(a, b, strict=True))
    return (a is None and b is None) or (type(a) is type(b) is str and a == b)
