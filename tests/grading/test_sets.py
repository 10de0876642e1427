"""Graded sets: variants, their checks, the overlay, and that nothing of them is told."""

from __future__ import annotations

import html
import json
import re
import subprocess
import sys
import zipfile
from functools import cache
from pathlib import Path

import nbformat
import pytest

from course_lib.checks.report import NOT_WRITTEN
from course_lib.cli import main
from course_lib.grading import judge, personal, rebuild, release, sets
from course_lib.grading.folder import Course
from course_lib.grading.settings import Settings
from course_lib.grading.template import Template
from tests.grading import graded

ROOT = graded.ROOT
QUESTIONS = [
    pytest.param(name, part, learner, id=f"{name}-{part}-{learner}")
    for name in graded.NAMES
    for part in graded.graded(name).parts
    for learner in graded.LEARNERS
]


def test_there_is_a_set_for_each_part_of_the_course():
    assert graded.NAMES == ["foundations", "generation", "segmentation"]
    assert [p for name in graded.NAMES for p in graded.graded(name).problems()] == []


@pytest.mark.parametrize("name", graded.NAMES)
def test_a_set_has_several_kinds_and_an_answer_that_somebody_reads(name):
    found = graded.graded(name)
    p = graded.variant(name, "ada").parameters
    kinds = {part.check(p).kind for part in found.parts.values()}
    by_hand = [c for c in found.notebook.cells if graded.rules(c).get("grade") is True]
    by_hand = [c for c in by_hand if graded.rules(c)["solution"]]
    assert 2 <= len(found.parts) + len(by_hand) <= 4
    assert len(kinds) >= 2
    assert len(by_hand) == 1 and graded.rules(by_hand[0])["points"] > 0


@pytest.mark.parametrize(("name", "part", "learner"), QUESTIONS)
def test_the_reference_solution_gets_everything(name, part, learner):
    made = graded.variant(name, learner)
    answer = graded.functions(made.source)[part]
    for seed in range(3):
        report = graded.graded(name).parts[part].check(made.parameters)(answer, seed=seed)
        assert report.points == report.total > 0, str(report)


@pytest.mark.parametrize(("name", "part", "learner"), QUESTIONS)
def test_the_untouched_and_the_emptied_get_nothing(name, part, learner):
    check = graded.graded(name).parts[part].check(graded.variant(name, learner).parameters)
    untouched = graded.functions(graded.handed_out(name, learner), whole=False)[part]
    report = check(untouched)
    assert (report.points, report.hint) == (0, None)
    assert all(result.message == NOT_WRITTEN for result in report.results)
    assert check(lambda *arguments: None).points == 0


@pytest.mark.parametrize(("name", "part", "learner"), QUESTIONS)
def test_each_known_mistake_loses_points_and_gets_its_own_hint(name, part, learner):
    check = graded.graded(name).parts[part].check(graded.variant(name, learner).parameters)
    hints = [mistake.hint for mistake in check.mistakes]
    assert len(set(hints)) == len(hints) >= 2
    for mistake in check.mistakes:
        report = check(mistake.mutant, seed=7)
        assert report.points < report.total
        assert (report.mistake, report.hint) == (mistake.name, mistake.hint), str(report)


@pytest.mark.parametrize("name", graded.NAMES)
def test_credit_is_partial(name):
    """Of every question some mistake keeps points: it is not all or nothing."""
    p = graded.variant(name, "ada").parameters
    for part in graded.graded(name).parts.values():
        check = part.check(p)
        assert any(check(m.mutant, seed=1).points > 0 for m in check.mistakes), part.name


@pytest.mark.parametrize(("name", "part", "learner"), QUESTIONS)
def test_an_answer_that_is_right_for_another_variant_loses_points(name, part, learner):
    found, p = graded.graded(name), graded.variant(name, learner).parameters
    check = found.parts[part].check(p)
    texts = {}  # the solutions of others, and one of those to whom each is right
    for number in range(12):
        other = graded.variant(name, f"other{number}")
        texts[found.parts[part].space()["solution"](other.parameters)] = other
    own = found.parts[part].space()["solution"](p)
    wrong = {text: other for text, other in texts.items() if text != own}
    assert len(wrong) >= 3
    for other in list(wrong.values())[:4]:
        report = check(graded.functions(other.source)[part], seed=3)
        assert report.points < report.total, (p, other.parameters, str(report))


def test_a_variant_is_drawn_from_secret_set_and_name():
    found = graded.graded("foundations")
    one = found.parameters("ada", graded.SECRET)
    assert found.parameters("ada", graded.SECRET) == one
    others = [found.parameters(f"x{i}", graded.SECRET) for i in range(40)]
    assert len({json.dumps(p) for p in others}) >= 38
    assert found.parameters("ada", graded.SECRET + "!") != one
    for name, values in found.choices().items():  # every value occurs
        assert {repr(p[name]) for p in others} == {repr(v) for v in values}


@pytest.mark.parametrize("name", graded.NAMES)
@pytest.mark.parametrize("learner", graded.LEARNERS)
def test_what_learners_get_tells_nothing(name, learner):
    made, source = graded.handed_out(name, learner), graded.variant(name, learner).source
    assert release.leaks([source], made) == []
    text = "\n".join(cell.source for cell in made.cells)
    assert "«" not in text and "Marking" not in text and "HIDDEN" not in text
    assert learner in made.cells[0].source
    for part in graded.graded(name).parts.values():
        assert part.whole not in text
        hints = [m.hint for m in part.check(graded.variant(name, learner).parameters).mistakes]
        assert not [hint for hint in hints if hint in text]


@cache
def telling(name: str) -> set[str]:
    """Lines of a set's checks, solutions and marking schemes that nothing else would hold."""
    found, kept = graded.graded(name), set()
    texts = [part.whole for part in found.parts.values()]
    for learner in graded.LEARNERS:
        for cell in graded.variant(name, learner).source.cells:
            if graded.rules(cell).get("solution"):
                inner = re.findall(r"BEGIN SOLUTION\n(.*)\n.*END", cell.source, flags=re.DOTALL)
                texts += inner
    ordinary = "\n".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "course_lib" / "checks").rglob("*.py")
    )
    for text in texts:
        lines = {line.strip() for line in text.splitlines() if len(line.strip()) > 40}
        lines = {n for n in lines if n not in ordinary and not n.startswith(("from ", "def "))}
        kept |= set(sorted(lines, key=len)[-25:])
    return kept


def told_in(text: str) -> list[str]:
    return [line for name in graded.NAMES for line in telling(name) if line in text]


def test_the_search_for_told_lines_finds_them():
    assert told_in((graded.FOLDER / "generation" / "bounded_penalty.py").read_text("utf-8"))
    assert told_in(graded.variant("segmentation", "ada").source.cells[3].source)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The package as it is installed elsewhere."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", ".", "--no-deps", "--no-build-isolation"]
    done = subprocess.run(
        [*command, "--wheel-dir", str(folder), "--quiet"],
        cwd=_copy(folder / "tree"),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode and "No module named" in done.stderr:
        pytest.skip(f"no wheel can be built here: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stderr[-2000:]
    return next(folder.glob("*.whl"))


def _copy(place: Path) -> Path:
    """A copy of what git knows or would know, so that a build leaves nothing in the checkout."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file() and not name.startswith("tests/"):
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_bytes((ROOT / name).read_bytes())
    return place


@pytest.mark.slow
def test_the_package_holds_nothing_of_graded_work(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        assert len(names) > 300
        assert not [name for name in names if "graded/" in name]
        text = "\n".join(
            archive.read(name).decode("utf-8", "replace")
            for name in names
            if not name.endswith(".safetensors")
        )
    assert told_in(text) == []


def test_the_book_and_the_learners_notebooks_hold_nothing_of_graded_work():
    places = [ROOT / "book", ROOT / "notebooks", ROOT / "_build" / "html"]
    for place in places:
        for path in place.rglob("*"):
            plain = path.suffix in (".md", ".ipynb", ".py", ".html", ".txt", ".js", ".json")
            if plain and path.is_file() and graded.FOLDER not in path.parents:
                told = told_in_file(path)
                assert not told, f"{path}: {told[:3]}"
    toc = (ROOT / "_toc.yml").read_text(encoding="utf-8")
    assert "graded/" not in toc


def told_in_file(path: Path) -> list[str]:
    """What a file tells; of a page that which is read, without its tags."""
    text = path.read_text(encoding="utf-8", errors="replace")
    if path.suffix == ".html":
        text = html.unescape(re.sub(r"<[^>]+>", "", text))
    if path.suffix in (".ipynb", ".json"):  # quotes stand there with a stroke before them
        text = text.replace('\\"', '"')
    return told_in(text)


def test_the_search_sees_through_a_page_and_a_notebook(tmp_path):
    line = max((line for line in telling("segmentation") if '"' in line), key=len)
    code = html.escape(line).replace(" ", "</span> <span>")
    (tmp_path / "page.html").write_text(f"<pre><span>{code}</span></pre>")
    (tmp_path / "book.ipynb").write_text(json.dumps({"source": [line]}))
    assert told_in_file(tmp_path / "page.html") == [line]
    assert told_in_file(tmp_path / "book.ipynb") == [line]


# In Colab's situation ---------------------------------------------------------------------------

PLAY = """
import contextlib, io, json, pathlib, sys, traceback
import matplotlib
matplotlib.use("Agg")
import course_lib
assert pathlib.Path(course_lib.__file__).is_relative_to(sys.argv[1]), course_lib.__file__
from course_lib import checks
for check in checks.ALL.values():
    check.seconds = 300.0  # on a busy machine; how fast they are is not the question here
said = {}
for path in sorted(pathlib.Path(".").glob("*.ipynb")):
    space, wrong = {"__name__": "__main__"}, ""
    for cell in json.loads(path.read_text())["cells"]:
        if cell["cell_type"] == "code":
            try:
                with contextlib.redirect_stdout(io.StringIO()):
                    exec(compile("".join(cell["source"]), cell["id"], "exec"), space)
            except Exception:
                wrong += cell["id"] + ": " + traceback.format_exc()[-500:]
    report = space.get("report")
    said[path.stem] = [getattr(report, "points", None), getattr(report, "total", None), wrong]
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The package in a folder of its own: there are no exercises and no notebooks beside it."""
    folder = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def play(installed: Path, folder: Path) -> dict[str, list]:
    done = subprocess.run(
        [sys.executable, "-c", PLAY, str(installed)],
        cwd=folder,
        env={
            "PYTHONPATH": str(installed),
            "PATH": "/usr/bin:/bin",
            "HOME": str(folder),
            "OMP_NUM_THREADS": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_every_practice_check_works_with_the_notebook_and_the_package_alone(installed, tmp_path):
    """Each learner's notebook, alone in a folder, with the solution written into it."""
    for path in sorted((ROOT / "notebooks" / "practice").glob("*/*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        source = nbformat.read(
            ROOT / "notebooks" / "exercises" / path.parent.name / path.name, as_version=4
        )
        right = {cell.id: cell.source for cell in source.cells}
        for cell in notebook.cells:
            if cell.id == path.stem:
                cell.source = right[cell.id]
        nbformat.write(notebook, tmp_path / path.name)
    said = play(installed, tmp_path)
    assert len(said) > 70
    wrong = {name: got for name, got in said.items() if got[0] != got[1] or not got[1] or got[2]}
    assert not wrong, str(wrong)[:2000]


@pytest.mark.slow
def test_the_visible_checks_of_graded_notebooks_work_with_the_package_alone(installed, tmp_path):
    for name in graded.NAMES:
        nbformat.write(graded.solved(name, "ada"), tmp_path / f"{name}.ipynb")
    said = play(installed, tmp_path)
    assert {name: got[2] for name, got in said.items()} == dict.fromkeys(graded.NAMES, "")


@pytest.mark.parametrize("name", graded.NAMES)
def test_the_visible_checks_refuse_a_wrong_answer(name):
    found = graded.handed_out(name, "ada")
    for cell in found.cells:
        if str(cell.get("id", "")).endswith("-example"):
            part = cell.id.removesuffix("-example")
            space = graded.functions(graded.variant(name, "ada").source)
            space[part] = lambda *arguments: graded.torch.zeros(1, 3, 4, 1)
            with pytest.raises((AssertionError, ValueError, RuntimeError)):
                exec(cell.source, space)


# Judged in the sandbox --------------------------------------------------------------------------


def points(judged: judge.Judged) -> dict[str, float]:
    return {question.name: question.points for question in judged.questions}


@pytest.fixture(scope="module")
def template():
    """A warm process that hides what any of the sets hides."""
    hidden = {m for name in graded.NAMES for m in sets.hidden_modules(graded.graded(name).notebook)}
    made = Template(hidden=sorted(hidden))
    yield made
    made.close()


@pytest.mark.sandbox
@pytest.mark.slow
@pytest.mark.parametrize("name", graded.NAMES)
def test_judged_in_the_sandbox(name, template):
    settings = Settings(template=template)
    source, released = graded.variant(name, "ada").source, graded.handed_out(name, "ada")
    totals = {
        graded.rules(c)["grade_id"]: graded.rules(c)["points"]
        for c in source.cells
        if judge.is_test(c)
    }

    def judged(notebook: nbformat.NotebookNode) -> dict[str, float]:
        data = nbformat.writes(notebook).encode()
        made = rebuild.rebuild(data, released)
        return points(judge.judge(made.notebook, source, settings, None, {"learner": "ada"}))

    assert judged(graded.solved(name, "ada")) == totals
    another = judged(graded.solved(name, "ada", by="alan"))
    assert all(another[question] < totals[question] for question in totals), another
    nothing = dict.fromkeys(totals, 0)
    assert judged(released) == nothing
    for text in ("", "raise RuntimeError('no')"):
        empty = graded.solved(name, "ada")
        for cell in empty.cells:
            if cell.cell_type == "code":
                cell.source = text
        assert judged(empty) == nothing


@pytest.mark.sandbox
@pytest.mark.slow
@pytest.mark.parametrize("warm", [True, False])
def test_hidden_modules_are_not_there_while_it_is_graded(warm, template):
    name = "segmentation"
    hidden = sets.hidden_modules(graded.graded(name).notebook)
    assert "course_lib.metrics" in hidden
    settings = Settings(hidden=hidden, template=template if warm else None)
    spy = graded.solved(name, "ada")
    lines = ["found = []"]
    for module in [*hidden, "course_lib.checks", "course_lib.grading"]:
        lines += [f"try:\n    import {module} as m\n    found += [getattr(m, '__file__', None)]"]
        lines += ["except Exception:\n    pass"]
    lines += ["assert found == [None] * len(found), found", "import course_lib.data"]
    spy.cells.append(nbformat.v4.new_code_cell("\n".join(lines), id="spy"))
    made = judge.judge(spy, graded.variant(name, "ada").source, settings)
    outputs = next(cell for cell in made.notebook.cells if cell.get("id") == "spy").outputs
    assert not outputs, outputs


@pytest.mark.parametrize("bad", ["metrics", ["numpy"], {"a": 1}, [1]])
def test_hidden_modules_are_of_the_course(bad):
    notebook = nbformat.v4.new_notebook(metadata={"course": {"hidden": bad}})
    with pytest.raises(sets.SetError, match="wanted names like"):
        sets.hidden_modules(notebook)


# The overlay ------------------------------------------------------------------------------------

MORE = '''
"""Another target, and one property more."""

CHOICES = {"target": [0.25, 2.5]}


def more(check, p):
    @check.holds("two images at least", points=3)
    def _two(student, generator):
        critic, real, fake = _draw(generator, p=p, real=2, fake=2)
        assert student(critic, real, fake).ndim == 0, "wanted one number"
'''


@pytest.fixture
def overlay(tmp_path):
    return sets.new_overlay(tmp_path / "private")


def test_an_overlay_adds_values_properties_and_points(overlay):
    (overlay / "generation").mkdir()
    (overlay / "generation" / "bounded_penalty.more.py").write_text(MORE, encoding="utf-8")
    assert sets.overlay_problems(overlay, graded.FOLDER) == []
    found = sets.load("generation", [graded.FOLDER, overlay])
    assert found.choices()["target"] == [0.25, 2.5]
    made = found.render("ada", sets.secret_of(overlay))
    (cell,) = [
        c for c in made.source.cells if graded.rules(c).get("grade_id") == "bounded_penalty-check"
    ]
    public = graded.variant("generation", "ada").source
    before = {graded.rules(c).get("grade_id"): graded.rules(c).get("points") for c in public.cells}
    assert cell.metadata.nbgrader.points == before["bounded_penalty-check"] + 3
    space = graded.functions(made.source)
    tests = [line for line in cell.source.splitlines() if not line.startswith("#")]
    space["print"] = lambda *parts: None
    exec("\n".join(tests), space)
    assert space["report"].points == space["report"].total == cell.metadata.nbgrader.points
    # What the public repository gives as an answer is not one any more.
    answer = graded.functions(public)["bounded_penalty"]
    assert not found.parts["bounded_penalty"].check(made.parameters)(answer).passed


def test_an_overlay_replaces_files_and_adds_sets(overlay):
    target = overlay / "foundations"
    target.mkdir()
    text = (graded.FOLDER / "foundations" / "predict_stack.py").read_text(encoding="utf-8")
    (target / "predict_stack.py").write_text(text.replace("[61, 74, 83, 94]", "[200, 300]"))
    own = overlay / "quiz"
    own.mkdir()
    notebook = nbformat.read(graded.FOLDER / "generation" / "generation.ipynb", as_version=4)
    nbformat.write(notebook, own / "quiz.ipynb")
    for file in ("bounded_penalty.py", "draw_and_cost.py"):
        (own / file).write_bytes((graded.FOLDER / "generation" / file).read_bytes())
    assert sets.overlay_problems(overlay, graded.FOLDER) == []
    folders = [graded.FOLDER, overlay]
    assert sets.load("foundations", folders).choices()["size"] == [200, 300]
    assert sets.load("quiz", folders).problems() == []
    assert not personal.is_set("quiz", [graded.FOLDER]) and personal.is_set("quiz", folders)


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("generation/bounded_penalty.more.py", "def more(check, p:", "it does not run"),
        ("generation/bounded_penalty.more.py", "CHOICES = {}", "no function more"),
        ("generation/other.more.py", "", "no other.py that it could add to"),
        ("generation/other.py", "", "no function check"),
        ("generation/bounded_penalty.json", "{", "is not JSON"),
        ("generation/generation.ipynb", "{}", "is not a readable notebook"),
        ("generation/notes.txt", "", "is not used"),
        ("notes.txt", "", "is not used"),
        ("quiz/one.py", "", "there is no graded set 'quiz'"),
        ("secret.txt", "short", "wanted at least 16"),
        (
            "generation/bounded_penalty.more.py",
            "CHOICES = {'target': [1]}\ndef more(check, p): pass",
            "one is no choice",
        ),
        (
            "generation/bounded_penalty.more.py",
            "def more(check, p):\n    bounded_penalty = 1",
            "would never see the learner's",
        ),
        (
            "generation/bounded_penalty.more.py",
            "def more(check, p):\n    p['nothing']",
            "check(p) fails",
        ),
        (
            "foundations/strip_conv.more.py",
            "CHOICES = {'turned': [0, 90]}\ndef more(check, p): pass",
            "does not run for the first value of each parameter: KeyError",
        ),
    ],
)
def test_faults_of_an_overlay_are_told_in_one_line(overlay, file, text, said):
    path = overlay / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    problems = sets.overlay_problems(overlay, graded.FOLDER)
    assert any(said in problem for problem in problems), problems


def test_places_that_nothing_fills_are_a_fault(overlay):
    (overlay / "generation").mkdir()
    notebook = nbformat.read(graded.FOLDER / "generation" / "generation.ipynb", as_version=4)
    notebook.cells[0].source += "\n\n«colour»"
    nbformat.write(notebook, overlay / "generation" / "generation.ipynb")
    (problem,) = sets.overlay_problems(overlay, graded.FOLDER)
    assert "«colour»" in problem


def test_notebooks_alone_are_for_the_practice_exercises(overlay):
    (overlay / "unet").mkdir()
    source = ROOT / "notebooks" / "exercises" / "unet" / "iou.ipynb"
    (overlay / "unet" / "iou.ipynb").write_bytes(source.read_bytes())
    assert sets.overlay_problems(overlay, graded.FOLDER) == []


def test_the_command_makes_checks_and_shows(tmp_path, capsys):
    place, out = str(tmp_path / "mine"), tmp_path / "ada.ipynb"
    assert main(["overlay", "new", place]) == 0
    assert main(["overlay", "check", place]) == 0
    assert "foundations" in capsys.readouterr().out
    assert main(["overlay", "show", place, "generation", "ada", "--out", str(out)]) == 0
    assert "prior_std" in capsys.readouterr().out
    assert "BEGIN" not in out.read_text(encoding="utf-8")
    (tmp_path / "mine" / "notes.txt").touch()
    assert main(["overlay", "check", place]) == 1


def test_a_secret_is_never_overwritten_and_readable_by_one(overlay):
    assert (overlay / "secret.txt").stat().st_mode & 0o077 == 0
    with pytest.raises(FileExistsError):
        sets.new_overlay(overlay)


@pytest.mark.slow
def test_without_overlay_or_learners_nothing_is_released(tmp_path, overlay):
    course = release.make_course(tmp_path / "term")
    with pytest.raises(ValueError, match="name them"):
        personal.release_set(course, "generation", [], overlay=overlay)
    with pytest.raises(FileNotFoundError, match="overlay new"):
        personal.release_set(course, "generation", ["ada"], overlay=tmp_path)


@pytest.mark.slow
def test_each_learner_is_judged_by_what_was_released_for_them(tmp_path, overlay):
    from course_lib.grading import grade

    course: Course = release.make_course(tmp_path / "term")
    made = personal.release_set(course, "generation", ["ada", "alan"], overlay=overlay)
    assert made.points["generation"] == 16
    whole = grade.assignment_of(course, "generation")
    own = {n: personal.assignment_of(course, whole, n) for n in ("ada", "alan")}
    assert own["ada"].sources != own["alan"].sources != whole.sources
    assert len({whole.digest, own["ada"].digest, own["alan"].digest}) == 3
    with pytest.raises(FileNotFoundError, match="grace has no variant"):
        personal.assignment_of(course, whole, "grace")
    # Whoever comes later gets one, and nobody else's moves.
    (overlay / "secret.txt").write_text("another secret, for the next term\n")
    personal.release_set(course, "generation", ["grace"], overlay=overlay)
    again = personal.assignment_of(course, grade.assignment_of(course, "generation"), "ada")
    assert again.sources == own["ada"].sources
