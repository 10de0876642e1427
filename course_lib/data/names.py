"""The names of data sets, splits and tasks, and the check of all three."""

from __future__ import annotations

import difflib

from course_lib.data.cards import Card
from course_lib.data.real import SETS
from course_lib.data.scenes import SCENES
from course_lib.data.sets import SPLITS, TASKS, DataError

CARDS: dict[str, Card] = {
    **{name: scene.card for name, scene in SCENES.items()},
    **{name: real.card for name, real in SETS.items()},
}
NAMES = tuple(CARDS)


def check(name: str, split: str, task: str | None) -> str:
    """Return the task after checking all three names.

    Raises:
        DataError: With the nearest name there is.
    """
    if name not in NAMES:
        raise DataError(
            f"There is no data set {name!r}.{_near(name, NAMES)} There are {', '.join(NAMES)}."
        )
    if split not in (*SPLITS, "all"):
        raise DataError(
            f"There is no split {split!r}.{_near(split, SPLITS)} There are {', '.join(SPLITS)}."
        )
    tasks = CARDS[name].tasks
    if task is not None and task not in tasks:
        meant = "" if task in TASKS else _near(task, tasks)  # a task that other sets have
        raise DataError(f"{name} has no task {task!r}.{meant} It has {', '.join(tasks)}.")
    return task or tasks[0]


def _near(word: str, words: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(word.lower().replace("_", "-"), words, 1, 0.4)
    return f" Did you mean {near[0]!r}?" if near else ""
