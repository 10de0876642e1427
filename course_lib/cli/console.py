"""Consoles that cannot show every character, or that go away: the answer comes all the same."""

import codecs
import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any

PLAIN = {"…": "...", "±": "+-", "→": "->", "×": "x", "·": "-", "–": "-", "—": "-", "µ": "u"}


def make_speakable() -> None:
    """Let both streams say what they can, and training go on when nobody reads its progress.

    A character that the console's encoding lacks is written in plain ones ("+-"), or as "?". A
    stream that is closed is replaced by one that says nothing.
    """
    codecs.register_error("course", _plainly)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 (open until the end)
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="course")
    if not isinstance(sys.stderr, _Unread):
        sys.stderr = _Unread(sys.stderr)


@contextlib.contextmanager
def stopping_at_once() -> Iterator[None]:
    """Let Ctrl-C end the process then and there, with a line that says so.

    While torch is imported there is nothing to save, and an exception in the middle of it aborts
    with a message of C++.
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield  # somebody else looks after it
        return
    try:
        signal.signal(signal.SIGINT, _stop)
    except ValueError:  # not the main thread, which gets no signals
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _stop(_signal: int, _frame: FrameType | None) -> None:
    with contextlib.suppress(OSError):
        os.write(2, b"course: interrupted\n")
    os._exit(130)


def _plainly(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    return "".join(PLAIN.get(letter, "?") for letter in missing), error.end


class _Unread:
    """Standard error whose reader may go away: progress that nobody reads stops no training."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write, if anybody reads."""
        try:
            return self._stream.write(text)
        except OSError:
            return len(text)

    def flush(self) -> None:
        """Flush, if anybody reads."""
        try:
            self._stream.flush()
        except OSError:
            return
