"""Numbers in pages: read from `results/`, never typed.

In running text, the role {result} takes CLAIM:METRIC:FORMAT:

    It reaches {result}`classifier-cifar10-schedule:test_accuracy:percent` on the test set.

The number leads to its record: the section that {results-details} writes about the claim.

As a table, one row per claim (`all` for every claim, `part:segmentation` for those of a part), its
main metric or those that are named:

    ```{results-table} classifier-cifar10-constant classifier-cifar10-schedule
    :metrics: test_accuracy=percent, seconds=minutes
    ```

And {results-details} says of each claim everything that was measured, on what, by which command;
{results-parts} lists the parts.

A claim that is on the list in `course_lib.results` but not measured shows "not measured yet". A
claim that is not on the list, a damaged result file, a metric that the result lacks and an unknown
format are warnings, so the build fails.
"""

from __future__ import annotations

import json
import math
import re
import statistics
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective, SphinxRole

if TYPE_CHECKING:
    from course_lib.results import Result

logger = logging.getLogger(__name__)

NOT_MEASURED = "not measured yet"
ALL = "all"
PART = "part:"
# The parts of the results, each a page: its name, and the claims that stand there.
PARTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "foundations": ("Foundations", ("classifier-*",)),
    "segmentation": (
        "Segmentation",
        (
            *("unet-*", "smp-unet-*", "pixelwise-*", "compare-*", "control-*", "ranking-*"),
            *("loss-*", "deeplab*"),
        ),
    ),
    "objects": (
        "Objects",
        ("mask-rcnn-*", "torchvision-mask-rcnn-*", "cells-*"),
    ),
    "generation": (
        "Generation",
        (
            *("*gan*-*", "real-*", "score-*", "sample-*", "ring-*", "*-named", "generation-*"),
            *("vae-*", "cvae-*", "vqvae-*", "inversion-*", "flow-*", "*-flow-*", "ddpm-*"),
        ),
    ),
    "speed": ("Speed and cost", ("*-speed", "*-compute", "*-time", "*-overhead")),
}

# format: (factor, decimals, unit). Also ".2f" and the like for other numbers of decimals.
FORMATS: dict[str, tuple[float, int, str]] = {
    "percent": (100, 1, " %"),
    "percent2": (100, 2, " %"),
    "points": (100, 1, " points"),
    "integer": (1, 0, ""),
    "seconds": (1, 0, " s"),
    "minutes": (1 / 60, 1, " min"),
    "ms": (1, 2, " ms"),
    "per-second": (1, 0, " per second"),
}


def part_of(claim: str) -> str:
    """Return the part that a claim belongs to; what is timed belongs to speed, whatever it times.

    Raises:
        ResultError: it belongs to none.
    """
    for part in reversed(PARTS):
        if any(fnmatchcase(claim, pattern) for pattern in PARTS[part][1]):
            return part
    raise ResultError(
        f"the claim {claim!r} belongs to no part of the results: give its name to one in PARTS of "
        "book/_ext/course_results.py"
    )


class ResultError(ValueError):
    """A page asks for a number that the results do not have."""


@cache
def declared() -> dict[str, Any]:
    """Return the list of claims, by name; only a page with numbers needs it."""
    from course_lib.results import CLAIMS

    return CLAIMS


def claim_names(folder: Path) -> list[str]:
    """Return the claims on the list, in its order, and after them whatever else was measured."""
    measured = [path.stem for path in sorted(folder.glob("*.json")) if is_result(path)]
    return list(dict.fromkeys([*declared(), *measured]))


def is_result(path: Path) -> bool:
    """Tell a claim's file, damaged or not, from the other ones in `results/`."""
    try:
        return "runs" in json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, TypeError):
        return True  # what is wrong with it is said when it is read


def read_result(claim: str, folder: Path) -> Result | None:
    """Return the measured result of `claim`, or None if it is on the list but not measured.

    Raises:
        ResultError: the claim is not on the list, or its file is damaged.
    """
    from course_lib.results import files

    try:
        result = files.load(claim, folder)
    except ValueError as error:
        raise ResultError(str(error)) from error
    if result.measured:
        return result
    if claim in declared():
        return None
    raise ResultError(f"there is no claim {claim!r}; there are {', '.join(claim_names(folder))}")


def values_of(result: Result, metric: str) -> list[float]:
    """Return one metric, a number for each run; `seconds` is the wall time of a run."""
    if metric == "seconds" and metric not in result.metrics:
        return [run["seconds"] for run in result.runs]
    try:
        return result.values(metric)
    except KeyError as error:
        raise ResultError(error.args[0]) from error


def number(values: list[float], style: str) -> str:
    """Write one metric: mean, standard deviation over the runs if there are several, and unit.

    The style "auto" writes counts as counts, and other numbers with as many decimals as they need.
    """
    if style == "auto":
        if len(set(values)) == 1:  # what no seed could change has no deviation
            values = values[:1]
        if all(float(value).is_integer() for value in values):
            style = ".0f" if len(values) == 1 else ".1f"
        else:
            size = max(abs(value) for value in values)
            # Three digits after the first; what is tiny keeps three that say something.
            first = math.floor(math.log10(size)) if size else 0
            style = f".{min(max(3 - max(first, 0), 0) if first > -3 else 2 - first, 9)}f"
    if style in FORMATS:
        factor, decimals, unit = FORMATS[style]
    elif re.fullmatch(r"\.\df", style):
        factor, decimals, unit = 1, int(style[1]), ""
    else:
        raise ResultError(
            f"unknown format {style!r}; known: {', '.join(FORMATS)}, .1f and the like"
        )
    text = f"{statistics.fmean(values) * factor:,.{decimals}f}"
    counted = style == "integer" and len(set(values)) == 1  # a number that no seed could change
    if len(values) > 1 and not counted:
        text += f" ± {statistics.stdev(values) * factor:,.{decimals}f}"
    text = text.replace("-", "\N{MINUS SIGN}")
    return (text + unit).replace(" ", "\N{NO-BREAK SPACE}")


def origin(result: Result) -> str:
    """Say where a number comes from: runs, hardware, date."""
    runs = len(result.runs)
    parts = [f"{runs} run{'s' if runs > 1 else ''}"]
    if result.size != "full":
        parts.append(f"at the size {result.size!r} only")
    parts += [result.content.get(key, "") for key in ("hardware", "date")]
    return ", ".join(part for part in parts if part)


def render(target: str, folder: Path) -> tuple[str, str]:
    """Return the text for `claim:metric:format`, and where it comes from ("" if not measured)."""
    parts = [part.strip() for part in target.split(":")]
    if len(parts) != 3:
        raise ResultError(f"wanted CLAIM:METRIC:FORMAT, got {target!r}")
    claim, metric, style = parts
    result = read_result(claim, folder)
    if result is None:
        number([0.0], style)  # an unknown format is found before the measurement, too
        return NOT_MEASURED, ""
    return number(values_of(result, metric), style), origin(result)


def style_for(metric: str, claim: str) -> str:
    """Return the format for a metric that a page shows without naming one."""
    shares = ("accuracy", "iou", "dice", "score", "difference", "share")
    percent = claim in declared() and declared()[claim].percent
    if percent and any(word in metric for word in shares):
        return "percent"
    if "per_second" in metric or metric.startswith("num_"):
        return "integer"
    return ".1f" if "epoch" in metric else "auto"


def words(metric: str) -> str:
    """Write a metric's name for readers."""
    known = {
        "ap": "AP",
        "ap50": "AP at IoU 0.5",
        "ap75": "AP at IoU 0.75",
        "cnn": "CNN",
        "iou": "IoU",
        "lr": "learning rate",
        "ms": "(ms)",
        "pq": "PQ",
        "rq": "RQ",
        "sq": "SQ",
        "unet": "U-Net",
        "val": "validation",
    }
    return " ".join(known.get(word, word) for word in metric.split("_"))


def _missing() -> nodes.inline:
    return nodes.inline("", NOT_MEASURED, classes=["result-missing"])


def _value(text: str, source: str, claim: str) -> nodes.Node:
    """A number that leads to its record, and says where it comes from before anyone goes there."""
    if not source:
        return _missing()
    return nodes.reference(
        "", text, internal=True, reftitle=source, claim=claim, classes=["result"]
    )


class _Reader:
    """What the role and the directives share."""

    env: Any

    @property
    def folder(self) -> Path:
        return Path(self.env.srcdir, "results")

    def depend(self, claim: str) -> None:
        """Have the page rendered again when the result changes or appears for the first time."""
        self.env.note_dependency(str(self.folder / f"{claim}.json"))

    @staticmethod
    def report(error: ResultError, location: Any) -> None:
        logger.warning("results: %s", error, location=location, type="course", subtype="result")


class ResultRole(_Reader, SphinxRole):
    """{result}`claim:metric:format`: one number in running text."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        claim = self.text.split(":")[0].strip()
        self.depend(claim)
        try:
            return [_value(*render(self.text, self.folder), claim)], []
        except ResultError as error:
            self.report(error, self.get_location())
            return [nodes.inline(self.rawtext, "?")], []


def _metrics_option(text: str) -> list[tuple[str, str]]:
    pairs = [item.strip().partition("=") for item in text.split(",")]
    return [(metric.strip(), style.strip() or "percent") for metric, _, style in pairs]


class _ClaimsDirective(_Reader, SphinxDirective):
    has_content = True
    optional_arguments = 100

    def results(self) -> dict[str, Result | None]:
        """Return the results of the claims that the page names, in its order."""
        names = [*self.arguments, *" ".join(self.content).split()]
        if names == [ALL]:
            names = claim_names(self.folder)
        elif names and names[0].startswith(PART):
            wanted = names[0].removeprefix(PART)
            try:
                if wanted not in PARTS:
                    raise ResultError(f"there is no part {wanted!r}; there are {', '.join(PARTS)}")
                names = [name for name in claim_names(self.folder) if part_of(name) == wanted]
            except ResultError as error:
                self.report(error, self.get_location())
                names = []
        found = {}
        for claim in names:
            self.depend(claim)
            try:
                found[claim] = read_result(claim, self.folder)
            except ResultError as error:
                self.report(error, self.get_location())
        return found

    def value(self, result: Result, metric: str, style: str) -> str:
        try:
            return number(values_of(result, metric), style)
        except ResultError as error:
            self.report(error, self.get_location())
            return "?"

    def linked(self, claim: str, result: Result, metric: str, style: str) -> nodes.Node:
        """One metric that leads to its record."""
        return _value(self.value(result, metric, style), origin(result), claim)


class ResultsTable(_ClaimsDirective):
    """{results-table}: a row per claim."""

    option_spec = {"metrics": _metrics_option}

    def run(self) -> list[nodes.Node]:
        chosen = self.options.get("metrics")
        head = ["Claim", *([words(m) for m, _ in chosen] if chosen else ["Result"]), "Runs"]
        rows = []
        for claim, result in self.results().items():
            cells: list[nodes.Node | str] = [_title(claim, result)]
            if chosen:
                cells += [
                    self.linked(claim, result, metric, style) if result else _missing()
                    for metric, style in chosen
                ]
            else:
                cells.append(self._main(claim, result))
            rows.append([*cells, str(len(result.runs)) if result else "0"])
        return [_table(head, rows)]

    def _main(self, claim: str, result: Result | None) -> nodes.Node:
        if result is None:
            return _missing()
        metric = declared()[claim].main if claim in declared() else result.metrics[0]
        value = self.linked(claim, result, metric, style_for(metric, claim))
        return nodes.inline("", "", value, nodes.Text(f" {words(metric)}"))


class ResultsDetails(_ClaimsDirective):
    """{results-details}: for each measured claim its metrics, data, hardware, command and peers."""

    def run(self) -> list[nodes.Node]:
        records = _records(self.env)
        sections: list[nodes.Node] = []
        for claim, result in self.results().items():
            if result is not None:
                section = self._section(claim, result)
                records[claim] = (self.env.docname, section["ids"][0])
                sections.append(section)
        return sections

    def _section(self, claim: str, result: Result) -> nodes.section:
        content = result.content
        section = nodes.section(
            ids=[f"claim-{nodes.make_id(claim)}"], names=[claim], classes=["results-details"]
        )
        section += nodes.title("", _title(claim, result))
        data = content.get("data", "").rstrip(".")
        section += nodes.paragraph("", f"{data}. {origin(result)}.".lstrip(". "))
        command = content.get("command", f"course results run --only {claim}")
        section += nodes.literal_block(command, command, language="bash")
        rows = []
        for metric in result.metrics:
            style = style_for(metric, claim)
            each = [number([value], style) for value in result.values(metric)]
            value = self.value(result, metric, style)
            same = len(set(each)) == 1
            rows.append([words(metric), value, "" if same else ", ".join(each)])
        several = any(row[2] for row in rows)
        head = ["Metric", "Mean ± deviation", "Each run"] if several else ["Metric", "Value"]
        table = _table(head, [row[: len(head)] for row in rows])
        section += _folded(_count(len(rows), "metric") + _runs_word(result), [table])
        published = [
            [peer["text"], _published(peer["value"]), _source(peer["source"]), peer["reason"]]
            for peer in content.get("published", [])
        ]
        if published:
            section += nodes.paragraph("", "Published elsewhere, and why it differs:")
            section += _table(["What", "Value", "Source", "Difference"], published)
        return section


class ResultsParts(_ClaimsDirective):
    """{results-parts}: the parts of the results, and how much was measured in each."""

    def run(self) -> list[nodes.Node]:
        found: dict[str, list[Result | None]] = {part: [] for part in PARTS}
        for name in claim_names(self.folder):
            self.depend(name)
            try:
                found[part_of(name)].append(read_result(name, self.folder))
            except ResultError as error:
                self.report(error, self.get_location())
        rows: list[list[nodes.Node | str]] = []
        for part, results in found.items():
            link = addnodes.pending_xref(
                "",
                nodes.inline("", PARTS[part][0]),
                refdomain="std",
                reftype="doc",
                reftarget=f"results-{part}",
                refexplicit=True,
                refdoc=self.env.docname,
                refwarn=True,
            )
            measured = [result for result in results if result]
            runs = sum(len(result.runs) for result in measured)
            rows.append([link, str(len(measured)), str(len(results) - len(measured)), str(runs)])
        return [_table(["Part", "Claims measured", "Not yet", "Runs"], rows)]


def _records(env: Any) -> dict[str, tuple[str, str]]:
    """Where each claim's record stands: page and anchor."""
    if not hasattr(env, "course_records"):
        env.course_records = {}
    return env.course_records


def _forget(app: Sphinx, env: Any, docname: str) -> None:
    records = _records(env)
    for claim in [claim for claim, place in records.items() if place[0] == docname]:
        del records[claim]


def _lead(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Have each number lead to its record; where the book has none, it is a number."""
    for link in [node for node in doctree.findall(nodes.reference) if node.get("claim")]:
        place = _records(app.env).get(link["claim"])
        if place is None:
            text = nodes.inline("", link.astext(), classes=["result"])
            link.replace_self(text)
        elif place[0] == docname:
            link["refid"] = place[1]
        else:
            page = app.builder.get_relative_uri(docname, place[0])
            link["refuri"] = f"{page}#{place[1]}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _runs_word(result: Result) -> str:
    return f" of {_count(len(result.runs), 'run')}"


def _folded(summary: str, content: list[nodes.Node]) -> nodes.container:
    """Something that opens when somebody wants it, or follows a link to it."""
    opening = f"<details><summary>{summary}</summary>"
    return nodes.container(
        "",
        nodes.raw("", opening, format="html"),
        *content,
        nodes.raw("", "</details>", format="html"),
    )


def _title(claim: str, result: Result | None) -> str:
    stated = result.content.get("title") if result else None
    return stated or (declared()[claim].title if claim in declared() else claim)


def _source(text: str) -> nodes.Node | str:
    """Where a published number stands: words, or an address, as a link that leaves room."""
    host = urlsplit(text).hostname
    return nodes.reference("", host, refuri=text) if host else text


def _published(value: float) -> str:
    """A published number; below 1 it is a share, shown as ours are."""
    return f"{100 * value:.1f} %" if 0 < value < 1 else f"{value:g}"


def _table(head: list[str], rows: list[list[nodes.Node | str]]) -> nodes.container:
    group = nodes.tgroup(cols=len(head))
    group += [nodes.colspec(colwidth=1) for _ in head]
    body = nodes.tbody("", *(nodes.row("", *map(_entry, cells)) for cells in rows))
    group += [nodes.thead("", nodes.row("", *map(_entry, head))), body]
    table = nodes.table("", group, classes=["colwidths-auto"])
    return nodes.container("", table, classes=["results-table"])


def _entry(content: nodes.Node | str) -> nodes.entry:
    node = nodes.Text(content) if isinstance(content, str) else content
    return nodes.entry("", nodes.paragraph("", "", node))


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_role("result", ResultRole())
    app.add_directive("results-table", ResultsTable)
    app.add_directive("results-details", ResultsDetails)
    app.add_directive("results-parts", ResultsParts)
    app.connect("env-purge-doc", _forget)
    app.connect("doctree-resolved", _lead)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
