"""Hostile notebooks, in four tables: for points, for harm, by the agent, and of a second look."""

from tests.grading.attacks.attack import EQUAL, Attack
from tests.grading.attacks.forged import FORGED
from tests.grading.attacks.gain import GAIN
from tests.grading.attacks.harm import HARM
from tests.grading.attacks.later import LATER

__all__ = ["ATTACKS", "EQUAL", "Attack"]

ATTACKS = {**GAIN, **HARM, **FORGED, **LATER}
