"""Which numbers of a layer a terminal has room for, and in how much detail: alone, with spread, beside theory."""

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from rich.text import Text

from actdiag import numerals
from actdiag.diagnosis import Finding
from actdiag.measure.statistics import LayerStats
from actdiag.render.terminal.marks import FLAG_STYLE, marking
from actdiag.report import Report
from actdiag.theory.types import Estimate, LayerTheory
from actdiag.view.words import value_at

_NOTE_WIDTH = 9
_LEAST_BARS, _MOST_BARS = 10, 30
_FIRST_RANK = -1
_DISPENSABLE = 6
"""Columns of this rank and over make room for theory beside the first number."""


class _Column(NamedTuple):
    """A column of numbers.

    Attributes:
        head: Its head.
        name: The statistic's, dotted where nested.
        text: How a number is written.
        width: How wide it is at most.
        rank: Columns of a high rank go first where not all fit.
        detail: Columns of a low one are the first to show spread and theory.
    """

    head: str
    name: str
    text: Callable[[float | None], str]
    width: int
    rank: int
    detail: int


_SIGNAL_COLUMNS = (
    _Column("mean", "mean", numerals.number, 9, 1, 2),
    _Column("std", "std", numerals.number, 8, 0, 0),
    _Column("rms", "rms", numerals.number, 8, 6, 7),
    _Column("unit std", "unit_std", numerals.number, 8, 4, 3),
    _Column("rms z", "pre_activation.rms", numerals.number, 8, 7, 8),
    _Column("zero", "zero_fraction", numerals.percent, 5, 5, 5),
    _Column("dead", "dead_fraction", numerals.percent, 5, 2, 4),
    _Column("satur.", "saturated_fraction", numerals.percent, 6, 2, 6),
    _Column("cosine", "cosine", numerals.cosine, 6, 3, 1),
)

_GRADIENT_COLUMNS = (
    _Column("rms a", "rms", numerals.number, 8, 2, 1),
    _Column("rms dL/dz", "gradient.rms", numerals.number, 9, 0, 0),
    _Column("ratio", "gradient.ratio", numerals.number, 8, 1, 2),
    _Column("typical", "gradient.typical_rms", numerals.number, 8, 9, 8),
    _Column("along z", "gradient.along_z_fraction", numerals.percent, 7, 10, 9),
    _Column("|dL/dW|", "weight_gradient.norm", numerals.number, 8, 3, 3),
    _Column("dW/W", "weight_gradient.weight_ratio", numerals.number, 8, 7, 6),
    _Column("|dL/db|", "bias_gradient.norm", numerals.number, 8, 8, 7),
    _Column("dL/dslope", "slope_gradient", numerals.number, 9, 4, 5),
    _Column("zero", "gradient.zero_fraction", numerals.percent, 5, 6, 4),
)

_MARKED_BY = {
    "vanishing_gradient": "gradient.ratio",
    "exploding_gradient": "gradient.ratio",
    "collapsed_inputs": "unit_std",
    "aligned_inputs": "cosine",
    "shifted_mean": "mean",
    "saturation": "saturated_fraction",
    "dead_units": "dead_fraction",
    "update_too_large": "weight_gradient.weight_ratio",
    "update_too_small": "weight_gradient.weight_ratio",
    "flat_weight_gradient": "weight_gradient.norm",
}
"""The statistic of a layer that rules judge it by, which is shown where their word marks a row.

That of a vanishing signal, the rms, is left out: mean and std, which are shown first, make it up.
"""

_TYPICAL = "gradient.typical_rms"


class _Look(NamedTuple):
    """A column in some detail: a cell for each row, and how wide they are."""

    cells: list[Text]
    width: int
    predicted: bool = False

    @property
    def justify(self) -> Literal["center", "right"]:
        """Where its head stands: over both parts of a cell, or over the one."""
        return "center" if self.predicted else "right"


class _Shown:
    """A column, the looks it may have, in growing detail, and the one it has."""

    __slots__ = ("column", "look", "looks")

    def __init__(self, column: _Column, looks: Sequence[_Look]) -> None:
        self.column, self.looks, self.look = column, looks, looks[0]


class Columns:
    """The columns of numbers that fit beside the histograms.

    Numbers alone come first, those of the highest rank dropped until the bars have room, those that a row is marked by
    last; what room is left then goes to spreads and predictions, and at last to the bars.

    Attributes:
        heads: Head and width of each.
        cells: A list of cells for each row.
        bars: The columns that are left to the histograms.
        legend: What the cells hold, where that is more than a number.
    """

    def __init__(
        self, report: Report, rows: Sequence[LayerStats], room: int, note_width: int, ascii_only: bool
    ) -> None:
        marked = _marked_by(report, rows)
        columns = [
            column._replace(rank=_FIRST_RANK) if column.name in marked else column
            for column in (_SIGNAL_COLUMNS if report.loss is None else _GRADIENT_COLUMNS)
            if any(column.text(value_at(stats, column.name)) != numerals.MISSING for stats in rows)
        ]
        free = room - _NOTE_WIDTH
        while columns and free - sum(column.width + 1 for column in columns) < _LEAST_BARS:
            columns.remove(max(columns, key=lambda column: column.rank))
        shown = [_Shown(column, _looks(column, report, rows, ascii_only)) for column in columns]
        flagged = any("!" in cell.plain for one in shown for cell in one.look.cells)
        if flagged or any(len(one.looks) > 1 for one in shown):
            free = room - note_width
            while shown and free - _width(shown) < _LEAST_BARS:  # a mark takes room too
                shown.remove(max(shown, key=lambda one: one.column.rank))
            if shown:
                _add_detail(shown, free)
        else:  # the declared widths keep columns where they are from run to run
            for one in shown:
                one.look = one.look._replace(width=one.column.width)
        self.heads = [(Text(one.column.head, justify=one.look.justify), one.look.width) for one in shown]
        self.cells = [[one.look.cells[row] for one in shown] for row in range(len(rows))]
        self.bars = max(_LEAST_BARS, min(_MOST_BARS, free - _width(shown)))
        parts = []
        if report.repeats is not None:
            mark = "+-" if ascii_only else "±"
            spread = any(mark in cell.plain for one in shown for cell in one.look.cells)
            parts.append(f"{f'mean{mark}sd' if spread else 'means'} of {report.repeats.n} runs")
        if any(one.look.predicted for one in shown):
            parts = [f"{''.join(parts) or 'measured'}|predicted"]
        if flagged:
            after = "" if report.loss is None else " (of dL/dz: after)"
            parts.append(f"! over 4 sd from what the layer before{after} lets expect")
        self.legend = [f"cells: {'; '.join(parts)}"] if parts else []
        if _TYPICAL in marked and any(one.column.name == _TYPICAL for one in shown):
            self.legend.append("vanishing: in typical, the rms dL/dz of the median input")


def _marked_by(report: Report, rows: Sequence[LayerStats]) -> set[str | None]:
    """Return the statistics that the words beside the rows rest on."""
    findings = (marking(report.verdict, stats.layer) for stats in rows)
    return {_statistic(finding, report) for finding in findings if finding is not None}


def _statistic(finding: Finding, report: Report) -> str | None:
    """Return the statistic of layers that a finding rests on; None where it is of another kind."""
    if finding.rule == "vanishing_gradient":
        whole = value_at(report.layers[0], "gradient.ratio")
        if whole is not None and whole >= finding.limit:  # it is judged by the median input where the whole has not
            return _TYPICAL
    return _MARKED_BY.get(finding.rule)


def _width(shown: Sequence[_Shown]) -> int:
    return sum(one.look.width + 1 for one in shown)


def _add_detail(shown: list[_Shown], free: int) -> None:
    """Show as many columns in as much detail as leaves the bars their least: the first in full, the others in turn."""
    least = max(_LEAST_BARS, free // 8)

    def fits(more: int) -> bool:
        return free - _width(shown) - more >= least

    by_detail = sorted(shown, key=lambda one: one.column.detail)
    first = by_detail[0]
    beside = next((look for look in first.looks if look.predicted), first.look)
    more = beside.width - first.look.width
    spare = sorted((one for one in shown if one.column.rank >= _DISPENSABLE), key=lambda one: one.column.rank)
    if fits(more - _width(spare)):
        while not fits(more):
            shown.remove(spare.pop())
    steps = [(first, look) for look in first.looks[1:]]
    others = [one for one in by_detail[1:] if one in shown]
    most = max(len(one.looks) for one in by_detail)
    steps += [(one, one.looks[level]) for level in range(1, most) for one in others if level < len(one.looks)]
    for one, look in steps:
        if fits(look.width - one.look.width):
            one.look = look


def _looks(column: _Column, report: Report, rows: Sequence[LayerStats], ascii_only: bool) -> list[_Look]:
    """Return a column in growing detail: numbers, with their spread, with predictions, with the spread of those."""
    plain = numerals.in_ascii if ascii_only else str
    said = [report.layer_theory[stats.layer - 1] if report.layer_theory else LayerTheory() for stats in rows]
    flags = [column.name in one.flagged for one in said]
    means = [value_at(stats, column.name) for stats in rows]
    estimates: list[Estimate | None] = [value_at(one.predicted, column.name) for one in said]
    measured = [[column.text(mean) for mean in means]]
    if report.repeats is not None:
        spreads = [value_at(report.repeats.sd[stats.layer - 1], column.name) for stats in rows]
        pairs = zip(means, spreads, strict=True)
        measured.append([plain(numerals.plus_minus(column.text, mean, sd)) for mean, sd in pairs])
    looks = [_look(column, texts, flags) for texts in measured]
    if any(estimates):
        predicted = [column.text(estimate.value) if estimate else "" for estimate in estimates]
        looks.append(_look(column, measured[-1], flags, predicted))
        if report.repeats is not None:
            predicted = [
                plain(numerals.plus_minus(column.text, *estimate)) if estimate else "" for estimate in estimates
            ]
            looks.append(_look(column, measured[-1], flags, predicted))
    return looks


def _look(
    column: _Column, measured: Sequence[str], flags: Sequence[bool], predicted: Sequence[str] | None = None
) -> _Look:
    """Return cells whose parts stand under each other."""
    mark = any(flags)
    left = max(map(len, measured))
    right = max(map(len, predicted)) if predicted else 0
    cells = []
    for number, (text, flag) in enumerate(zip(measured, flags, strict=True)):
        cell = Text(f"{text:>{left}}{'!' if flag else ' ' * mark}", FLAG_STYLE if flag else "")
        if predicted:
            cell.append(f"{'|' if predicted[number] else ' '}{predicted[number]:<{right}}", "" if flag else "dim")
        cells.append(cell)
    return _Look(cells, max(len(column.head), *map(len, cells)), bool(predicted))
