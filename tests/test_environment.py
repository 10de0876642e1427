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

from tools import install

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent


def project() -> dict:
    """The table of the package in pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def declared() -> list[Requirement]:
    """What the package and its extras need on this computer."""
    table = project()
    lines = [*table["dependencies"], *sum(table["optional-dependencies"].values(), [])]
    found = [requirement for requirement in map(Requirement, lines) if applies(requirement)]
    return [requirement for requirement in found if requirement.name != "course_lib"]


def applies(requirement: Requirement, **other: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate(other)


def pinned(**other: str) -> dict[str, str]:
    """Name to version of constraints.txt, on this computer or one that differs."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [Requirement(line) for line in lines if not line.lstrip().startswith("#")]
    found = [(pin.name, str(pin.specifier)) for pin in pins if applies(pin, **other)]
    assert len(dict(found)) == len(found), "two versions of one package"
    return {name: version.removeprefix("==") for name, version in found}


@pytest.mark.parametrize("version", ["3.10", "3.11", "3.12", "3.13"])
@pytest.mark.parametrize("system", ["linux", "darwin", "win32"])
def test_everything_is_pinned_within_its_bounds(version, system):
    pins = pinned(python_version=version, python_full_version=version, sys_platform=system)
    wanted = {canonicalize_name(r.name): r for r in declared()}
    missing = wanted.keys() - pins.keys()
    assert not missing, "run: make constraints"
    outside = {n: pins[n] for n, r in wanted.items() if not r.specifier.contains(pins[n])}
    assert not outside, "run: make constraints"
    assert not {"pip", "setuptools", "wheel", "course-lib"} & pins.keys()


def test_conda_gets_the_same():
    conda = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    *outside, inside = conda["dependencies"]
    assert inside["pip"] == ["--constraint constraints.txt", "--editable .[all]"]
    python = next(x.removeprefix("python=") for x in outside if x.startswith("python="))
    assert SpecifierSet(project()["requires-python"]).contains(python)


def test_what_the_package_needs_has_no_upper_bounds():
    # Colab brings its own torch, torchvision and numpy, and they must stay.
    for line in project()["dependencies"]:
        operators = {specifier.operator for specifier in Requirement(line).specifier}
        assert operators <= {">="}, line


def test_both_supported_versions_of_torch_are_admitted():
    needs = {Requirement(x).name: Requirement(x) for x in project()["dependencies"]}
    for torch, torchvision in [("2.11.0", "0.26.0"), ("2.15.0", "0.29.2"), ("3.0.0", "1.0.0")]:
        assert needs["torch"].specifier.contains(torch)
        assert needs["torchvision"].specifier.contains(torchvision)


def test_everything_that_the_package_imports_is_declared():
    names = {canonicalize_name(requirement.name) for requirement in declared()}
    distribution_of = {"PIL": "pillow", "skimage": "scikit-image", "sklearn": "scikit-learn"}
    distribution_of |= {"yaml": "pyyaml", "IPython": "ipykernel", "bs4": "beautifulsoup4"}
    distribution_of |= {"mpl_toolkits": "matplotlib", "segmentation_models_pytorch": ""}
    distribution_of |= {"jupyter_client": "ipykernel", "zmq": "pyzmq"}
    pattern = re.compile(r"^\s*(?:import|from) ([a-zA-Z_]\w*)", flags=re.MULTILINE)
    undeclared = {}
    for path in (ROOT / "course_lib").rglob("*.py"):
        for name in pattern.findall(re.sub(r'""".*?"""', "", path.read_text(), flags=re.DOTALL)):
            if name in sys.stdlib_module_names or name == "course_lib":
                continue
            distribution = canonicalize_name(distribution_of.get(name) or name)
            if distribution not in names:
                undeclared.setdefault(distribution, []).append(path.name)
    assert not undeclared


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


def test_what_is_no_environment_is_left_alone(tmp_path):
    precious = tmp_path / "folder" / "deep" / "precious.txt"
    precious.parent.mkdir(parents=True)
    precious.write_text("keep me")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for name in ("folder", "folder/deep/precious.txt", "loop"):
        with pytest.raises(install.SetupError, match=r"(not a virtual env|is a file).*VENV="):
            install.check_place(tmp_path / name)
    assert precious.read_text() == "keep me"
    (tmp_path / "interrupted at once" / "bin").mkdir(parents=True)
    install.check_place(tmp_path / "interrupted at once")
    install.check_place(tmp_path / "new")


@pytest.mark.slow
def test_an_interrupted_environment_is_made_anew(tmp_path):
    """`python -m venv` was killed before it unpacked pip, or while it did."""
    venv = tmp_path / "venv"
    half = [sys.executable, "-m", "venv", "--without-pip", "--prompt", install.PROMPT, str(venv)]
    subprocess.run(half, check=True)
    install.make_venv(venv)
    (record,) = venv.rglob("pip-*.dist-info/RECORD")
    inode = record.stat().st_ino
    install.make_venv(venv)
    assert record.stat().st_ino == inode  # a whole one stays
    (vendor,) = venv.rglob("site-packages/pip/_vendor")
    for part in (record, vendor):
        part.rename(tmp_path / "aside")
        assert install.run_quietly([install.venv_python(venv), "-c", install.PROBE]).returncode
        (tmp_path / "aside").rename(part)
    assert install.run_quietly([install.venv_python(venv), "-c", install.PROBE]).returncode == 0


def test_an_environment_of_others_is_not_made_anew(tmp_path):
    (tmp_path / "pyvenv.cfg").write_text("home = /usr/bin\n")
    (tmp_path / "theirs.txt").write_text("keep me")
    with pytest.raises(install.SetupError, match="somebody else's making.*Delete it"):
        install.make_venv(tmp_path)
    assert (tmp_path / "theirs.txt").exists()


@pytest.mark.parametrize("name", ["constraints.txt", "pyproject.toml"])
def test_a_missing_list_is_named(tmp_path, monkeypatch, capsys, name):
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "constraints.txt").touch()
    (tmp_path / name).unlink()
    monkeypatch.setattr(install, "ROOT", tmp_path)
    assert install.main(["--venv", ".venv", "--min-disk", "0"]) == 1
    assert f"{name} is missing from {tmp_path}" in capsys.readouterr().err


def test_a_second_call_ends_at_once(tmp_path, monkeypatch, capsys):
    calls = []

    def make_venv(venv):
        install.venv_python(venv).parent.mkdir(parents=True, exist_ok=True)
        (venv / "pyvenv.cfg").touch()

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

    monkeypatch.setattr(install, "make_venv", Path.mkdir)
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


@pytest.mark.parametrize("status", [0, 1])  # /bin/true is no Python either
def test_make_refuses_what_is_no_new_python(tmp_path, status):
    old = tmp_path / "old-python"
    old.write_text(f"#!/bin/sh\nexit {status}\n")
    old.chmod(0o755)
    refused = make("setup", f"PYTHON={old}")
    assert refused.returncode != 0
    assert "needs Python 3.10 or newer" in refused.stderr


def test_a_blank_venv_is_an_empty_one():
    planned = subprocess.run(
        ["make", "--dry-run", "lint", "PYTHON=mine"],
        cwd=ROOT,
        env={**os.environ, "VENV": " "},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "\nmine -m ruff check" in planned


def test_the_ci_script_is_sound_shell():
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert "set -euo pipefail" in script.read_text(encoding="utf-8")
    checked = subprocess.run(["bash", "-n", str(script)], capture_output=True, check=False)
    assert checked.returncode == 0, checked.stderr
