"""What an attack is: a cell before the answer, the answer, and what that is worth."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.grading.kit import RIGHT

STUB = "def iou(*arguments, **options):\n    raise NotImplementedError()"
EQUAL = """
class Equal:
    shape, dtype, ndim, requires_grad = (4,), None, 1, True
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __bool__(self): return True
    def __getattr__(self, name): return self
    def __call__(self, *a, **k): return self
    def __iter__(self): return iter([self] * 4)
    def __len__(self): return 4
    __lt__ = __le__ = __gt__ = __ge__ = __eq__
    __sub__ = __rsub__ = __add__ = __mul__ = __abs__ = __getitem__ = __invert__ = __call__
"""


@dataclass
class Attack:
    """A hostile, or strange, submission.

    Attributes:
        before: A cell before the answer; COURSE stands for the folder of gradebook and submissions.
        answer: The answer.
        points: What it is worth: all for a right one, whatever the cell before it did.
        says: A text that a reason, or an output, holds.
        equal: Whether the class that equals everything is there.
        seconds: The limit of a cell; more where another limit is attacked, which a busy machine
            would reach later.
        files: Lie beside the notebook.
    """

    before: str = ""
    answer: str = RIGHT
    points: float = 5
    says: str | tuple[str, ...] = ""
    equal: bool = False
    lab: str = "unet"
    name: str = "iou"
    seconds: float = 4.0
    files: dict[str, str] = field(default_factory=dict)
