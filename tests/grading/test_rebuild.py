"""Whatever is handed in, the release's cells come back and the learner's answers stay."""

from __future__ import annotations

import copy
import difflib
import json
import random
import time

import nbformat
import pytest

from course_lib.grading.rebuild import _Effort, _likeness, rebuild
from tests.grading import kit

SOURCE = kit.source("unet", "iou")
RELEASE = kit.released(SOURCE)
ANSWER = "iou"
HANDED_IN = kit.submission(SOURCE, kit.RIGHT, before="helper = 3  # mine")


def written(notebook) -> bytes:
    return json.dumps(notebook, ensure_ascii=False).encode()


def cells_of(notebook, name):
    return [c for c in notebook.cells if c.id == name]


def check_rebuilt(data: bytes, *, own: int = 1, release=RELEASE):
    """Rebuild, and see that tests and answer are where they belong."""
    before = copy.deepcopy(release)
    rebuilt = rebuild(data, release)
    assert release == before and not rebuilt.problem
    nbformat.validate(rebuilt.notebook)
    ids = [c.id for c in rebuilt.notebook.cells]
    assert len(set(ids)) == len(ids)
    for cell in release.cells:
        (kept,) = cells_of(rebuilt.notebook, cell.id)
        assert kept.metadata == cell.metadata and kept.cell_type == cell.cell_type
        if cell.metadata.get("nbgrader", {}).get("grade"):
            assert kept.source == cell.source
    assert cells_of(rebuilt.notebook, ANSWER)[0].source.strip() == kit.RIGHT.strip()
    assert sum(c.id.startswith("own-") for c in rebuilt.notebook.cells) == own
    return rebuilt


def changed(change):
    made = copy.deepcopy(HANDED_IN)
    change(made)
    return written(made)


def position(notebook, name):
    return next(i for i, c in enumerate(notebook.cells) if c.id == name)


def wipe_metadata(nb):
    nb.metadata = {}
    for c in nb.cells:
        c.metadata = {}


def wipe_ids(nb):
    for i, c in enumerate(nb.cells):
        c.id = f"cell{i}"


def wipe_all(nb):
    wipe_metadata(nb)
    for c in nb.cells:
        del c["id"]


def delete(name):
    return lambda nb: nb.cells.pop(position(nb, name))


def edit_test(nb):
    nb.cells[position(nb, "iou-check")].source = "report = type('R', (), {'points': 5})\n5"


def edit_points(nb):
    nb.cells[position(nb, "iou-check")].metadata["nbgrader"].update(points=500, locked=False)


def rename(nb):
    for c in nb.cells:
        if "nbgrader" in c.metadata:
            c.metadata["nbgrader"]["grade_id"] = "something"


def swap_roles(nb):
    answer, test = (nb.cells[position(nb, n)] for n in ("iou", "iou-check"))
    answer.metadata, test.metadata = test.metadata, answer.metadata


def retype(kind):
    def change(nb):
        nb.cells[position(nb, "iou")].cell_type = kind
        nb.cells[position(nb, "iou-check")].cell_type = kind

    return change


def wrong_kernel(nb):
    nb.metadata["kernelspec"] = {"name": "../../evil", "display_name": "x", "language": "R"}


def test_what_was_handed_in_properly_stays_as_it_is():
    assert check_rebuilt(written(HANDED_IN)).notes == []


@pytest.mark.adversarial
@pytest.mark.parametrize(
    "change",
    [
        wipe_metadata,
        wipe_ids,
        wipe_all,
        delete("iou-check"),
        delete("task"),
        edit_test,
        edit_points,
        rename,
        swap_roles,
        retype("markdown"),
        retype("raw"),
        wrong_kernel,
    ],
    ids=lambda f: f.__qualname__.replace(".<locals>", ""),
)
def test_what_a_learner_does_to_the_notebook_changes_no_test(change):
    rebuilt = check_rebuilt(changed(change))
    assert rebuilt.notebook.metadata == RELEASE.metadata


@pytest.mark.adversarial
def test_cells_in_another_order():
    made = copy.deepcopy(HANDED_IN)
    random.Random(0).shuffle(made.cells)
    check_rebuilt(written(made))


@pytest.mark.adversarial
def test_a_doubled_test_and_a_doubled_answer():
    made = copy.deepcopy(HANDED_IN)
    place = position(made, "iou")
    old = copy.deepcopy(made.cells[place])
    old.source = "def iou(): return 'an earlier attempt'"
    made.cells.insert(place, old)
    made.cells.append(copy.deepcopy(made.cells[position(made, "iou-check")]))
    rebuilt = check_rebuilt(written(made), own=3)
    sources = [c.source for c in rebuilt.notebook.cells]
    assert sources.index(old.source) < sources.index(kit.RIGHT.strip()), "the last one counts"


@pytest.mark.adversarial
def test_a_deleted_answer_is_the_stub_again():
    rebuilt = rebuild(changed(delete("iou")), RELEASE)
    (answer,) = cells_of(rebuilt.notebook, ANSWER)
    assert "NotImplementedError" in answer.source and "was missing" in rebuilt.notes[0]


@pytest.mark.adversarial
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "latin-1", "utf-8"])
def test_encodings(encoding):
    made = copy.deepcopy(HANDED_IN)
    made.cells[position(made, "my-own")].source = "größe = 3"
    for cell in made.cells:
        cell.source = cell.source.encode("latin-1", "ignore").decode("latin-1")
    text = json.dumps(made, ensure_ascii=False)
    data = text.encode(encoding)
    if encoding == "utf-16-le":
        data = b"\xff\xfe" + data
    rebuilt = check_rebuilt(data)
    assert "größe = 3" in [c.source for c in rebuilt.notebook.cells]


@pytest.mark.adversarial
@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"%PDF-1.7", "not JSON"),
        (b'{"cells": [', "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[1, 2]", "another kind"),
        (b"{}", "no cells"),
        (b'{"cells": 3}', "no cells"),
        (b'{"worksheets": 3}', "no cells"),
        (b" " * (21 << 20) + b"{}", "more than 20"),
        (json.dumps({"cells": [{}] * 3000}).encode(), "3000 cells"),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_no_notebook_is_the_release_with_a_reason(data, problem):
    rebuilt = rebuild(data, RELEASE)
    assert problem in rebuilt.problem
    assert rebuilt.notebook.cells == RELEASE.cells


@pytest.mark.adversarial
@pytest.mark.parametrize(
    "strange",
    [
        {"cell_type": "code", "source": 3},
        {"cell_type": ["code"], "source": "x = 1", "metadata": [], "id": {}},
        {"cell_type": "code", "source": ["a", 3, "b"], "metadata": {"nbgrader": {"grade_id": []}}},
        {"cell_type": "code", "source": "\ud800", "id": 10**5000},
        {"cell_type": "heading", "level": 10**400, "source": "x", "metadata": {"nbgrader": 3}},
        {"cell_type": "code", "source": "def f(:\n" * 1000, "id": "iou-check"},
        {"cell_type": "code", "source": "(" * 5000, "id": "../../x"},
        {"source": "x" * 2_000_000},
        [],
        None,
    ],
    ids=range(10),
)
def test_strange_cells_break_nothing(strange):
    made = json.loads(written(HANDED_IN))
    made["cells"].insert(3, strange)
    import sys

    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    data = json.dumps(made).encode()
    sys.set_int_max_str_digits(limit)
    rebuilt = rebuild(data, RELEASE)
    assert not rebuilt.problem
    nbformat.validate(rebuilt.notebook)
    assert kit.RIGHT.strip() in [c.source.strip() for c in cells_of(rebuilt.notebook, ANSWER)]
    nbformat.writes(rebuilt.notebook).encode()


def test_the_third_format():
    made = {"nbformat": 3, "worksheets": [{"cells": []}]}
    for cell in HANDED_IN.cells:
        key = "input" if cell.cell_type == "code" else "source"
        made["worksheets"][0]["cells"].append({"cell_type": cell.cell_type, key: cell.source})
    check_rebuilt(json.dumps(made).encode())


def test_two_answers_change_places_only_with_their_names():
    release = copy.deepcopy(RELEASE)
    second = copy.deepcopy(release.cells[position(release, "iou")])
    second.id = "dice"
    second.metadata["nbgrader"]["grade_id"] = "dice"
    second.source = "def dice(a, b):\n    # YOUR CODE HERE\n    raise NotImplementedError()"
    release.cells.insert(position(release, "check-it"), second)
    made = copy.deepcopy(release)
    made.cells[position(made, "iou")].source = kit.RIGHT
    made.cells[position(made, "dice")].source = "def dice(a, b):\n    return 2"
    wipe_all(made)
    rebuilt = check_rebuilt(written(made), own=0, release=release)
    assert cells_of(rebuilt.notebook, "dice")[0].source == "def dice(a, b):\n    return 2"


@pytest.mark.adversarial
@pytest.mark.parametrize(
    "texts",
    [
        ["a" * 2500 + "b" + "a" * 2499 + str(i) for i in range(400)],
        ["ab" * 2500] * 400,
        ["(a," * 60 + ")" * 60 + "[]," * 60_000] * 20,
        ["x = " + "1," * 100_000] * 20,
        ["\n".join(f"def f{i}(): pass" for i in range(3_000))] * 60,
    ],
    ids=["one letter", "two letters", "brackets", "numbers", "functions"],
)
def test_texts_that_are_much_work_to_compare_cost_seconds(texts):
    """Comparing two texts of 5,000 equal letters takes as long as everything here."""
    release = copy.deepcopy(RELEASE)
    for number in range(8):
        release.cells.append(nbformat.v4.new_code_cell(texts[0][:5000], id=f"more-{number}"))
    made = json.loads(written(HANDED_IN))
    made["cells"] = [
        {"cell_type": "code", "source": text[number % 7 :]} for number, text in enumerate(texts)
    ] + made["cells"]
    started = time.process_time()
    rebuilt = rebuild(json.dumps(made).encode(), release)
    assert not rebuilt.problem and time.process_time() - started < 30
    assert kit.RIGHT.strip() in [c.source.strip() for c in cells_of(rebuilt.notebook, ANSWER)]


@pytest.mark.adversarial
def test_too_much_text_is_refused():
    cells = [{"cell_type": "code", "source": "x" * 1_000_000}] * 5
    assert "4 million" in rebuild(json.dumps({"cells": cells}).encode(), RELEASE).problem


@pytest.mark.parametrize("seed", range(20))
def test_likeness_is_that_of_difflib(seed):
    draw = random.Random(seed)
    a = "".join(draw.choice("abcde fgh\n") for _ in range(draw.randrange(300)))
    b = "".join(draw.choice([x, x, x, "z", ""]) for x in a) + "end"
    found = _likeness(a, b, _Effort())
    wanted = difflib.SequenceMatcher(None, a, b, autojunk=False).ratio()
    assert found == (pytest.approx(wanted) if wanted >= 0.5 else pytest.approx(found))
    assert found == 0 or found <= wanted + 1e-12
