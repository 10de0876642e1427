"""pyproject.toml, constraints.txt and environment.yml say the same; the set-up explains itself."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from tools import constraints, install

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def wanted() -> dict[str, Requirement]:
    return constraints.direct_requirements(constraints.project())


@pytest.fixture(scope="module")
def pins() -> dict[str, str]:
    return constraints.read_constraints((ROOT / "constraints.txt").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def conda() -> dict:
    return yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))


def test_every_direct_requirement_is_pinned_within_its_bounds(wanted, pins):
    missing = wanted.keys() - pins.keys()
    assert not missing, "run: make constraints"
    outside = {n: pins[n] for n, r in wanted.items() if not r.specifier.contains(pins[n])}
    assert not outside


def test_every_line_of_the_constraints_is_a_name_and_a_version():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    wrong = [x for x in lines if not re.fullmatch(r"#.*|[a-z0-9][a-z0-9.-]*==[\w.]+", x)]
    assert not wrong
    names = [line.split("==")[0] for line in lines if not line.startswith("#")]
    assert names == sorted(set(names))
    assert not {"pip", "setuptools", "wheel", "course-lib"} & set(names)


def test_conda_gets_the_same_names_and_versions(wanted, pins, conda):
    *outside, inside = conda["dependencies"]
    lines = inside["pip"]
    assert lines[0] == "--constraint constraints.txt"
    assert lines[-1] == "--editable ."
    listed = dict(line.split("==") for line in lines[1:-1])
    assert listed == {name: pins[name] for name in wanted}
    python = next(x.removeprefix("python=") for x in outside if x.startswith("python="))
    assert SpecifierSet(constraints.project()["requires-python"]).contains(python)
    assert tuple(map(int, python.split("."))) >= install.PINNED_FROM


def test_what_the_package_needs_has_no_upper_bounds():
    # Colab brings its own torch, torchvision and numpy, and they must stay.
    for line in constraints.project()["dependencies"]:
        operators = {specifier.operator for specifier in Requirement(line).specifier}
        assert operators <= {">="}, line


def test_both_supported_versions_of_torch_are_admitted():
    needs = {Requirement(x).name: Requirement(x) for x in constraints.project()["dependencies"]}
    for torch, torchvision in [("2.11.0", "0.26.0"), ("2.15.0", "0.29.2"), ("3.0.0", "1.0.0")]:
        assert needs["torch"].specifier.contains(torch)
        assert needs["torchvision"].specifier.contains(torchvision)


def test_everything_that_the_package_imports_is_declared():
    table = constraints.project()
    lines = [*table["dependencies"], *sum(table["optional-dependencies"].values(), [])]
    declared = {canonicalize_name(Requirement(line).name) for line in lines}
    distribution_of = {"PIL": "pillow", "skimage": "scikit-image", "sklearn": "scikit-learn"}
    distribution_of |= {"yaml": "pyyaml", "IPython": "ipykernel", "bs4": "beautifulsoup4"}
    distribution_of |= {"mpl_toolkits": "matplotlib", "segmentation_models_pytorch": ""}
    distribution_of |= {"jupyter_client": "ipykernel"}
    pattern = re.compile(r"^\s*(?:import|from) ([a-zA-Z_]\w*)", flags=re.MULTILINE)
    undeclared = {}
    for path in (ROOT / "course_lib").rglob("*.py"):
        for name in pattern.findall(re.sub(r'""".*?"""', "", path.read_text(), flags=re.DOTALL)):
            if name in sys.stdlib_module_names or name == "course_lib":
                continue
            distribution = canonicalize_name(distribution_of.get(name) or name)
            if distribution not in declared:
                undeclared.setdefault(distribution, []).append(path.name)
    assert not undeclared


def test_the_extras_agree_about_what_they_share(monkeypatch):
    table = {
        "dependencies": ["numpy>=1"],
        "optional-dependencies": {"a": ["pytest>=8"], "b": ["pytest>=9"]},
    }
    with pytest.raises(ValueError, match="give both the same bounds"):
        constraints.direct_requirements(table)


# The set-up's messages ------------------------------------------------------------


def test_an_old_python_is_told_so():
    with pytest.raises(install.SetupError, match=r"This is Python 3\.8.*PYTHON=python3"):
        install.check_python((3, 8))
    install.check_python((3, 10))


def test_a_small_disk_is_told_so(tmp_path):
    with pytest.raises(install.SetupError, match=r"Only .* GB are free.*needs 1e\+06 GB"):
        install.check_disk(tmp_path / "not" / "there", 1e6)
    install.check_disk(tmp_path, 1e-6)


@pytest.mark.parametrize(
    ("log", "advice"),
    [
        ("Failed to establish: [Errno -3] Temporary failure in name resolution", "network"),
        ("ERROR: Could not install packages: [Errno 28] No space left on device", "disk is full"),
        ("error: externally-managed-environment", "operating system"),
        ("ERROR: No matching distribution found for torch>=2.11", "has no version that suits"),
        ("something else", "last lines"),
    ],
)
def test_a_failure_of_pip_is_explained(log, advice):
    assert advice in install.explain(log)


def test_the_network_is_blamed_before_the_missing_package_that_follows_from_it():
    log = "NewConnectionError: ...\nERROR: No matching distribution found for setuptools>=77"
    assert "could not be reached" in install.explain(log)


def test_an_environment_that_exists_keeps_its_torch():
    pins = ["# note", "numpy==2.4.6", "torch==2.15.0", "nvidia-cublas==13.4", "sphinx==7.4.7"]
    there = {"numpy": "1.26.4", "torch": "2.11.0", "torchvision": "0.26.0"}
    assert install.constraints_beside(pins, there) == [
        "sphinx==7.4.7",
        "torch==2.11.0",
        "torchvision==0.26.0",
        "numpy==1.26.4",
    ]
    assert install.constraints_beside(pins, {}) == pins[1:]


def test_a_folder_that_is_no_environment_is_left_alone(tmp_path):
    precious = tmp_path / "precious.txt"
    precious.write_text("keep me")
    with pytest.raises(install.SetupError, match="not a virtual environment"):
        install.make_venv(tmp_path)
    assert precious.read_text() == "keep me"


def test_a_second_call_ends_at_once(tmp_path, monkeypatch, capsys):
    calls = []

    def make_venv(venv):
        install.venv_python(venv).parent.mkdir(parents=True, exist_ok=True)

    monkeypatch.setattr(install, "make_venv", make_venv)
    monkeypatch.setattr(install, "run_pip", lambda *arguments: calls.append(arguments))
    venv = tmp_path / "a folder with spaces"
    arguments = ["--venv", str(venv), "--min-disk", "0"]
    assert install.main(arguments) == 0
    install.venv_python(venv).touch()
    assert install.main(arguments) == 0
    assert len(calls) == 1
    monkeypatch.setattr(install, "fingerprint", lambda python: "something changed")
    assert install.main(arguments) == 0
    assert len(calls) == 2


def test_a_failed_set_up_leaves_no_stamp(tmp_path, monkeypatch, capsys):
    def fail(*arguments):
        raise install.SetupError("The package index could not be reached.")

    monkeypatch.setattr(install, "make_venv", lambda venv: venv.mkdir())
    monkeypatch.setattr(install, "run_pip", fail)
    assert install.main(["--venv", str(tmp_path / "venv"), "--min-disk", "0"]) == 1
    assert "Set-up stopped. The package index" in capsys.readouterr().err
    assert not (tmp_path / "venv" / install.STAMP).exists()


# Make and CI ----------------------------------------------------------------------


def make(*arguments: str) -> subprocess.CompletedProcess:
    environment = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "VENV", "PYTHON")}
    return subprocess.run(
        ["make", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


def test_make_lists_its_targets():
    said = make("help").stdout
    for target in ("setup", "book", "test", "lab", "clean", "exercises", "lint"):
        assert re.search(rf"^  {target} +\w", said, flags=re.MULTILINE), said


@pytest.mark.parametrize("target", ["setup", "book", "test", "lab", "clean", "exercises", "lint"])
def test_every_target_of_make_can_be_planned(target):
    planned = make("--dry-run", target)
    assert planned.returncode == 0, planned.stderr
    if target != "clean":
        assert "tools/install.py" in planned.stdout


def test_an_empty_venv_means_the_active_python():
    planned = make("--dry-run", "lint", "VENV=", "PYTHON=python-of-mine").stdout
    assert 'python-of-mine tools/install.py --venv ""' in planned
    assert "python-of-mine -m ruff check" in planned


def test_an_environment_whose_path_has_spaces_is_quoted():
    planned = make("--dry-run", "lint", "VENV=my own env").stdout
    assert '"my own env/bin/python" -m ruff check' in planned


def test_make_refuses_what_is_no_new_python(tmp_path):
    old = tmp_path / "old-python"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    refused = make("setup", f"PYTHON={old}")
    assert refused.returncode != 0
    assert "needs Python 3.10 or newer" in refused.stderr


def test_the_ci_script_is_sound_shell():
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert "set -euo pipefail" in script.read_text(encoding="utf-8")
    checked = subprocess.run(["bash", "-n", str(script)], capture_output=True, check=False)
    assert checked.returncode == 0, checked.stderr
