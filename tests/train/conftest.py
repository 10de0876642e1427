"""What all tests of training share."""

import pytest


@pytest.fixture(autouse=True)
def bfloat16_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the processor has no bfloat16, emulate it: its loops are to be tested there, too."""
    monkeypatch.setattr("course_lib.train.precision.computes_bf16", lambda device: True)
