"""What stands for the other side's functions, networks and graphs."""

from __future__ import annotations

import copy
from typing import Any, Protocol

import torch
from torch import Tensor, nn


class Caller(Protocol):
    """What is asked of a `line.Line` here."""

    dropped: list[int]

    def call(
        self,
        request: dict[str, Any],
        arguments: list[Any],
        options: dict[str, Any],
        *,
        write_back: bool,
    ) -> Any:
        """Ask the other side, and wait for the answer."""

    def forward(self, module: Borrowed, arguments: list[Any], options: dict[str, Any]) -> Any:
        """Call a borrowed network."""


class Attach(torch.autograd.Function):
    """Puts results that came over the line into the graph of the tensors that were sent."""

    @staticmethod
    def forward(ctx: Any, line: Any, node: Any, results: list[Tensor], *sent: Tensor) -> Any:
        """Give the results on; remember what was sent."""
        ctx.line, ctx.node = line, node
        ctx.save_for_backward(*sent)
        return tuple(results)

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> Any:
        """Ask the node for the gradients of what was sent."""
        found = ctx.line.pull_back(ctx.node, cotangents, ctx.saved_tensors)
        return (None, None, None, *found)


class Node:
    """A graph that the other side keeps for us, until nobody here needs it."""

    def __init__(self, line: Caller, number: int) -> None:
        self.line, self.number = line, number

    def __del__(self) -> None:
        self.line.dropped.append(self.number)

    def __deepcopy__(self, memo: Any) -> Node:
        return self


class Function:
    """A function of the other side."""

    def __init__(self, line: Caller, number: int, name: str) -> None:
        """Stand for function `number` of a line."""
        self._line, self._number, self.__name__ = line, number, name

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Call it, on copies of the arguments; what it changes in them is changed here."""
        return self._line.call(
            {"op": "call", "id": self._number}, list(arguments), options, write_back=True
        )

    def __deepcopy__(self, memo: Any) -> Function:
        return self


class Borrowed(nn.Module):
    """A network of the other side, or one of its layers, with parameters of its own."""

    _line: Caller
    _number: int
    _path: str

    def forward(self, *arguments: Any, **options: Any) -> Any:
        """Compute with the parameters, buffers and modes as they are here."""
        return self._line.forward(self, list(arguments), options)

    def extra_repr(self) -> str:
        """Nothing more is known of it."""
        return ""

    def __deepcopy__(self, memo: Any) -> Borrowed:
        made = type(self).__new__(type(self))
        memo[id(self)] = made
        nn.Module.__init__(made)
        for name, value in vars(self).items():
            vars(made)[name] = value if name == "_line" else copy.deepcopy(value, memo)
        return made
