"""nbgrader accepts the exercise sources, makes the same stub as we do, and gives partial credit."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from tools.common import Tree, read
from tools.exercises.page import strip

TREE = Tree()


def nbgrader(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run nbgrader in a course folder, with settings and home of its own."""
    home = folder / "home"
    environment = {**os.environ, "HOME": str(home), "JUPYTER_CONFIG_DIR": str(home)}
    environment |= {"JUPYTER_DATA_DIR": str(home), "IPYTHONDIR": str(home)}
    programs = [str(Path(sys.executable).parent), environment.get("PATH", "")]
    environment["PATH"] = os.pathsep.join(programs)  # nbgrader calls alembic by its name
    return subprocess.run(
        [sys.executable, "-m", "nbgrader", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("course")
    (folder / "source" / "all").mkdir(parents=True)
    for path in TREE.sources():
        shutil.copy(path, folder / "source" / "all" / path.name)
    done = nbgrader(folder, "generate_assignment", "all")
    assert done.returncode == 0, done.stderr
    return folder


def test_the_release_has_our_stub(course):
    for path in TREE.sources():
        released = read(course / "release" / "all" / path.name)
        source = {cell.id: cell.source for cell in read(path).cells}
        (stub,) = [c for c in released.cells if c.metadata.get("nbgrader", {}).get("solution")]
        assert stub.source == strip(source[path.stem])
        (test,) = [c for c in released.cells if c.metadata.get("nbgrader", {}).get("grade")]
        assert test.metadata["nbgrader"]["points"] > 0


def test_partial_credit():
    """A number as the test cell's last value is read as points; 0 and a half-right answer too."""
    from nbgrader.utils import determine_grade

    (cell,) = [
        cell
        for cell in read(TREE.sources()[0]).cells
        if cell.metadata.get("nbgrader", {}).get("grade")
    ]
    for points in (0, 1, int(cell.metadata["nbgrader"]["points"])):
        output = {"text/plain": str(points)}
        cell.outputs = [
            nbformat.v4.new_output("stream", name="stdout", text="a report\n"),
            nbformat.v4.new_output("execute_result", data=output, execution_count=1),
        ]
        reached, most = determine_grade(cell)
        assert (reached, most) == (points, cell.metadata["nbgrader"]["points"])
