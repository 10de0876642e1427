"""The list of references: no two works look alike in the text, and labels keep their year."""

from __future__ import annotations

from collections import Counter

import pytest
from pybtex.database import BibliographyData, Entry, Person, parse_file

from tools.common import ROOT

REFERENCES = ROOT / "book" / "references.bib"


def in_text(entry: Entry) -> tuple[str, ...]:
    """What stands in the text: one or two names, or one and "et al.", and the year."""
    names = ["".join(person.last_names) for person in entry.persons["author"]]
    shown = names if len(names) < 3 else [names[0], "et al."]
    return (*shown, entry.fields["year"])


def test_no_two_works_look_alike_in_the_text() -> None:
    entries = parse_file(str(REFERENCES)).entries
    seen = Counter(map(in_text, entries.values()))
    assert len(entries) > 100
    assert not [shown for shown, count in seen.items() if count > 1]


@pytest.mark.parametrize(
    ("year", "label"), [("2020", "KLA+20"), ("2020a", "KLA+20a"), ("2000b", "KLA+00b")]
)
def test_a_label_keeps_its_year(extension, year: str, label: str) -> None:
    names = ("Karras, T", "Laine, S", "Aittala, M", "Hellsten, J", "Aila, T")
    entry = Entry("article", [("title", "A"), ("year", year)])
    entry.persons["author"] = [Person(name) for name in names]
    work = BibliographyData({"work": entry}).entries["work"]
    assert extension("course_references").YearWithLetter().format_label(work) == label


def test_the_list_is_sorted_and_labelled(extension) -> None:
    extension("course_references").setup(None)
    from pybtex.plugin import find_plugin

    style = find_plugin("pybtex.style.formatting", "course")()
    bibliography = style.format_bibliography(parse_file(str(REFERENCES)))
    labels = [entry.label for entry in bibliography]
    assert {"CPK+18a", "CZP+18b", "KLA+20a", "KAH+20b"} <= set(labels)
    assert len(labels) == len(set(labels))
