"""Curves: of rms and norms against depth, and of an activation."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from actdiag.activations import Activation
from actdiag.arrays import Array, Doubles
from actdiag.render.figures.parts import BLUE, DPI, GREEN, GREY, ORANGE, RED, title
from actdiag.report import Report
from actdiag.view import words

_MOST_MARKERS = 40
_REACH = 5.0
_LARGEST_SPREAD = 50.0


def gradient_figure(report: Report) -> Figure:
    """Return rms dL/dz, the norm of dL/dW and the rms of the activations against depth, on a log axis."""
    figure = Figure(figsize=(8.0, 5.0), dpi=DPI, layout="constrained")
    title(figure, report)
    axes = figure.subplots()
    depth = np.array([stats.layer for stats in report.layers])
    curves = (
        ("rms of dL/dz", "gradient.rms", BLUE, "o", "-"),
        ("norm of dL/dW", "weight_gradient.norm", ORANGE, "s", "--"),
        ("rms of activations", "rms", GREEN, "^", ":"),
    )
    hidden: list[str] = []
    for label, name, colour, marker, line in curves:
        holder = name.rpartition(".")[0]  # an op without weights has no dL/dW
        has = np.array([not holder or words.value_at(stats, holder) is not None for stats in report.layers])
        at = depth[has]
        # A log axis has no place for zero; what is left out is said under the picture.
        drawn = _drawable([words.value_at(stats, name) for stats in report.layers])[has]
        missing = int(np.isnan(drawn).sum())
        hidden += [f"{label} at {missing} of {len(at)} layers"] if missing else []
        marker = marker if len(depth) <= _MOST_MARKERS else ""
        axes.plot(at, drawn, color=colour, marker=marker, linestyle=line, label=label, markersize=5, linewidth=1.8)
        if report.repeats is not None:
            spread = _fold(drawn, [words.value_at(report.repeats.sd[place], name) for place in np.flatnonzero(has)])
            axes.vlines(at, drawn / spread, drawn * spread, color=colour, linewidth=1.2)
    key = [f"vertical: 1 sd of {report.repeats.n} runs"] if report.repeats is not None else []
    key += ["bands: 2 sd predicted"] if report.layer_theory else []
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
    axes.set_yscale("log")
    axes.set_xlabel("layer")
    if hidden:
        figure.supxlabel("zero or not finite, so not drawn:\n" + "; ".join(hidden), fontsize=8)
    axes.set_ylabel("magnitude (log scale)")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_xlim(depth[0] - 0.5, depth[-1] + 0.5)
    axes.grid(True, which="major", alpha=0.3)
    axes.legend(loc="best", fontsize=9, title="; ".join(key) or None, title_fontsize=8)
    return figure


def _drawable(values: Sequence[float | None]) -> Doubles:
    """Return values for a log axis: NaN where there is none or it is zero."""
    return np.array([value or np.nan for value in values], dtype=np.float64)


def _fold(values: Doubles, spreads: Sequence[float | None]) -> Doubles:
    """Return the factor up and down that a spread is on a log axis; NaN, which is not drawn, where there is none."""
    known = np.array([np.nan if spread is None else spread for spread in spreads], dtype=np.float64)
    fold: Doubles = np.exp(np.minimum(known / values, _LARGEST_SPREAD))
    return fold


def activation_figure(act: Activation) -> Figure:
    """Return f and f' over [-5, 5]; of a structured activation, a unit's output with its other pre-activations held."""
    figure = Figure(figsize=(7.0, 4.6), dpi=DPI, layout="constrained")
    axes = figure.subplots()
    x = np.linspace(-_REACH, _REACH, 2001)
    if act.derivative is not None:
        axes.plot(x, _broken(act.value(x), x, act.kinks), color=BLUE, linewidth=2, label="f(x)")
        slope = _broken(act.derivative(x), x, act.kinks)
        axes.plot(x, slope, color=RED, linewidth=2, linestyle="--", label="f'(x)")
        axes.set_xlabel("pre-activation x")
        axes.set_ylabel("f(x) and f'(x)")
    else:
        others = max(act.pieces, 2) - 1
        for held, colour, line in ((-2.0, BLUE, "-"), (0.0, ORANGE, "--"), (2.0, GREEN, ":")):
            z = np.column_stack([x, *[np.full_like(x, held)] * others])
            axes.plot(x, act.value(z)[:, 0], color=colour, linestyle=line, linewidth=2, label=f"the others at {held:g}")
        axes.set_xlabel("first pre-activation of the unit")
        axes.set_ylabel("output of the unit")
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, -_REACH), min(high, _REACH))
    axes.axhline(0, color=GREY, linewidth=0.8)
    axes.axvline(0, color=GREY, linewidth=0.8)
    axes.grid(True, alpha=0.3)
    axes.legend(loc="best")
    axes.set_title(f"{act.name}: f(x) = {act.formula}", fontsize=10, wrap=True)
    return figure


def _broken(curve: Array, x: Array, kinks: Sequence[float]) -> Array:
    """Return `curve` with a gap where it jumps at a kink, so that no line is drawn across."""
    broken = np.array(curve, dtype=float)
    spacing = x[1] - x[0]
    for kink in kinks:
        before, after = np.searchsorted(x, kink - spacing / 2), np.searchsorted(x, kink + spacing / 2, side="right")
        if 0 < before and after < len(x) and abs(broken[after] - broken[before - 1]) > 20 * spacing:
            broken[before:after] = np.nan
    return broken
