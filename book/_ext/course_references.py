"""Two works of the same authors and year are told apart by a letter, in the text and in the list.

In `references.bib` such works have the years 2020a and 2020b. The text shows them as they stand;
this module keeps the letter behind the two digits of the list's labels: [KLA+20a], not [KLA+0a].
"""

from __future__ import annotations

from typing import Any

from pybtex.plugin import register_plugin
from pybtex.style.formatting.alpha import Style as AlphaStyle
from pybtex.style.labels.alpha import LabelStyle
from sphinx.application import Sphinx


class YearWithLetter(LabelStyle):
    """Labels of the style alpha, for years that may end in a letter."""

    def format_label(self, entry: Any) -> str:
        """Return for instance KLA+20a for the year 2020a."""
        label = super().format_label(entry)
        year = entry.fields.get("year", "")
        if not year[-1:].isalpha():
            return label
        return label.removesuffix(year[-2:]) + year[-3:]


class Style(AlphaStyle):
    """The style alpha with these labels."""

    default_label_style = "year_with_letter"


def setup(app: Sphinx) -> dict[str, Any]:
    """Make the style known by the name that `_config.yml` gives it."""
    register_plugin("pybtex.style.labels", "year_with_letter", YearWithLetter)
    register_plugin("pybtex.style.formatting", "course", Style)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
