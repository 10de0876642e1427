"""The equations' lock: found in every form, normalised, and stopped when changed."""

from __future__ import annotations

import pytest

from tools.common import ToolError
from tools.equations import commands as equations
from tools.equations.displayed import displayed, normalise

PAGE = """\
# A page
Inline $x$ and `$$ code $$`; ``$$`` too.

% $$ a comment $$
```{math}
:label: eq-one
a = b
```

$$ c = d $$ (eq-two)

$$
e = f \\\\
g = h
$$ (eq-three)

````{admonition} A note
Text.
```{math}
:nowrap:
:label: eq-four
i = j
```
$$ k = l $$ (eq-five)
````

:::{note}
$$ m = n $$ (eq-six)
:::

```python
price = "$$ no equation $$"
```

```
$$ neither $$
```

````{code-block} markdown
```{math}
nor this
```
````

> $$ o = p $$ (eq-seven)

- $$ q = r $$ (eq-eight)
"""


def test_every_form_is_found():
    found = list(displayed(PAGE, "page.md"))
    assert [equation.label for equation in found] == [
        f"eq-{word}" for word in ["one", "two", "three", "four", "five", "six", "seven", "eight"]
    ]
    assert found[0].latex == "a = b"
    assert found[0].place == "page.md:5"
    assert normalise(found[2].latex) == r"e = f \\ g = h"


@pytest.mark.parametrize(
    "text",
    [
        "$$ a = b $$",
        "$$\na = b\n$$\n",
        "$$ a = b $$ and then text",
        "```{math}\na = b\n```",
        "\\begin{align}\na &= b\n\\end{align}",
        "````{note}\n$$ a $$\n````",
    ],
)
def test_without_a_label(text):
    (equation,) = displayed(text, "page.md")
    assert equation.label is None


def test_never_closed():
    with pytest.raises(ToolError, match=r"page.md:1: \$\$ is never closed"):
        list(displayed("$$ a", "page.md"))


def test_normalise():
    same = [r"a=\frac{b}{c}", "a = \\frac{b}{ c }  % because", "\\label{x} a =\\, \\frac {b} {c}"]
    assert len({normalise(text) for text in same}) == 1
    different = [r"a=\frac{b}{c}", r"a=\frac{c}{b}", r"\alpha b", r"\alphab", r"50\% a", r"50\% b"]
    assert len({normalise(text) for text in different}) == 6


GOOD_TEST = """\
import pytest

@pytest.mark.equation("eq-one")
def test_one():
    assert 1 + 1 == 2
"""


@pytest.fixture
def book(checkout):
    checkout.write("book/math/page.md", "$$ a = b $$ (eq-one)\n")
    checkout.write("tests/equations/test_page.py", GOOD_TEST)
    equations.update(["eq-one"], tree=checkout.tree)
    equations.check(checkout.tree)
    return checkout


def problems(checkout) -> str:
    return "\n".join(equations.problems_of(checkout.tree))


def test_a_changed_equation_fails_until_its_test_was_looked_at(book, capsys):
    book.write("book/math/page.md", "$$ a = c $$ (eq-one)\n")
    assert (
        "page.md:1: eq-one has changed. Look at tests/equations/test_page.py::test_one"
        in problems(book)
    )
    with pytest.raises(ToolError, match="eq-one has changed, its test has not"):
        equations.update(["eq-one"], tree=book.tree)
    assert problems(book)  # nothing was locked
    assert "assert 1 + 1 == 2" in capsys.readouterr().out  # the test was shown
    equations.update(["eq-one"], looked=True, tree=book.tree)
    equations.check(book.tree)


def test_a_changed_equation_with_a_changed_test(book):
    book.write("book/math/page.md", "$$ a = c $$ (eq-one)\n")
    book.write("tests/equations/test_page.py", GOOD_TEST.replace("1 + 1", "3 - 1"))
    assert problems(book)
    equations.update(["eq-one"], tree=book.tree)
    equations.check(book.tree)


def test_white_space_is_no_change(book):
    book.write("book/math/page.md", "$$\na   = \\, b  % comment\n$$ (eq-one)\n")
    equations.check(book.tree)


@pytest.mark.parametrize(
    ("path", "text", "message"),
    [
        ("book/new.md", "$$ a $$", "book/new.md:1: a displayed equation without a label"),
        ("book/new.md", "$$ a $$ (one)", "is not of the form"),
        ("book/new.md", "$$ a $$ (eq-one)", "stands at"),
        ("book/new.md", "$$ a $$ (eq-new)", "eq-new has no test"),
        ("book/math/page.md", "nothing", "no equation eq-one any more"),
        (
            "tests/equations/test_new.py",
            GOOD_TEST.replace("eq-one", "eq-none"),
            "test_new.py::test_one: no equation eq-none",
        ),
        (
            "tests/equations/test_page.py",
            GOOD_TEST.replace("assert 1 + 1 == 2", "print(2)"),
            "checks nothing",
        ),
        ("tests/equations/test_page.py", "", "eq-one has no test"),
    ],
)
def test_faults(book, path, text, message):
    book.write(path, text)
    assert message in problems(book)
    with pytest.raises(ToolError):
        equations.check(book.tree)


def test_a_new_equation_must_be_locked(book):
    book.write("book/math/page.md", "$$ a = b $$ (eq-one)\n\n$$ c $$ (eq-two)\n")
    book.write("tests/equations/test_page.py", GOOD_TEST.replace('"eq-one"', '"eq-one", "eq-two"'))
    assert "eq-two is new" in problems(book)
    equations.update(["eq-two"], tree=book.tree)
    equations.check(book.tree)


def test_a_removed_equation_is_forgotten(book):
    book.write("book/math/page.md", "")
    book.write("tests/equations/test_page.py", "")
    assert "any more" in problems(book)
    equations.update(["eq-one"], tree=book.tree)
    equations.check(book.tree)
    with pytest.raises(ToolError, match="no equation eq-one"):
        equations.update(["eq-one"], tree=book.tree)


def test_notebooks_are_searched(book, cells):
    book.lab("lab", cells.prose("maths", "Text.\n\n$$ a $$"))
    assert "notebooks/lab.ipynb [maths]:3: a displayed equation without a label" in problems(book)
