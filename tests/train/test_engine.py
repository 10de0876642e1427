"""Processes that are announced and do not come."""

import os
import socket
import subprocess
import sys

import pytest

from course_lib.train import pick_device

ALONE = """
from course_lib.train import engine
engine.WAIT = 2
engine.Engine(device="cpu")
"""


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return str(probe.getsockname()[1])


@pytest.mark.parametrize(
    "left_over",
    [
        {"WORLD_SIZE": "2"},
        {"WORLD_SIZE": "2", "RANK": "0", "MASTER_ADDR": "localhost"},
        {"WORLD_SIZE": "2", "RANK": "1", "MASTER_ADDR": "localhost"},
    ],
)
def test_a_second_process_that_does_not_come_is_named_after_a_while(left_over) -> None:
    environment = {**os.environ, **left_over, "MASTER_PORT": free_port()}
    done = subprocess.run(
        [sys.executable, "-c", ALONE], env=environment, capture_output=True, text=True, timeout=100
    )
    said = done.stderr.strip().splitlines()[-1]
    assert said.startswith("ValueError: WORLD_SIZE=2, ") and "unset these variables" in said
    assert "did not meet within 2 s" in said


def test_a_device_that_is_not_built_in_is_one_short_line() -> None:
    with pytest.raises(
        ValueError, match="'xla', which cannot be used here .* use \"auto\""
    ) as told:
        pick_device("xla")
    assert len(str(told.value)) < 250
