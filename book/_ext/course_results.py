"""Numbers in pages: read from `results/`, never typed.

In running text, the role {result} takes CLAIM:METRIC:FORMAT:

    It reaches {result}`classifier-cifar10-schedule:test_accuracy:percent` on the test set.

As a table, one row per claim (`all` for every claim), its main metric or those that are named:

    ```{results-table} classifier-cifar10-constant classifier-cifar10-schedule
    :metrics: test_accuracy=percent, seconds=minutes
    ```

And {results-details} says of each claim everything that was measured, on what, by which command.

A claim that is on the list in `course_lib.results` but not measured shows "not measured yet". A
claim that is not on the list, a damaged result file, a metric that the result lacks and an unknown
format are warnings, so the build fails.
"""

from __future__ import annotations

import json
import re
import statistics
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective, SphinxRole

if TYPE_CHECKING:
    from course_lib.results import Result

logger = logging.getLogger(__name__)

NOT_MEASURED = "not measured yet"
ALL = "all"

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
    """Write one metric: mean, standard deviation over the runs if there are several, and unit."""
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
    return ".1f" if "epoch" in metric else ".3f"


def words(metric: str) -> str:
    """Write a metric's name for readers."""
    known = {
        "cnn": "CNN",
        "iou": "IoU",
        "lr": "learning rate",
        "ms": "(ms)",
        "unet": "U-Net",
        "val": "validation",
    }
    return " ".join(known.get(word, word) for word in metric.split("_"))


def _missing() -> nodes.inline:
    return nodes.inline("", NOT_MEASURED, classes=["result-missing"])


def _value(text: str, source: str) -> nodes.Node:
    if not source:
        return _missing()
    return nodes.abbreviation("", text, explanation=source, classes=["result"])


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
        self.depend(self.text.split(":")[0].strip())
        try:
            return [_value(*render(self.text, self.folder))], []
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
                    self.value(result, metric, style) if result else _missing()
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
        value = _value(self.value(result, metric, style_for(metric, claim)), origin(result))
        return nodes.inline("", "", value, nodes.Text(f" {words(metric)}"))


class ResultsDetails(_ClaimsDirective):
    """{results-details}: for each measured claim its metrics, data, hardware, command and peers."""

    def run(self) -> list[nodes.Node]:
        sections: list[nodes.Node] = []
        for claim, result in self.results().items():
            if result is not None:
                sections.append(self._section(claim, result))
        return sections

    def _section(self, claim: str, result: Result) -> nodes.section:
        content = result.content
        section = nodes.section(ids=[f"claim-{nodes.make_id(claim)}"], names=[claim])
        section += nodes.title("", _title(claim, result))
        section += nodes.paragraph("", f"{content.get('data', '')}. {origin(result)}.".lstrip(". "))
        command = content.get("command", f"course results run --only {claim}")
        section += nodes.literal_block(command, command, language="bash")
        rows = []
        for metric in result.metrics:
            style = style_for(metric, claim)
            each = [number([value], style) for value in result.values(metric)]
            value = self.value(result, metric, style)
            rows.append([words(metric), value, ", ".join(each) if len(each) > 1 else ""])
        section += _table(["Metric", "Mean ± deviation", "Each run"], rows)
        published = [
            [peer["text"], f"{peer['value']:g}", peer["source"], peer["reason"]]
            for peer in content.get("published", [])
        ]
        if published:
            section += nodes.paragraph("", "Published elsewhere, and why it differs:")
            section += _table(["What", "Value", "Source", "Difference"], published)
        return section


def _title(claim: str, result: Result | None) -> str:
    stated = result.content.get("title") if result else None
    return stated or (declared()[claim].title if claim in declared() else claim)


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
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
