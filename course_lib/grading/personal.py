"""Releases a graded set: another variant for each learner, and each judged by their own.

In the course folder, besides what `folder` names:

handout/ASSIGNMENT/LEARNER/NAME.ipynb   what this learner gets
variants/ASSIGNMENT/LEARNER/NAME.ipynb  the source it was made from: answers and hidden tests

`source/` and `release/` hold the variant of nobody, for the gradebook and Formgrader. Once written,
a variant is what counts: later changes of the set, the overlay or the secret move nobody's tests.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import nbformat
from nbformat import NotebookNode

import course_lib
from course_lib.grading import release
from course_lib.grading.folder import Course, check_name, digest, files_of, write_file
from course_lib.grading.sets import SetError, load, names, secret_of
from course_lib.grading.task import Assignment


def public_sets() -> Path | None:
    """The course's own graded sets, where the package lies in its repository."""
    folder = Path(course_lib.__file__).resolve().parents[1] / "notebooks" / "graded"
    return folder if folder.is_dir() else None


def set_folders(overlay: Path | None, sets: Path | None = None) -> list[Path]:
    """Where sets are looked for: the public ones, or `sets`, then the overlay."""
    public = sets if sets is not None else public_sets()
    return [folder for folder in (public, overlay) if folder is not None]


def is_set(name: str, folders: Sequence[Path]) -> bool:
    """Whether there is a graded set of this name."""
    return any(name in names(folder) for folder in folders)


def handout(course: Course, learner: str, assignment: str) -> Path:
    """Folder of what a learner gets."""
    return _of(course, "handout", learner, assignment)


def variants(course: Course, learner: str, assignment: str) -> Path:
    """Folder of the source that a learner is judged by."""
    return _of(course, "variants", learner, assignment)


def _of(course: Course, step: str, learner: str, assignment: str) -> Path:
    check_name(assignment, "an assignment")
    return course.root / step / assignment / check_name(learner, "a learner")


def release_set(
    course: Course,
    name: str,
    learners: Iterable[str],
    *,
    overlay: Path,
    sets: Path | None = None,
) -> release.Released:
    """Write the variants of these learners, and the variant of nobody.

    Args:
        course: Where.
        name: Of the set, and of the assignment.
        learners: Who gets one. Others, released before, keep theirs.
        overlay: The instructor's private folder, with the secret.
        sets: Public sets; None: the course's own.

    Returns:
        What was released.

    Raises:
        SetError: The set is not in order, or tells a secret: nothing was written.
        ValueError: Nobody is named, or somebody has answered and the questions changed.
        FileNotFoundError: There is no such set, or no secret.
    """
    course.check()
    everybody = [check_name(learner, "a learner") for learner in learners]
    if not everybody:
        raise ValueError(f"{name} has a variant for each learner: name them, --roster class.csv")
    secret = secret_of(overlay)
    graded = load(name, set_folders(overlay, sets))
    if problems := graded.problems():
        raise SetError(f"nothing was released: {'; '.join(problems[:5])}")
    texts: dict[tuple[str, str], tuple[str, str]] = {}
    for learner in everybody:
        source = _personal(graded.render(learner, secret).source)
        made = release.released(source, name)
        if told := release.leaks([source], made):
            raise SetError(f"nothing was released, for it would tell {learner}: {told[0]}")
        texts[learner, name] = _written(source), _written(made)
    with tempfile.TemporaryDirectory(prefix="course-") as folder:
        base = Path(folder, name)
        base.mkdir()
        text = _written(_personal(graded.base().source))
        (base / f"{name}.ipynb").write_text(text, encoding="utf-8")
        done = release.release(course, name, base=Path(folder))
    for (learner, book), (source_text, handed_out) in texts.items():
        write_file(variants(course, learner, name) / f"{book}.ipynb", source_text)
        write_file(handout(course, learner, name) / f"{book}.ipynb", handed_out)
    return done


def _personal(source: NotebookNode) -> NotebookNode:
    source.metadata.setdefault("course", {})["personal"] = True
    return source


def text_of(source: NotebookNode, name: str, answers: bool) -> str:
    """A rendered source as a notebook's text: as it is, or as learners get it."""
    return _written(source if answers else release.released(source, name))


def _written(notebook: NotebookNode) -> str:
    return nbformat.writes(notebook, version=4, indent=1).rstrip("\n") + "\n"


def assignment_of(course: Course, assignment: Assignment, learner: str) -> Assignment:
    """What this learner is judged by: the assignment with their own variant, if there are variants.

    Raises:
        FileNotFoundError: Others have variants, and this learner has none.
    """
    books = [nbformat.reads(text, as_version=4) for text in assignment.sources.values()]
    if not any((book.metadata.get("course") or {}).get("personal") for book in books):
        return assignment
    folders = [place(course, learner, assignment.name) for place in (variants, handout)]
    own = [{Path(n).stem: d for n, d in files_of(folder).items()} for folder in folders]
    if any(set(files) != set(assignment.sources) for files in own):
        raise FileNotFoundError(
            f"{learner} has no variant of {assignment.name}: add them to the roster, and "
            f"`course release {assignment.name}` again"
        )
    sources, releases = ({n: d.decode("utf-8") for n, d in files.items()} for files in own)
    files = [(f"{k}/{n}", d) for k, part in zip("vh", own, strict=True) for n, d in part.items()]
    return dataclasses.replace(
        assignment,
        digest=digest([("all", assignment.digest.encode()), *files]),
        sources=sources,
        releases=releases,
    )
