"""Planted copies stand above every honest pair, whatever was done to hide them."""

from __future__ import annotations

import re
import time

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell

from course_lib.cli import main
from course_lib.grading.similarity import (
    CAUTION,
    compare,
    passages,
    similarity_page,
    tokens_of,
    work_of,
)
from tests.grading import room
from tests.grading.room import Person
from tests.grading.test_feedback import HOSTILE, acts

# Eight honest answers to one task, each with a helper of its own.
HONEST = {
    "ada": """
def overlap(a, b):
    common = (a & b).sum()
    return common / (a | b).sum()

def mean_overlap(masks, others):
    values = [overlap(m, o) for m, o in zip(masks, others)]
    return sum(values) / len(values)
""",
    "bob": """
def overlap(a, b):
    inter = torch.logical_and(a, b).float().sum()
    union = torch.logical_or(a, b).float().sum()
    if union == 0:
        return torch.tensor(float("nan"))
    return inter / union

def mean_overlap(masks, others):
    total = 0.0
    for index in range(len(masks)):
        total += overlap(masks[index], others[index])
    return total / len(masks)
""",
    "cy": """
def overlap(first, second):
    first, second = first.bool(), second.bool()
    hits = first[second].sum()
    return hits / (first.sum() + second.sum() - hits)

def mean_overlap(masks, others):
    return torch.stack([overlap(*pair) for pair in zip(masks, others)]).mean()
""",
    "dee": """
def overlap(a, b):
    counts = torch.bincount((2 * a.long() + b.long()).flatten(), minlength=4)
    return counts[3] / counts[1:].sum()

def mean_overlap(masks, others):
    scores = torch.zeros(len(masks))
    for i, (m, o) in enumerate(zip(masks, others)):
        scores[i] = overlap(m, o)
    return scores.mean()
""",
    "eve": """
def overlap(x, y):
    x = x.reshape(-1).tolist()
    y = y.reshape(-1).tolist()
    both = sum(1 for p, q in zip(x, y) if p and q)
    some = sum(1 for p, q in zip(x, y) if p or q)
    return both / max(some, 1)

def mean_overlap(masks, others):
    return float(np.mean([overlap(m, o) for m, o in zip(masks, others)]))
""",
    "fay": """
def overlap(a, b):
    a, b = a.flatten().float(), b.flatten().float()
    dot = torch.dot(a, b)
    return dot / (a.norm() ** 2 + b.norm() ** 2 - dot)

def mean_overlap(masks, others):
    pairs = list(zip(masks, others))
    return sum(overlap(p, q) for p, q in pairs) / len(pairs)
""",
    "gus": """
def overlap(a, b):
    union = (a + b).clamp(max=1).sum()
    return (a * b).sum() / union

def mean_overlap(masks, others):
    result = []
    while masks:
        result.append(overlap(masks.pop(), others.pop()))
    return np.asarray(result).mean()
""",
    "hal": """
def overlap(a, b):
    same = torch.where(a == b, a, torch.zeros_like(a)).sum()
    different = (a != b).sum()
    return same / (same + different)

def mean_overlap(masks, others):
    return torch.tensor([overlap(m, o) for m, o in zip(masks, others)]).nanmean()
""",
}


def renamed(code: str) -> str:
    names = {"a": "left", "b": "right", "x": "u", "y": "v", "masks": "ms", "others": "os_",
             "m": "k", "o": "l", "scores": "out", "counts": "table", "i": "place", "p": "s",
             "q": "t", "inter": "i1", "union": "u1", "index": "n", "total": "acc", "dot": "d",
             "first": "one", "second": "two", "hits": "h", "pairs": "ps"}  # fmt: skip
    return re.sub(r"(?<![.\w])\w+\b", lambda found: names.get(found[0], found[0]), code)


def commented(code: str) -> str:
    lines = [
        f"{line}  # step {i}" if line.strip() else line for i, line in enumerate(code.split("\n"))
    ]
    text = "\n".join(lines).replace("):  # step", '):\n    """Mine."""  # step', 1)
    return text.replace("    ", "        ")


def reordered(code: str) -> list[str]:
    first, second = code.strip().split("\n\n")
    return [second, "print('my own work')", first]


def notebook(cells: list[str]):
    made = room.released()
    made.cells[2].source = cells[0]
    made.cells[3:3] = [new_code_cell(cell) for cell in cells[1:]]
    return made


def works(extra: dict[str, list[str]]):
    cells = {name: [code.strip()] for name, code in HONEST.items()} | extra
    return [work_of(name, notebook(parts), [room.released()]) for name, parts in cells.items()]


PLANTED = {
    "renamed": ("bob", [renamed(HONEST["bob"])]),
    "commented": ("dee", [commented(HONEST["dee"])]),
    "reordered": ("eve", reordered(HONEST["eve"])),
    "all": ("fay", reordered(renamed(HONEST["fay"]))),
    "half": ("hal", [HONEST["hal"].strip().split("\n\n")[0], HONEST["cy"].split("\n\n")[1]]),
}


def test_planted_copies_stand_above_all_honest_pairs():
    pairs = compare(works({f"copy-{name}": cells for name, (_, cells) in PLANTED.items()}))
    planted = {frozenset((f"copy-{name}", of)) for name, (of, _) in PLANTED.items()}
    planted.add(frozenset(("copy-half", "cy")))  # half of it is this one's
    names = [frozenset((pair.left.learner, pair.right.learner)) for pair in pairs]
    assert set(names[: len(planted)]) == planted
    worst = pairs[len(planted) - 1].likeness
    assert worst > 1.2 * pairs[len(planted)].likeness


@pytest.mark.parametrize("name", ["renamed", "commented", "reordered"])
def test_one_disguise_changes_next_to_nothing(name):
    of, cells = PLANTED[name]
    best = compare(works({"copy": cells}))[0]
    assert {best.left.learner, best.right.learner} == {"copy", of} and best.likeness > 0.9


def test_what_was_given_is_taken_out():
    given = HONEST["bob"]
    release = room.released()
    release.cells[2].source = given
    same = [work_of(name, notebook([given]), [release]) for name in ("ada", "bob")]
    assert not compare(same) and not any(work.runs for work in same)
    assert compare([work_of(name, notebook([given])) for name in ("ada", "bob")])


def test_test_cells_do_not_count():
    work = work_of("ada", room.handed_in(Person("ada")))
    assert "report = checks" not in " ".join(work.cells)


def test_tokens_keep_what_is_computed_and_lose_what_is_chosen():
    left = [t.word for t in tokens_of("x = torch.stack(values, dim=1)  # mine\n'''doc'''")]
    right = [t.word for t in tokens_of("y=torch.stack( scores,dim = 1 )")]
    other = [t.word for t in tokens_of("y = torch.cat(scores, dim=1)")]
    assert left == right != other
    lines = [t.line for t in tokens_of("a = 1\n\nb = 2")]
    assert lines == [0, 0, 0, 2, 2, 2]


def test_a_syntax_error_is_compared_all_the_same():
    code = f"{HONEST['bob'].strip()}\nreturn (("
    pairs = compare(works({"copy": [code]}))
    assert {pairs[0].left.learner, pairs[0].right.learner} == {"copy", "bob"}


def test_passages_are_the_longest_and_none_counts_twice():
    pair = compare(works({"copy": reordered(HONEST["eve"])}))[0]
    found = passages(pair)
    a, b = pair.left.tokens, pair.right.tokens
    used = [set(), set()]
    for left, right, length in found:
        words = [t.word for t in a[left : left + length]]
        assert words == [t.word for t in b[right : right + length]]
        for side, start in zip(used, (left, right), strict=True):
            places = set(range(start, start + length))
            assert not side & places
            side |= places
    assert [p.length for p in found] == sorted((p.length for p in found), reverse=True)
    assert len(found[0:2]) == 2 and sum(p.length for p in found[:2]) > 0.85 * min(len(a), len(b))


@pytest.fixture
def course(tmp_path):
    people = [Person(name, answer=code.strip()) for name, code in HONEST.items()]
    people.append(Person("zoe", points=None, answer=renamed(HONEST["dee"])))
    return room.furnish(tmp_path, people)


def test_the_page_ranks_pairs_and_shows_passages_side_by_side(course, capsys):
    assert main(["similarity", room.SET, "--course", str(course.root), "--pairs", "3"]) == 0
    path = course.root / "reports" / f"{room.SET}-similarity.html"
    assert str(path) in capsys.readouterr().out
    soup = BeautifulSoup(path.read_text(), "html.parser")
    assert CAUTION in soup.get_text() and not acts(path.read_text())
    assert soup.find("tbody").find("tr").get_text(" ").startswith("1 dee and zoe")
    assert [h.get_text() for h in soup.find_all("h2")][0] == "1. dee and zoe"
    assert len(soup.find_all("h2")) == 3
    left, right = soup.find("div", class_="pair").find_all("div", recursive=False)
    assert "counts = torch.bincount" in left.get_text()
    assert "table = torch.bincount" in right.get_text()
    assert room.SECRET not in path.read_text()


def test_it_needs_a_released_assignment(course, capsys):
    assert main(["similarity", "nowhere", "--course", str(course.root)]) == 2
    assert "there is no notebook" in capsys.readouterr().err
    with pytest.raises(ValueError, match="ask for 1 or more"):
        similarity_page("x", {}, 0)


@pytest.mark.adversarial
def test_nothing_that_a_learner_wrote_acts(tmp_path):
    bad = "\n".join(HOSTILE)
    answer = f"{HONEST['bob'].strip()}\n'''{bad}'''\n{bad}"
    course = room.furnish(
        tmp_path, [Person("ada", answer=answer), Person("bob", answer=renamed(answer))]
    )
    main(["similarity", room.SET, "--course", str(course.root)])
    html = (course.root / "reports" / f"{room.SET}-similarity.html").read_text()
    assert not acts(html) and "dee" not in html
    page = str(similarity_page(bad, {bad: [work_of(bad, notebook([answer])) for _ in range(2)]}))
    assert not acts(page) and len(BeautifulSoup(page, "html.parser").find_all("style")) == 1


@pytest.mark.slow
@pytest.mark.adversarial
@pytest.mark.parametrize(
    "bad", ["x = 1\n" * 100_000, "(" * 10**6, "'''" * 300_000, "f'{" * 300_000, "\\" * 10**6]
)
def test_no_text_is_slow(bad):
    start = time.process_time()
    pairs = compare([work_of(name, notebook([bad])) for name in ("ada", "bob")])
    for pair in pairs:
        passages(pair)
    assert time.process_time() - start < 20


def test_a_class_is_compared_in_a_moment():
    """Fewer than five seconds for a hundred: each with each, 4950 pairs."""
    many = [
        work_of(f"l{i}", notebook([code.replace("common", f"c{i}") + f"\nx = {i}"]))
        for i, code in enumerate(list(HONEST.values()) * 13)
    ]
    start = time.process_time()
    assert len(compare(many)) > 4_000
    assert time.process_time() - start < 5


def test_the_reader_takes_what_was_graded_or_else_rebuilds(course):
    from course_lib.grading.similarity import read_works

    found = read_works(course, room.SET)["overlap"]
    assert {work.learner for work in found} == {*HONEST, "zoe"}
    path = course.submitted("zoe", room.SET) / "overlap.ipynb"
    path.write_text("no notebook")
    assert {work.learner for work in read_works(course, room.SET)["overlap"]} == set(HONEST)
    assert nbformat.read(course.release(room.SET) / "overlap.ipynb", as_version=4)
