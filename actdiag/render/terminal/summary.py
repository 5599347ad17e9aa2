"""The view of one report: a headline, a table with a row per layer, and the verdict."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from actdiag.diagnosis import Finding, Verdict
from actdiag.histograms import Histogram
from actdiag.render import words
from actdiag.render.selection import evenly_chosen
from actdiag.render.terminal.marks import SEVERITY_STYLES, STYLES, sparkline, table, word
from actdiag.report import Report
from actdiag.statistics import LayerStats

MOST_ROWS = 20
"""Layers shown of a deep stack unless others are asked for."""

_NOTE_WIDTH = 9
_SHOWN_SHARE = 0.01
_LEAST_BARS, _MOST_BARS = 10, 30


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of numbers: its head, its cell of a layer, how wide it is at most, and its rank (0 is kept longest)."""

    head: str
    cell: Callable[[LayerStats], str]
    width: int
    rank: int


def report_view(
    report: Report, *, width: int, ascii_only: bool = False, layers: Sequence[int] | None = None
) -> RenderableType:
    """Return a report for a terminal of `width` columns.

    Args:
        report: The report.
        width: Columns of the terminal; decides which numbers fit.
        ascii_only: Whether to do without characters beyond ASCII.
        layers: The layers to show; by default all up to 20, else that many evenly chosen.
    """
    shown = list(layers) if layers is not None else evenly_chosen(len(report.layers), MOST_ROWS)
    parts: list[RenderableType] = [headline(report), Text(), _table(report, shown, width, ascii_only)]
    if len(shown) < len(report.layers):
        parts.append(Text(f"{len(shown)} of {len(report.layers)} layers; --layers all shows every one", "dim"))
    return Group(*parts, Text(), verdict_view(report, ascii_only))


def headline(report: Report) -> Text:
    """Return the stack in full: what was run, so that it can be run again."""
    stack = report.stack
    text = Text.assemble((f"{stack.act.name}, {words.initializer(stack)}", "bold"), "\n", words.setting(stack))
    if report.loss is not None:
        classes = f" over {report.loss.classes} classes" if report.loss.classes else ""
        text.append(f"\nloss {report.loss.name}{classes}: {words.brief(report.loss.value)}")
    return text


def verdict_view(report: Report, ascii_only: bool = False) -> RenderableType:
    """Return the verdict, the numbers that led to it, and what to change."""
    verdict = report.verdict
    lines = Table.grid(padding=(0, 1, 0, 0))
    lines.add_column(no_wrap=True)
    lines.add_column(overflow="fold")
    for what, journey in words.journeys(report):
        lines.add_row(f"  {what}", journey)
    advised: set[str] = set()
    for finding in verdict.findings:
        severity = Text(f"  {finding.severity}", SEVERITY_STYLES[finding.severity])
        lines.add_row(severity, f"{finding.rule}: {finding.summary}")
        if finding.advice not in advised:
            lines.add_row("  ->" if ascii_only else "  →", finding.advice)
        advised.add(finding.advice)
    return Group(Text.assemble("verdict: ", (verdict.severity, STYLES[verdict.severity])), lines)


def _table(report: Report, shown: Sequence[int], width: int, ascii_only: bool) -> RenderableType:
    """Return the rows of the layers shown, and under them what the histograms' axis is."""
    backward = report.loss is not None
    rows = [report.layers[number - 1] for number in shown]
    room = width - max(len("layer"), len(str(shown[-1]))) - _NOTE_WIDTH - 2
    columns = [
        column
        for column in (_GRADIENT_COLUMNS if backward else _SIGNAL_COLUMNS)
        if any(column.cell(stats) != words.MISSING for stats in rows)
    ]
    while columns and room - sum(column.width + 1 for column in columns) < _LEAST_BARS:
        columns.remove(max(columns, key=lambda column: column.rank))
    bars = max(_LEAST_BARS, min(_MOST_BARS, room - sum(column.width + 1 for column in columns)))
    view = table(ascii_only)
    view.add_column("layer", justify="right", no_wrap=True)
    view.add_column("histogram"[:bars], no_wrap=True, min_width=bars)
    for column in columns:
        view.add_column(column.head, justify="right", no_wrap=True, min_width=column.width)
    view.add_column("", no_wrap=True)
    decades = _common_decades(rows)
    for stats in rows:
        counts = _over_decades(stats, decades) if backward else stats.histogram.counts
        drawn = stats.gradient.magnitude if backward and stats.gradient else stats.histogram
        view.add_row(
            str(stats.layer),
            Text(words.why_blank(drawn)[:bars], "dim") if _blank(drawn) else sparkline(counts, bars, ascii_only),
            *(column.cell(stats) for column in columns),
            _note(report.verdict, stats.layer),
        )
    return Group(view, Text(_axis(report, decades), "dim")) if decades or not backward else view


def _axis(report: Report, decades: range) -> str:
    if report.loss is not None:
        return f"histograms: log10 |dL/dz| from {decades.start} to {decades.stop}"
    edges = report.layers[0].histogram.edges
    return f"histograms: a from {words.brief(edges[0])} to {words.brief(edges[-1])}, exact zeros left out"


def _blank(histogram: Histogram) -> bool:
    """Return whether next to nothing is in the bins, so that bars would mislead."""
    return _SHOWN_SHARE * (histogram.below + histogram.above) >= sum(histogram.counts)


def _note(verdict: Verdict, layer: int) -> Text:
    """Return the word for the worst finding on a layer, in its colour; `ok` where there is none."""
    found: list[Finding] = [
        finding for finding in verdict.findings if layer in finding.layers and finding.severity != "info"
    ]
    if not found:
        return Text("ok", "green")
    return Text(word(found[0]), SEVERITY_STYLES[found[0].severity])


def _common_decades(rows: Sequence[LayerStats]) -> range:
    """Return the decades of |dL/dz| that any of the rows reaches, so that all rows share an axis."""
    edges = [edge for stats in rows if stats.gradient for edge in _reached(stats)]
    return range(int(min(edges)), int(max(edges))) if edges else range(0)


def _reached(stats: LayerStats) -> tuple[float, ...]:
    assert stats.gradient is not None
    histogram = stats.gradient.magnitude
    return histogram.edges if any(histogram.counts) else ()


def _over_decades(stats: LayerStats, decades: range) -> list[int]:
    assert stats.gradient is not None
    histogram = stats.gradient.magnitude
    counts = dict(zip((int(edge) for edge in histogram.edges), histogram.counts, strict=False))
    return [counts.get(decade, 0) for decade in decades]


def _of_gradient(name: Literal["rms", "ratio"]) -> Callable[[LayerStats], str]:
    return lambda stats: words.number(getattr(stats.gradient, name, None))


_SIGNAL_COLUMNS = (
    _Column("mean", lambda stats: words.number(stats.mean), 9, 1),
    _Column("std", lambda stats: words.number(stats.std), 8, 0),
    _Column("rms", lambda stats: words.number(stats.rms), 8, 6),
    _Column("unit std", lambda stats: words.number(stats.unit_std), 8, 4),
    _Column("rms z", lambda stats: words.number(stats.pre_activation.rms), 8, 7),
    _Column("zero", lambda stats: words.percent(stats.zero_fraction), 5, 5),
    _Column("dead", lambda stats: words.percent(stats.dead_fraction), 5, 2),
    _Column("satur.", lambda stats: words.percent(stats.saturated_fraction), 6, 2),
    _Column("cosine", lambda stats: words.cosine(stats.cosine), 6, 3),
)

_GRADIENT_COLUMNS = (
    _Column("rms a", lambda stats: words.number(stats.rms), 8, 2),
    _Column("rms dL/dz", _of_gradient("rms"), 9, 0),
    _Column("ratio", _of_gradient("ratio"), 8, 1),
    _Column("|dL/dW|", lambda stats: words.number(getattr(stats.weight_gradient, "norm", None)), 8, 3),
    _Column("dW/W", lambda stats: words.number(getattr(stats.weight_gradient, "weight_ratio", None)), 8, 6),
    _Column("|dL/db|", lambda stats: words.number(getattr(stats.bias_gradient, "norm", None)), 8, 7),
    _Column("dL/dslope", lambda stats: words.number(stats.slope_gradient), 9, 4),
    _Column("zero", lambda stats: words.percent(getattr(stats.gradient, "zero_fraction", None)), 5, 5),
)
