"""Consoles that cannot show every character, or that go away: the answer comes all the same."""

import codecs
import os
import sys
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
