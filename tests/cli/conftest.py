"""The command as a person at a terminal meets it: words in, status and text out."""

from collections.abc import Callable

import pytest

from course_lib.cli import main


@pytest.fixture
def course(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run a command; return its status, and what it said on both streams."""

    def run(*words: object) -> tuple[int, str, str]:
        try:
            status = main([str(word) for word in words])
        except SystemExit as left:
            status = int(left.code or 0)
        said = capsys.readouterr()
        return status, said.out, said.err

    return run
