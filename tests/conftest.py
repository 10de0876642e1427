"""What all tests share: capabilities that may be missing, fixed seeds, a cache of their own.

A test marked ``browser``, ``sandbox``, ``gpu`` or ``real_data`` is skipped where that capability is
missing, and the end of the run lists what was skipped for which. ``--fail-on-skip`` turns any skip
that is not for a capability named by ``--may-skip`` into a failure. Tests marked ``slow`` come
last; those not begun by ``--slow-until`` are skipped for want of the capability ``time``.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

# Before torch and matplotlib are imported, here or in a process that a test starts.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["MPLBACKEND"] = "Agg"
os.environ["COURSE_PROGRESS"] = "0"

ROOT = Path(__file__).resolve().parent.parent
os.environ["MPLCONFIGDIR"] = str(ROOT / "_build" / "matplotlib")  # not what this user has set
MISSING = "missing capability"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def find_chromium() -> str | None:
    """A Chromium or Chrome: the one that CHROMIUM names, or the first on the path."""
    named = os.environ.get("CHROMIUM")
    return shutil.which(named) if named else next(filter(None, map(shutil.which, BROWSERS)), None)


def find_real_data() -> Path | None:
    """The folder that COURSE_DATA names, if it holds anything."""
    folder = Path(os.environ.get("COURSE_DATA") or "nowhere")
    return folder.resolve() if folder.is_dir() and any(folder.iterdir()) else None


def has_gpu() -> bool:
    """Whether torch sees a CUDA device."""
    import torch

    return torch.cuda.is_available()


def makes_sandboxes() -> bool:
    """Whether this host lets bubblewrap make one; many containers forbid user namespaces."""
    command = ["bwrap", "--unshare-all", "--unshare-user", "--ro-bind", "/", "/", "true"]
    return subprocess.run(command, capture_output=True, timeout=30, check=False).returncode == 0


def missing_capabilities(config: pytest.Config) -> dict[str, str]:
    """Marker to reason, for each capability that is not there."""
    missing = {}
    if not config.getoption("--gpu"):
        missing["gpu"] = "run with --gpu"
    elif not has_gpu():
        missing["gpu"] = "torch sees no CUDA device"
    if find_chromium() is None:
        missing["browser"] = "no Chromium found; install it, or name it with CHROMIUM=..."
    if shutil.which("bwrap") is None:
        missing["sandbox"] = "no bubblewrap (bwrap) found; it exists for Linux only"
    elif not makes_sandboxes():
        missing["sandbox"] = "bubblewrap may make no sandbox here; course doctor says why"
    if find_real_data() is None:
        missing["real_data"] = "COURSE_DATA names no folder with data sets"
    return missing


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("course")
    group.addoption("--gpu", action="store_true", help="run the tests that need a CUDA device")
    group.addoption("--fail-on-skip", action="store_true", help="a skip not allowed is a failure")
    group.addoption(
        "--may-skip",
        default="gpu",
        metavar="NAMES",
        help="with --fail-on-skip: capabilities that may be missing, with commas (gpu)",
    )
    group.addoption(
        "--slow-until",
        type=float,
        default=float("inf"),
        metavar="TIME",
        help="start no test marked slow after this time, in seconds since 1970: CI has an end",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    missing = missing_capabilities(config)
    for item in items:
        if "real_data" in getattr(item, "fixturenames", ()):
            item.add_marker("real_data")
        for name, reason in missing.items():
            if item.get_closest_marker(name):
                item.add_marker(pytest.mark.skip(reason=f"{MISSING} {name}: {reason}"))
    items.sort(key=is_slow)  # the quick ones first; those of a file keep their order


def is_slow(item: pytest.Item) -> bool:
    """Whether a test is marked as one that takes long."""
    return item.get_closest_marker("slow") is not None


def pytest_runtest_setup(item: pytest.Item) -> None:
    if is_slow(item) and time.time() > item.config.getoption("--slow-until"):
        pytest.skip(f"{MISSING} time: this machine is too slow for the slow tests that are left")


def skips(terminal) -> tuple[Counter[str], list[str]]:
    """Skips for a missing capability, counted by it, and all others, one line each."""
    capabilities: Counter[str] = Counter()
    others = []
    for report in terminal.stats.get("skipped", []):
        where, _, reason = report.longrepr if isinstance(report.longrepr, tuple) else ("", 0, "")
        reason = reason.removeprefix("Skipped: ")
        if reason.startswith(MISSING):
            capabilities[reason.removeprefix(f"{MISSING} ")] += 1
        else:
            others.append(f"{report.nodeid or where}: {reason or 'no reason given'}")
    return capabilities, others


def forbidden_skips(config: pytest.Config, terminal) -> list[str]:
    """What --fail-on-skip objects to."""
    capabilities, others = skips(terminal)
    allowed = set(config.getoption("--may-skip").split(","))
    refused = [
        f"{count} for {what}"
        for what, count in capabilities.items()
        if what.split(":")[0] not in allowed
    ]
    return refused + others


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    terminal = session.config.pluginmanager.get_plugin("terminalreporter")
    if terminal is None or hasattr(session.config, "workerinput"):
        return  # a worker of xdist: its controller sees all reports
    if (
        session.config.getoption("--fail-on-skip")
        and forbidden_skips(session.config, terminal)
        and session.exitstatus == pytest.ExitCode.OK
    ):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter, config: pytest.Config) -> None:
    capabilities, others = skips(terminalreporter)
    if capabilities or others:
        terminalreporter.section("not run here")
        for what, count in sorted(capabilities.items()):
            terminalreporter.line(f"{count:4} skipped for want of {what}")
        for line in others:
            terminalreporter.line(f"   1 skipped: {line}")
    if config.getoption("--fail-on-skip"):
        for line in forbidden_skips(config, terminalreporter):
            terminalreporter.line(f"FAILED by --fail-on-skip: {line}", red=True)


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's root."""
    return ROOT


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder with the real data sets; a test that asks for it is skipped where there is none."""
    folder = find_real_data()
    assert folder is not None, "marked real_data, so skipped before this"
    return folder


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of Chromium, for tests marked ``browser``."""
    path = find_chromium()
    assert path is not None, "mark the test with pytest.mark.browser"
    return path


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The course's cache in a temporary folder, also for processes that tests start."""
    base = tmp_path_factory.getbasetemp()
    # The workers of xdist share one, so that real images are decoded once.
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "course-cache"
    folder.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_CACHE", str(folder))
        yield folder


@pytest.fixture(autouse=True)
def fixed_seeds() -> None:
    """Every test starts from the same random state and computes with one thread."""
    random.seed(0)
    if "numpy" in sys.modules:  # what is imported later starts from a state of its own
        sys.modules["numpy"].random.seed(0)
    if "torch" in sys.modules:
        torch = sys.modules["torch"]
        torch.manual_seed(0)
        if torch.get_num_threads() != 1:
            torch.set_num_threads(1)
