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


LABS = sorted({path.parent.name for path in TREE.sources()})
RELEASE = """\
import sys
from nbgrader.apps import NbGraderAPI
from traitlets.config import Config

api = NbGraderAPI(config=Config())
for lab in sys.argv[1:]:
    done = api.generate_assignment(lab)
    if not done["success"]:
        sys.exit(done["log"] or done["error"])
"""


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course folder of nbgrader's, home and settings of its own; each lab is an assignment."""
    folder = tmp_path_factory.mktemp("course")
    shutil.copytree(TREE.exercises, folder / "source")
    home = str(folder / "home")
    environment = {**os.environ, "HOME": home, "JUPYTER_CONFIG_DIR": home}
    environment |= {"JUPYTER_DATA_DIR": home, "IPYTHONDIR": home}
    programs = [str(Path(sys.executable).parent), environment.get("PATH", "")]
    environment["PATH"] = os.pathsep.join(programs)  # nbgrader calls alembic by its name
    done = subprocess.run(
        [sys.executable, "-c", RELEASE, *LABS],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.slow
def test_the_release_has_our_stub(course):
    for path in TREE.sources():
        released = read(course / "release" / path.parent.name / path.name)
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
