"""A learner's kernel: started in the sandbox or without it, running cells, with the line to it.

Whatever it sends is taken for an attempt to deceive: a message is cut, counted or passed over, and
who no longer answers is ended.
"""

from __future__ import annotations

import contextlib
import os
import queue
import socket
import time
from pathlib import Path
from typing import Any

import zmq
from jupyter_client.manager import KernelManager
from jupyter_client.provisioning import LocalProvisioner
from nbformat import NotebookNode

from course_lib.grading.bubblewrap import SandboxError
from course_lib.grading.inside import __file__ as inside_file
from course_lib.grading.inside.line import Line
from course_lib.grading.outputs import Outputs, error_output
from course_lib.grading.private import private_folder
from course_lib.grading.sandbox import BubblewrapProvisioner
from course_lib.grading.settings import Settings

START_SECONDS = 120.0  # until a kernel answers, on a busy machine
GRACE = 3.0  # seconds between an interrupt and the end of a kernel
AT_ONCE = 200  # messages of the kernel's between two looks at the clock
MESSAGE_BYTES = 16 << 20  # of one message of the kernel's; a larger one is not even read
AGENT = "__import__('course_inside.agent', fromlist=['agent'])"


class Ended(Exception):
    """The kernel ended, or had to be ended; the text is for the learner."""


class Kernel:
    """One kernel, with the line to it."""

    def __init__(self, settings: Settings, folder: str) -> None:
        """Start it.

        Args:
            settings: Limits, and whether there is a sandbox.
            folder: Its files are in the working folder.

        Raises:
            SandboxError: There is no sandbox, or it did not start.
        """
        self.settings = settings
        self.line: Line | None = None
        self.context = zmq.Context()
        self.context.setsockopt(zmq.MAXMSGSIZE, MESSAGE_BYTES)
        self.context.setsockopt(zmq.RCVHWM, 10)  # of each channel, read or not
        self.manager = KernelManager(kernel_name="python3", context=self.context)
        self._private: str | None = None
        if settings.sandbox:
            limits = vars(settings.limits)
            self.manager.provisioner = BubblewrapProvisioner(
                kernel_id="learner",
                kernel_spec=self.manager.kernel_spec,
                parent=self.manager,
                hidden=list(settings.hidden),
                **limits,
            )
            self.manager.provisioner.template = settings.template
            self.manager.start_kernel(cwd=folder)
            private = self.manager.provisioner.private
        else:
            private = self._private = self._unprotected(folder)
        self.client = self.manager.client(context=self.context)
        try:
            self.client.start_channels()
            self.client.wait_for_ready(timeout=START_SECONDS)
            self.line = self._connect(f"{private}/line")
            if isinstance(self.manager.provisioner, BubblewrapProvisioner):
                self.manager.provisioner.lock()
        except (RuntimeError, OSError, Ended) as error:
            reason = self.why()
            self.close()
            raise SandboxError(f"a kernel did not start: {error} ({reason}); try again") from error

    def _unprotected(self, folder: str) -> str:
        """Start the kernel as an ordinary process."""
        private = private_folder()
        Path(private, "course_inside").symlink_to(Path(inside_file).parent)
        self.manager.transport, self.manager.ip = "ipc", f"{private}/k"
        self.manager.connection_file = f"{private}/connection.json"
        self.manager.provisioner = LocalProvisioner(
            kernel_id="learner", kernel_spec=self.manager.kernel_spec, parent=self.manager
        )
        paths = [private, os.environ.get("PYTHONPATH", "")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
        self.manager.start_kernel(cwd=folder, env=environment)
        return private

    def _connect(self, path: str) -> Line:
        """Make the line, before any cell of the learner's has run."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listener.bind(path)
            listener.listen(1)
            listener.settimeout(0.2)
            self._send(f"{AGENT}.connect({path!r}, get_ipython().user_ns)")
            until = time.monotonic() + START_SECONDS
            while True:
                try:
                    connection, _ = listener.accept()
                    break
                except TimeoutError:
                    if not self.alive() or time.monotonic() > until:
                        raise Ended("it did not connect") from None
        finally:
            listener.close()
            Path(path).unlink(missing_ok=True)
        connection.setblocking(False)
        line = Line(connection, strict=True, printed=lambda text: print(text, end=""))
        line.why = self.why
        return line

    def _send(self, code: str) -> str:
        sent: str = self.client.execute(
            code, silent=True, store_history=False, allow_stdin=False, stop_on_error=False
        )
        return sent

    def alive(self) -> bool:
        """Whether the kernel's process runs."""
        return bool(self.manager.is_alive())

    def why(self) -> str:
        """Why the kernel is gone, for the learner."""
        until = time.monotonic() + 1.0  # its end is known a moment later than the line's
        while self.alive() and time.monotonic() < until:
            time.sleep(0.02)
        reason = getattr(self.manager.provisioner, "reason", "")
        if reason:
            return f"your code was ended: {reason}"
        if self.alive():
            return "your code no longer answers"
        return "your code ended its own Python process (an exit, a crash, or too little memory)"

    def run(self, source: str) -> tuple[list[NotebookNode], str]:
        """Run a cell.

        Returns:
            Its outputs, cut, and the error that ended it; empty if none did.

        Raises:
            Ended: The kernel is gone.
        """
        sent = self.client.execute(source, allow_stdin=False, stop_on_error=False)
        outputs = Outputs(self.settings.output_bytes)
        until, interrupted, replied, idle = (
            time.monotonic() + self.settings.cell_seconds,
            "",
            0.0,
            False,
        )
        while not (replied and (idle or time.monotonic() > replied + 1)):
            if not replied and not self.alive():
                raise Ended(self.why())
            if outputs.flooded and not interrupted:
                interrupted, until = "it printed too much and was stopped", 0.0
                self.manager.interrupt_kernel()
                until = time.monotonic() + GRACE
            if time.monotonic() > until:
                if interrupted:
                    self.close()
                    raise Ended(f"{interrupted}; it did not react, so its kernel was ended")
                interrupted = f"it was stopped after {self.settings.cell_seconds:g} s"
                self.manager.interrupt_kernel()
                until = time.monotonic() + GRACE
            message = self._message(self.client.iopub_channel, 0.1)
            for _ in range(AT_ONCE):  # there may be no end of them
                if message is None or idle:
                    break
                if _parent(message) == sent:
                    idle = idle or message["content"].get("execution_state") == "idle"
                    outputs.take(message)
                else:
                    outputs.size += 1_000  # nobody asked for it
                message = self._message(self.client.iopub_channel, 0)
            reply = self._message(self.client.shell_channel, 0)
            if reply is not None and _parent(reply) == sent:
                replied = time.monotonic()
        if interrupted:
            outputs.kept.append(error_output("Stopped", interrupted))
        return outputs.kept, interrupted or outputs.error

    def _message(self, channel: Any, seconds: float) -> dict[str, Any] | None:
        """The next message of a channel; what is none is passed over."""
        try:
            message: dict[str, Any] = channel.get_msg(timeout=seconds)
        except queue.Empty:
            return None
        except Exception:  # not signed, not JSON: the kernel can send what it likes
            return None
        return message if isinstance(message.get("content"), dict) else None

    def serve(self) -> None:
        """Let the kernel answer calls from now on."""
        self._send(f"{AGENT}.serve()")

    def close(self) -> None:
        """End it."""
        if self.line is not None:
            self.line.broken = True
            self.line.connection.close()
        with contextlib.suppress(Exception):
            self.client.stop_channels()
        with contextlib.suppress(Exception):
            self.manager.shutdown_kernel(now=True)
        with contextlib.suppress(Exception):
            self.context.destroy(linger=0)
        if self._private is not None:
            for path in Path(self._private).iterdir():
                path.unlink(missing_ok=True)
            Path(self._private).rmdir()
            self._private = None


def _parent(message: dict[str, Any]) -> Any:
    """Which message it answers; the kernel can send what it likes."""
    header = message.get("parent_header")
    return header.get("msg_id") if isinstance(header, dict) else None
