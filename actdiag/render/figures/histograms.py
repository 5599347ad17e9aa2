"""Histograms of the activations: of one stack, side by side, and of many in a grid."""

from collections.abc import Sequence
from math import ceil

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MaxNLocator

from actdiag.errors import InvalidField
from actdiag.measure.histograms import Histogram
from actdiag.measure.statistics import LayerStats
from actdiag.numerals import brief, percent, rough
from actdiag.render.figures.density import predicted_shares
from actdiag.render.figures.parts import BLUE, DPI, ORANGE, RED, VERDICT_COLOURS, title
from actdiag.report import Report
from actdiag.view import words
from actdiag.view.selection import evenly_chosen

_PANELS_A_ROW, _MOST_PANELS = 5, 10
_GRID_COLUMNS = 5
_MOST_GRID_ROWS = 120
_WORTH_SAYING = 0.01


def signal_figure(report: Report) -> Figure:
    """Return the histograms of the activations side by side, with mean and std in each; at most ten layers."""
    shown = evenly_chosen(len(report.layers), _MOST_PANELS)
    columns = min(len(shown), _PANELS_A_ROW)
    rows = ceil(len(shown) / columns)
    figure = Figure(figsize=(max(2.3 * columns, 7.0), 2.1 * rows + 1.3), dpi=DPI, layout="constrained")
    title(figure, report)
    axes = figure.subplots(rows, columns, squeeze=False, sharex=True).ravel()
    predicted = False
    for panel, number in zip(axes, shown, strict=False):
        stats = report.layers[number - 1]
        _histogram(panel, stats)
        predicted = _predicted(panel, report, stats) or predicted
        panel.set_title(f"layer {number}", fontsize=10)
        notes = [_noted(report, number, name) for name in ("mean", "std")] if stats.rms is not None else []
        notes += [f"zero {percent(stats.zero_fraction)}"] if stats.zero_fraction else []
        notes += _off_axis(stats)
        _note(panel, "\n".join(notes), 8, headroom=1.4)
    for panel in axes[len(shown) :]:
        panel.set_axis_off()
    drawn = "; bars: measured, line: predicted" if predicted else ""
    left_out = "exact zeros left out" if predicted else "exact zeros left out of the bars"
    figure.supxlabel(f"activation a ({left_out}){drawn}", fontsize=10)
    figure.supylabel("share of all entries (%)", fontsize=10)
    return figure


def comparison_figure(reports: Sequence[Report]) -> Figure:
    """Return a grid of small histograms: a block for each activation, its rows initializers, its columns layers.

    Raises:
        InvalidField: There are more stacks than a picture can hold.
    """
    if len(reports) > _MOST_GRID_ROWS:
        problem = f"must be left out for more than {_MOST_GRID_ROWS} stacks, got {len(reports)}"
        raise InvalidField(field="png", problem=problem)
    acts = list(dict.fromkeys(report.stack.act.name for report in reports))
    blocks = [[report for report in reports if report.stack.act.name == act] for act in acts]
    shown = evenly_chosen(len(reports[0].layers), _GRID_COLUMNS)
    heights = [1.2 * len(block) + 0.75 for block in blocks]
    width = max(1.75 * len(shown) + 2.6, 8.0)
    figure = Figure(figsize=(width, sum(heights) + 0.7), dpi=DPI, layout="constrained")
    key = "\nbars: measured, line: predicted" if any(report.layer_theory for report in reports) else ""
    bias = words.common_biases([report.stack for report in reports])
    figure.suptitle(words.setting(reports[0], bias) + key, fontsize=10, wrap=True)
    parts = figure.subfigures(len(blocks), 1, squeeze=False, height_ratios=heights).ravel()
    for act, block, part in zip(acts, blocks, parts, strict=True):
        _block(part, act, block, shown)
    return figure


def _block(part: SubFigure, act: str, reports: Sequence[Report], shown: Sequence[int]) -> None:
    part.suptitle(act, fontsize=11, fontweight="bold")
    # A row has its own axis: what one initializer spreads over units another keeps within thousandths.
    grid = part.subplots(len(reports), len(shown), squeeze=False, sharex="row")
    for row, report in zip(grid, reports, strict=True):
        for axes, number in zip(row, shown, strict=True):
            stats = report.layers[number - 1]
            _histogram(axes, stats)
            _predicted(axes, report, stats)
            note = "\n".join([f"std {brief(stats.std)}", *_off_axis(stats)])
            _note(axes, note, 7, headroom=1.3)
            axes.set_yticks([])
            axes.tick_params(labelsize=7)
            if report is reports[0]:
                axes.set_title(f"layer {number}", fontsize=8)
        severity = report.verdict.severity
        label = row[0].set_ylabel(
            f"{report.stack.init.name}\n{severity}", fontsize=8, rotation=0, ha="right", va="center"
        )
        label.set_color(VERDICT_COLOURS[severity])
    for axes in grid[-1]:
        axes.set_xlabel("a", fontsize=8)


def _histogram(axes: Axes, stats: LayerStats) -> None:
    """Draw the share of entries in each bin, in percent."""
    histogram = stats.histogram
    counts = np.array(histogram.counts, dtype=float)
    edges = np.array(histogram.edges)
    axes.bar(edges[:-1], 100 * counts / _entries(histogram), width=np.diff(edges), align="edge", color=BLUE)
    axes.set_xlim(edges[0], edges[-1])
    axes.tick_params(labelsize=8)
    axes.xaxis.set_major_locator(MaxNLocator(3))
    if not counts.any():
        axes.text(0.5, 0.3, words.why_blank(histogram), transform=axes.transAxes, ha="center", color=RED, fontsize=9)
        axes.set_ylim(0, 1)
        axes.set_yticks([])
        return
    axes.yaxis.set_major_locator(MaxNLocator(3))


def _predicted(axes: Axes, report: Report, stats: LayerStats) -> bool:
    """Draw the share of entries that theory predicts for each bin as a line; return whether there is any."""
    if not report.layer_theory or not any(stats.histogram.counts):
        return False
    said = report.layer_theory[stats.layer - 1].predicted.pre_activation
    curve = predicted_shares(report.stack.act, said, stats.histogram.edges)
    if curve is None:
        return False
    axes.plot(curve[0], 100 * curve[1], color=ORANGE, linewidth=1.6)
    return True


def _noted(report: Report, number: int, name: str) -> str:
    """Return a statistic of a layer, with its spread over the runs where there are several."""
    spread = "" if report.repeats is None else words.value_at(report.repeats.sd[number - 1], name)
    value = brief(words.value_at(report.layers[number - 1], name))
    return f"{name} {value}" + (f" ± {rough(spread)}" if isinstance(spread, float) else "")


def _off_axis(stats: LayerStats) -> list[str]:
    """Return a line on the entries that the axis leaves out, if they are worth one."""
    share = (stats.histogram.below + stats.histogram.above) / _entries(stats.histogram)
    return [f"off the axis {percent(share)}"] if share > _WORTH_SAYING else []


def _entries(histogram: Histogram) -> int:
    outside = histogram.below + histogram.above + histogram.zero + histogram.nan + histogram.inf
    return sum(histogram.counts) + outside


def _note(axes: Axes, text: str, size: int, headroom: float) -> None:
    """Write the numbers of a panel in its upper right, and make room for them above the bars."""
    axes.set_ylim(0, axes.get_ylim()[1] * headroom)
    axes.text(0.97, 0.95, text, transform=axes.transAxes, ha="right", va="top", fontsize=size)
