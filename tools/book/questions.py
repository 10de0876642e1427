"""Questions to answer before a cell runs: `viz.predict` as HTML, with buttons of the page's own.

`book/static/questions.js` shows, at the place where the answer comes out, what was chosen.
"""

from __future__ import annotations

import html
from typing import Any

from tools.book.films import MODEL, parts_of


def question_of(model: str, states: dict[str, Any], number: dict[str, int]) -> str | None:
    """Return a question's HTML; None if the model is something else.

    Args:
        model: name of what a cell shows.
        states: of all widgets of the lab, by name.
        number: of each question by the name of its buttons; a new one is added.
    """
    parts = parts_of(model, states)
    if [part["model_name"] for part in parts] != ["HTMLModel", "RadioButtonsModel"]:
        return None
    title, radio = (part["state"] for part in parts)
    name = states[model]["state"]["children"][1].removeprefix(MODEL)
    group = f"question-{number.setdefault(name, len(number) + 1)}"
    buttons = "".join(
        f'<label><input type="radio" name="{group}" value="{index}"> {html.escape(option)}</label>'
        for index, option in enumerate(radio["_options_labels"])
    )
    return f'<fieldset class="question"><legend>{title["value"]}</legend>{buttons}</fieldset>'


def reveal_of(model: str, states: dict[str, Any], number: dict[str, int]) -> str | None:
    """Return the HTML of what came out, with a sentence for each choice; None if it is no such.

    Args:
        model: name of what a cell shows.
        states: of all widgets of the lab, by name.
        number: of each question by the name of its buttons.
    """
    parts = parts_of(model, states)
    if [part["model_name"] for part in parts] != ["HTMLModel", "StackModel"]:
        return None
    stack = states[model]["state"]["children"][1]
    radios = [
        link["state"]["source"][0].removeprefix(MODEL)
        for link in states.values()
        if "Link" in link["model_name"] and link["state"]["target"] == [stack, "selected_index"]
    ]
    if len(radios) != 1 or radios[0] not in number:
        return None
    said = [states[child.removeprefix(MODEL)]["state"] for child in parts[1]["state"]["children"]]
    choices = "".join(f'<p hidden data-choice="{i}">{s["value"]}</p>' for i, s in enumerate(said))
    return (
        f'<div class="question-answer" data-question="question-{number[radios[0]]}">'
        f"<p>{parts[0]['state']['value']}</p>{choices}</div>"
    )
