"""Errors as data: what the other side raised is raised here, of the same kind where it is known."""

from __future__ import annotations

import builtins
from typing import Any

from .wire import Refused

MESSAGE = 2_000  # characters of an error
BUILTIN_ERRORS = {
    name: kind
    for name, kind in vars(builtins).items()
    if isinstance(kind, type) and issubclass(kind, Exception)
} | {"SystemExit": SystemExit, "GeneratorExit": GeneratorExit}


class RemoteError(Exception):
    """An error of the other side, of a class that is not known here."""


def described(error: BaseException) -> dict[str, str]:
    """Class, nearest class that every Python knows, and text of an error, as data."""
    kinds = [kind.__name__ for kind in type(error).__mro__]
    base = next((name for name in kinds if name in BUILTIN_ERRORS), "")
    try:
        text = str(error)
    except BaseException:
        text = "an error that cannot be shown"
    return {"type": kinds[0][:60], "base": base, "text": text[:MESSAGE]}


def raised(described: Any) -> BaseException:
    """The error that the other side described.

    Raises:
        Refused: what came describes none.
    """
    if type(described) is not dict:
        raise Refused("an error that is none")
    name, base, text = (str(described.get(key, ""))[:MESSAGE] for key in ("type", "base", "text"))
    kind: Any = BUILTIN_ERRORS.get(name)
    if kind is None:
        parent = BUILTIN_ERRORS.get(base, RemoteError)
        if not issubclass(parent, Exception) or parent in (UnicodeDecodeError, UnicodeEncodeError):
            parent = RemoteError
        kind = type(name if name.isidentifier() else "Error", (parent,), {})
    try:
        made: BaseException = kind(text) if text else kind()
        return made
    except TypeError:  # it wants more than a text
        return RemoteError(f"{name}: {text}")
