"""A grade on request, before the time due: a folder is watched, and answered into.

    INBOX/LEARNER/NAME.ipynb          a learner puts a notebook there
    INBOX/LEARNER/NAME.feedback.html  and finds points and hints beside it

Each learner has a folder in a shared one, where only they (and the grader) can write. Who somebody
is, says the folder's name, and that the file belongs to the folder's owner; nothing within the file
counts. It is judged by the *released* checks, in the sandbox; hidden tests stay for the real grade,
and nothing goes into the gradebook. A question whose checks are all hidden gets no points here, for
a test cell without a test would give all of them; where that is every question, there is no watch.

What is written down (`now.db`, SQLite): each grade that was given, so that the limit per learner
and day holds over a restart; a file that was graded already is not graded again. Where the grader
failed, nothing is counted, but that too only so often: who makes it fail gains no tries.

Everything in the inbox is a learner's, at any moment: files are opened without following links, as
plain files of bounded size, and read only when two looks in a row found them the same. What is
written, is written through the open folder, under a new name, and renamed: a link that waits there
is replaced, never followed.
"""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import hashlib
import os
import secrets
import sqlite3
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

import nbformat

from course_lib.grading import feedback, personal, pool
from course_lib.grading.folder import NAME, Course
from course_lib.grading.grade import Runner, assignment_of
from course_lib.grading.judge import is_test, rules
from course_lib.grading.page import Page, text
from course_lib.grading.rebuild import LARGEST
from course_lib.grading.record import Record
from course_lib.grading.sandbox import require_sandbox
from course_lib.grading.standing import GRADED, WAITING, Mark, Standing, gradebook
from course_lib.grading.task import Assignment, Outcome, Rules, Task

LEARNERS = 5_000  # folders of the inbox that are looked at
FILE = "now.db"

Key = tuple[str, str]  # learner, notebook
State = tuple[int, ...]  # which file, its size, its time


@dataclass(frozen=True)
class Limits:
    """How often.

    Attributes:
        per_day: Grades of one learner in 24 hours, over all notebooks.
        settle: Seconds for which a file must not have changed.
        batch: Learners whose notebooks are judged in one round; one notebook each.
    """

    per_day: int = 3
    settle: float = 2.0
    batch: int = 32

    def __post_init__(self) -> None:
        if self.per_day < 1 or self.batch < 1 or self.settle < 0:
            raise ValueError(
                f"got {self.per_day} grades a day, rounds of {self.batch}, {self.settle:g} s to "
                "settle; wanted at least 1, 1 and 0"
            )


@dataclass(frozen=True)
class Found:
    """A notebook that was read whole."""

    learner: str
    notebook: str
    state: State
    data: bytes

    @property
    def key(self) -> Key:
        """Whose it is, and which."""
        return self.learner, self.notebook

    @property
    def digest(self) -> str:
        """SHA-256 of it."""
        return hashlib.sha256(self.data).hexdigest()


@dataclass
class Round:
    """What one look at the inbox did: one line each, for the instructor."""

    graded: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)


class Watch:
    """The watch over one inbox. Two of them on one course are refused."""

    def __init__(
        self,
        course: Course,
        assignment: str,
        inbox: Path,
        *,
        limits: Limits | None = None,
        rules: Rules | None = None,
        run: Runner | None = None,
        anybody: bool = False,
    ) -> None:
        """Prepare it.

        Args:
            course: The course.
            assignment: A released one.
            inbox: The shared folder.
            limits: How often.
            rules: How submissions are run.
            run: Who judges; None: a worker on this machine.
            anybody: Grade those too who are not in the gradebook.

        Raises:
            FileNotFoundError: There is no inbox, or the assignment was not released.
            SandboxError: There is no sandbox, and the rules ask for one.
            ValueError: All checks of the assignment are hidden.
        """
        if not inbox.is_dir():
            raise FileNotFoundError(
                f"there is no folder {inbox}: make it, with one folder for each learner in it"
            )
        self.course, self.inbox = course.check(), inbox
        self.limits, self.rules = limits or Limits(), rules or Rules()
        if self.rules.sandbox:
            require_sandbox()
        self.assignment = assignment_of(course, assignment)
        if not any(asked_by_tests(book) for book in self.assignment.releases.values()):
            raise ValueError(
                f"learners have no test of {assignment}: its checks are all hidden, so nothing can "
                "be told before it is due; name one that has tests, such as practice exercises"
            )
        self.run = run or (lambda tasks: pool.run(tasks, 1))
        self.due, self.known = self._class(assignment)
        self.anybody = anybody
        self._looks: dict[Key, tuple[State, float]] = {}  # what was there, and since when
        self._done: dict[Key, State] = {}  # what needs no further look
        self._later: dict[Key, tuple[State, float]] = {}  # what is not to be looked at before

    def _class(self, assignment: str) -> tuple[datetime | None, set[str]]:
        with gradebook(self.course) as book:
            due: datetime | None = book.find_assignment(assignment).duedate
            return due, {student.id for student in book.students}

    def look(self, now: float | None = None) -> Round:
        """Look once, and grade what is there.

        Args:
            now: Seconds since 1970; None: the clock's.
        """
        clock = time.time() if now is None else now
        made = Round()
        with _book(self.course) as book:
            tasks: dict[str, Task] = {}
            states: dict[Key, State] = {}
            for key in self._settled(clock):
                learner, notebook = key
                if learner in tasks:
                    continue  # one after the other
                with _folder(self.inbox, learner) as place:
                    read = None if place is None else read_from(place, f"{notebook}.ipynb")
                if read is None or read[0] != self._looks[key][0]:
                    continue  # it has changed just now
                states[key] = read[0]
                found = Found(learner, notebook, *read)
                task = self._admit(book, found, clock, made)
                if task is not None:
                    tasks[learner] = task
                if len(tasks) >= self.limits.batch:
                    break
            with contextlib.closing(self.run(tasks.values())) as judging:
                for task, outcome in judging:
                    self._answer(book, task, outcome, states, clock, made)
        return made

    def _settled(self, clock: float) -> list[Key]:
        """The notebooks that have stayed the same for long enough, and wait for an answer."""
        looks: dict[Key, tuple[State, float]] = {}
        for learner in self._learners():
            with _folder(self.inbox, learner) as place:
                if place is None:
                    continue
                for notebook in self.assignment.sources:  # a flood of others is not even listed
                    state = _state_in(place, f"{notebook}.ipynb")
                    if state is not None:
                        before = self._looks.get((learner, notebook))
                        same = before is not None and before[0] == state
                        since = before[1] if before is not None and same else clock
                        looks[learner, notebook] = state, since
        self._looks = looks
        ready = []
        for key, (state, since) in looks.items():
            later = self._later.get(key)
            waits = later is not None and later[0] == state and clock < later[1]
            if clock - since >= self.limits.settle and self._done.get(key) != state and not waits:
                ready.append(key)
        return ready

    def _learners(self) -> list[str]:
        names = []
        with os.scandir(self.inbox) as entries:
            for entry in entries:
                listed = self.anybody or entry.name in self.known
                if listed and NAME.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
                    names.append(entry.name)
                if len(names) >= LEARNERS:
                    break
        return sorted(names)

    def _admit(
        self, book: sqlite3.Connection, found: Found, clock: float, made: Round
    ) -> Task | None:
        """What is to be judged, or None; then it has been said why."""
        here = (found.learner, self.assignment.name)
        known = "learner=? and assignment=? and total is not null"
        asked = (*here, found.notebook, found.digest)
        same = book.execute(f"select 1 from given where {known} and notebook=? and digest=?", asked)
        if same.fetchone():
            self._done[found.key] = found.state
            return None
        if self.due is not None and clock > self.due.replace(tzinfo=timezone.utc).timestamp():
            self._say(found, "The time due has passed: no more grades on request.", made)
            return None
        day = (*here, clock - 86_400)
        since = "learner=? and assignment=? and time>?"
        rows = book.execute(f"select time, total from given where {since} order by time", day)
        given: list[float] = []
        failed: list[float] = []
        for when, total in rows:
            (failed if total is None else given).append(when)
        for times, words in (
            (given, f"You have had {self.limits.per_day} grades in 24 hours, which is the limit."),
            (failed, "Your notebook could not be graded; ask your instructor if this goes on."),
        ):
            if len(times) >= self.limits.per_day:
                until = times[-self.limits.per_day] + 86_400
                again = datetime.fromtimestamp(until, timezone.utc)
                words += f" What is here after {again:%Y-%m-%d %H:%M} UTC is graded then."
                self._say(found, words, made, until=until)
                return None
        try:
            own = personal.assignment_of(self.course, self.assignment, found.learner)
        except (FileNotFoundError, ValueError):
            self._say(found, "There is no notebook of this set for you: ask your instructor.", made)
            return None
        return Task(
            learner=found.learner,
            assignment=_public(own, found.notebook),
            files={f"{found.notebook}.ipynb": found.data},
            digest=found.digest,
            rules=self.rules,
        )

    def _answer(
        self,
        book: sqlite3.Connection,
        task: Task,
        outcome: Outcome,
        states: dict[Key, State],
        clock: float,
        made: Round,
    ) -> None:
        """Write the page, and down that it was given."""
        (notebook,) = task.assignment.sources
        key = (task.learner, notebook)
        record = without_hidden(outcome.record, asked_by_tests(task.assignment.sources[notebook]))
        total = None if record.failed else record.total
        row = (*key, self.assignment.name, task.digest, clock, record.points, total)
        if record.failed:
            made.told.append(f"{task.learner} {notebook}: the grader failed: {record.failed}")
        else:
            self._done[key] = states[key]
            books = {n: nbformat.reads(t, as_version=4) for n, t in outcome.notebooks.items()}
            standing = standing_of(record)
            page = feedback.compose(self.assignment.name, standing, books, [self.course.root])
            page.parts.insert(
                0,
                "<p><strong>A grade on request.</strong> By the checks that you have, in the "
                "grader's sandbox. It is not handed in: hand your notebook in before the time "
                "due. Further tests may be run then. A question whose tests are all kept for "
                "then has no points here.</p>",
            )
            points = f"{record.points:g} of {record.total:g} points"
            written = self._write(key, page)
            made.graded.append(f"{task.learner} {notebook}: {points}{written}")
        book.execute("insert into given values (?, ?, ?, ?, ?, ?, ?)", row)
        book.commit()

    def _say(self, found: Found, words: str, made: Round, *, until: float | None = None) -> None:
        """Tell a learner why there is no grade; None: for good, or not before this time."""
        if until is None:
            self._done[found.key] = found.state
        else:
            self._later[found.key] = found.state, until
        page = Page(f"{self.assignment.name}: {found.notebook}", [f"<p>{text(words)}</p>"])
        written = self._write(found.key, page)
        made.told.append(f"{found.learner} {found.notebook}: {words}{written}")

    def _write(self, key: Key, page: Page) -> str:
        """Write a page into a learner's folder; what is to be said if that fails."""
        with _folder(self.inbox, key[0]) as place:
            data = str(page).encode("utf-8", "replace")
            if place is not None and write_into(place, f"{key[1]}.feedback.html", data):
                return ""
        return " (the answer could not be written into the learner's folder)"

    @property
    def open(self) -> bool:
        """Whether a notebook waits that can be answered now."""
        later = {key: state for key, (state, _) in self._later.items()}
        return any(
            state not in (self._done.get(key), later.get(key))
            for key, (state, _) in self._looks.items()
        )

    def watch(
        self,
        seconds: float = 2.0,
        tell: Callable[[str], None] = print,
        until: Callable[[], bool] = lambda: False,
    ) -> None:
        """Look again and again.

        Args:
            seconds: Between two looks.
            tell: Called with each line.
            until: Ends it once it is true.
        """
        with self.course.alone("grading-now"):
            while not until():
                made = self.look()
                for line in [*made.graded, *made.told]:
                    tell(line)
                time.sleep(seconds)


def _public(assignment: Assignment, notebook: str) -> Assignment:
    """The same with what learners have in the place of the sources, and one notebook only."""
    released = {notebook: assignment.releases[notebook]}
    return dataclasses.replace(assignment, sources=released, releases=released)


def asked_by_tests(book: str) -> set[str]:
    """The questions of a released notebook whose test cell holds a test, and not only remarks."""
    cells = [cell for cell in nbformat.reads(book, as_version=4).cells if is_test(cell)]
    return {rules(cell)["grade_id"] for cell in cells if ast.parse(cell.source).body}


def without_hidden(record: Record, known: set[str]) -> Record:
    """A record in which questions that were not tested have no points."""
    books = [
        dataclasses.replace(
            book,
            questions=[
                question
                if question.name in known
                else dataclasses.replace(question, points=0.0, by_hand=True)
                for question in book.questions
            ],
        )
        for book in record.notebooks
    ]
    return dataclasses.replace(record, notebooks=books)


def standing_of(record: Record) -> Standing:
    """A record as feedback shows it."""
    marks = [
        Mark(
            notebook.name,
            question.name,
            question.total,
            None if question.by_hand else question.points,
            question.by_hand,
            results=question.results,
            message=question.message,
            hint=question.hint,
        )
        for notebook in record.notebooks
        for question in notebook.questions
    ]
    state = WAITING if record.by_hand else GRADED
    return Standing(record.learner, state=state, marks=marks, notes=record.notes)


@contextmanager
def _book(course: Course) -> Iterator[sqlite3.Connection]:
    """What was given."""
    with contextlib.closing(sqlite3.connect(course.root / FILE, timeout=30)) as book:
        book.execute(
            "create table if not exists given (learner text, notebook text, assignment text, "
            "digest text, time real, points real, total real)"
        )
        yield book


@contextmanager
def _folder(inbox: Path, learner: str) -> Iterator[int | None]:
    """A learner's folder, opened; None if it is none, or a link."""
    try:
        place = os.open(inbox / learner, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        yield None
        return
    try:
        yield place
    finally:
        os.close(place)


@contextmanager
def _plain_file(place: int, name: str) -> Iterator[int | None]:
    """A plain file of the folder's owner, opened; None where it is none."""
    try:
        handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=place)
    except OSError:
        yield None
        return
    try:
        found, owner = os.fstat(handle), os.fstat(place).st_uid
        # A second name of a file may be one of somebody else's, which only the grader can read.
        own = stat.S_ISREG(found.st_mode) and found.st_nlink == 1 and found.st_uid == owner
        yield handle if own and 0 < found.st_size <= LARGEST else None
    finally:
        os.close(handle)


def _state(handle: int) -> State:
    found = os.fstat(handle)
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _state_in(place: int, name: str) -> State | None:
    with _plain_file(place, name) as handle:
        return None if handle is None else _state(handle)


def read_from(place: int, name: str) -> tuple[State, bytes] | None:
    """Read a plain file of a learner's, whole; None where it is none, or changes meanwhile.

    Args:
        place: The learner's folder, open.
        name: Of the file.

    Returns:
        Identity, size and times of it, and what is in it.
    """
    with _plain_file(place, name) as handle:
        if handle is None:
            return None
        before, parts, left = _state(handle), [], LARGEST + 1
        while left > 0 and (part := os.read(handle, min(left, 1 << 20))):
            parts.append(part)
            left -= len(part)
        data = b"".join(parts)
        return (before, data) if _state(handle) == before and len(data) == before[1] else None


def write_into(place: int, name: str, data: bytes) -> bool:
    """Write a file into an open folder that belongs to somebody who may play tricks.

    It is made under a new name and renamed: what stood there under the name is replaced, a link
    included, and nothing is followed.

    Returns:
        Whether it is there: not if a folder has this name, or the disk is full.
    """
    new = f".{secrets.token_hex(8)}.part"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    try:
        handle = os.open(new, flags, 0o644, dir_fd=place)
    except OSError:
        return False
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            if os.geteuid() == 0:
                owner = os.fstat(place)
                os.fchown(handle, owner.st_uid, owner.st_gid)
        os.rename(new, name, src_dir_fd=place, dst_dir_fd=place)
        return True
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(new, dir_fd=place)
        return False
