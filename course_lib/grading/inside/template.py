"""A warm process in the sandbox, from which kernels are forked: torch is imported once, not often.

It runs in a sandbox of bubblewrap's as the cold kernels do, but keeps its capabilities there (they
are worth nothing outside) and never runs a line of a learner's. For each kernel it forks, and the
child

* leaves every namespace but the user's: mounts, process numbers, network and IPC are its own;
* covers the home, /tmp, /dev/shm and the other kernels' sockets with empty folders in memory, and
  mounts a /proc of its own, for reading;
* drops all capabilities for good and makes no call of the system that `seccomp` forbids;
* takes its limits, closes what it inherited, and becomes a kernel.

Once the kernel is connected with the grader, the folder of its sockets is made read-only.

The grader learns each process's number from the kernel of the system (`SCM_CREDENTIALS`): numbers
in here mean nothing there. Its side is `course_lib.grading.template.Template`.

`python -m course_inside.template FOLDER` listens at FOLDER/template.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import random
import re
import resource
import signal
import socket
import stat
import sys
import tarfile
from typing import Any

from . import seccomp

HOME = "/learner"
NEWNS, NEWUTS, NEWIPC, NEWPID, NEWNET = 0x20000, 0x4000000, 0x8000000, 0x20000000, 0x40000000
READ_ONLY, NOSUID, NODEV, NOEXEC, REMOUNT = 1, 2, 4, 8, 32
BIND, RECURSIVE, PRIVATE = 4096, 0x4000, 1 << 18
PDEATHSIG, CAPBSET_DROP, CAP_AMBIENT, CLEAR_ALL = 1, 24, 47, 4
_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _mount(source: str, target: str, kind: str | None, flags: int, options: str = "") -> None:
    given = [text.encode() if text else None for text in (source, target, kind, options)]
    _check(_libc.mount(given[0], given[1], given[2], flags, given[3]), f"mount {target}")


def preload() -> None:
    """Import what kernels need; nothing is started."""
    import ipykernel.ipkernel
    import ipykernel.kernelapp
    import IPython.core.interactiveshell
    import matplotlib.pyplot
    import numpy
    import torch

    from . import agent

    del IPython, ipykernel, matplotlib, numpy, torch, agent


def main(folder: str) -> None:
    """Fork a kernel for each connection, until the sandbox ends."""
    preload()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(f"{folder}/template.new")
    listener.listen(16)
    os.rename(f"{folder}/template.new", f"{folder}/template")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        connection, _ = listener.accept()
        if os.fork() == 0:
            code = 70
            try:
                listener.close()
                code = _keeper(connection, folder)
            except BaseException as error:
                with contextlib.suppress(OSError):
                    connection.sendall(f"failed {error}\n".encode()[:500])
            finally:
                os._exit(code)
        connection.close()


def _keeper(connection: socket.socket, folder: str) -> int:
    """Outside of the kernel's namespaces: starts its first process and waits for its end."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _libc.prctl(PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    os.setsid()
    connection.sendall(b"keeper\n")
    request: dict[str, Any] = json.loads(_line(connection))
    _check(_libc.unshare(NEWNS | NEWUTS | NEWIPC | NEWPID | NEWNET), "unshare")
    first = os.fork()
    if first == 0:
        try:
            _first(connection, folder, request)
        except BaseException as error:
            with contextlib.suppress(OSError):
                connection.sendall(f"failed {error}\n".encode()[:500])
        finally:
            os._exit(71)
    connection.settimeout(0.1)
    while True:  # until the kernel is connected, or gone
        pid, status = os.waitpid(first, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status) & 0xFF
        with contextlib.suppress(TimeoutError):
            if connection.recv(5) == b"lock\n":
                _lock(request["private"])
                connection.sendall(b"locked\n")
            break
    _, status = os.waitpid(first, 0)
    return os.waitstatus_to_exitcode(status) & 0xFF


def _lock(private: str) -> None:
    """Make the folder of a kernel's sockets read-only: the kernel has its mounts from here."""
    kept = os.statvfs(private).f_flag & (NOSUID | NODEV | NOEXEC)  # the same numbers
    _check(
        _libc.mount(None, private.encode(), None, REMOUNT | BIND | READ_ONLY | kept, None), "lock"
    )


def _line(connection: socket.socket) -> bytes:
    data = b""
    while not data.endswith(b"\n"):
        got = connection.recv(65536)
        if not got:
            os._exit(72)
        data += got
    return data


def _first(connection: socket.socket, folder: str, request: dict[str, Any]) -> None:
    """Process 1 of the kernel's: makes its world, starts it, and ends when it does."""
    _libc.prctl(PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    private, size = request["private"], request["disk_bytes"]
    _mount("none", "/", None, RECURSIVE | PRIVATE)
    kept = os.open(private, os.O_PATH)
    here = f"/proc/self/fd/{kept}"
    for place in ("/tmp", HOME, "/dev/shm", folder):
        if os.path.isdir(place):  # the last one may lie in one of the others
            # Python or the project may stand in /tmp: what bwrap mounted there is mounted again.
            readable = [] if place == folder else _mounted_in(place, without=folder)
            _mount("tmpfs", place, "tmpfs", NOSUID | NODEV, f"size={size},mode=1777")
            for handle, path in readable:
                _make_target(handle, path)
                _mount(f"/proc/self/fd/{handle}", path, None, BIND | RECURSIVE)
                os.close(handle)
    os.makedirs(private)
    _mount(here, private, None, BIND)
    os.close(kept)
    _mount("proc", "/proc", "proc", READ_ONLY | NOSUID | NODEV | NOEXEC)
    _mount("tmpfs", "/host", "tmpfs", READ_ONLY | NOSUID | NODEV, "size=4096")
    os.makedirs(f"{HOME}/work")
    _drop()
    seccomp.install()
    connection.sendall(b"first\n")
    kernel = os.fork()
    if kernel == 0:
        _kernel(connection, request)
    connection.close()
    while True:
        try:
            pid, status = os.wait()
        except ChildProcessError:
            os._exit(0)
        if pid == kernel:
            os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


def _mounted_in(place: str, *, without: str) -> list[tuple[int, str]]:
    """The outermost mounts below a folder, each held open."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as stream:
        fields = (line.split()[4] for line in stream)
        points = sorted({re.sub(r"\\(\d{3})", lambda m: chr(int(m[1], 8)), f) for f in fields})
    found: list[tuple[int, str]] = []
    for path in points:
        inside = path.startswith(f"{place}/") and not f"{path}/".startswith(f"{without}/")
        if inside and not any(path.startswith(f"{outer}/") for _, outer in found):
            found.append((os.open(path, os.O_PATH), path))
    return found


def _make_target(handle: int, path: str) -> None:
    """An empty folder or file to mount upon."""
    if stat.S_ISDIR(os.fstat(handle).st_mode):
        os.makedirs(path, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "x"):
            pass


def _drop() -> None:
    """Give up all capabilities, and the ways to get one."""
    _libc.prctl(CAP_AMBIENT, CLEAR_ALL, 0, 0, 0)
    for capability in range(64):
        _libc.prctl(CAPBSET_DROP, capability, 0, 0, 0)
    header, data = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    _check(_libc.capset(header, data), "capset")
    with open("/proc/self/status", encoding="ascii") as stream:
        found = dict(line.split(":", 1) for line in stream if line.startswith(("Cap", "NoNew")))
    if int(found["CapEff"], 16) or int(found["CapBnd"], 16) or int(found["NoNewPrivs"]) != 1:
        raise OSError("capabilities are left")


def _kernel(connection: socket.socket, request: dict[str, Any]) -> None:
    """Become the kernel."""
    os.chdir(f"{HOME}/work")
    archive = f"{request['private']}/files.tar"
    if os.path.exists(archive):
        with contextlib.suppress(OSError, tarfile.TarError), tarfile.open(archive) as files:
            if hasattr(tarfile, "data_filter"):
                files.extractall(".", filter="data")
            else:  # Python before 3.11.4: plain files alone are in it, see `sandbox._pack`
                files.extractall(".")
        os.unlink(archive)
    os.environ.clear()
    os.environ.update(request["environment"])
    for name, value in request["rlimits"].items():
        resource.setrlimit(getattr(resource, name), (value, value))
    nowhere = os.open("/dev/null", os.O_RDWR)
    for stream in range(3):
        os.dup2(nowhere, stream)
    connection.sendall(b"kernel\n")
    connection.close()
    os.closerange(3, 1024)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _fresh_dice()
    sys.path[:] = [path for path in sys.path if path not in ("", f"{HOME}/work")]
    sys.argv = ["ipykernel_launcher", *request["arguments"]]
    from ipykernel.kernelapp import IPKernelApp

    try:
        IPKernelApp.launch_instance(argv=request["arguments"])
    finally:
        os._exit(0)


def _fresh_dice() -> None:
    import numpy as np
    import torch

    random.seed()
    np.random.seed()
    torch.seed()
    torch.set_num_threads(1)


if __name__ == "__main__":
    main(sys.argv[1])
