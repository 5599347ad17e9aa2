"""The view of one report: a headline, a table with a row per layer, and the verdict."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from actdiag.diagnosis import Verdict
from actdiag.measure.histograms import Histogram
from actdiag.measure.statistics import LayerStats
from actdiag.numerals import brief, in_ascii
from actdiag.render.terminal.columns import Columns
from actdiag.render.terminal.marks import SEVERITY_STYLES, marking, sparkline, style_of, table, word
from actdiag.report import Report
from actdiag.view import words
from actdiag.view.selection import evenly_chosen
from actdiag.view.summary import Detail, heading, summary

MOST_ROWS = 20
"""Layers shown of a deep stack unless others are asked for."""

_SHOWN_SHARE = 0.01


def report_view(
    report: Report,
    *,
    width: int,
    ascii_only: bool = False,
    layers: Sequence[int] | None = None,
    theory: Detail = "line",
) -> RenderableType:
    """Return a report for a terminal of `width` columns.

    Args:
        report: The report.
        width: Columns of the terminal; decides which numbers fit.
        ascii_only: Whether to do without characters beyond ASCII.
        layers: The layers to show; by default all up to 20, else that many evenly chosen.
        theory: How much to say of theory.
    """
    shown = list(layers) if layers is not None else evenly_chosen(len(report.layers), MOST_ROWS)
    parts: list[RenderableType] = [headline(report), Text(), _table(report, shown, width, ascii_only)]
    if len(shown) < len(report.layers):
        parts.append(Text(f"{len(shown)} of {len(report.layers)} layers; --layers all shows every one", "dim"))
    return Group(*parts, Text(), verdict_view(report, ascii_only, theory))


def headline(report: Report) -> Text:
    """Return the stack in full: what was run, so that it can be run again."""
    name, *others = heading(report)
    return Text.assemble((name, "bold"), *(f"\n{line}" for line in others))


def verdict_view(report: Report, ascii_only: bool = False, theory: Detail = "line") -> RenderableType:
    """Return the verdict, its cause, what to change, and the numbers that led to it."""
    plain = in_ascii if ascii_only else str
    verdict, *others = summary(report, theory)
    lines = Table.grid(padding=(0, 1, 0, 0))
    lines.add_column(no_wrap=True)
    lines.add_column(overflow="fold")
    for line in others:
        label = Text(f"  {plain(line.label)}" if line.label else "", style_of(line.severity))
        lines.add_row(label, plain(line.text))
    severity = (verdict.severity or "", style_of(verdict.severity))
    return Group(Text.assemble(f"{verdict.label}: ", severity, f" ({verdict.text})"), lines)


def _table(report: Report, shown: Sequence[int], width: int, ascii_only: bool) -> RenderableType:
    """Return the rows of the layers shown, and under them what the histograms' axis and the cells are."""
    backward = report.loss is not None
    rows = [report.layers[number - 1] for number in shown]
    notes = [_note(report.verdict, stats.layer) for stats in rows]
    room = width - max(len("layer"), len(str(shown[-1]))) - 2
    columns = Columns(report, rows, room, max(map(len, notes)), ascii_only)
    view = table(ascii_only)
    view.add_column("layer", justify="right", no_wrap=True)
    view.add_column("histogram"[: columns.bars], no_wrap=True, min_width=columns.bars)
    for head, column_width in columns.heads:
        view.add_column(head, justify="right", no_wrap=True, min_width=column_width)
    view.add_column("", no_wrap=True)
    decades = _common_decades(rows)
    for stats, note, cells in zip(rows, notes, columns.cells, strict=True):
        counts = _over_decades(stats, decades) if backward else stats.histogram.counts
        drawn = stats.gradient.magnitude if backward and stats.gradient else stats.histogram
        blank = Text(words.why_blank(drawn)[: columns.bars], "dim")
        bars = blank if _blank(drawn) else sparkline(counts, columns.bars, ascii_only)
        view.add_row(str(stats.layer), bars, *cells, note)
    under = [_axis(report, decades)] if decades or not backward else []
    return Group(view, *(Text(line, "dim") for line in [*under, *columns.legend]))


def _axis(report: Report, decades: range) -> str:
    if report.loss is not None:
        return f"histograms: log10 |dL/dz| from {decades.start} to {decades.stop}"
    edges = report.layers[0].histogram.edges
    return f"histograms: a from {brief(edges[0])} to {brief(edges[-1])}, exact zeros left out"


def _blank(histogram: Histogram) -> bool:
    """Return whether next to nothing is in the bins, so that bars would mislead."""
    return _SHOWN_SHARE * (histogram.below + histogram.above) >= sum(histogram.counts)


def _note(verdict: Verdict, layer: int) -> Text:
    """Return the word for the worst finding on a layer, in its colour; `ok` where there is none."""
    worst = marking(verdict, layer)
    return Text("ok", "green") if worst is None else Text(word(worst), SEVERITY_STYLES[worst.severity])


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
