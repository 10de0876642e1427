"""A skip is never silent: it is listed, and CI refuses all but those for want of a GPU."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow  # each starts pytest anew

ROOT = Path(__file__).resolve().parent.parent

SUITE = """
import pytest


def test_passes():
    assert True


@pytest.mark.gpu
def test_needs_a_gpu():
    assert False


@pytest.mark.browser
def test_needs_a_browser(chromium):
    assert chromium


def test_needs_real_data(real_data):
    assert real_data.is_dir()
"""
SILENT = """

def test_gives_up():
    pytest.skip("not today")
"""


@pytest.fixture
def run(tmp_path):
    """Run a small suite under the project's conftest with some capabilities missing."""

    def run_suite(suite: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
        shutil.copy(ROOT / "tests" / "conftest.py", tmp_path)
        (tmp_path / "test_suite.py").write_text(suite)
        (tmp_path / "data" / "mnist").mkdir(parents=True, exist_ok=True)
        browser = tmp_path / "browser"
        browser.write_text("#!/bin/sh\n")
        browser.chmod(0o755)
        values = {"CHROMIUM": str(browser), "COURSE_DATA": str(tmp_path / "data"), **environment}
        settings = ["-c", str(ROOT / "pyproject.toml"), "--rootdir", str(tmp_path)]
        settings += ["-p", "no:cacheprovider"]
        return subprocess.run(
            [sys.executable, "-m", "pytest", *settings, str(tmp_path), *arguments],
            env={**os.environ, **values},
            capture_output=True,
            text=True,
            check=False,
        )

    return run_suite


def test_what_is_missing_is_listed_and_allowed_by_default(run):
    done = run(SUITE, CHROMIUM="no-such-browser", COURSE_DATA="")
    assert done.returncode == 0, done.stdout
    assert "1 passed, 3 skipped" in done.stdout
    for line in ("gpu: run with --gpu", "browser: no Chromium", "real_data: COURSE_DATA"):
        assert f"1 skipped for want of {line}" in done.stdout


def test_ci_accepts_a_missing_gpu_only(run):
    done = run(SUITE, "--fail-on-skip")
    assert done.returncode == 0, done.stdout
    assert "3 passed, 1 skipped" in done.stdout
    refused = run(SUITE, "--fail-on-skip", CHROMIUM="no-such-browser")
    assert refused.returncode == 1
    assert "FAILED by --fail-on-skip: 1 for browser" in refused.stdout


def test_ci_may_name_what_else_is_missing(run):
    allowed = run(SUITE, "--fail-on-skip", "--may-skip", "gpu,real_data", COURSE_DATA="")
    assert allowed.returncode == 0, allowed.stdout


@pytest.mark.parametrize("processes", ["0", "2"])
def test_ci_refuses_any_other_skip_with_and_without_processes(run, processes):
    done = run(SUITE + SILENT, "--fail-on-skip", "-n", processes)
    assert done.returncode == 1, done.stdout
    assert "test_gives_up: not today" in done.stdout


SLOW = """
import pytest


@pytest.mark.slow
def test_takes_long():
    assert True


def test_is_quick():
    assert True
"""


def test_slow_tests_come_last_and_are_listed_when_the_time_is_over(run):
    done = run(SLOW, "-v", "--fail-on-skip")
    assert "2 passed" in done.stdout
    assert done.stdout.index("test_is_quick PASSED") < done.stdout.index("test_takes_long PASSED")
    late = run(SLOW, "--slow-until", "1000", "--fail-on-skip", "--may-skip", "gpu,time")
    assert late.returncode == 0, late.stdout
    assert "1 passed, 1 skipped" in late.stdout
    assert "1 skipped for want of time: this machine is too slow" in late.stdout
    assert run(SLOW, "--slow-until", "1000", "--fail-on-skip").returncode == 1
