"""The book's Sphinx extensions: cleaned scripts, faults of pages, numbers from results."""

from __future__ import annotations

import json
import re
import time
from types import SimpleNamespace

import pytest
from bs4 import BeautifulSoup

from tools.common import ROOT


def script(filename: str | None = None, body: str = "") -> SimpleNamespace:
    return SimpleNamespace(filename=filename, attributes={"body": body} if body else {})


def test_scripts_without_thebe_and_inline_ones_once(extension) -> None:
    keep, inline = script("_static/a.js"), script(body="const x = 1")
    scripts = [
        keep,
        inline,
        script("_static/sphinx-thebe.js"),
        script(body="const THEBE_JS_URL = 'x'"),
        script(body="const x = 1"),
        "_static/b.js",
    ]
    assert extension("course_site").clean_scripts(scripts) == [keep, inline, "_static/b.js"]


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("# A\n\n$$ a = b $$", "displayed equation without a label: 'a = b'"),
        ("# A\n\n```{math}\na = b\n```", "displayed equation without a label"),
        ("# A\n\n$w = {result}`some-claim:seconds:minutes`$", "a role inside of a formula: 'w = {"),
        ("# A\n\n![](x.png)", "picture without alternative text"),
        ("# A\n\n![x.png](x.png)", "picture without alternative text"),
        ("# A\n\ntext\n\n# B\n", "a page has one main heading, this one has 2"),
        ("no heading", "a page has one main heading, this one has 0"),
        ("# A\n\n{result}`no-such:test_accuracy:percent`", "there is no claim 'no-such'"),
        ("# A\n\n{result}`some-claim:nothing:percent`", "has no 'nothing'; it has test_accuracy"),
        ("# A\n\n{result}`some-claim:test_accuracy:furlongs`", "unknown format 'furlongs'"),
        ("# A\n\n{result}`waiting:test_accuracy:furlongs`", "unknown format 'furlongs'"),
        ("# A\n\n{result}`some-claim`", "wanted CLAIM:METRIC:FORMAT"),
        ("# A\n\n```{results-table} no-such\n```", "there is no claim 'no-such'"),
        ("# A\n\n```{results-table} some-claim\n:metrics: bad\n```", "has no 'bad'"),
    ],
)
def test_faults_are_warnings_with_their_place(render, results, tmp_path, text, warning) -> None:
    (tmp_path / "x.png").write_bytes(b"")
    _, warnings = render(text)
    assert len(warnings) == 1
    assert warning in warnings[0]
    assert "index.md" in warnings[0]


def test_a_page_without_faults(render, results, tmp_path) -> None:
    (tmp_path / "x.png").write_bytes(b"")
    html, warnings = render("# A\n\n$$ a = b $$ (eq-a)\n\n![a square](x.png)\n\n{zh}`标签<图`")
    assert warnings == []
    assert '<span lang="zh-Hans">标签&lt;图</span>' in html


def test_equations_printed_by_a_cell_need_no_label(extension) -> None:
    from docutils import nodes
    from docutils.utils import new_document

    document = new_document("page")
    output = nodes.container("", nodes.math_block("", "x"), classes=["cell_output"])
    document += nodes.section("", output)
    assert extension("course_site").page_faults(document, "page") == []


def test_a_count_that_all_runs_share_has_no_deviation(extension) -> None:
    number = extension("course_results").number
    assert number([1440, 1440], "integer") == "1,440"
    assert number([1438, 1440, 1442], "integer").split() == ["1,440", "±", "2"]
    assert number([1.0, 1.0], ".1f").split() == ["1.0", "±", "0.0"]


def test_results_in_text(render, results) -> None:
    html, warnings = render(
        "# A\n\n{result}`some-claim:test_accuracy:percent` and "
        "{result}`some-claim:seconds:minutes` and {result}`some-claim:added_ms:.2f` and "
        "{result}`waiting:test_accuracy:percent`."
    )
    assert warnings == []
    text = html.replace("\N{NO-BREAK SPACE}", " ")
    assert '<span class="result">78.0 ± 1.4 %</span>' in text, "no record here to lead to"
    assert ">1.1 ± 0.1 min</span>" in text
    assert ">\N{MINUS SIGN}0.50 ± 0.00</span>" in text
    assert '<span class="result-missing">not measured yet</span>' in text


def test_a_number_leads_to_its_record(render, results) -> None:
    html, warnings = render(
        "# A\n\n{result}`some-claim:test_accuracy:percent`\n\n```{results-table} some-claim\n"
        ":metrics: test_accuracy\n```\n\n```{results-details} all\n```"
    )
    assert warnings == []
    page = BeautifulSoup(html, "html.parser")
    links = page.select("a.result")
    assert len(links) == 2
    for link in links:
        assert link.text.replace("\N{NO-BREAK SPACE}", " ") == "78.0 ± 1.4 %"
        assert link["title"] == "2 runs, a processor, 2 cores, 2026-01-02"
        record = page.find(id=link["href"].removeprefix("#"))
        assert "course results run --only some-claim" in record.text
        assert record.details.summary.text == "2 metrics of 2 runs"
        assert record.details.table, "what each run gave is folded"


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([1_942_594.0] * 3, "1,942,594"),
        ([0.25] * 3, "0.250"),
        ([64, 66], "65.0 ± 1.4"),
        ([36.900276], "36.90"),
        ([1588.4, 1590.1], "1,589 ± 1"),
        ([0.821655, 0.83], "0.826 ± 0.006"),
        ([0.000123], "0.000123"),
        ([-12.5], "\N{MINUS SIGN}12.50"),
        ([0.0], "0"),
    ],
)
def test_numbers_have_the_decimals_that_they_need(extension, values, text) -> None:
    number = extension("course_results").number
    assert number(values, "auto").replace("\N{NO-BREAK SPACE}", " ") == text


def test_every_claim_stands_in_one_part(extension) -> None:
    results = extension("course_results")
    names = results.claim_names(ROOT / "results")
    parts = {name: results.part_of(name) for name in names}
    assert set(parts.values()) == set(results.PARTS)
    assert parts["unet-streets"] == "segmentation" and parts["dcgan-mnist"] == "generation"
    assert parts["mask-rcnn-cells"] == parts["torchvision-mask-rcnn-pennfudan"] == "objects"
    assert parts["cells-border"] == "objects" and parts["mask-rcnn-step-time"] == "speed"
    assert parts["gan-step-time"] == parts["segmentation-compute"] == "speed"
    with pytest.raises(results.ResultError, match="'nowhere' belongs to no part .*PARTS"):
        results.part_of("nowhere")
    pages = {path.stem for path in (ROOT / "book").glob("results-*.md")}
    assert pages == {f"results-{part}" for part in results.PARTS}


@pytest.mark.parametrize("text", ["{results-table} part:nowhere", "{results-parts}"])
def test_a_part_or_a_claim_that_belongs_nowhere_is_a_warning(render, results, text) -> None:
    _, warnings = render(f"# A\n\n```{text}\n```")
    assert "there is no part 'nowhere'" in warnings[0] or "belongs to no part" in warnings[0]


def test_results_as_tables(render, results) -> None:
    html, warnings = render(
        "# A\n\n```{results-table} all\n```\n\n```{results-table} some-claim waiting\n"
        ":metrics: test_accuracy=percent2, seconds=seconds\n```\n\n```{results-details} all\n```"
    )
    assert warnings == []
    text = html.replace("\N{NO-BREAK SPACE}", " ")
    assert "An unmeasured claim" in text
    assert "78.00 ± 1.41 %" in text
    assert "63 ± 4 s" in text
    assert "course results run --only some-claim" in re.sub("<[^>]*>", "", text)
    assert "0.770, 0.790" in text
    assert "a paper" in text


def test_what_was_measured_ends_in_one_full_stop(render, results) -> None:
    path = results / "some-claim.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "data": "some images."}))
    html, _ = render("# A\n\n```{results-details} all\n```")
    assert "some images. 2 runs" in html


def test_a_long_address_leaves_room_for_the_reason(render, results) -> None:
    path = results / "some-claim.json"
    content = json.loads(path.read_text())
    address = "https://example.org/a/very/long/way/to/the/number.html"
    content["published"] = [{**content["published"][0], "source": address}]
    path.write_text(json.dumps(content))
    html, warnings = render("# A\n\n```{results-details} all\n```")
    assert warnings == []
    (link,) = BeautifulSoup(html, "html.parser").find_all("a", href=address)
    assert link.text == "example.org"


@pytest.mark.parametrize(("value", "shown"), [(0.9401, "94.0 %"), (28.95, "28.95"), (4, "4")])
def test_a_published_share_is_shown_as_ours_are(render, results, value, shown) -> None:
    path = results / "some-claim.json"
    content = json.loads(path.read_text())
    content["published"] = [{**content["published"][0], "value": value}]
    path.write_text(json.dumps(content))
    html, _ = render("# A\n\n```{results-details} all\n```")
    assert shown in {cell.text.strip() for cell in BeautifulSoup(html, "html.parser")("td")}


def test_a_page_is_rendered_again_when_its_result_appears(render, results) -> None:
    page = "# A\n\n{result}`waiting:test_accuracy:percent`"
    assert "not measured yet" in render(page)[0]
    measured = {**json.loads((results / "some-claim.json").read_text()), "claim": "waiting"}
    (results / "waiting.json").write_text(json.dumps(measured))
    assert "78.0" in render(page)[0]
    measured["runs"][0]["metrics"]["test_accuracy"] = 0.21
    time.sleep(0.01)
    (results / "waiting.json").write_text(json.dumps(measured))
    assert "50.0" in render(page)[0]


@pytest.mark.parametrize("text", ["", "<<<<<<< HEAD", "[1]", '{"runs": 3}', '{"runs": [{}]}'])
def test_a_damaged_result_is_a_warning_with_its_file_and_cure(render, results, text) -> None:
    (results / "waiting.json").write_text(text)
    for page in ("{result}`waiting:test_accuracy:percent`", "```{results-table} all\n```"):
        _, warnings = render(f"# A\n\n{page}")
        (warning,) = warnings
        assert f"{results / 'waiting.json'} is no result: " in warning
        assert "course results run --only waiting" in warning


def test_claims_of_the_package_are_known(extension) -> None:
    claims = extension("course_results").declared()
    assert "classifier-cifar10-schedule" in claims
    assert all(claim.title and claim.main for claim in claims.values())


def test_a_drawn_figure_has_one_caption_and_the_same_words_on_light_and_dark_pages(
    render, results, tmp_path
) -> None:
    folder = tmp_path / "book" / "figures"
    folder.mkdir(parents=True)
    for theme in ("light", "dark"):
        (folder / f"curve-{theme}.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    page = "# A\n\n```{pair} curve\n:name: fig-curve\n:alt: a curve\n\nIt falls.\n```\n\n"
    page += "{numref}`fig-curve`"
    html, warnings = render(page)
    assert warnings == []
    figure = BeautifulSoup(html, "html.parser").find("figure", id="fig-curve")
    pictures = {tuple(image["class"]): image for image in figure("img")}
    for theme in ("light", "dark"):
        image = pictures[f"only-{theme}",]
        assert image["alt"] == "a curve"
        assert image["src"].endswith(f"curve-{theme}.svg")
    assert len(pictures) == len(figure("img")) == 2
    caption = figure.figcaption
    assert caption.find(class_="caption-text").text == "It falls."
    # The theme hides whatever has one of the two classes, and a caption that stands beside it.
    for hidden in (".only-light", ".only-dark"):
        assert not figure.select(f"{hidden} ~ figcaption, {hidden} img, {hidden} figcaption")
    assert html.count("Fig. 1") == 2  # at the figure, and where it is named
    (folder / "curve-dark.svg").unlink()
    _, warnings = render(page + "\n")
    assert len(warnings) == 1 and "curve-dark.svg" in warnings[0]
