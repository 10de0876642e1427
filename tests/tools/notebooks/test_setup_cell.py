"""The set-up cell: installs in Colab without touching torch, and is quiet where all is well."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import subprocess
import sys
import types

import pytest

from tools.common import ToolError
from tools.notebooks.setup_cell import repository, setup_source

ADDRESS = "https://example.org/owner/course"


def run(source: str) -> None:
    exec(compile(source, "<setup>", "exec"), {})


@pytest.fixture
def without_package(monkeypatch):
    find = importlib.util.find_spec
    hide = lambda name, *rest: None if name == "course_lib" else find(name, *rest)  # noqa: E731
    monkeypatch.setattr(importlib.util, "find_spec", hide)


@pytest.mark.parametrize("address", ["", ADDRESS])
def test_does_nothing_where_the_package_is(address, monkeypatch):
    calls = []
    monkeypatch.setattr(subprocess, "run", lambda *a, **k: calls.append(a))
    run(setup_source(address))
    assert calls == []


@pytest.mark.parametrize("address", ["", ADDRESS])
def test_says_what_to_do_where_it_is_not(address, without_package, monkeypatch):
    monkeypatch.setattr(subprocess, "run", lambda *a, **k: pytest.fail("installed something"))
    with pytest.raises(ModuleNotFoundError, match="pip install -e"):
        run(setup_source(address))


def test_in_colab_it_installs_and_keeps_torch(without_package, monkeypatch):
    calls = []
    monkeypatch.setitem(sys.modules, "google.colab", types.ModuleType("google.colab"))
    monkeypatch.setattr(subprocess, "run", lambda command, check: calls.append((command, check)))
    run(setup_source(ADDRESS + "/"))
    ((command, check),) = calls
    assert check
    assert command[:4] == [sys.executable, "-m", "pip", "install"]
    assert f"course_lib @ git+{ADDRESS}" in command
    for name in ("torch", "torchvision", "numpy"):
        assert f"{name}=={importlib.metadata.version(name)}" in command


def test_the_address_stands_in_one_place(checkout):
    assert repository(checkout.tree) == ""
    checkout.write("pyproject.toml", f'[tool.course]\nrepository = "{ADDRESS}"\n')
    assert repository(checkout.tree) == ADDRESS
    checkout.write("pyproject.toml", "[tool.course")
    with pytest.raises(ToolError, match="not valid TOML"):
        repository(checkout.tree)
    with pytest.raises(ToolError, match="is not an address"):
        setup_source('https://x"; import os')
