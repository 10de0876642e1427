"""Starts a Jupyter kernel in a sandbox, so that a learner's notebook can harm nothing but itself.

`BubblewrapProvisioner` is a Jupyter kernel provisioner: nbclient, nbconvert, papermill and nbgrader
start kernels through it without knowing (`JUPYTER_DEFAULT_PROVISIONER_NAME=course-sandbox`, or
`metadata.kernel_provisioner` of a kernel spec). What is in the sandbox:

* no network, not even loopback: Jupyter's sockets are files in a private folder (`private`);
* the system's programs, Python and `course_lib` for reading, without its rooms `checks` and
  `grading` and whatever else is named `hidden`; nothing else of this machine;
* a home and a /tmp of its own, in memory, of a limited size, gone afterwards;
* no environment, no capabilities, no user namespaces, process numbers of its own: a signal, a
  debugger or /proc reaches nobody outside;
* none of the system's calls that `inside.seccomp` forbids;
* limits on memory, tasks, time and files (`limits`). Memory and tasks of all processes together are
  held by a control group where one can be had (`cgroup`), else by a thread that looks at them.

Everything in it dies with it, daemons included, and it dies with the process that started it.

`bubblewrap` has the command line that makes all this so. Where bubblewrap is missing or may not
work, `refusal` says why, and what to do. A kernel is started cold, or forked from a `template`.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning import LocalProvisioner
from traitlets import Float, Integer, List, Unicode

from course_lib.grading.bubblewrap import SandboxError, command, variables
from course_lib.grading.cgroup import Group, make_group
from course_lib.grading.inside import seccomp
from course_lib.grading.limits import GB, MAPPED, Limits, Watcher
from course_lib.grading.private import private_folder, remove
from course_lib.grading.template import Forked, Template


def refusal() -> str:
    """Why no sandbox can be made on this machine, and the cure; empty if one can."""
    path = shutil.which("bwrap")
    if path is None:
        if sys.platform != "linux":
            return (
                f"bubblewrap exists for Linux only, and this is {sys.platform}: grade in a Linux "
                "machine, virtual machine or container"
            )
        return "bubblewrap is not installed: sudo apt install bubblewrap"
    command = [path, "--unshare-all", "--unshare-user", "--ro-bind", "/", "/", "true"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{path} does not run ({error}): reinstall bubblewrap"
    if done.returncode:
        said = " ".join(done.stderr.split())
        return (
            f"{path} may not make a sandbox ({said}): user namespaces are switched off here. "
            "sudo sysctl kernel.unprivileged_userns_clone=1, on Ubuntu "
            "kernel.apparmor_restrict_unprivileged_userns=0; in a container, allow them (Docker: "
            "--security-opt seccomp=unconfined)"
        )
    return ""


def require_sandbox() -> None:
    """Refuse where there is no sandbox.

    Raises:
        SandboxError: With the reason, the cure, and the way to do without.
    """
    reason = refusal()
    if reason:
        raise SandboxError(
            f"untrusted notebooks are not run here: {reason}. If you trust every one of them, say "
            "so: --no-sandbox"
        )


class BubblewrapProvisioner(LocalProvisioner):
    """Starts a kernel in the sandbox; the module's docstring says what that is.

    The traits are the fields of `Limits`, and `readable` and `hidden` of `bubblewrap.command`.

    Attributes:
        template: Where kernels are forked; None: they are started cold. Its `readable` and `hidden`
            are the ones that count.
        private: The folder of the sockets.
        init: The sandbox's first process: all others die with it.
        kernel: The kernel's process.
    """

    template: Template | None = None

    memory = Integer(Limits.memory).tag(config=True)
    tasks = Integer(Limits.tasks).tag(config=True)
    cpu_seconds = Integer(Limits.cpu_seconds).tag(config=True)
    seconds = Float(Limits.seconds).tag(config=True)
    file_bytes = Integer(Limits.file_bytes).tag(config=True)
    disk_bytes = Integer(Limits.disk_bytes).tag(config=True)
    readable = List(Unicode()).tag(config=True)
    hidden = List(Unicode()).tag(config=True)

    private: str | None = None
    init: psutil.Process | None = None
    kernel: psutil.Process | None = None
    watcher: Watcher | None = None
    group: Group | None = None
    _status: int | None = None

    @property
    def limits(self) -> Limits:
        """The limits, as one object."""
        return Limits(
            self.memory,
            self.tasks,
            self.cpu_seconds,
            self.seconds,
            self.file_bytes,
            self.disk_bytes,
        )

    @property
    def reason(self) -> str:
        """What ended the kernel, as far as the limits did; empty if they did not."""
        if self.watcher is not None and self.watcher.reason:
            return self.watcher.reason
        if self.group is not None and self.group.ran_out():
            return f"it used more than {self.memory / GB:.1f} GB of memory"
        return ""

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """Put the sockets into a private folder.

        Raises:
            SandboxError: There is no sandbox here.
        """
        require_sandbox()
        self._clear()
        self.private = private_folder(self.template.folder if self.template else None)
        manager: Any = self.parent
        manager.transport = "ipc"
        manager.ip = f"{self.private}/k"
        manager.connection_file = f"{self.private}/connection.json"
        for name in ("shell", "iopub", "stdin", "hb", "control"):
            setattr(manager, f"{name}_port", 0)
        kwargs = await super().pre_launch(**kwargs)
        return kwargs

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Start the kernel, and watch it.

        Raises:
            SandboxError: The sandbox did not start.
        """
        assert self.private is not None
        folder = kwargs.pop("cwd", None)
        if self.template is not None:
            return self._forked(self.template, cmd, folder, kwargs.get("env") or {})
        cmd = [os.path.abspath(cmd[0]) if os.sep in cmd[0] else cmd[0], *cmd[1:]]
        full = command(
            cmd,
            private=self.private,
            folder=os.path.abspath(folder) if folder else None,
            readable=self.readable,
            hidden=self.hidden,
            limits=self.limits,
            environment=kwargs.get("env") or dict(os.environ),
        )
        self._status, writing = os.pipe()
        at = full.index("--")
        full[at:at] = ["--json-status-fd", str(writing)]
        given = [writing]
        if calls := seccomp.program():
            given.append(_readable(calls))
            full[at:at] = ["--seccomp", str(given[-1])]
        self.group = make_group(self.memory, self.tasks)
        if self.group is not None:
            enter = f'echo $$ > {self.group.enter} && exec "$@"'
            full = ["/bin/sh", "-c", enter, "sh", *full]
        try:
            # Its own words would go to the grader's terminal, with whatever moves a cursor there.
            kwargs |= {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            info = await super().launch_kernel(full, cwd="/", pass_fds=tuple(given), **kwargs)
        finally:
            for number in given:
                os.close(number)
        self.init = psutil.Process(self._first_process())
        self.kernel = _first_child(self.init)
        self._watch()
        return info

    def lock(self) -> None:
        """Have nothing more made in the folder of the sockets, once all are there.

        Raises:
            SandboxError: It could not be locked. (Of a kernel that was started cold it cannot; the
                watcher looks at its size.)
        """
        if isinstance(self.process, Forked):
            self.process.lock()

    def _watch(self) -> None:
        assert self.init is not None and self.private is not None
        self.watcher = Watcher(self.init, self.private, self.limits, self.end)
        self.watcher.start()

    def _forked(
        self, template: Template, cmd: list[str], folder: str | None, environment: dict[str, str]
    ) -> KernelConnectionInfo:
        """Have the kernel forked."""
        assert self.private is not None
        if folder is not None:
            _pack(folder, f"{self.private}/files.tar", self.disk_bytes)
        forked: Any = Forked(template.connect())
        self.group = make_group(self.memory, self.tasks)
        if self.group is not None:
            self.group.enter.write_text(str(forked.pid), encoding="ascii")
        request = {
            "private": self.private,
            "arguments": cmd[cmd.index("-f") :],
            "environment": variables(environment),
            "disk_bytes": self.disk_bytes,
            "rlimits": {
                "RLIMIT_DATA": self.memory + MAPPED,
                "RLIMIT_NPROC": self.tasks,
                "RLIMIT_CPU": self.cpu_seconds,
                "RLIMIT_FSIZE": self.file_bytes,
                "RLIMIT_NOFILE": 1024,
                "RLIMIT_CORE": 0,
            },
        }
        self.process, self.pid, self.pgid = forked, forked.pid, None
        self.init, self.kernel = forked.start(request)
        self._watch()
        return self.connection_info

    def _first_process(self) -> int:
        assert self._status is not None
        text, until = b"", time.monotonic() + 20
        while b"\n" not in text and time.monotonic() < until:
            if select.select([self._status], [], [], 0.5)[0]:
                got = os.read(self._status, 4096)
                text += got
                if not got:
                    break
        try:
            return int(json.loads(text.splitlines()[0])["child-pid"])
        except (IndexError, KeyError, ValueError):
            raise SandboxError(
                f"bubblewrap did not start (it said {text[:200]!r}): run `course doctor`"
            ) from None

    def end(self) -> None:
        """Kill the sandbox's first process, and so every one in it."""
        if self.init is not None:
            with contextlib.suppress(psutil.Error):
                self.init.kill()

    async def send_signal(self, signum: int) -> None:
        """An interrupt goes to the kernel alone, every other signal to the sandbox."""
        if signum == signal.SIGINT:
            if self.kernel is not None:
                with contextlib.suppress(psutil.Error):
                    self.kernel.send_signal(signum)
            return
        await super().send_signal(signum)

    async def kill(self, restart: bool = False) -> None:
        """End the sandbox with all that is in it."""
        self.end()
        await super().kill(restart)

    async def terminate(self, restart: bool = False) -> None:
        """The same: nothing in a sandbox is worth waiting for."""
        await self.kill(restart)

    async def cleanup(self, restart: bool = False) -> None:
        """Remove what was made for the sandbox."""
        self.end()
        await super().cleanup(restart)
        self._clear()

    def _clear(self) -> None:
        if self.template is not None and self.process is not None:
            self.process.kill()
        if self.watcher is not None:
            self.watcher.stop()
        if self._status is not None:
            os.close(self._status)
            self._status = None
        if self.init is not None:
            with contextlib.suppress(psutil.Error):
                self.init.wait(5)
        if self.group is not None:
            self.group.remove()
        if self.private is not None:
            remove(self.private)
            self.private = None


def _readable(data: bytes) -> int:
    """An open file that holds these bytes, to be read from the beginning."""
    with tempfile.TemporaryFile() as stream:
        stream.write(data)
        stream.seek(0)
        return os.dup(stream.fileno())


def _pack(folder: str, archive: str, limit: int) -> None:
    """Put the plain files of a folder into an archive: no links, no devices, not too many."""
    size = 0
    with tarfile.open(archive, "w") as files:
        for path in sorted(Path(folder).rglob("*")):
            kept = not path.is_symlink() and path.is_file()
            size += path.stat().st_size + 1024 if kept else 0
            if kept and size <= limit:
                files.add(path, str(path.relative_to(folder)), recursive=False)


def _first_child(process: psutil.Process) -> psutil.Process:
    """The kernel: the only child of the sandbox's first process, once it is there."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        with contextlib.suppress(psutil.Error):
            children = process.children()
            if children:
                return children[0]
        time.sleep(0.01)
    raise SandboxError("the sandbox started and its kernel did not: run `course doctor`")
