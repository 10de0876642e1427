"""Take the picture at the head of a lab out of the lab itself, as it was executed.

    python -m tools.notebooks run --scale quick --only unet
    python -m tools.notebooks.lab_picture unet shipped-rows

writes `book/images/unet-answers.png` from the figure of the cell `shipped-rows`. It is committed,
because a lab cannot show at its top what it makes at its end.
"""

from __future__ import annotations

import argparse
import base64

from tools.common import ToolError, Tree, read, run_main, say, write_if_changed


def picture(name: str, cell_id: str, scale: str, tree: Tree) -> bytes:
    """The PNG that a cell of an executed lab shows."""
    folder = tree.build / ("executed" if scale == "quick" else f"executed-{scale}")
    path = folder / f"{name}.ipynb"
    if not path.is_file():
        raise ToolError(
            f"{name} was not executed at {scale}: run "
            f"`python -m tools.notebooks run --scale {scale} --only {name}` first"
        )
    cells = {cell.id: cell for cell in read(path).cells}
    if cell_id not in cells:
        raise ToolError(f"{name} has no cell {cell_id!r}; it has {', '.join(cells)}")
    for output in cells[cell_id].get("outputs", []):
        if "image/png" in output.get("data", {}):
            return base64.b64decode(output["data"]["image/png"])
    raise ToolError(f"the cell {cell_id!r} of {name} shows no picture")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tools.notebooks.lab_picture", description=__doc__
    )
    parser.add_argument("name", help="the lab, for instance unet")
    parser.add_argument("cell", help="the cell whose figure is taken")
    parser.add_argument("--scale", default="quick", choices=("smoke", "quick", "full"))
    given = parser.parse_args()
    tree = Tree()
    path = tree.root / "book" / "images" / f"{given.name}-answers.png"
    write_if_changed(path, picture(given.name, given.cell, given.scale, tree))
    say(f"wrote {path.relative_to(tree.root).as_posix()}")


if __name__ == "__main__":
    run_main(main)
