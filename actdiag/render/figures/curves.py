"""Curves: of rms and norms against depth, and of an activation."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from actdiag.activations import Activation
from actdiag.arrays import Array, Doubles, Flags
from actdiag.render.figures.page import MARGIN, Page, fold, heading_height, heading_lines, text_height
from actdiag.render.figures.parts import BLUE, GREEN, GREY, ORANGE, RED, title
from actdiag.render.figures.settings import own_settings
from actdiag.report import Report
from actdiag.view import words

_MOST_MARKERS = 40
_REACH = 5.0
_LARGEST_SPREAD = 50.0

_POINT = 12
"""The width of what is drawn of a prediction at a layer whose neighbours have none, in points."""

_LEAST = 1e-200
"""What is drawn is over this, so that the ends of the axis and of bands stay over 0."""

_LEFT, _UNDER = 1.0, 0.55
"""What the labels of the axes take on the left of a panel and under it, in inches."""

_DEPTH_PANEL, _DEPTH_LEGEND = (6.4, 3.9), 2.6
_ACT_PANEL, _ACT_LEGEND = (5.2, 3.6), 1.7

_SMALL = 8
"""The size of the letters of what is said under a panel, in points."""


class _Curve(NamedTuple):
    """A statistic against depth, measured: its label, name and style, at which layers it is, and what is drawn of it.

    A log axis has no place for zero, so that what is drawn there is NaN.
    """

    label: str
    name: str
    style: dict[str, Any]
    layers: Array
    drawn: Doubles


@own_settings()
def gradient_figure(report: Report) -> Figure:
    """Return rms dL/dz, the norm of dL/dW and the rms of the activations against depth, on a log axis."""
    curves = _measured(report)
    missing = [(curve.label, int(np.isnan(curve.drawn).sum()), len(curve.drawn)) for curve in curves]
    unseen = "; ".join(f"{label} at {count} of {layers} layers" for label, count, layers in missing if count)
    note = f"zero or not finite, so not drawn:\n{unseen}" if unseen else ""
    page, axes = _beside_a_legend(title(report), _DEPTH_PANEL, _DEPTH_LEGEND, note)
    for curve in curves:
        style = curve.style | {"markersize": 5, "linewidth": 1.8}
        if len(report.layers) > _MOST_MARKERS:
            alone = _alone(curve.drawn)
            if alone.any():
                axes.plot(curve.layers[alone], curve.drawn[alone], **style | {"linestyle": ""})
            style["marker"] = ""
        axes.plot(curve.layers, curve.drawn, **style, label=curve.label)
        if report.repeats is not None:
            sds = [words.value_at(report.repeats.sd[layer - 1], curve.name) for layer in curve.layers]
            spread = _fold(curve.drawn, sds)
            ends = curve.drawn / spread, curve.drawn * spread
            axes.vlines(curve.layers, *ends, color=curve.style["color"], linewidth=1.2)
    _predictions(axes, report)
    key = [f"vertical: 1 sd of {report.repeats.n} runs"] if report.repeats is not None else []
    key += ["bands: 2 sd predicted"] if report.layer_theory else []
    axes.set_yscale("log")
    if not np.isfinite(axes.dataLim.y0):  # nothing is drawn, and a log axis finds no ends by itself
        axes.set_ylim(0.1, 10.0)
    axes.set_xlabel("layer")
    axes.set_ylabel("magnitude (log scale)")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_xlim(0.5, len(report.layers) + 0.5)
    axes.grid(True, which="major", alpha=0.3)
    _legend(axes, "\n".join(key))
    return page


def _measured(report: Report) -> list[_Curve]:
    """Return the measured curves."""
    curves = []
    for label, name, colour, marker, line in (
        ("rms of dL/dz", "gradient.rms", BLUE, "o", "-"),
        ("norm of dL/dW", "weight_gradient.norm", ORANGE, "s", "--"),
        ("rms of activations", "rms", GREEN, "^", ":"),
    ):
        holder = name.rpartition(".")[0]  # an op without weights has no dL/dW
        has = [stats for stats in report.layers if not holder or words.value_at(stats, holder) is not None]
        style = {"color": colour, "marker": marker, "linestyle": line}
        layers = np.array([stats.layer for stats in has], dtype=int)
        curves.append(_Curve(label, name, style, layers, _drawable([words.value_at(stats, name) for stats in has])))
    return curves


def _predictions(axes: Axes, report: Report) -> None:
    """Draw what theory predicts, each with a band of 2 sd."""
    depth = np.array([stats.layer for stats in report.layers])
    for label, name, colour, dashes in (
        ("rms of dL/dz", "gradient.rms", BLUE, (1, 1.5)),
        ("rms of activations", "rms", GREEN, (5, 1, 1, 1)),
    ):
        estimates = [words.value_at(said.predicted, name) for said in report.layer_theory]
        if any(estimates):
            values = _drawable([estimate and estimate.value for estimate in estimates])
            band = _fold(values, [estimate and estimate.sd for estimate in estimates]) ** 2
            # Over the measured curve, for where theory is right they are one.
            axes.plot(depth, values, color="black", dashes=dashes, linewidth=1.2, label=f"{label}, predicted", zorder=3)
            axes.fill_between(depth, values / band, values * band, color=colour, alpha=0.18, linewidth=0)
            alone = _alone(values)
            if alone.any():
                at, value, fold = depth[alone], values[alone], band[alone]
                axes.plot(at, value, color="black", marker="_", markersize=_POINT, linestyle="", zorder=3)
                axes.vlines(at, value / fold, value * fold, color=colour, alpha=0.18, linewidth=_POINT)


def _beside_a_legend(heading: str, panel: tuple[float, float], legend: float, note: str = "") -> tuple[Page, Axes]:
    """Return a page with one panel, room for a legend on its right, and a note under it.

    Args:
        heading: What stands over the panel.
        panel: The width and height of the panel, in inches.
        legend: The width of the legend.
        note: What stands under the panel; empty for nothing.
    """
    width = _LEFT + panel[0] + legend + MARGIN
    lines, notes = heading_lines(heading, width), fold(note, width - 2 * MARGIN, _SMALL) if note else []
    top, bottom = heading_height(lines), text_height(len(notes), _SMALL) + MARGIN
    page = Page(width, top + panel[1] + _UNDER + bottom)
    page.head(lines)
    if notes:
        _, height = page.get_size_inches()
        page.supxlabel("\n".join(notes), y=MARGIN / 2 / height, va="bottom", fontsize=_SMALL)
    return page, page.panel(_LEFT, top, *panel)


def _legend(axes: Axes, key: str = "") -> None:
    """Write the names of the curves on the right of a panel, under the key to what has no name."""
    axes.legend(
        loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0, frameon=False, fontsize=9, title=key or None,
        title_fontsize=_SMALL, alignment="left",
    )  # fmt: skip


def _alone(values: Doubles) -> Flags:
    """Return which values are known and have none beside them, so that no line leads there."""
    known = np.isfinite(values)
    beside = np.append(known[1:], False) | np.append(False, known[:-1])
    alone: Flags = known & ~beside
    return alone


def _drawable(values: Sequence[float | None]) -> Doubles:
    """Return values for a log axis: NaN where there is none, or one that is zero or too near it for the axis' ends."""
    return np.array([value if value and value > _LEAST else np.nan for value in values], dtype=np.float64)


def _fold(values: Doubles, spreads: Sequence[float | None]) -> Doubles:
    """Return the factor up and down that a spread is on a log axis; NaN, which is not drawn, where there is none."""
    known = np.array([np.nan if spread is None else spread for spread in spreads], dtype=np.float64)
    fold: Doubles = np.exp(np.minimum(known / values, _LARGEST_SPREAD))
    return fold


@own_settings()
def activation_figure(act: Activation) -> Figure:
    """Return f and f' over [-5, 5]; of a structured activation, a unit's output with its other pre-activations held."""
    page, axes = _beside_a_legend(f"{act.name}: f(x) = {act.formula}", _ACT_PANEL, _ACT_LEGEND)
    x = np.linspace(-_REACH, _REACH, 2001)
    if act.derivative is not None:
        axes.plot(x, _broken(act.value(x), x, act.kinks), color=BLUE, linewidth=2, label="f(x)")
        slope = _broken(act.derivative(x), x, act.kinks)
        axes.plot(x, slope, color=RED, linewidth=2, linestyle="--", label="f'(x)")
        axes.set_xlabel("pre-activation x")
        axes.set_ylabel("f(x) and f'(x)")
    else:
        others = max(act.pieces, 2) - 1
        rest = "the other" if others == 1 else "the others"
        for held, colour, line in ((-2.0, BLUE, "-"), (0.0, ORANGE, "--"), (2.0, GREEN, ":")):
            z = np.column_stack([x, *[np.full_like(x, held)] * others])
            axes.plot(x, act.value(z)[:, 0], color=colour, linestyle=line, linewidth=2, label=f"{rest} at {held:g}")
        axes.set_xlabel("first pre-activation of the unit")
        axes.set_ylabel("output of the unit")
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, -_REACH), min(high, _REACH))
    axes.axhline(0, color=GREY, linewidth=0.8)
    axes.axvline(0, color=GREY, linewidth=0.8)
    axes.grid(True, alpha=0.3)
    _legend(axes)
    return page


def _broken(curve: Array, x: Array, kinks: Sequence[float]) -> Array:
    """Return `curve` with a gap where it jumps at a kink, so that no line is drawn across."""
    broken = np.array(curve, dtype=float)
    spacing = x[1] - x[0]
    for kink in kinks:
        before, after = np.searchsorted(x, kink - spacing / 2), np.searchsorted(x, kink + spacing / 2, side="right")
        if 0 < before and after < len(x) and abs(broken[after] - broken[before - 1]) > 20 * spacing:
            broken[before:after] = np.nan
    return broken
