"""The workflows do nothing until the repository's address is set."""

import runpy

import pytest
import yaml

from tools.common import ROOT
from tools.notebooks.setup_cell import repository

ADDRESS = runpy.run_path(str(ROOT / ".github" / "address.py"))
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_every_job_waits_for_the_address(path) -> None:
    jobs = yaml.safe_load(path.read_text())["jobs"]

    def gated(name: str) -> bool:
        job = jobs[name]
        if job.get("if", "").startswith("needs.address.outputs.is-"):
            return job["if"].endswith("== 'true'") and job["needs"] == "address"
        return "needs" in job and gated(job["needs"])

    for name, job in jobs.items():
        assert job["timeout-minutes"] <= 60
        if name == "address":
            assert job["steps"][-1]["run"].startswith("python3 .github/address.py")
        else:
            assert gated(name), name


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ('[tool.course]\nrepository = ""\n', ""),
        ('[tool.course]\nrepository = "https://github.com/a/b/"\n', "https://github.com/a/b"),
        (
            '[tool.a]\nrepository = "https://x"\n[tool.course]\n# none\n[tool.z]\nrepository="y"',
            "",
        ),
        ("", ""),
    ],
)
def test_reading_the_address(text: str, address: str) -> None:
    assert ADDRESS["repository"](text) == address


def test_it_reads_what_the_tools_read() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    assert ADDRESS["repository"](text) == repository().rstrip("/")
    changed = text.replace('repository = ""', 'repository = "https://github.com/a/b"')
    assert ADDRESS["repository"](changed) in ("https://github.com/a/b", repository().rstrip("/"))


def test_publishing_only_from_the_named_repository() -> None:
    outputs = ADDRESS["outputs"]
    assert outputs("", "https://github.com/a/b") == {"is-set": False, "is-here": False}
    assert outputs("https://github.com/a/b", "https://github.com/A/b")["is-here"]
    assert not outputs("https://github.com/a/b", "https://github.com/fork/b")["is-here"]
