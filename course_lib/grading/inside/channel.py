"""Messages over a socket: JSON and buffers of bytes, bounded, each with a deadline."""

from __future__ import annotations

import json
import math
import select
import socket
import struct
import time
from collections.abc import Callable
from typing import Any

from . import wire
from .wire import Refused

HEADER = struct.Struct(">II")  # bytes of JSON, number of buffers
LENGTH = struct.Struct(">Q")
JSON_BYTES = 8 << 20
BUFFERS = 20_000


class Closed(AssertionError):
    """The other side is gone, or silent for too long; a test that needs it fails."""


class Channel:
    """One end of a socket.

    Attributes:
        deadline: When to stop waiting, by `time.monotonic`; math.inf: never.
        why: Says why the other side is gone, where that is known.
    """

    def __init__(self, connection: socket.socket) -> None:
        """Take one end of a connection."""
        self.connection = connection
        self.deadline = math.inf
        self.why: Callable[[], str] = lambda: ""

    def _send(self, message: dict[str, Any], buffers: list[bytes]) -> None:
        text = json.dumps(message).encode()
        if len(text) > JSON_BYTES or len(buffers) > BUFFERS:
            raise AssertionError("too much data for one call")
        parts = [HEADER.pack(len(text), len(buffers)), text]
        for data in buffers:
            parts += [LENGTH.pack(len(data)), data]
        view = memoryview(b"".join(parts))
        while view:
            self._wait(writing=True)
            try:
                view = view[self.connection.send(view[: 1 << 20]) :]
            except BlockingIOError:
                continue
            except OSError as error:
                raise Closed(self.why() or str(error)) from error

    def _receive(self) -> tuple[dict[str, Any], list[bytes]]:
        """Read one message; nothing is made of it before its size is known to be small enough."""
        length, number = HEADER.unpack(self._read(HEADER.size))
        if length > JSON_BYTES or number > BUFFERS:
            raise Refused("a message is too large")
        text, buffers, total = self._read(length), [], 0
        for _ in range(number):
            (size,) = LENGTH.unpack(self._read(LENGTH.size))
            total += size
            if total > wire.LARGEST + (1 << 16):
                raise Refused("a message is too large")
            buffers.append(self._read(size))
        try:
            message = json.loads(text.decode())
        except (ValueError, RecursionError) as error:
            raise Refused("a message is no JSON") from error
        if type(message) is not dict:
            raise Refused("a message is no dictionary")
        return message, buffers

    def _read(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            self._wait(writing=False)
            try:
                got = self.connection.recv(min(1 << 20, size - len(data)))
            except BlockingIOError:
                continue
            except OSError as error:
                raise Closed(self.why() or str(error)) from error
            if not got:
                raise Closed(self.why() or "the connection was closed")
            data += got
        return bytes(data)

    def _wait(self, *, writing: bool) -> None:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise Closed("no answer in time")
        either = [self.connection]
        select.select([] if writing else either, either if writing else [], [], min(left, 1.0))
