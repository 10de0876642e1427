"""Tables of results, as pages and labs show them; every number is read from a result file."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from course_lib.results.claims import CLAIMS
from course_lib.results.files import Result
from course_lib.results.files import load as read


@dataclass(frozen=True)
class Table:
    """A small table that shows itself in a notebook."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""

    def _repr_markdown_(self) -> str:
        lines = [" | ".join(self.header), " | ".join("---" for _ in self.header)]
        lines += [" | ".join(row) for row in self.rows]
        text = "\n".join(f"| {line} |" for line in lines)
        return f"{text}\n\n{self.note}" if self.note else text

    def __repr__(self) -> str:
        widths = [
            max(len(r[i]) for r in (self.header, *self.rows)) for i in range(len(self.header))
        ]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in (self.header, *self.rows)
        ]
        return "\n".join(lines + ([self.note] if self.note else []))


def load(name: str, directory: Path | None = None) -> Result:
    """Return the result of a claim; one without runs if it has not been measured yet.

    Args:
        name: of a claim on the list, or of a file that is there.
        directory: of the result files; default: `course_lib.results.files.default_dir`.

    Raises:
        KeyError: for a claim that is neither on the list nor measured.
        ValueError: for a file that is no result.
    """
    result = read(name, directory)
    if name not in CLAIMS and not result.measured:
        raise KeyError(f"There is no claim {name!r}; there are {', '.join(CLAIMS)}.")
    return result


def format_value(result: Result, metric: str, style: str = "") -> str:
    """Return mean ± deviation over the seeds.

    Args:
        result: of a claim.
        metric: one of its metrics.
        style: "percent" for a share in percent, "mean" for the mean alone, "integer", or ".3f" and
            the like; default: three decimals.
    """
    if not result.measured:
        return "not measured yet"
    mean, std = result.mean(metric), result.std(metric)
    if style == "integer":
        return f"{mean:,.0f}"
    scale, digits, unit = (100, ".1f", " %") if style == "percent" else (1, ".3f", "")
    if style.startswith("."):
        digits = style
    if style == "mean" or math.isnan(std):
        return f"{mean * scale:{digits}}{unit}"
    return f"{mean * scale:{digits}} ± {std * scale:{digits}}{unit}"


def table(names: Sequence[str], metrics: Sequence[str] | None = None, style: str = "") -> Table:
    """Return a table of claims: a row each, a column per metric, mean ± deviation over seeds.

    Args:
        names: claims.
        metrics: columns; default: each claim's main metric.
        style: see `format_value`; default: percent where the claim says so.
    """
    rows = []
    notes: list[str] = []
    for name in names:
        result, claim = load(name), CLAIMS[name]
        columns = list(metrics) if metrics else [claim.main]
        shown = style or ("percent" if claim.percent else "")
        cells = [format_value(result, m, shown) for m in columns]
        rows.append((result.content.get("title", claim.title), *cells, str(len(result.runs))))
        if result.measured:
            stated = (result.content.get(key, "") for key in ("date", "hardware"))
            notes.append(", ".join(filter(None, stated)))
        else:
            notes.append(f"`course results run --only {name}` measures what is missing")
    header = ("", *(m.replace("_", " ") for m in (metrics or ["score"])), "seeds")
    return Table(header, tuple(rows), "; ".join(dict.fromkeys(notes)) + ".")
