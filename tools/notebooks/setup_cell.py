"""The first code cell of every notebook: installs the package in Colab, checks for it elsewhere.

Its text is generated, from the one place that holds the repository's address: `[tool.course]` in
`pyproject.toml`. `python -m tools.notebooks sync` writes it into the notebooks.
"""

from __future__ import annotations

import sys

from tools.common import ToolError, Tree

if sys.version_info >= (3, 11):
    import tomllib
else:  # pragma: no cover
    import tomli as tomllib

LOCAL = """\
# Set-up: {purpose}
import importlib.util

if importlib.util.find_spec("course_lib") is None:
    raise ModuleNotFoundError(
        "The package course_lib is not installed. In the course's folder run `make lab`, or "
        "`python -m pip install -e .`, then restart this notebook's kernel."
    )
"""

COLAB = """\
# Set-up: {purpose}
import importlib.metadata
import importlib.util
import subprocess
import sys

if importlib.util.find_spec("course_lib") is None:
    if "google.colab" not in sys.modules:
        raise ModuleNotFoundError(
            "The package course_lib is not installed. In the course's folder run `make lab`, or "
            "`python -m pip install -e .`, then restart this notebook's kernel."
        )
    keep = [f"{{n}}=={{importlib.metadata.version(n)}}" for n in ("torch", "torchvision", "numpy")]
    package = "course_lib @ git+{address}"
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", package, *keep], check=True)
    importlib.invalidate_caches()
"""


def repository(tree: Tree | None = None) -> str:
    """The repository's address, or "" while it is not set."""
    path = (tree or Tree()).root / "pyproject.toml"
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return ""
    except ValueError as error:
        raise ToolError(f"{path} is not valid TOML: {error}") from None
    return str(settings.get("tool", {}).get("course", {}).get("repository", "")).strip()


def setup_source(address: str) -> str:
    """The cell's text for a repository's address; with "" it installs nothing.

    torch, torchvision and numpy are named in the versions that are there, so pip leaves them alone.
    """
    if not address:
        return LOCAL.format(purpose="checks that the course's package is there.").rstrip("\n")
    if any(character in address for character in "\"'\\ \n"):
        raise ToolError(
            f"[tool.course] repository in pyproject.toml is not an address: {address!r}"
        )
    purpose = "in Colab installs the course's package; elsewhere checks that it is there."
    return COLAB.format(purpose=purpose, address=address.rstrip("/")).rstrip("\n")
