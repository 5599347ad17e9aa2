"""Pictures: matplotlib Figures of reports, comparisons and activations. No backend, no global state."""

from collections.abc import Sequence
from math import ceil

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MaxNLocator

from actdiag.activations import Activation
from actdiag.arrays import Array
from actdiag.errors import InvalidField
from actdiag.render import words
from actdiag.render.selection import evenly_chosen
from actdiag.report import Report
from actdiag.statistics import LayerStats

# Okabe & Ito's palette, told apart by every kind of colour vision; markers and labels say the same without colour.
_BLUE, _ORANGE, _GREEN, _RED, _GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#666666"
_VERDICT_COLOURS = {"healthy": _GREEN, "at-risk": _ORANGE, "untrainable": _RED}

_DPI = 150
_PANELS_A_ROW, _MOST_PANELS = 5, 10
_GRID_COLUMNS = 5
_MOST_GRID_ROWS = 120
_MOST_MARKERS = 40
_REACH = 5.0
_WORTH_SAYING = 0.01


def report_figure(report: Report) -> Figure:
    """Return the picture of one report: histograms of a signal, or curves over depth where there is a gradient."""
    return signal_figure(report) if report.loss is None else gradient_figure(report)


def signal_figure(report: Report) -> Figure:
    """Return the histograms of the activations side by side, with mean and std in each; at most ten layers."""
    shown = evenly_chosen(len(report.layers), _MOST_PANELS)
    columns = min(len(shown), _PANELS_A_ROW)
    rows = ceil(len(shown) / columns)
    figure = Figure(figsize=(max(2.3 * columns, 7.0), 2.1 * rows + 1.3), dpi=_DPI, layout="constrained")
    _title(figure, report)
    axes = figure.subplots(rows, columns, squeeze=False, sharex=True).ravel()
    for panel, number in zip(axes, shown, strict=False):
        stats = report.layers[number - 1]
        _histogram(panel, stats)
        panel.set_title(f"layer {number}", fontsize=10)
        notes = [f"mean {words.brief(stats.mean)}", f"std {words.brief(stats.std)}"] if stats.rms is not None else []
        notes += [f"zero {words.percent(stats.zero_fraction)}"] if stats.zero_fraction else []
        notes += _off_axis(report, stats)
        _note(panel, "\n".join(notes), 8, headroom=1.4)
    for panel in axes[len(shown) :]:
        panel.set_axis_off()
    figure.supxlabel("activation a (exact zeros left out of the bars)", fontsize=10)
    figure.supylabel("share of all entries (%)", fontsize=10)
    return figure


def gradient_figure(report: Report) -> Figure:
    """Return rms dL/dz, the norm of dL/dW and the rms of the activations against depth, on a log axis."""
    figure = Figure(figsize=(8.0, 5.0), dpi=_DPI, layout="constrained")
    _title(figure, report)
    axes = figure.subplots()
    depth = np.array([stats.layer for stats in report.layers])
    curves = (
        ("rms of dL/dz", [stats.gradient and stats.gradient.rms for stats in report.layers], _BLUE, "o", "-"),
        (
            "norm of dL/dW",
            [stats.weight_gradient and stats.weight_gradient.norm for stats in report.layers],
            _ORANGE,
            "s",
            "--",
        ),
        ("rms of activations", [stats.rms for stats in report.layers], _GREEN, "^", ":"),
    )
    hidden: list[str] = []
    for label, values, colour, marker, line in curves:
        # A log axis has no place for zero; what is left out is said under the picture.
        drawn = np.array([value or np.nan for value in values], dtype=float)
        missing = int(np.isnan(drawn).sum())
        hidden += [f"{label} at {missing} of {len(depth)} layers"] if missing else []
        marker = marker if len(depth) <= _MOST_MARKERS else ""
        axes.plot(depth, drawn, color=colour, marker=marker, linestyle=line, label=label, markersize=5, linewidth=1.8)
    axes.set_yscale("log")
    axes.set_xlabel("layer")
    if hidden:
        figure.supxlabel("zero or not finite, so not drawn:\n" + "; ".join(hidden), fontsize=8)
    axes.set_ylabel("magnitude (log scale)")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_xlim(depth[0] - 0.5, depth[-1] + 0.5)
    axes.grid(True, which="major", alpha=0.3)
    axes.legend(loc="best", fontsize=9)
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
    figure = Figure(figsize=(width, sum(heights) + 0.7), dpi=_DPI, layout="constrained")
    figure.suptitle(words.setting(reports[0].stack), fontsize=10, wrap=True)
    parts = figure.subfigures(len(blocks), 1, squeeze=False, height_ratios=heights).ravel()
    for act, block, part in zip(acts, blocks, parts, strict=True):
        _block(part, act, block, shown)
    return figure


def activation_figure(act: Activation) -> Figure:
    """Return f and f' over [-5, 5]; of a structured activation, a unit's output with its other pre-activations held."""
    figure = Figure(figsize=(7.0, 4.6), dpi=_DPI, layout="constrained")
    axes = figure.subplots()
    x = np.linspace(-_REACH, _REACH, 2001)
    if act.derivative is not None:
        axes.plot(x, _broken(act.value(x), x, act.kinks), color=_BLUE, linewidth=2, label="f(x)")
        slope = _broken(act.derivative(x), x, act.kinks)
        axes.plot(x, slope, color=_RED, linewidth=2, linestyle="--", label="f'(x)")
        axes.set_xlabel("pre-activation x")
        axes.set_ylabel("f(x) and f'(x)")
    else:
        others = max(act.pieces, 2) - 1
        for held, colour, line in ((-2.0, _BLUE, "-"), (0.0, _ORANGE, "--"), (2.0, _GREEN, ":")):
            z = np.column_stack([x, *[np.full_like(x, held)] * others])
            axes.plot(x, act.value(z)[:, 0], color=colour, linestyle=line, linewidth=2, label=f"the others at {held:g}")
        axes.set_xlabel("first pre-activation of the unit")
        axes.set_ylabel("output of the unit")
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, -_REACH), min(high, _REACH))
    axes.axhline(0, color=_GREY, linewidth=0.8)
    axes.axvline(0, color=_GREY, linewidth=0.8)
    axes.grid(True, alpha=0.3)
    axes.legend(loc="best")
    axes.set_title(f"{act.name}: f(x) = {act.formula}", fontsize=10, wrap=True)
    return figure


def _title(figure: Figure, report: Report) -> None:
    stack = report.stack
    rules = ", ".join(
        finding.rule.replace("_", " ") for finding in report.verdict.findings if finding.severity != "info"
    )
    verdict = report.verdict.severity + (f": {rules}" if rules else "")
    heading = f"{stack.act.name}, {words.initializer(stack)}\n{words.setting(stack)}\nverdict: {verdict}"
    figure.suptitle(heading, fontsize=10, wrap=True)


def _histogram(axes: Axes, stats: LayerStats) -> None:
    """Draw the share of entries in each bin, in percent."""
    histogram = stats.histogram
    counts = np.array(histogram.counts, dtype=float)
    total = counts.sum() + histogram.below + histogram.above + histogram.zero + histogram.nan + histogram.inf
    edges = np.array(histogram.edges)
    axes.bar(edges[:-1], 100 * counts / total, width=np.diff(edges), align="edge", color=_BLUE)
    axes.set_xlim(edges[0], edges[-1])
    axes.tick_params(labelsize=8)
    axes.xaxis.set_major_locator(MaxNLocator(3))
    if not counts.any():
        axes.text(0.5, 0.3, words.why_blank(histogram), transform=axes.transAxes, ha="center", color=_RED, fontsize=9)
        axes.set_ylim(0, 1)
        axes.set_yticks([])
        return
    axes.yaxis.set_major_locator(MaxNLocator(3))


def _off_axis(report: Report, stats: LayerStats) -> list[str]:
    """Return a line on the entries that the axis leaves out, if they are worth one."""
    share = (stats.histogram.below + stats.histogram.above) / (report.stack.batch * stats.width)
    return [f"off the axis {words.percent(share)}"] if share > _WORTH_SAYING else []


def _note(axes: Axes, text: str, size: int, headroom: float) -> None:
    """Write the numbers of a panel in its upper right, and make room for them above the bars."""
    axes.set_ylim(0, axes.get_ylim()[1] * headroom)
    axes.text(0.97, 0.95, text, transform=axes.transAxes, ha="right", va="top", fontsize=size)


def _block(part: SubFigure, act: str, reports: Sequence[Report], shown: Sequence[int]) -> None:
    part.suptitle(act, fontsize=11, fontweight="bold")
    # A row has its own axis: what one initializer spreads over units another keeps within thousandths.
    grid = part.subplots(len(reports), len(shown), squeeze=False, sharex="row")
    for row, report in zip(grid, reports, strict=True):
        for axes, number in zip(row, shown, strict=True):
            stats = report.layers[number - 1]
            _histogram(axes, stats)
            note = "\n".join([f"std {words.brief(stats.std)}", *_off_axis(report, stats)])
            _note(axes, note, 7, headroom=1.3)
            axes.set_yticks([])
            axes.tick_params(labelsize=7)
            if report is reports[0]:
                axes.set_title(f"layer {number}", fontsize=8)
        severity = report.verdict.severity
        label = row[0].set_ylabel(
            f"{report.stack.init.name}\n{severity}", fontsize=8, rotation=0, ha="right", va="center"
        )
        label.set_color(_VERDICT_COLOURS[severity])
    for axes in grid[-1]:
        axes.set_xlabel("a", fontsize=8)


def _broken(curve: Array, x: Array, kinks: Sequence[float]) -> Array:
    """Return `curve` with a gap where it jumps at a kink, so that no line is drawn across."""
    broken = np.array(curve, dtype=float)
    spacing = x[1] - x[0]
    for kink in kinks:
        before, after = np.searchsorted(x, kink - spacing / 2), np.searchsorted(x, kink + spacing / 2, side="right")
        if 0 < before and after < len(x) and abs(broken[after] - broken[before - 1]) > 20 * spacing:
            broken[before:after] = np.nan
    return broken
