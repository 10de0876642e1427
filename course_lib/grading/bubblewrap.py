"""The command line of bubblewrap that makes a sandbox, and the error where none is to be had.

`command` says what is seen, covered and limited in a sandbox, for cold kernels and for the warm
process; `sandbox` says what for.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Sequence
from pathlib import Path

import course_lib
from course_lib.grading.limits import MAPPED, Limits

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
    for name, value in variables(environment or {}).items():
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


def variables(given: dict[str, str]) -> dict[str, str]:
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
