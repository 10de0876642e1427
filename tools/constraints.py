"""Write constraints.txt and environment.yml: ``python -m tools.constraints``.

``pyproject.toml`` says what is needed; what was resolved together is read from the environment that
runs this. Both files follow from these two, so nobody edits them by hand.
"""

from __future__ import annotations

import argparse
import re
import sys
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "course_lib"
NOT_PINNED = {"pip", "setuptools", "wheel", canonicalize_name(PACKAGE)}
NAME = "segment-and-generate"

CONSTRAINTS_HEAD = """\
# Versions that were resolved together, tested together and built the book, on Python {python}.
# They suit newer Pythons too; on 3.10 leave this file out.
# Written by `python -m tools.constraints` from the environment that `make setup` makes.
# setuptools is left out: torch 2.15 needs 77 or newer, and an older torch takes that too.
# jupyter-book stays below 2, which ignores _config.yml and _toc.yml.
"""
ENVIRONMENT_HEAD = """\
# The same environment for conda users:
#   conda env create -f environment.yml
#   conda activate {name}
# Written by `python -m tools.constraints`: what pyproject.toml needs, in the versions of
# constraints.txt.
"""


def project() -> dict:
    """The ``[project]`` table of pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def direct_requirements(table: dict) -> dict[str, Requirement]:
    """Normalised name to requirement: the package's own needs and all extras that apply here."""
    lines = list(table["dependencies"])
    for extra in table["optional-dependencies"].values():
        lines += extra
    found: dict[str, Requirement] = {}
    for requirement in map(Requirement, lines):
        name = canonicalize_name(requirement.name)
        if name == canonicalize_name(PACKAGE) or (
            requirement.marker and not requirement.marker.evaluate()
        ):
            continue
        if name in found and found[name].specifier != requirement.specifier:
            raise ValueError(
                f"pyproject.toml asks for {requirement} and for {found[name]}: "
                "give both the same bounds"
            )
        found[name] = requirement
    return dict(sorted(found.items()))


def closure(roots: dict[str, Requirement]) -> dict[str, metadata.Distribution]:
    """Everything that is installed because of these requirements, and theirs, and so on."""
    found: dict[str, metadata.Distribution] = {}
    waiting = [(name, frozenset(requirement.extras)) for name, requirement in roots.items()]
    seen = set()
    while waiting:
        name, extras = waiting.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        found[name] = metadata.distribution(name)
        for requirement in map(Requirement, found[name].requires or []):
            applies = requirement.marker is None or any(
                requirement.marker.evaluate({"extra": extra}) for extra in extras | {""}
            )
            if applies:
                waiting.append((canonicalize_name(requirement.name), frozenset(requirement.extras)))
    return {name: found[name] for name in sorted(found) if name not in NOT_PINNED}


def pin(distribution: metadata.Distribution) -> str:
    """``name==version``, without the local part that names a build."""
    name = canonicalize_name(distribution.metadata["Name"])
    return f"{name}=={distribution.version.split('+')[0]}"


def constraints_text(distributions: dict[str, metadata.Distribution]) -> str:
    """The whole text of constraints.txt."""
    head = CONSTRAINTS_HEAD.format(python=".".join(map(str, sys.version_info[:2])))
    return head + "".join(f"{pin(distribution)}\n" for distribution in distributions.values())


def read_constraints(text: str) -> dict[str, str]:
    """Normalised name to pinned version."""
    pairs = re.findall(r"^([\w.-]+)==([^;\s]+)", text, flags=re.MULTILINE)
    return {canonicalize_name(name): version for name, version in pairs}


def environment_text(roots: dict[str, Requirement], pins: dict[str, str]) -> str:
    """The whole text of environment.yml."""
    head = ENVIRONMENT_HEAD.format(name=NAME)
    python = ".".join(map(str, sys.version_info[:2]))
    lines = [f"name: {NAME}", "channels:", "  - conda-forge", "dependencies:"]
    lines += [f"  - python={python}", "  - pip", "  - pip:", "      - --constraint constraints.txt"]
    lines += [f"      - {name}=={pins[name]}" for name in roots]
    lines += ["      - --editable .", ""]
    return head + "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Write both files."""
    argparse.ArgumentParser(description=__doc__.split("\n")[0]).parse_args(arguments)
    roots = direct_requirements(project())
    text = constraints_text(closure(roots))
    (ROOT / "constraints.txt").write_text(text, encoding="utf-8")
    environment = environment_text(roots, read_constraints(text))
    (ROOT / "environment.yml").write_text(environment, encoding="utf-8")
    print(f"constraints.txt: {len(read_constraints(text))} packages; environment.yml: {len(roots)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
