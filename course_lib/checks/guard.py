"""Calls a learner's function without harm: on copies, for a limited time, its printing caught."""

from __future__ import annotations

import contextlib
import copy
import ctypes
import io
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

T = TypeVar("T")

AGAIN = 0.05  # seconds between two attempts to stop code that catches the first
LARGEST = 50_000_000  # numbers in one result; the exercises' are below a thousand
LINES, WIDTH, KEPT = 5, 100, 4000  # what is shown of the learner's printing, and what is stored


class TookTooLong(BaseException):
    """Raised inside of code that is over its time; `except Exception` does not catch it."""


class Guarded:
    """A function that is called on copies of its arguments and gives back plain data.

    Attributes:
        given: The copies that the last call got: look here for the gradients of a module.
        notes: One line for each argument that a call has changed.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        names: Sequence[str] = (),
        may_change: Sequence[str] = (),
    ) -> None:
        """Guard a function.

        Args:
            function: The learner's, a reference or a known mistake.
            names: What the statement calls the positional arguments.
            may_change: Names of those that the function is asked to change.
        """
        self.function, self.names, self.may_change = function, names, may_change
        self.given: tuple[Any, ...] = ()
        self.notes: list[str] = []

    def __call__(self, *arguments: Any) -> Any:
        """Call the function. A tensor's copy stays in the graph, so gradients reach the original.

        Returns:
            What the function returns, as `plain` data.
        """
        self.given = copied(arguments)
        try:
            return plain(self.function(*self.given))
        finally:
            numbered = (f"argument {i + 1}" for i in range(len(self.names), len(arguments)))
            names = [*self.names, *numbered]
            for name, before, after in zip(names, arguments, self.given, strict=False):
                note = "" if name in self.may_change else _change(name, before, after)
                if note and note not in self.notes:
                    self.notes.append(note)


def copied(value: Any) -> Any:
    """Return a copy: tensors stay in their graph, containers are copied in depth."""
    if isinstance(value, Tensor):
        return value.clone()
    if isinstance(value, torch.Generator):
        return torch.Generator(value.device).set_state(value.get_state())
    if type(value) in (list, tuple):
        return type(value)(copied(item) for item in value)
    if type(value) is dict:
        return {key: copied(item) for key, item in value.items()}
    try:
        return copy.deepcopy(value)
    except Exception:  # an open file, a module with a graph inside: nothing to copy
        return value


def plain(value: Any) -> Any:
    """Return the data of a result, rid of classes that could say that they equal everything.

    Raises:
        AssertionError: A tensor or an array is far too large, or has no data of its own.
    """
    if isinstance(value, Tensor):
        with torch._C.DisableTorchFunctionSubclass():
            _refuse_if_huge(tuple(value.shape))
            if type(value) in (Tensor, nn.Parameter):
                return value
            if type(value).__torch_dispatch__ is not Tensor.__torch_dispatch__:
                raise AssertionError(f"got a {type(value).__name__}, wanted a plain torch.Tensor")
            return value.as_subclass(Tensor)
    if isinstance(value, np.ndarray):
        _refuse_if_huge(value.shape)
        return value.view(np.ndarray)
    if isinstance(value, list):
        return [plain(item) for item in list.__iter__(value)]
    if isinstance(value, tuple):
        return tuple(plain(item) for item in tuple.__iter__(value))
    if isinstance(value, dict):
        return {key: plain(item) for key, item in dict.items(value)}
    if isinstance(value, int | float) and not isinstance(value, bool | np.generic):
        return int.__int__(value) if isinstance(value, int) else float.__float__(value)
    return value


def _refuse_if_huge(shape: tuple[int, ...]) -> None:
    numbers = int(np.prod([float(n) for n in shape]))
    if numbers > LARGEST:
        raise AssertionError(
            f"you return {numbers / 1e6:,.0f} million numbers, of the shape {shape}: this is not "
            "even looked at. Did two shapes broadcast that should not?"
        )


def _change(name: str, before: Any, after: Any) -> str:
    """One line on what happened to an argument; empty if nothing."""
    if isinstance(before, Tensor) and before.requires_grad and not after.requires_grad:
        return (
            f"you cut your input `{name}` from its graph in place: use {name}.detach(), which "
            "leaves the caller's tensor as it is"
        )
    if not _differ(before, after):
        return ""
    if isinstance(before, nn.Module):
        return f"you changed your input `{name}`: leave its weights and its mode as they are"
    cure = {Tensor: f"{name}.clone()", np.ndarray: f"{name}.copy()", list: f"list({name})"}
    work = next((text for kind, text in cure.items() if isinstance(before, kind)), "a new object")
    return f"you changed your input `{name}`: work on a copy, {work}; the caller needs the original"


def _differ(before: Any, after: Any) -> bool:
    if isinstance(before, Tensor):
        before, after = before.detach(), after.detach()
        if before.shape != after.shape or before.dtype != after.dtype:
            return True
        return not bool(((before == after) | ((before != before) & (after != after))).all())
    if isinstance(before, np.ndarray):
        kind = (before.shape, before.dtype)
        return kind != (after.shape, after.dtype) or before.tobytes() != after.tobytes()
    if isinstance(before, nn.Module):
        modes = [m.training for m in before.modules()] != [m.training for m in after.modules()]
        return modes or _differ([*before.parameters()], [*after.parameters()])
    if isinstance(before, list | tuple):
        return len(before) != len(after) or any(map(_differ, before, after))
    if isinstance(before, Mapping):
        return before.keys() != after.keys() or any(_differ(before[k], after[k]) for k in before)
    return isinstance(before, int | float | str) and (before is not after) and before != after


class Printed(io.TextIOBase):
    """Stands in for stdout: keeps the beginning, counts the rest."""

    def __init__(self) -> None:
        self.text, self.lines = "", 0

    def write(self, text: str) -> int:
        """Take a text, and say that all of it was written."""
        self.lines += text.count("\n")
        self.text += text[: max(0, KEPT - len(self.text))]
        return len(text)

    def shown(self) -> str:
        """The first lines, cut, and how many there were."""
        lines = self.text.splitlines()
        cut = [x if len(x) <= WIDTH else x[: WIDTH - 1] + "…" for x in lines[:LINES]]
        more = max(self.lines, len(lines)) - len(cut)
        return "\n".join([*cut, f"… and {more:,} more lines"] if more > 0 else cut)


@contextlib.contextmanager
def sealed(printed: Printed, seed: int) -> Iterator[None]:
    """Leave no trace: random state, gradient mode, default type and streams are put back."""
    kind = torch.get_default_dtype()
    with (
        torch.random.fork_rng(devices=[]),
        torch.enable_grad(),
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(printed),
    ):
        torch.default_generator.manual_seed(seed % 2**31)
        try:
            yield
        finally:
            torch.set_default_dtype(kind)


def limited(call: Callable[[], T], seconds: float) -> T:
    """Call, and stop the call when its time is over.

    In the main thread a timer's signal does it, elsewhere and on Windows a second thread. Both
    interrupt Python code, again and again if it catches the exception; one long call into C, such
    as a product of huge matrices, is stopped when it returns.

    Args:
        call: What to do.
        seconds: Its time.

    Returns:
        What the call returns.

    Raises:
        TookTooLong: The time was over.
    """
    main = threading.current_thread() is threading.main_thread()
    return (_by_signal if main and hasattr(signal, "setitimer") else _by_thread)(call, seconds)


def _by_signal(call: Callable[[], T], seconds: float) -> T:
    def stop(number: int, frame: Any) -> None:
        raise TookTooLong

    started = time.monotonic()
    handler = signal.signal(signal.SIGALRM, stop)
    left, interval = signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN)
    try:
        try:
            return call()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    finally:  # a last signal may have come before the timer was off
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler or signal.SIG_DFL)
        if left:
            rest = max(0.001, left - (time.monotonic() - started))
            signal.setitimer(signal.ITIMER_REAL, rest, interval)


def _by_thread(call: Callable[[], T], seconds: float) -> T:
    thread, over = ctypes.c_ulong(threading.get_ident()), threading.Event()

    def watch() -> None:
        wait = seconds
        while not over.wait(wait):
            ctypes.pythonapi.PyThreadState_SetAsyncExc(thread, ctypes.py_object(TookTooLong))
            wait = AGAIN

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        try:
            return call()
        finally:
            over.set()
    finally:
        over.set()
        watcher.join()
        ctypes.pythonapi.PyThreadState_SetAsyncExc(thread, None)  # one that is still on its way


@contextlib.contextmanager
def untimed() -> Iterator[None]:
    """What is done in here does not count towards the time of `limited`, in the main thread."""
    main = threading.current_thread() is threading.main_thread()
    if not main or not hasattr(signal, "setitimer"):
        yield
        return
    left, interval = signal.setitimer(signal.ITIMER_REAL, 0)
    try:
        yield
    finally:
        if left:
            signal.setitimer(signal.ITIMER_REAL, left, interval)
