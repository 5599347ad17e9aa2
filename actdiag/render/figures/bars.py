"""One panel with the histogram of a layer: its bars, what theory predicts of them, and its numbers."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from actdiag.arrays import Doubles
from actdiag.measure.histograms import Histogram
from actdiag.numerals import percent
from actdiag.render.figures.density import predicted_shares
from actdiag.render.figures.page import DPI, fold, text_height
from actdiag.render.figures.parts import BLUE, ORANGE, RED
from actdiag.report import Report
from actdiag.view import words

_WORTH_SAYING = 0.01
_BARS_AN_INCH = 75.0
_MOST_TICKS = 3
_NOTE_MARGIN = 0.06
_LEAST_SHARE_OF_BARS = 0.3


class Bars(NamedTuple):
    """A histogram as bars.

    Attributes:
        edges: The edges of the bars, one more than bars.
        shares: The share of all entries in each bar, in percent. The last bar may hold fewer bins than the others; its
            share is then that of as many bins, so that heights compare.
        bins_a_bar: How many neighbouring bins a bar holds.
    """

    edges: Doubles
    shares: Doubles
    bins_a_bar: int


def bars_of(histogram: Histogram, most: int) -> Bars:
    """Return a histogram as at most so many bars, each of as many neighbouring bins."""
    counts = np.array(histogram.counts, dtype=np.float64)
    size = -(-len(counts) // most)
    starts = np.arange(0, len(counts), size)
    ends = np.append(starts[1:], len(counts))
    bins = ends - starts
    shares = 100 * np.add.reduceat(counts, starts) / entries(histogram) * (size / bins)
    return Bars(np.array(histogram.edges)[np.append(starts, len(counts))], shares, size)


def draw_bars(axes: Axes, report: Report, number: int, notes: Sequence[str], size: float) -> bool:
    """Draw the histogram of a layer with what theory predicts of it; return whether theory predicts anything.

    Args:
        axes: The panel, empty.
        report: The report.
        number: The layer.
        notes: What is written in the upper right corner, over the bars.
        size: The size of the notes and of the ticks, in points.
    """
    histogram = report.layers[number - 1].histogram
    panel = axes.get_window_extent()
    across, down = panel.width / DPI, panel.height / DPI
    bars = bars_of(histogram, int(across * _BARS_AN_INCH))
    axes.stairs(bars.shares, bars.edges, fill=True, color=BLUE)
    axes.set_xlim(bars.edges[0], bars.edges[-1])
    axes.tick_params(labelsize=size)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(_MOST_TICKS))
        axis.set_major_formatter(FuncFormatter(lambda value, _: tick_label(value)))
    note = "\n".join(line for text in notes for line in fold(text, across - 2 * _NOTE_MARGIN, size))
    right, top = 1 - _NOTE_MARGIN / across, 1 - _NOTE_MARGIN / down
    axes.text(right, top, note, transform=axes.transAxes, ha="right", va="top", fontsize=size)
    if not any(histogram.counts):
        why = "\n".join(fold(words.why_blank(histogram), across, size + 1))
        axes.text(0.5, 0.25, why, transform=axes.transAxes, ha="center", va="center", color=RED, fontsize=size + 1)
        axes.set_ylim(0, 1)
        axes.set_yticks([])
        return False
    curve = _predicted(report, number, bars)
    highest = bars.shares.max()
    if curve is not None:
        axes.plot(curve[0], curve[1], color=ORANGE, linewidth=1.6)
        highest = max(highest, curve[1].max())
    written = text_height(note.count("\n") + 1, size) + 2 * _NOTE_MARGIN
    axes.set_ylim(0, highest / max(1 - written / down, _LEAST_SHARE_OF_BARS))
    return curve is not None


def outside(histogram: Histogram) -> list[str]:
    """Return lines on the entries that no bar holds, those that are worth one."""
    total = entries(histogram)
    off_axis, nonfinite = (histogram.below + histogram.above) / total, (histogram.nan + histogram.inf) / total
    lines = [f"off the axis {percent(off_axis)}"] if off_axis > _WORTH_SAYING else []
    return lines + ([f"NaN or inf {percent(nonfinite)}"] if 0 < nonfinite < 1 else [])


def entries(histogram: Histogram) -> int:
    """Return how many entries a histogram is of."""
    outside = histogram.below + histogram.above + histogram.zero + histogram.nan + histogram.inf
    return sum(histogram.counts) + outside


def tick_label(value: float) -> str:
    """Return the label of a tick, its power of ten included, which would otherwise stand in a corner of its own."""
    digits, mark, power = f"{value:g}".partition("e")
    return f"{digits}e{int(power)}" if mark else digits


def _predicted(report: Report, number: int, bars: Bars) -> tuple[Doubles, Doubles] | None:
    """Return the shares that theory predicts, in percent, and where; None where it predicts none."""
    if not report.layer_theory:
        return None
    said = report.layer_theory[number - 1].predicted.pre_activation
    curve = predicted_shares(report.stack.act, said, report.layers[number - 1].histogram.edges, bars.bins_a_bar)
    return None if curve is None else (curve[0], 100 * curve[1])
