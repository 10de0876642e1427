"""Starts a Jupyter kernel in a sandbox, so that a learner's notebook can harm nothing but itself.

`BubblewrapProvisioner` is a Jupyter kernel provisioner: nbclient, nbconvert, papermill and nbgrader
start kernels through it without knowing (`JUPYTER_DEFAULT_PROVISIONER_NAME=course-sandbox`, or
`metadata.kernel_provisioner` of a kernel spec). What is in the sandbox:

* no network, not even loopback: Jupyter's sockets are files in a private folder, `PRIVATE`;
* the system's programs, Python and `course_lib` for reading, without its rooms `checks` and
  `grading` (`HIDDEN_ROOMS`) and whatever else is named `hidden`; nothing else of this machine;
* a home and a /tmp of its own, in memory, of a limited size, gone afterwards;
* no environment, no capabilities, no user namespaces, process numbers of its own: a signal, a
  debugger or /proc reaches nobody outside;
* none of the system's calls that `inside.seccomp` forbids;
* limits on memory, tasks, time and files. Memory and tasks of all processes together are held by a
  control group where one can be had (`cgroup`), else by a thread that looks every `LOOK` seconds.

Everything in it dies with it, daemons included, and it dies with the process that started it.

Where bubblewrap is missing or may not work, `refusal` says why, and what to do.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning import LocalProvisioner
from traitlets import Float, Integer, List, Unicode

import course_lib
from course_lib.grading.cgroup import Group, make_group, orphaned
from course_lib.grading.cgroup import sweep as sweep_groups
from course_lib.grading.inside import seccomp

GB, MB = 1 << 30, 1 << 20
TEMPLATE_SECONDS = 180.0  # until it has imported torch, on a busy machine
LOOK = 0.1  # seconds between two looks of the watcher
MAPPED = GB  # what a process with torch maps for writing and hardly touches
PRIVATE_BYTES = 16 * MB  # what may lie in the private folder: sockets and a small file
FILES = 4_096  # open in all processes together; each socket can hold memory that nobody counts
PACKAGES = "/course"  # where course_lib is, in the sandbox
HOME = "/learner"
HIDDEN_ROOMS = ("checks", "grading")  # of course_lib: answers, and how they are judged
SYSTEM = (
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib64",
    "/etc/ld.so.cache",
    "/etc/alternatives",
    "/etc/fonts",
    "/etc/localtime",
)
KEPT = ("LANG", "LC_ALL", "OMP_NUM_THREADS", "NBGRADER_EXECUTION", "NBGRADER_VALIDATING")


class SandboxError(ValueError):
    """There is no sandbox here, or it did not start."""


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


@dataclass(frozen=True)
class Limits:
    """What the processes of one sandbox may use, all together unless it says otherwise."""

    memory: int = 4 * GB  # bytes
    tasks: int = 128  # processes and threads; a kernel with torch has about 15
    cpu_seconds: int = 300  # of each process
    seconds: float = 900.0  # by the clock, for the sandbox
    file_bytes: int = 256 * MB  # of one file
    disk_bytes: int = 512 * MB  # of each of home, /tmp and /dev/shm

    def __post_init__(self) -> None:
        """Refuse limits with which no kernel starts."""
        if self.memory < GB or self.tasks < 32:
            raise ValueError(
                f"got memory={self.memory}, tasks={self.tasks}; a kernel with torch needs at least "
                f"{GB} bytes and 32 tasks: raise them"
            )


def command(
    inner: Sequence[str],
    *,
    private: str,
    folder: str | None = None,
    readable: Iterable[str] = (),
    hidden: Iterable[str] = (),
    limits: Limits | None = None,
    environment: dict[str, str] | None = None,
    template: bool = False,
) -> list[str]:
    """The command line that runs another one in the sandbox.

    Args:
        inner: The command to run.
        private: Folder that is shared, for reading and writing: the sockets.
        folder: Its files are copied into the working folder. None: it is empty.
        readable: More files and folders that may be read.
        hidden: Files and folders, below readable ones, that are empty in the sandbox; and modules
            of course_lib, as "course_lib.metrics.confusion".
        limits: What it may use.
        environment: Of this process; only what is `KEPT` goes in.
        template: Whether the command is trusted, and makes sandboxes in this one: it has
            capabilities in it, and no limits.

    Returns:
        The command, to be run as it is.
    """
    limits = limits or Limits()
    version = subprocess.run(["bwrap", "--help"], capture_output=True, text=True, check=False)
    parts = ["bwrap", "--unshare-all", "--unshare-user", "--die-with-parent", "--new-session"]
    parts += ["--cap-add" if template else "--cap-drop", "ALL", "--clearenv"]
    parts += ["--hostname", "sandbox"]
    if "--disable-userns" in version.stdout + version.stderr:  # from 0.8 on
        parts.append("--disable-userns")
    if os.geteuid() == 0:
        parts += ["--uid", "65534", "--gid", "65534"]
    size = ["--size", str(limits.disk_bytes)]
    parts += [*size, "--tmpfs", "/tmp", *size, "--tmpfs", HOME]
    for path in _outermost([*SYSTEM, *_python(), *readable]):
        link = os.path.islink(path)
        parts += ["--symlink", os.readlink(path), path] if link else ["--ro-bind", path, path]
    package, here = f"{PACKAGES}/course_lib", Path(course_lib.__file__).parent
    parts += ["--ro-bind", str(here), package]
    parts += ["--ro-bind", str(here / "grading" / "inside"), f"{PACKAGES}/course_inside"]
    for path in _masked(package, hidden):
        empty = ["--size", "4096", "--tmpfs", path, "--remount-ro", path]
        # A path that is not there cannot be covered, and need not be.
        real = path.replace(package, str(here), 1)
        # It may come later: then it would not be covered. Where no package lies none is made up.
        if path.endswith("/__pycache__") and os.path.isdir(os.path.dirname(real)):
            with contextlib.suppress(OSError):
                os.mkdir(real)
        if os.path.isdir(real):
            parts += empty
        elif os.path.exists(real):
            parts += ["--ro-bind", str(here / "py.typed"), path]  # it is empty
    work = f"{HOME}/work"
    # A kernel that root started is root's for the files in /proc, without capabilities: a line in
    # /proc/sys/kernel/core_pattern would run a program outside, one in sysrq-trigger end it all.
    if template:  # who is to mount a /proc of its own must see a whole one
        parts += ["--ro-bind", "/proc", "/host"]
    parts += ["--proc", "/proc", "--remount-ro", "/proc", "--dev", "/dev"]
    parts += ["--dev-bind", "/dev/null", "/dev/zero"]  # mapped, it is memory that nobody counts
    parts += [*size, "--tmpfs", "/dev/shm", "--remount-ro", "/dev", "--dir", work]
    parts += ["--bind", private, private]
    if folder is not None:
        parts += ["--ro-bind", folder, "/submission"]
    parts += ["--remount-ro", "/", "--chdir", work]
    for name, value in _environment(environment or {}).items():
        parts += ["--setenv", name, value]
    if template:
        return [*parts, "--", *inner]
    capped = [
        "prlimit",
        f"--data={limits.memory + MAPPED}",
        f"--nproc={limits.tasks}",
        f"--cpu={limits.cpu_seconds}",
        f"--fsize={limits.file_bytes}",
        "--core=0",
        "--nofile=1024",
        *inner,
    ]
    copy = 'cp -rL /submission/. . 2>/dev/null; exec "$@"' if folder is not None else 'exec "$@"'
    return [*parts, "--", "/bin/sh", "-c", copy, "sh", *capped]


def _environment(given: dict[str, str]) -> dict[str, str]:
    """The variables in the sandbox."""
    inside = {name: given[name] for name in KEPT if name in given} | {
        "HOME": HOME,
        "USER": "learner",
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "PYTHONPATH": PACKAGES,
        "PYTHONDONTWRITEBYTECODE": "1",
        "IPYTHONDIR": f"{HOME}/.ipython",
        "MPLCONFIGDIR": "/tmp/matplotlib",
        "MPLBACKEND": "Agg",
        "JPY_PARENT_PID": "1",
    }
    inside.setdefault("OMP_NUM_THREADS", "1")
    return inside


def _python() -> list[str]:
    """Where Python and its packages are."""
    paths = sysconfig.get_paths()
    return [sys.prefix, sys.base_prefix, paths["purelib"], paths["platlib"], paths["stdlib"]]


def _outermost(paths: Iterable[str]) -> list[str]:
    """The paths that exist and lie below no other."""
    found: list[str] = []
    for path in sorted({os.path.abspath(p) for p in paths if os.path.exists(p)}, key=len):
        if not any(path == other or path.startswith(f"{other}/") for other in found):
            found.append(path)
    return found


def _masked(package: str, hidden: Iterable[str]) -> list[str]:
    """The paths to cover, seen in the sandbox."""
    copies = {package, f"{sysconfig.get_paths()['purelib']}/course_lib"}
    masked = [f"{copy}/{room}" for copy in sorted(copies) for room in HIDDEN_ROOMS]
    for name in hidden:
        if name.startswith("course_lib."):
            stem = name.replace(".", "/").removeprefix("course_lib/")
            masked += [f"{copy}/{stem}{end}" for copy in sorted(copies) for end in ("", ".py")]
            # What Python made of a module lies beside it, and can be run without it.
            parent = str(Path(stem).parent / "__pycache__")
            masked += [str(Path(copy, parent)) for copy in sorted(copies)]
        else:
            masked.append(os.path.abspath(name))
    return list(dict.fromkeys(masked))


class Watcher(threading.Thread):
    """Ends a sandbox that uses more than it may, and knows why it ended.

    Attributes:
        reason: What was used up, in words for the learner; empty while nothing is.
    """

    def __init__(
        self, init: psutil.Process, private: str, limits: Limits, kill: Callable[[], None]
    ) -> None:
        """Watch the sandbox whose first process is `init`; `kill` ends it."""
        super().__init__(daemon=True, name="sandbox watcher")
        self.init, self.private, self.limits, self._kill = init, private, limits, kill
        self.reason, self.peak = "", 0
        self._over = threading.Event()
        self._until = time.monotonic() + limits.seconds

    def run(self) -> None:
        """Look until it is over."""
        while not self.reason and not self._over.wait(LOOK):
            with contextlib.suppress(psutil.Error, OSError):
                self.reason = self._look()
        if self.reason:
            self._kill()

    def stop(self) -> None:
        """No longer look."""
        self._over.set()

    def _look(self) -> str:
        limits = self.limits
        if time.monotonic() > self._until:
            return f"it ran longer than {limits.seconds:g} s"
        memory = tasks = opened = 0
        everyone = [self.init, *self.init.children(recursive=True)]
        for process in everyone:
            with contextlib.suppress(psutil.NoSuchProcess):
                used = process.memory_info()
                memory += used.rss - used.shared
                tasks += process.num_threads()
                opened += process.num_fds()
        if memory > limits.memory / 2:  # what forked processes share was counted for each of them
            memory = 0
            for process in everyone:
                with contextlib.suppress(psutil.NoSuchProcess):
                    memory += process.memory_full_info().pss
        self.peak = max(self.peak, memory)
        if memory > limits.memory:
            return f"it used more than {limits.memory / GB:.1f} GB of memory"
        if tasks > limits.tasks:
            return f"it started more than {limits.tasks} processes and threads"
        if opened > FILES:
            return f"it opened more than {FILES} files and sockets"
        with os.scandir(self.private) as entries:
            lies = [
                (e.is_dir(follow_symlinks=False), e.stat(follow_symlinks=False)) for e in entries
            ]
        size = sum(found.st_blocks * 512 for _, found in lies)
        if size > PRIVATE_BYTES or len(lies) > 100 or any(folder for folder, _ in lies):
            return "it filled the folder of its sockets"
        return ""


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


class _Forked:
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


class BubblewrapProvisioner(LocalProvisioner):
    """Starts a kernel in the sandbox; the module's docstring says what that is.

    The traits are the fields of `Limits`, and `readable` and `hidden` of `command`.

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
        if isinstance(self.process, _Forked):
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
        forked: Any = _Forked(template.connect())
        self.group = make_group(self.memory, self.tasks)
        if self.group is not None:
            self.group.enter.write_text(str(forked.pid), encoding="ascii")
        request = {
            "private": self.private,
            "arguments": cmd[cmd.index("-f") :],
            "environment": _environment(environment),
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


def private_folder(base: str | None = None) -> str:
    """Make a folder for sockets, whose path leaves them short enough (107 bytes)."""
    if base is not None:
        return tempfile.mkdtemp(prefix="k", dir=base)
    prefix = f"course-{os.getpid()}-"
    for base in _bases():
        if os.access(base, os.W_OK) and len(base) < 55:
            return tempfile.mkdtemp(prefix=prefix, dir=base)
    return tempfile.mkdtemp(prefix=prefix)


def _bases() -> list[str]:
    """Where private folders are made."""
    run = os.environ.get("XDG_RUNTIME_DIR", "")
    return [base for base in (run, "/dev/shm", tempfile.gettempdir()) if os.path.isdir(base)]


def remove(folder: str) -> None:
    """Remove a folder in which a learner's code may have made others, however deep."""
    with contextlib.suppress(RecursionError):
        shutil.rmtree(folder, ignore_errors=True)
    if os.path.isdir(folder):
        # Deeper than one process can open folders: a program that changes into them can.
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run(["rm", "-rf", "--", folder], timeout=60, check=False)


def sweep() -> int:
    """Remove what graders left that were killed: folders of sockets, and control groups.

    Returns:
        How many; those of processes that run stay.
    """
    removed = sweep_groups()
    for base in _bases():
        for folder in Path(base).glob("course-*-*"):
            if orphaned(folder.name) and folder.is_dir() and not folder.is_symlink():
                remove(str(folder))
                removed += not folder.exists()
    return removed


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
