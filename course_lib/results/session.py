"""How long a seed's run has taken, all sessions together, however each of them ended."""

import json
import time
from pathlib import Path
from typing import Any

from course_lib.train.files import write_json

NAME = "session.json"


class Session:
    """One session of measuring a seed; `session.json` stands in its folder until it is measured.

    A session that was killed could not write down how long it had worked. It counts up to the last
    file that it saved, for whatever came later was lost and is done again.

    Args:
        folder: of the seed's run.
        again: whether a result that is there already is to be replaced. An interrupted session
            remembers it, so that the next one does not take the old result for this one's.
    """

    def __init__(self, folder: Path, *, again: bool = False) -> None:
        self.path, self.began = folder / NAME, time.time()
        old = unfinished(folder)
        self.before = 0.0
        if old is not None:
            saved = [path.stat().st_mtime for path in folder.rglob("*") if path.is_file()]
            self.before = old["before"] + max(0.0, max(saved) - old["began"])
            again = again or old["again"]
        state = {"began": self.began, "before": round(self.before, 1), "again": again}
        write_json(self.path, state)
        self.clock = time.perf_counter()

    def seconds(self) -> float:
        """Return the time of all sessions so far."""
        return self.before + time.perf_counter() - self.clock

    def end(self) -> None:
        """Forget the session: its seed is measured."""
        self.path.unlink()


def unfinished(folder: Path) -> dict[str, Any] | None:
    """Return a folder's session, if one was begun and not ended: "began", "before", "again"."""
    try:
        found = json.loads((folder / NAME).read_text(encoding="utf-8"))
        return {**found, **{key: float(found[key]) for key in ("began", "before")}}
    except (FileNotFoundError, ValueError, TypeError, KeyError):  # none, or one that was damaged
        return None
