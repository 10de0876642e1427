"""The grader's side of the warm process, from which kernels are forked.

What the process does is in `inside.template`; that is shown in the sandbox, and this is not.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from typing import Any

import psutil  # type: ignore[import-untyped]

from course_lib.grading.bubblewrap import SandboxError, command
from course_lib.grading.private import private_folder, remove

TEMPLATE_SECONDS = 180.0  # until it has imported torch, on a busy machine


class Template:
    """A warm process in a sandbox, from which kernels are forked in a fraction of a second.

    `inside.template` says what it does. One for each worker; it dies with this process.
    """

    def __init__(self, *, readable: Iterable[str] = (), hidden: Iterable[str] = ()) -> None:
        """Start it; `readable` and `hidden` as in `command`.

        Raises:
            SandboxError: It did not start: kernels have to be started cold.
        """
        self.folder = private_folder()
        line = command(
            [sys.executable, "-m", "course_inside.template", self.folder],
            private=self.folder,
            readable=readable,
            hidden=hidden,
            environment=dict(os.environ),
            template=True,
        )
        self._said = tempfile.TemporaryFile()  # noqa: SIM115
        self.process = subprocess.Popen(
            line, cwd="/", stdin=subprocess.DEVNULL, stdout=self._said, stderr=self._said
        )
        until = time.monotonic() + TEMPLATE_SECONDS
        while not os.path.exists(f"{self.folder}/template"):
            if self.process.poll() is not None or time.monotonic() > until:
                self._said.seek(0)
                said = self._said.read()[-300:].decode(errors="replace")
                self.close()
                raise SandboxError(f"the warm process did not start: {said}")
            time.sleep(0.05)

    def connect(self) -> socket.socket:
        """Ask for another kernel."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        connection.settimeout(30)
        try:
            connection.connect(f"{self.folder}/template")
        except OSError as error:
            raise SandboxError(f"the warm process is gone ({error})") from error
        return connection

    def close(self) -> None:
        """End it, and every kernel that it forked."""
        self.process.kill()
        self.process.wait()
        self._said.close()
        remove(self.folder)


class Forked:
    """A forked kernel, to Jupyter what `subprocess.Popen` is."""

    stdin = stdout = stderr = None

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.keeper = self._next("keeper")
        self.pid: int = self.keeper.pid
        self.returncode: int | None = None

    def start(self, request: dict[str, Any]) -> tuple[psutil.Process, psutil.Process]:
        """Send what is wanted; returns the first process and the kernel."""
        self._connection.sendall(json.dumps(request).encode() + b"\n")
        return self._next("first"), self._next("kernel")

    def _next(self, word: str) -> psutil.Process:
        """The process that says this word, by the system's own account."""
        try:
            said, extra, _, _ = self._connection.recvmsg(len(word) + 1, 256)
        except OSError as error:
            raise SandboxError(f"no kernel was forked: {error}") from error
        pids = [
            struct.unpack("3i", data)[0]
            for level, kind, data in extra
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS)
        ]
        if said != f"{word}\n".encode() or not pids:
            with contextlib.suppress(OSError):
                said += self._connection.recv(500)
            raise SandboxError(f"no kernel was forked: {said!r}")
        return psutil.Process(pids[0])

    def lock(self) -> None:
        """Have the folder of the kernel's sockets made read-only for it.

        Raises:
            SandboxError: It is not.
        """
        try:
            self._connection.sendall(b"lock\n")
            said = self._connection.recv(500)
        except OSError as error:
            said = str(error).encode()
        if said != b"locked\n":
            raise SandboxError(f"the folder of a kernel's sockets is not locked: {said!r}")

    def poll(self) -> int | None:
        """None while it runs."""
        if self.returncode is None and not _runs(self.keeper):
            self.returncode = 0
            self._connection.close()
        return self.returncode

    def wait(self) -> int | None:
        """Wait for its end."""
        while self.poll() is None:
            time.sleep(0.02)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Signal the process that waits for the kernel: all die with it."""
        with contextlib.suppress(psutil.Error):
            self.keeper.send_signal(number)

    def kill(self) -> None:
        """End all of it."""
        self.send_signal(signal.SIGKILL)


def _runs(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running()) and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
