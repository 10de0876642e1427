"""Formgrader, nbgrader's page for points by hand, on a course folder.

It shows the notebooks in autograded/, which `clean` has made harmless; what is given there goes
into the gradebook, from where `export` and `feedback` take it. The server listens to this machine
only, wants a token, and has no terminal and no configuration of the user's. Formgrader's buttons
that would run learners' code unprotected, or publish hidden tests as feedback, do nothing here:
`course release`, `collect`, `grade` and `feedback` do that.

This module is also the extension of Jupyter's server that refuses them.
"""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tornado.web import RequestHandler

from course_lib.grading.folder import Course

SECONDS = 120.0  # until it answers, on a busy machine
EXTENSIONS = ("course_lib.grading.formgrader", "nbgrader.server_extensions.formgrader")
# What is refused of Formgrader's interface.
REFUSED = (
    r"/formgrader/api/.*/(autograde|generate_feedback|release_feedback|assign|release|unrelease|"
    r"collect)/?"
)
INSTEAD = "not from here: use course release, collect, grade and feedback"


class Refuse(RequestHandler):
    """Answers that this is not done here."""

    def check_xsrf_cookie(self) -> None:
        """Nothing is done, so nothing has to be kept from other sites."""

    def prepare(self) -> None:
        """Answer, whatever was asked."""
        self.set_status(403)
        self.finish({"success": False, "error": INSTEAD, "log": INSTEAD})


def _load_jupyter_server_extension(server: Any) -> None:
    """Refuse first what nbgrader's extension, loaded after this one, would do."""
    base = server.web_app.settings["base_url"].rstrip("/")
    server.web_app.add_handlers(".*$", [(base + REFUSED, Refuse)])


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "course_lib.grading.formgrader"}]


@dataclass(frozen=True)
class Served:
    """A server at work.

    Attributes:
        url: Of Formgrader; opens it, for it holds the token.
        base: Of the server.
        process: It.
    """

    url: str
    base: str
    process: subprocess.Popen[bytes]


@contextmanager
def serve(course: Course, port: int = 0) -> Iterator[Served]:
    """Serve Formgrader, until the block ends.

    Args:
        course: The course.
        port: Of this machine; 0: a free one.

    Raises:
        FileNotFoundError: This is no course folder.
        RuntimeError: The server does not start.
    """
    course.check()
    if port == 0:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
    token = secrets.token_urlsafe(24)
    own = course.work / "jupyter"
    log = own / "server.log"
    own.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "jupyter_server", "--no-browser", "--ip=127.0.0.1"]
    command += [f"--port={port}", "--ServerApp.port_retries=0"]
    command += [f"--ServerApp.root_dir={course.root.resolve()}"]
    command += ["--ServerApp.terminals_enabled=False", "--ServerApp.open_browser=False"]
    command += [f"--ServerApp.jpserver_extensions={name}=True" for name in EXTENSIONS]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    # The token is not in the command, which everybody on this machine can read.
    environment = {**os.environ, "JUPYTER_TOKEN": token}
    for name in ("CONFIG", "DATA", "RUNTIME"):
        environment[f"JUPYTER_{name}_DIR"] = str(own.resolve() / name.lower())
    with log.open("wb") as said:
        process = subprocess.Popen(
            command,
            cwd=course.root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
        )
    try:
        base = f"http://127.0.0.1:{port}"
        _wait(f"{base}/api/status?token={token}", process, log)
        yield Served(f"{base}/formgrader/gradebook?token={token}", base, process)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the server answers."""
    until = time.monotonic() + SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    raise RuntimeError(f"Formgrader did not start: {said[-1] if said else 'it said nothing'}")
