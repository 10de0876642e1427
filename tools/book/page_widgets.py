"""Put a lab's widgets on its page without the machinery of widgets.

In JupyterLab, films (`viz.explorer`) and questions (`viz.predict`) are widgets. A page needs two
megabytes of script for those, which name a slider badly for people who hear it. So the book shows
the same as HTML, with two small scripts. A widget of another kind stays what it is.
"""

from __future__ import annotations

from nbformat import NotebookNode

from tools.book import films, questions
from tools.common import is_code
from tools.notebooks.clean import STATE, VIEW, prune_widgets


def without_widgets(notebook: NotebookNode, root: str = "../") -> dict[str, bytes]:
    """Replace the films and questions of an executed lab, in place.

    Args:
        notebook: an executed lab.
        root: way from its page to the site's root.

    Returns:
        The pictures that the films show, by their address below the site's root.
    """
    states = notebook.metadata.get("widgets", {}).get(STATE, {}).get("state", {})
    files: dict[str, bytes] = {}
    outputs = {}
    number: dict[str, int] = {}
    for cell in filter(is_code, notebook.cells):
        for output in cell.outputs:
            if VIEW not in output.get("data", {}):
                continue
            model = output.data[VIEW]["model_id"]
            film = films.film_of(model, states)
            if film:
                text, pictures = films.markup(film, root)
                files |= pictures
            else:
                text = questions.question_of(model, states, number) or questions.reveal_of(
                    model, states, number
                )
            if text:
                output.data = {"text/html": text}
        outputs[cell.id] = cell.outputs
    kept = prune_widgets(notebook.metadata.pop("widgets", {}), outputs)
    if kept:
        notebook.metadata["widgets"] = kept
    return files
