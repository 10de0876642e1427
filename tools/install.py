"""Set up the environment that the course runs in: ``python3 tools/install.py``.

Needs only Python's standard library, and is written so that an old Python can read it far enough
to say that it is too old. Called again with nothing changed, it ends in a fraction of a second.

With ``--venv .venv`` (the default) it makes a virtual environment there and installs the package
and all extras in the versions of ``constraints.txt``. With ``--venv ""`` it uses the Python that
runs it: what is installed there stays as it is, and only what is missing is added.
"""

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OLDEST = (3, 10)
STAMP = "course-setup.txt"
PROMPT = "segment-and-generate"  # of an environment that is made here; its pyvenv.cfg says so
# Ends well where Python is new enough and pip is whole. An interruption leaves half of it.
PROBE = f"""
import sys
from importlib.metadata import files
there = [file.locate().exists() for file in files("pip") or () if file.suffix != ".pyc"]
sys.exit(sys.version_info[:2] < {OLDEST} or not there or not all(there))
"""

# What pip's log says when something outside it is wrong, and what to do about it.
CAUSES = [
    (
        r"No space left on device|Errno 28",
        "The disk is full. Free some space (8 GB are needed; pip also uses the temporary folder,\n"
        "which the variable TMPDIR can move to another disk) and run the same command again.",
    ),
    (
        r"name resolution|NewConnectionError|ConnectTimeout|ReadTimeout|Max retries exceeded"
        r"|Connection (?:aborted|refused|reset)|NameResolutionError|Network is unreachable"
        r"|ProxyError|SSLError",
        "The package index could not be reached. Check the network, the proxy (variable\n"
        "HTTPS_PROXY) and pip's settings (pip config list), and run the same command again:\n"
        "what has been downloaded is kept.",
    ),
    (
        r"externally-managed-environment",
        "This Python belongs to the operating system and takes no packages. Leave VENV as it is\n"
        "(make setup), so that the course gets an environment of its own.",
    ),
    (
        r"No matching distribution|ResolutionImpossible",
        "Some package has no version that suits this computer and this Python. The course is made\n"
        "for Python 3.10 to 3.13 on 64-bit Linux, macOS or Windows: choose one, for example with\n"
        "make setup PYTHON=python3.12",
    ),
]


class SetupError(Exception):
    """Something that the person at the keyboard has to put right; its text says what and how."""


def check_python(version=sys.version_info[:2]):
    """Raise SetupError when this Python is too old for the course."""
    if tuple(version) < OLDEST:
        raise SetupError(
            "This is Python {}.{}, and the course needs {}.{} or newer. Install a newer one and "
            "name it, for example: make setup PYTHON=python3.12".format(*version, *OLDEST)
        )


def check_disk(folder, needed_gb):
    """Raise SetupError when the disk that holds `folder` has less than `needed_gb` GB free."""
    folder = Path(folder).resolve()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free / 1e9
    if free < needed_gb:
        raise SetupError(
            f"Only {free:.1f} GB are free on the disk of {folder}, and the environment needs "
            f"{needed_gb:g} GB (PyTorch is most of it). Free some space, or put the environment on "
            "another disk: make setup VENV=/path/on/a/larger/disk, and the same VENV=... with "
            "every later make"
        )


def fingerprint(python):
    """Hash of all that decides what is installed: the two lists, this Python, this place."""
    digest = hashlib.sha256()
    for name in ("pyproject.toml", "constraints.txt"):
        if not (ROOT / name).is_file():
            raise SetupError(
                f"{name} is missing from {ROOT}: this copy of the course is not whole. Get the "
                f"file back (git checkout {name}), or the course once more."
            )
        digest.update((ROOT / name).read_bytes())
    digest.update(f"{ROOT}\n{python}\n".encode())
    return digest.hexdigest()


def venv_python(venv):
    """Path of the interpreter inside a virtual environment."""
    return venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def run_quietly(command):
    """Run a command and keep what it says to itself."""
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)


def check_place(venv):
    """Raise SetupError unless `venv` is free, or a virtual environment. Nothing is overwritten."""
    if venv.is_dir():
        holds_files = any(files for _, _, files in os.walk(venv))
        if (venv / "pyvenv.cfg").is_file() or not holds_files:
            return
        what = "holds something that is not a virtual environment"
    elif venv.is_symlink() or venv.exists():
        what = "is a file, or a link that leads nowhere, and no folder"
    else:
        return
    raise SetupError(f"{venv} {what}. Name another folder: make setup VENV=.venv-course")


def make_venv(venv):
    """Make a virtual environment, unless there is a whole one; what an interruption left goes."""
    python = venv_python(venv)
    if python.exists() and run_quietly([str(python), "-c", PROBE]).returncode == 0:
        return
    settings = venv / "pyvenv.cfg"
    ours = (venv / STAMP).exists() or not settings.exists() or PROMPT in settings.read_text()
    if not ours:
        raise SetupError(
            f"{venv} is a virtual environment of somebody else's making, with an old Python or "
            "without a whole pip. Delete it, or name another folder: make setup VENV=.venv-course"
        )
    print(f"[1/2] an environment of its own in {venv}", flush=True)
    made = run_quietly([sys.executable, "-m", "venv", "--clear", "--prompt", PROMPT, str(venv)])
    if made.returncode:
        version = "{}.{}".format(*sys.version_info[:2])
        raise SetupError(
            f"Python could not make a virtual environment in {venv}. On Debian and Ubuntu: sudo "
            f"apt install python{version}-venv. Or use the environment you are in: make setup "
            "VENV=\nIt said: " + made.stdout.decode(errors="replace").strip()
        )


def installed_versions():
    """Names (normalised) and versions of what is installed for the Python that runs this."""
    from importlib import metadata  # not there in the oldest Pythons that reach check_python

    return {
        re.sub(r"[-_.]+", "-", dist.metadata["Name"]).lower(): dist.version
        for dist in metadata.distributions()
        if dist.metadata["Name"]
    }


def constraints_beside(pins, installed):
    """Constraints for an environment that exists: what is there stays, what is missing is pinned.

    Args:
        pins: The lines of ``constraints.txt``.
        installed: Normalised name to version of what is there.

    Returns:
        Lines for a constraints file. torch, torchvision and numpy are held at what is installed;
        every other package that is there is left to pip, which moves it only when it must.
    """
    lines = []
    for line in pins:
        name = re.sub(r"[-_.]+", "-", re.split(r"[=; ]", line)[0]).lower()
        if not name or name.startswith("#") or name in installed:
            continue
        if "torch" in installed and re.match(r"nvidia-|cuda-|triton$", name):
            continue  # belongs to the build of torch that is there
        lines.append(line)
    kept = [name for name in ("torch", "torchvision", "numpy") if name in installed]
    return lines + [f"{name}=={installed[name]}" for name in kept]


def run_pip(python, constraints, extras):
    """Install the package and its extras in one call of pip; explain a failure."""
    with tempfile.TemporaryDirectory() as scratch:
        log = Path(scratch, "pip.log")
        command = [python, "-m", "pip", "--disable-pip-version-check", "--log", str(log), "install"]
        command += ["--constraint", str(constraints), "--editable", f".[{extras}]"]
        environment = dict(os.environ, PIP_ROOT_USER_ACTION="ignore")
        failed = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
        if failed:
            said = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
            raise SetupError(explain(said))


def explain(log):
    """One cause and its cure for a pip log that ended in failure."""
    for pattern, advice in CAUSES:
        if re.search(pattern, log):
            return advice
    return "pip ended with an error: see its last lines above, mend that, run the same again."


def set_up(venv, extras, needed_gb):
    """Bring the environment up to date. Returns the interpreter to use."""
    check_python()
    python = str(venv_python(venv)) if venv else sys.executable
    # A stamp inside the environment it speaks for goes away together with it.
    home = venv if venv else Path(sys.prefix)
    stamp = home / STAMP
    mark = f"{fingerprint(python)} {extras}\n"
    if Path(python).exists() and stamp.is_file() and stamp.read_bytes() == mark.encode():
        return python
    if venv:
        check_place(venv)
    started = time.monotonic()
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    with tempfile.TemporaryDirectory() as scratch:
        constraints = ROOT / "constraints.txt"
        if venv:
            if not (venv / STAMP).exists():  # an environment that stands needs little more
                check_disk(venv, needed_gb)
            make_venv(venv)
        else:
            installed = installed_versions()
            check_disk(sys.prefix, 2 if "torch" in installed else needed_gb)
            constraints = Path(scratch, "constraints.txt")
            constraints.write_text("\n".join(constraints_beside(pins, installed)), encoding="utf-8")
        print(f"[2/2] the course and what it needs into {home} (minutes)", flush=True)
        run_pip(python, constraints, extras)
    try:
        stamp.write_text(mark, encoding="utf-8")
    except OSError as problem:
        print(f"no stamp could be left in {home} ({problem}): the next call looks again")
    print(f"ready after {time.monotonic() - started:.0f} s", flush=True)
    return python


def main(arguments=None):
    """Run from the command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--venv", default=".venv", help="folder of the environment; '' = the Python that runs this"
    )
    parser.add_argument("--extras", default="all", help="extras of pyproject.toml (all)")
    parser.add_argument("--min-disk", type=float, default=8, help="GB that must be free (8)")
    options = parser.parse_args(arguments)
    venv = (ROOT / options.venv).absolute() if options.venv.strip() else None
    try:
        set_up(venv, options.extras, options.min_disk)
    except (SetupError, OSError) as problem:
        print(f"\nSet-up stopped. {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nSet-up interrupted; run the same command again to go on.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
