"""Kernels with a warm start: libraries are imported once, each notebook's kernel is forked.

    with kernels() as name:  # the name of a kernel, for nbclient or nbval
        ...

To import torch and what goes with it takes a processor some three seconds, for each of fifty
notebooks; a fork takes none. What comes out of the fork is the ordinary kernel, so the outputs are
those of the ordinary kernel too. Only other people's libraries are imported ahead, never the
package of the course: which of its files a notebook reads is seen as before (`probe`).

Three processes take part. The *server* has imported the libraries and waits at a socket. Jupyter
starts the *launcher* in place of a kernel; it hands its arguments, environment and streams to the
server and passes signals on. The server forks the *kernel*, which ends with its launcher or with
the server, whichever goes first; the server ends with the process that started it.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

PLAIN, WARM = "python3", "course-warm"
POSSIBLE = sys.platform == "linux"  # others do not fork safely after these imports
ADDRESS = "COURSE_WARM"  # the variable that tells a launcher where the server is
BACKEND = "module://matplotlib_inline.backend_inline"  # a kernel's, read by matplotlib at import
LONGEST = 1 << 17  # bytes of one request
# None that looks at import for the kernel that it runs in: pyplot, ipywidgets and tqdm.auto do.
LIBRARIES = (
    "torch",
    "torchvision",
    "scipy.linalg",
    "scipy.ndimage",
    "scipy.stats",
    "matplotlib.figure",
    "matplotlib.backends.backend_agg",
    "jupyter_client",
)


@contextlib.contextmanager
def kernels() -> Iterator[str]:
    """Yield the name of the kernel to ask for; inside, `os.environ` lets Jupyter find it.

    What decides how libraries behave (number of threads, search path, hash seed) must stand in
    `os.environ` before. Where it is not `POSSIBLE`, it is the ordinary kernel.
    """
    if not POSSIBLE:
        yield PLAIN
        return
    with tempfile.TemporaryDirectory(prefix="warm-") as folder:
        command = [sys.executable, str(Path(__file__).resolve())]
        spec = {"display_name": WARM, "language": "python"}
        spec["argv"] = [command[0], "-E", "-S", command[1], "-f", "{connection_file}"]
        home = Path(folder, "kernels", WARM)
        home.mkdir(parents=True)
        (home / "kernel.json").write_text(json.dumps(spec))
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
            listening.bind(f"{folder}/socket")
            listening.listen(64)
            server = subprocess.Popen(
                [*command, "--serve", str(listening.fileno()), *LIBRARIES],
                env={"MPLBACKEND": BACKEND, **os.environ},
                stdin=subprocess.PIPE,  # its end tells the server that nobody needs it any more
                pass_fds=[listening.fileno()],
                start_new_session=True,
            )
        places = [folder, *filter(None, [os.environ.get("JUPYTER_PATH")])]
        found = {"JUPYTER_PATH": os.pathsep.join(places), ADDRESS: f"{folder}/socket"}
        try:
            with mock.patch.dict(os.environ, found):
                yield WARM
        finally:
            server.kill()
            server.communicate()


def serve(listening: socket.socket, libraries: list[str]) -> None:
    """Import the libraries, then fork a kernel for each request, until nobody is left to ask."""
    for name in libraries:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the kernels
    while sys.stdin not in select.select([listening, sys.stdin], [], [])[0]:
        launcher, _ = listening.accept()
        request, streams, _, _ = socket.recv_fds(launcher, LONGEST, 3)
        kernel = os.fork()
        if kernel == 0:
            listening.close()
            become_kernel(launcher, json.loads(request), streams)
            return
        launcher.send(str(kernel).encode())
        launcher.close()
        for stream in streams:
            os.close(stream)


def become_kernel(launcher: socket.socket, request: dict[str, Any], streams: list[int]) -> None:
    """Be, in a fork of the server, the kernel that Jupyter asked for; return when it ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(request["environment"], JPY_PARENT_PID=str(os.getppid()))
    os.chdir(request["folder"])

    def end_with_launcher() -> None:
        launcher.recv(1)
        os._exit(1)

    threading.Thread(target=end_with_launcher, daemon=True).start()
    from ipykernel.kernelapp import IPKernelApp  # now: it looks at the environment

    sys.argv[1:] = request["arguments"]
    IPKernelApp.launch_instance()


def launch(arguments: list[str]) -> int:
    """Ask the server for a kernel, and stand in for it until it ends."""
    request = {"arguments": arguments, "folder": os.getcwd(), "environment": dict(os.environ)}
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
        server.connect(os.environ[ADDRESS])
        socket.send_fds(server, [json.dumps(request).encode()], [0, 1, 2])
        kernel = int(server.recv(20) or 0)
        if kernel:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, lambda number, _: os.kill(kernel, number))
            server.recv(1)  # until the kernel ends
    return 1  # Jupyter looks only whether a kernel lives


if __name__ == "__main__":
    sys.path.pop(0)  # this folder, whose modules have common names
    if sys.argv[1] == "--serve":
        serve(socket.socket(fileno=int(sys.argv[2])), sys.argv[3:])
    else:
        sys.exit(launch(sys.argv[1:]))
