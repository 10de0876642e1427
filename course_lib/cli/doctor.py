"""``course doctor``: whether everything here is in order, and what to do where it is not."""

import hashlib
import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

State = Literal["ok", "attention", "missing"]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
VARIABLES = {  # that the course reads
    "COURSE_CACHE",
    "COURSE_DATA",
    "COURSE_DEBUG",
    "COURSE_PROGRESS",
    "COURSE_RESULTS",
    "COURSE_SAID",
    "COURSE_SCALE",
    "COURSE_SLOWER",
}
FOR_SEVERAL = ("WORLD_SIZE", "RANK", "LOCAL_RANK")  # set by torchrun
FREE_DISK, FREE_MEMORY = 2e9, 2e9  # bytes that leave room for work


@dataclass(frozen=True)
class Finding:
    """One line of the answer.

    Args:
        name: what was looked at.
        state: "ok"; "attention": something may not work; "missing": it does not.
        text: what was found, and what to do.
        needed: whether the labs need it.
    """

    name: str
    state: State
    text: str
    needed: bool = False


@dataclass(frozen=True, kw_only=True)
class Doctor:
    """Say whether everything here is in order, and what to do where it is not.

    The exit status is 0 if the labs have what they need, 1 otherwise.

    Args:
        as_json: one JSON object instead of lines.
    """

    as_json: Annotated[bool, tyro.conf.arg(name="json"), tyro.conf.FlagCreatePairsOff] = False

    def run(self) -> int:
        """Look at everything and print a line for each."""
        found = [_looked_at(name, needed, look) for name, (needed, look) in LOOKS.items()]
        well = not any(f.state == "missing" and f.needed for f in found)
        if self.as_json:
            print(json.dumps({"ok": well, "findings": [asdict(f) for f in found]}))
        else:
            for f in found:
                print(f"{f.state:10s} {f.name:12s} {f.text}")
            print(
                "The labs have what they need." if well else "The labs lack something: see above."
            )
        return 0 if well else 1


def _looked_at(name: str, needed: bool, look: Callable[[], tuple[State, str]]) -> Finding:
    try:
        state, text = look()
    except Exception as error:
        state, text = "missing", f"could not be looked at: {type(error).__name__}: {error}"
    return Finding(name, state, " ".join(text.split()), needed)


def _python() -> tuple[State, str]:
    return "ok", f"{platform.python_version()} in {sys.prefix}"


def _torch() -> tuple[State, str]:
    try:
        import torch
        import torchvision

        from course_lib.train.precision import computes_bf16
    except Exception as error:
        return "missing", f"cannot be imported ({error}); make setup installs it"
    threads = torch.get_num_threads()
    text = f"{torch.__version__}, torchvision {torchvision.__version__}, {threads} thread(s)"
    low = computes_bf16(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    return "ok", text + ("; bfloat16" if low else "; no bfloat16, float32 takes its place")


def _gpu() -> tuple[State, str]:
    import torch

    if torch.cuda.is_available():
        return "ok", f"{torch.cuda.get_device_name()}, CUDA {torch.version.cuda}"
    if torch.backends.mps.is_available():
        return "ok", "Apple GPU (mps)"
    if shutil.which("nvidia-smi"):
        return "attention", (
            "there is an NVIDIA driver, but torch sees no GPU: install the torch for your CUDA "
            "version (pytorch.org tells the command), or update the driver"
        )
    return "ok", "none; the labs need none"


def _jupyter() -> tuple[State, str]:
    try:
        import ipykernel
        from jupyter_client.kernelspec import KernelSpecManager
    except ImportError as error:
        return "missing", f"{error.name} is not installed: make setup, or pip install '.[labs]'"
    manager = KernelSpecManager()
    if "python3" not in manager.find_kernel_specs():
        return "missing", "no kernel 'python3': python -m ipykernel install --sys-prefix"
    command = manager.get_kernel_spec("python3").argv[0]
    here, there = (shutil.which(word) or word for word in (sys.executable, command))
    if Path(command).name != command and not _same(here, there):
        return "attention", (
            f"the kernel 'python3' runs {command}, not this Python: "
            "python -m ipykernel install --sys-prefix"
        )
    return "ok", f"kernel python3, ipykernel {ipykernel.__version__}"


def _same(a: str, b: str) -> bool:
    return Path(a).exists() and Path(b).exists() and os.path.samefile(a, b)


def _browser() -> tuple[State, str]:
    named = os.environ.get("CHROMIUM")
    if named and not shutil.which(named):
        return (
            "attention",
            f"CHROMIUM names {named}, which cannot be run; name another, or unset it",
        )
    path = shutil.which(named) if named else next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        return "missing", (
            "no Chromium or Chrome; only the tests of the pages need one: "
            "sudo apt install chromium, or CHROMIUM=/path"
        )
    return "ok", path


def _sandbox() -> tuple[State, str]:
    try:
        from course_lib.grading.sandbox import refusal
    except ImportError as error:
        return "missing", (
            f"{error.name} is not installed; only grading needs it: pip install '.[grading]'"
        )
    reason = refusal()
    if reason:
        return "attention" if shutil.which("bwrap") else "missing", f"only grading: {reason}"
    return "ok", f"{shutil.which('bwrap')}, user namespaces work"


def _data() -> tuple[State, str]:
    from course_lib.data import available
    from course_lib.data.cache import cache_dir
    from course_lib.data.names import CARDS

    named = os.environ.get("COURSE_DATA")
    if named and not Path(named).expanduser().is_dir():
        return "attention", f"COURSE_DATA names {named}, which is no folder; name another, or unset"
    here, broken = [], []
    for name in CARDS:
        try:
            if available(name):
                here.append(name)
        except OSError as error:
            broken.append(f"{name} cannot be read ({error.strerror})")
    places = " and ".join(filter(None, (named, str(cache_dir() / "downloads"))))
    text = f"{', '.join(here)}; looked in {places}"
    return ("attention" if broken else "ok"), "; ".join([*broken, text])


def _checkpoints() -> tuple[State, str]:
    from course_lib.train import shipped
    from course_lib.train.checkpoint import SHIPPED

    listed = shipped()
    broken = []
    for name, entry in listed.items():
        path = SHIPPED / f"{name}.safetensors"
        if not path.exists():
            broken.append(f"{name} is not there")
        elif hashlib.sha256(path.read_bytes()).hexdigest() != entry["sha256"]:
            broken.append(f"{name} is damaged")
    if broken or not listed:
        return "missing", f"{', '.join(broken) or 'none'} in {SHIPPED}; install the course again"
    return "ok", f"{len(listed)} trained models, all whole"


def _cache() -> tuple[State, str]:
    from course_lib.data.cache import cache_dir

    folder = cache_dir()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"course")
    except OSError as error:
        return "attention", (
            f"{folder} cannot be written ({error.strerror}): images are decoded anew each time; "
            "name another folder in COURSE_CACHE"
        )
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return "ok", f"{folder}, {size / 1e9:.1f} GB"


def _disk() -> tuple[State, str]:
    free = shutil.disk_usage(Path.cwd()).free
    text = f"{free / 1e9:.1f} GB free here"
    if free < FREE_DISK / 10:
        return "missing", f"{text}; nothing can be saved: free some"
    return ("attention", f"{text}; free some") if free < FREE_DISK else ("ok", text)


def _memory() -> tuple[State, str]:
    import psutil  # type: ignore[import-untyped]

    free = psutil.virtual_memory().available
    text = f"{free / 1e9:.1f} GB free"
    if free < FREE_MEMORY:
        return "attention", f"{text}; close what you do not need, or set scale = 'smoke'"
    return "ok", text


def _variables() -> tuple[State, str]:
    is_set = {name: value for name, value in os.environ.items() if name.startswith("COURSE_")}
    left = {name: os.environ[name] for name in FOR_SEVERAL if name in os.environ}
    text = ", ".join(f"{k}={v}" for k, v in (is_set | left).items()) or "none of the course's set"
    unknown = sorted(set(is_set) - VARIABLES)
    if left:
        return "attention", (
            f"{text}; a training would wait for other processes: unset {' '.join(left)} "
            "unless torchrun has set them"
        )
    if unknown:
        return "attention", f"{text}; the course knows no {', '.join(unknown)}"
    return "ok", text


LOOKS: dict[str, tuple[bool, Callable[[], tuple[State, str]]]] = {  # whether the labs need it
    "Python": (True, _python),
    "torch": (True, _torch),
    "GPU": (False, _gpu),
    "Jupyter": (True, _jupyter),
    "checkpoints": (True, _checkpoints),
    "cache": (False, _cache),
    "disk": (True, _disk),
    "memory": (False, _memory),
    "data": (False, _data),
    "browser": (False, _browser),
    "bubblewrap": (False, _sandbox),
    "variables": (False, _variables),
}


def parse(words: list[str]) -> Doctor:
    """Return what these words ask for."""
    return tyro.cli(Doctor, args=words, prog="course doctor")
