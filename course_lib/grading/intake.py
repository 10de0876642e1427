"""Takes in what learners handed in, as a learning platform or GitHub Classroom gives it.

Who handed something in is told by its outer name, which the platform, or the instructor, wrote;
never by anything in it. `PLATFORMS` says how outer names look. Each attempt is read by `archive`,
which refuses what is dangerous, and kept for good in `collected`; the one that counts is copied to
`submitted`. The original is only read. Nothing half-written stays: folders are made beside, and
put in place by one renaming.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import shutil
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path, PurePosixPath

from course_lib.grading import archive, submission
from course_lib.grading.archive import Bounds, Found, Refused
from course_lib.grading.folder import NAME, OURS, Course, replace_folder
from course_lib.grading.roster import Learner, Roster
from course_lib.grading.submission import Submission

# How each platform writes the outer name of an entry. `Ada Byron_123_assignsubmission_file_`,
# `byronada_LATE_123_456_iou.ipynb`, `unet-adabyron`.
PLATFORMS = {
    "moodle": r"(?P<name>.+?)_(?P<moodle>\d+)_assignsubmission_\w+?_(?P<rest>.*)",
    "canvas": r"(?P<joined>[^_]+)_(?P<late>LATE_)?(?P<canvas>\d+)_(?P<file>\d+)_(?P<rest>.+)",
    "github": r"(?:.*?ASSIGNMENT-)?(?P<github>[A-Za-z0-9][A-Za-z0-9-]*)",
    "names": r"(?P<id>.+)",
}
NUMBERED = ("moodle", "canvas")  # platforms that give a learner a number
MARKS = re.compile(r"_(\d+)_assignsubmission_")
AGAIN = re.compile(r"(?: \(\d+\)|-\d+)$")  # what browsers and Canvas add to a name


@dataclass
class Line:
    """What became of one outer name.

    Attributes:
        outer: The name.
        learner: Who; empty where nobody was found.
        taken: Whether it is kept.
        said: What was taken, or why not.
    """

    outer: str
    learner: str
    taken: bool
    said: str

    def __str__(self) -> str:
        who = self.learner or "?"
        return f"{who:20s} {'taken  ' if self.taken else 'refused'} {self.outer}: {self.said}"


@dataclass
class _Entry:
    """One attempt, before it is read."""

    outer: str
    names: dict[str, str]
    parts: list[tuple[str, Path | bytes | Found]] = field(default_factory=list)
    made: float | None = None
    number: int = 0
    notes: list[str] = field(default_factory=list)


def collect(
    course: Course,
    assignment: str,
    paths: Sequence[Path],
    *,
    platform: str = "names",
    pattern: str = "",
    roster: Roster | None = None,
    choose: str = "latest",
    bounds: Bounds | None = None,
) -> list[Line]:
    """Take attempts in, and put those that count in their place.

    Args:
        course: The course.
        assignment: A released one.
        paths: Of "moodle" and "canvas": their archives of all submissions, or the unpacked folders.
            Otherwise: archives and files, each one submission, and folders that hold them.
        platform: How outer names look: a key of `PLATFORMS`.
        pattern: A regular expression instead, with groups `id`, or `name`, `email`, `moodle`,
            `canvas`, `github`; further `time` (ISO, or digits from year to second) and `rest`.
        roster: The class; with one, nobody else is taken in.
        choose: Which attempt counts, "latest" or "best".
        bounds: What one submission may be.

    Returns:
        One line for each outer name.

    Raises:
        FileNotFoundError: A path is not there, or the assignment was not released.
        ValueError: The pattern, or the choice, is none.
    """
    course.check()
    if platform not in PLATFORMS:
        raise ValueError(f"there is no platform {platform!r}: {', '.join(PLATFORMS)}")
    if choose not in ("latest", "best"):
        raise ValueError(f"got {choose!r} as the attempt that counts, wanted latest or best")
    wanted = [path.stem for path in sorted(course.release(assignment).glob("*.ipynb"))]
    if not wanted:
        raise FileNotFoundError(
            f"{assignment} was not released in {course.root}: `course release {assignment}`"
        )
    for path in paths:
        if not path.exists() and not path.is_symlink():
            raise FileNotFoundError(f"there is no {path}: name what the platform gave you")
    expression = _compiled(pattern or PLATFORMS[platform], assignment)
    bounds, roster = bounds or Bounds(), roster or Roster()
    with course.alone("collecting"):
        _sweep(course)
        lines: list[Line] = []
        entries = list(_entries(paths, platform, expression, bounds, lines))
        owners = _owners(entries, roster, lines)
        for entry, learner in owners:
            lines.append(_take(course, assignment, entry, learner, wanted, bounds))
        for learner in sorted({who for _, who in owners}):
            settle(course, assignment, learner, choose)
    return lines


def _compiled(pattern: str, assignment: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern.replace("ASSIGNMENT", re.escape(assignment)), re.DOTALL)
    except re.error as error:
        raise ValueError(f"--pattern {pattern!r} is no regular expression: {error}") from None


def _sweep(course: Course) -> None:
    """Remove what an earlier run left half-written."""
    for path in course.work.glob("in-*"):
        shutil.rmtree(path, ignore_errors=True)


def _entries(
    paths: Sequence[Path],
    platform: str,
    expression: re.Pattern[str],
    bounds: Bounds,
    lines: list[Line],
) -> Iterator[_Entry]:
    """The attempts that the paths hold; those of one learner that came as several files, joined."""
    joined: dict[tuple[str, ...], _Entry] = {}
    for path in paths:
        for outer, part, made in _outer(path, platform, bounds, lines):
            plain = archive.stem(outer) if platform != "moodle" else outer
            found = expression.fullmatch(plain) or expression.fullmatch(outer)
            if found is None:
                lines.append(Line(outer, "", False, "the name does not say whose it is"))
                continue
            if len(set(MARKS.findall(outer))) > 1:  # a name, or a file's, that imitates another's
                lines.append(Line(outer, "", False, "the name says two people's numbers"))
                continue
            names = {k: v for k, v in found.groupdict().items() if v}
            rest = names.pop("rest", "")
            late, _ = names.pop("late", ""), names.pop("file", "")
            time = _time(names.pop("time", ""), made)
            entry = _Entry(outer, names, made=time)
            if rest:
                # One learner's files stand side by side: one attempt, whatever their number.
                entry = joined.setdefault((str(path), *sorted(names.values())), entry)
                entry.made = max(filter(None, (entry.made, time)), default=None)
            else:
                joined[(str(path), outer)] = entry
            if late:
                entry.notes.append("the platform calls it late")
            ending = outer[len(archive.stem(outer)) :]
            name = rest if not rest or rest.lower().endswith(ending.lower()) else rest + ending
            entry.parts.append((name or outer, part))
    yield from joined.values()


def _outer(
    path: Path, platform: str, bounds: Bounds, lines: list[Line]
) -> Iterator[tuple[str, Path | bytes | Found, float | None]]:
    """The outer names in a path, with what is behind each, and its time."""
    if path.is_symlink():
        lines.append(Line(path.name, "", False, "it is a link"))
    elif path.is_dir():
        for inner in sorted(path.iterdir()):
            if inner.name in archive.SKIPPED or inner.name.startswith("."):
                continue
            if inner.is_symlink():
                lines.append(Line(inner.name, "", False, "it is a link"))
                continue
            yield inner.name, inner, inner.stat().st_mtime if inner.is_file() else None
    elif platform in ("moodle", "canvas") and archive.is_archive(path.name):
        try:
            whole = archive.read(path, bounds.times(500))
        except Refused as error:
            lines.append(Line(path.name, "", False, str(error)))
            return
        tops: dict[str, dict[str, str]] = {}
        for name in whole.files:
            top, slash, rest = name.partition("/")
            tops.setdefault(top, {})[rest if slash else ""] = name
        for top, inner_names in tops.items():
            made = max(
                (whole.times[n] for n in inner_names.values() if n in whole.times), default=None
            )
            if set(inner_names) == {""}:
                yield top, whole.files[top], made
            else:
                files = {rest: whole.files[n] for rest, n in inner_names.items() if rest}
                yield top, Found(files, {}), made
    else:
        yield path.name, path, path.stat().st_mtime


def _time(text: str, made: float | None) -> float | None:
    digits = re.sub(r"\D", "", text)
    if len(digits) >= 8:
        with contextlib.suppress(ValueError):
            when = datetime.strptime(digits[:14].ljust(14, "0"), "%Y%m%d%H%M%S")
            return when.replace(tzinfo=timezone.utc).timestamp()
    return made


def _owners(
    entries: Iterable[_Entry], roster: Roster, lines: list[Line]
) -> list[tuple[_Entry, str]]:
    """Whose each entry is; what is nobody's, or two people's, is refused."""
    found: list[tuple[_Entry, str]] = []
    spelled: dict[str, str] = {}
    numbers: dict[str, set[tuple[str, str]]] = {}
    for entry in entries:
        if roster.learners:
            # A number that the platform gave is surer than a name.
            order = ("moodle", "canvas", "github", "id", "email", "name", "joined")
            known = {column: entry.names[column] for column in order if column in entry.names}
            if "id" in known:
                known |= {"email": known["id"], "name": known["id"].replace("_", " ")}
                known |= {"github": known["id"]}
            who = roster.find(known)
            if isinstance(who, str):
                lines.append(Line(entry.outer, "", False, who))
                continue
            learner = who.id
            if other := [c for c in NUMBERED if c in entry.names and _differs(who, c, entry)]:
                said = f"the name is {learner}'s, the {other[0]} number is another's"
                lines.append(Line(entry.outer, "", False, said))
                continue
        else:
            learner = _slug(entry.names)
            if not NAME.fullmatch(learner) or ".." in learner or learner.endswith("."):
                lines.append(Line(entry.outer, "", False, "no name of a learner; use a roster"))
                continue
        key = unicodedata.normalize("NFKC", learner).casefold()
        if spelled.setdefault(key, learner) != learner:
            said = f"{learner} and {spelled[key]} differ in letters' case only: use a roster"
            lines.append(Line(entry.outer, learner, False, said))
            continue
        found.append((entry, learner))
        own = {(column, entry.names[column]) for column in NUMBERED if column in entry.names}
        numbers.setdefault(learner, set()).update(own)
    # A name can be changed to another's, a number cannot. (Moodle numbers submissions.)
    doubtful = {who for who, known in numbers.items() if len(known) > 1}
    for entry, learner in found:
        if learner in doubtful:
            said = (
                f"{len(numbers[learner])} people are called so: add {learner}'s number to a roster"
            )
            lines.append(Line(entry.outer, learner, False, said))
    return [pair for pair in found if pair[1] not in doubtful]


def _differs(who: Learner, column: str, entry: _Entry) -> bool:
    """Whether the platform's number is another one than the roster's."""
    known = re.sub(r"\D", "", getattr(who, column))
    return known not in ("", re.sub(r"\D", "", entry.names[column]))


def _slug(names: dict[str, str]) -> str:
    """A learner's id made of an outer name, where there is no roster."""
    if "id" in names or "github" in names:
        text = names.get("id") or names["github"]
    else:
        text = "-".join(names[k] for k in ("name", "joined", "moodle", "canvas") if k in names)
        text = text or names.get("email", "")
    text = unicodedata.normalize("NFC", text).strip()
    return re.sub(r"\s+", "-", text)


def _take(
    course: Course,
    assignment: str,
    entry: _Entry,
    learner: str,
    wanted: Sequence[str],
    bounds: Bounds,
) -> Line:
    """Read one attempt and keep it."""
    outer = entry.outer[:120]
    try:
        found, notes = _read(entry, bounds)
        files, more = chosen(found.files, wanted)
    except Refused as error:
        return Line(outer, learner, False, str(error))
    notes = [*entry.notes, *notes, *more]
    made = entry.made
    if made is None:
        made = max(found.times.values(), default=None)
    when = (
        None
        if made is None
        else datetime.fromtimestamp(made, timezone.utc).isoformat("T", "seconds")
    )
    digest = submission.digest_of(files)
    place = course.collected(assignment) / learner
    attempts = kept(course, assignment, learner)
    for folder, old in attempts:
        if old.digest == digest and old.submitted == when:
            return Line(outer, learner, True, f"attempt {old.attempt}, known already")
        del folder
    written = entry.outer[:300].encode("utf-8", "replace").decode()  # a disk's names are any bytes
    number = max((old.attempt for _, old in attempts), default=0) + 1
    new = course.work / f"in-{secrets.token_hex(6)}"
    try:
        for name, data in files.items():
            (new / name).parent.mkdir(parents=True, exist_ok=True)
            (new / name).write_bytes(data)
        submission.write(
            new,
            Submission(learner, assignment, written, when, number, digest, notes=notes),
        )
        replace_folder(new, place / f"{number:03d}", course.work / f"in-{secrets.token_hex(6)}")
    finally:
        shutil.rmtree(new, ignore_errors=True)
    books = [name for name in files if name.endswith(".ipynb")]
    said = f"attempt {number}, {len(books)} of {len(wanted)} notebooks"
    return Line(outer, learner, True, "; ".join([said, *notes]))


def _read(entry: _Entry, bounds: Bounds) -> tuple[Found, list[str]]:
    """All files of an attempt; one archive in a folder is opened, an archive in that one is not."""
    files: dict[str, bytes] = {}
    times: dict[str, float] = {}
    notes: list[str] = []
    for name, part in entry.parts:
        inner: Found
        if isinstance(part, Path):
            inner = archive.read(part, bounds)
            if not part.is_dir() and not archive.is_archive(part.name):
                ((_, data),) = inner.files.items() or (("", b""),)
                inner = Found({archive.checked(name, bounds): data}, {})
        elif isinstance(part, Found):
            inner = part
        elif archive.is_archive(name):
            inner = archive.unpacked(part, name, bounds)
        else:
            inner = Found({archive.checked(name, bounds): part}, {})
        for path, data in inner.files.items():
            if path in files:
                raise Refused(f"{ascii(path[:80])} stands in it twice")
            files[path] = data
        times |= inner.times
    packed = [name for name in files if archive.is_archive(name)]
    if len(packed) == 1 and not any(name.lower().endswith(".ipynb") for name in files):
        inner = archive.unpacked(files.pop(packed[0]), packed[0], bounds)
        again = set(inner.files) & set(files)
        if again:
            raise Refused(f"{ascii(sorted(again)[0][:80])} stands in it twice")
        files |= inner.files
        times |= inner.times
    if len(files) > bounds.members or sum(map(len, files.values())) > bounds.whole:
        raise Refused(f"it holds more than {bounds.whole >> 20} MB or {bounds.members} files")
    return Found(files, times), notes


def chosen(files: dict[str, bytes], wanted: Sequence[str]) -> tuple[dict[str, bytes], list[str]]:
    """The notebooks by the release's names, and the files beside them.

    Args:
        files: That came in, by path.
        wanted: Names of the released notebooks.

    Returns:
        Files by path, notebooks at the top; and what was unusual.

    Raises:
        Refused: None of the notebooks is there.
    """
    notes: list[str] = []
    books = {path: data for path, data in files.items() if path.lower().endswith(".ipynb")}
    places: dict[str, str] = {}
    for name in wanted:
        fits = [p for p in books if _called(p) == name]
        fits = fits or [p for p in books if _called(p).casefold() == name.casefold()]
        fits = fits or [p for p in books if AGAIN.sub("", _called(p)).casefold() == name.casefold()]
        if fits:
            # The copy that a browser or Canvas numbered last is the newest.
            best = max(fits, key=lambda p: (-p.count("/"), _number(p), p))
            places[name] = best
            if len(fits) > 1:
                notes.append(f"{name}: {len(fits)} files fit, {ascii(best[:60])} counts")
    if not places and len(wanted) == 1 and len(books) == 1:
        (only,) = books
        places[wanted[0]] = only
        notes.append(f"{ascii(only[:60])} was taken for {wanted[0]}")
    if not places:
        names = ", ".join(f"{name}.ipynb" for name in wanted[:6])
        other = [p for p in files if p.lower().endswith(archive.OTHERS)]
        cure = "; hand in a zip" if other else ""
        raise Refused(f"there is none of {names} in it{cure}")
    missing = [name for name in wanted if name not in places]
    if missing:
        notes.append(f"missing: {', '.join(missing)}")
    root = _root(places.values())
    kept_files = {f"{name}.ipynb": files[path] for name, path in places.items()}
    for path, data in files.items():
        if path in books:
            continue
        short = path[len(root) :] if path.startswith(root) else path
        if short in OURS or short in kept_files:
            notes.append(f"{ascii(short[:60])} was left out")
            continue
        kept_files[short] = data
    for path in _in_the_way(kept_files):
        notes.append(f"{ascii(path[:60])} was left out")
        del kept_files[path]
    return kept_files, notes


def _in_the_way(files: Iterable[str]) -> list[str]:
    """Files that would lie in a folder where a file is: an archive can hold both."""
    taken = {*files, *OURS}
    return [
        path for path in files if any(str(above) in taken for above in PurePosixPath(path).parents)
    ]


def _called(path: str) -> str:
    return PurePosixPath(path).name[: -len(".ipynb")]


def _number(path: str) -> int:
    found = re.search(r"(\d+)\)?$", _called(path))
    return int(found[1][:9]) if found and AGAIN.search(_called(path)) else 0


def _root(paths: Iterable[str]) -> str:
    """The folder that holds the notebooks, with its slash; files lie beside them there."""
    folders = {path.rpartition("/")[0] for path in paths}
    return f"{folders.pop()}/" if len(folders) == 1 and folders != {""} else ""


def kept(course: Course, assignment: str, learner: str) -> list[tuple[Path, Submission]]:
    """All attempts of a learner, oldest first by time, then by number."""
    place = course.collected(assignment) / learner
    found = []
    for folder in sorted(place.glob("[0-9]*")) if place.is_dir() else []:
        known = submission.read(folder)
        if known is not None:
            found.append((folder, known))
    return sorted(found, key=lambda pair: (pair[1].submitted or "", pair[1].attempt))


def settle(
    course: Course, assignment: str, learner: str, choose: str, best: int | None = None
) -> None:
    """Put the attempt that counts into `submitted`, if another one, or none, is there.

    Args:
        course: The course.
        assignment: Its name.
        learner: Who.
        choose: "latest", or "best"; until the best one is known, the latest is there.
        best: Number of the best attempt, once it is known.
    """
    attempts = kept(course, assignment, learner)
    if not attempts:
        return
    folder, counts = attempts[-1]
    if best is not None:
        folder, counts = next(pair for pair in attempts if pair[1].attempt == best)
    place = course.submitted(learner, assignment)
    wanted = replace(counts, choose=choose)
    if place.is_dir() and best is None:
        with contextlib.suppress(ValueError):
            old = submission.read(place)
            files = submission.came_in(place)
            here = old is not None and submission.digest_of(files) == old.digest
            if here and old is not None and (old.attempt, old.choose) == (counts.attempt, choose):
                return
    new = course.work / f"in-{secrets.token_hex(6)}"
    try:
        shutil.copytree(folder, new)
        submission.write(new, wanted)
        replace_folder(new, place, course.work / f"in-{secrets.token_hex(6)}")
    finally:
        shutil.rmtree(new, ignore_errors=True)
