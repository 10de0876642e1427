"""Say whether the repository's address is set, and whether this repository is the one it names.

Prints two lines for a workflow's outputs. The address stands in one place: pyproject.toml,
[tool.course].
"""

import os
import re
from pathlib import Path


def repository(text: str) -> str:
    """Return the address in pyproject.toml's text, or ""; needs no TOML reader."""
    table = re.search(r"^\[tool\.course\]\s*$(.*?)(?=^\[|\Z)", text, re.MULTILINE | re.DOTALL)
    value = table and re.search(r'^repository\s*=\s*"([^"]*)"', table[1], re.MULTILINE)
    return value[1].strip().rstrip("/").removesuffix(".git") if value else ""


def outputs(address: str, here: str) -> dict[str, bool]:
    """Return the outputs by name; `here` is the address of the repository that asks."""
    return {"is-set": bool(address), "is-here": bool(address) and address.lower() == here.lower()}


if __name__ == "__main__":
    project = Path(__file__).resolve().parents[1] / "pyproject.toml"
    server = os.environ.get("GITHUB_SERVER_URL", "https://github.com")
    this = f"{server}/{os.environ.get('GITHUB_REPOSITORY', '')}"
    for name, value in outputs(repository(project.read_text(encoding="utf-8")), this).items():
        print(f"{name}={str(value).lower()}")
