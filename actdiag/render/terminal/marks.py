"""What every view shares: lines, bars, colours with their words."""

from collections.abc import Sequence
from math import ceil

from rich import box
from rich.table import Table

from actdiag.diagnosis import RULES, Finding, Verdict
from actdiag.view.summary import UNEXPECTED

STYLES = {"healthy": "green", "at-risk": "yellow", "untrainable": "red bold", "unknown": "cyan"}
SEVERITY_STYLES = {"info": "cyan", "warning": "yellow", "error": "red"}

FLAG_STYLE = "bold magenta"
"""Of what theory does not expect; `!` says the same without colour."""

_LINE_STYLES = {**STYLES, **SEVERITY_STYLES, UNEXPECTED: FLAG_STYLE}

_BARS = "▁▂▃▄▅▆▇█"
_ASCII_BARS = ".:-=+*#@"
_PLAIN_HEAD = box.Box("    \n    \n -- \n    \n    \n    \n    \n    \n", ascii=True)


def table(ascii_only: bool) -> Table:
    """Return an empty table as all are drawn: a rule under the head, nothing else."""
    style = _PLAIN_HEAD if ascii_only else box.SIMPLE_HEAD
    return Table(box=style, padding=0, pad_edge=False, show_edge=False, header_style="bold", safe_box=False)


def style_of(severity: str | None) -> str:
    """Return the style of a line of that severity; none for a line that only informs."""
    return "" if severity is None else _LINE_STYLES[severity]


def sparkline(counts: Sequence[int], cells: int, ascii_only: bool) -> str:
    """Return a histogram as at most `cells` characters, as many neighbouring bins joined in each as it takes.

    Height is the density relative to the densest; a cell that holds anything is never blank.
    """
    densities = densities_of(counts, cells)
    densest = max(densities, default=0.0)
    bars = _ASCII_BARS if ascii_only else _BARS
    return "".join(
        " " if not density else bars[min(int(len(bars) * density / densest), len(bars) - 1)] for density in densities
    )


def levels(values: Sequence[float | None], top: float, ascii_only: bool) -> str:
    """Return a curve as one character a value: heights from 0 to `top`, blank where there is none."""
    bars = _ASCII_BARS if ascii_only else _BARS
    return "".join(
        " " if value is None else bars[min(int(len(bars) * min(max(value / top, 0.0), 1.0)), len(bars) - 1)]
        for value in values
    )


def densities_of(counts: Sequence[int], cells: int) -> list[float]:
    """Return the mean count of each run of neighbouring bins, all runs equally long but perhaps the last."""
    size = max(ceil(len(counts) / max(cells, 1)), 1)
    runs = [counts[start : start + size] for start in range(0, len(counts), size)]
    return [sum(run) / len(run) for run in runs]


def marking(verdict: Verdict, layer: int) -> Finding | None:
    """Return the finding whose word marks a layer, the worst there; None where there is none."""
    return next((finding for finding in verdict.findings if layer in finding.layers and finding.counts), None)


def word(finding: Finding) -> str:
    """Return the one word that marks a layer in a table: `vanishing`, `saturated`."""
    known = RULES.get(finding.rule)
    return (known.mark if known else "") or finding.rule.split("_")[0]
