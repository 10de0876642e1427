"""Every command that the course shows anywhere is one that it understands."""

import json
import re
import shlex
from pathlib import Path

import pytest

from course_lib.cli import COMMANDS, EXAMPLES, LISTED, parse

ROOT = Path(__file__).resolve().parents[2]
STANDS_FOR = {
    "NAME": "pets",
    "CLAIM": "unet-pets",
    "MODEL": "unet",
    "NETWORK": "unet",
    "GENERATOR": "dcgan",
    "...": "",
}
SPANS = re.compile(r"`(course [a-z][^`\n]*)`|^\s*(course [a-z-]+ .*)$", flags=re.MULTILINE)


def shown() -> dict[str, str]:
    """Command to the place that shows it."""
    pages = {"EXAMPLES": EXAMPLES}
    for path in [*ROOT.glob("*.md"), *ROOT.glob("book/**/*.md")]:
        pages[str(path.relative_to(ROOT))] = path.read_text(encoding="utf-8")
    for path in ROOT.glob("notebooks/*.ipynb"):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        pages[path.name] = "\n".join("".join(cell["source"]) for cell in cells)
    return {
        re.split(r"#|  +", match[1] or match[2])[0].strip(): name  # what follows explains it
        for name, text in pages.items()
        for match in SPANS.finditer(re.sub(r" \\\n\s*", " ", text))
        if name != "CHANGELOG.md"
    }


@pytest.mark.parametrize("command", sorted(shown()))
def test_a_command_that_is_shown_can_be_given(command: str) -> None:
    words = [STANDS_FOR.get(word, word) for word in shlex.split(command)[1:]]
    if len(words) == 1 or (words[0].startswith("train") and words[1].startswith("--")):
        # A sentence about the command, or about one of its options.
        assert words[0] in COMMANDS, shown()[command]
    elif words[-1] == "--help":
        with pytest.raises(SystemExit) as left:
            parse(words)
        assert left.value.code == 0, shown()[command]
    else:
        assert callable(parse([word for word in words if word]).run), shown()[command]


def test_the_pages_are_searched() -> None:
    places = set(shown().values())
    assert {"EXAMPLES", "README.md", "CONTRIBUTING.md", "book/install.md"} <= places


def test_the_purposes_of_all_commands_stand_below_each_other():
    lines = LISTED.splitlines()
    assert len(lines) == len(COMMANDS)
    assert len({line.index(COMMANDS[line.split()[0]]) for line in lines}) == 1
