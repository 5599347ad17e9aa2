"""What theory predicts of the gradients of a stack, with the spread of one run."""

from collections.abc import Sequence
from math import log, sqrt

import numpy as np

from actdiag.activations import Activation
from actdiag.arrays import Doubles
from actdiag.theory.coarse import rows_of, slope_spreads_of_rows
from actdiag.theory.flow import Flow
from actdiag.theory.gradient_fluctuations import Radial
from actdiag.theory.recipe import Layers
from actdiag.theory.tables import Curves, tables
from actdiag.theory.types import Estimate, GradientEstimates

STEP = 0.05
"""Of ln q, over which derivatives are taken."""

_MOST_VARIANCE = 1e4
_MOST_FOLD, _MOST_GROWTH = 100.0, 700.0


def curves_around(act: Activation, q: Doubles) -> tuple[Curves, Curves]:
    """Return the moments of an activation a step of ln q below and above each q, for derivatives after ln q."""
    both = tables(act).curves(np.concatenate([q * np.exp(-STEP), q * np.exp(STEP)]))
    return Curves(*(curve[: len(q)] for curve in both)), Curves(*(curve[len(q) :] for curve in both))


def predict_gradients(
    recipe: Layers, flow: Flow, around: tuple[Curves, Curves], passed: Doubles, drift: Doubles, top: float | None
) -> list[tuple[GradientEstimates, float | None]]:
    """Return what theory predicts of dL/dz of each layer of a flow, and chi1; empty where the flow ends early.

    Args:
        recipe: The layers.
        flow: What is predicted of them on the forward pass.
        around: What `curves_around` returns for the flow.
        passed: The factor from a small change of the log second moment below to that of ln q, shape (layers,).
        drift: The variance of ln q of each layer that comes from the layers below it, shape (layers,).
        top: The rms of dL/dz of the last layer; None for the `random` loss, of which it is known.
    """
    depth, slopes = len(flow.q), flow.curves.slope
    if depth < len(recipe.widths) or not np.isfinite(slopes).all():
        return [(GradientEstimates(), None)] * depth
    # With the loss "random" dL/da of the last layer is normal with std 1/batch, independent for each input.
    alike = 0.0 if top is None else 1.0
    top = sqrt(float(slopes[-1])) / recipe.batch if top is None else top
    back = np.array(recipe.back) * flow.fit
    chi1 = slopes * np.append(back[1:], back[-1:])
    c = flow.c[:, :1] if np.isfinite(flow.c[0, 0]) else np.empty((depth, 0))
    rows = rows_of(recipe.act, flow.q, c, recipe.widths, [1.0] * depth)
    own, radial = slope_spreads_of_rows(recipe.act, recipe.batch, alike, rows)
    growth = _growth_backward(slopes.tolist(), back.tolist(), recipe.widths, radial)
    own_variance = _summed_above(np.square(own[:-1]))
    of_layers, of_all = _variances_through_q(flow, around, passed, drift)
    spread = np.minimum(np.sqrt(own_variance + of_layers), _MOST_FOLD)
    spread_of_rms = spread
    if not alike:
        spread_of_rms = np.minimum(np.sqrt(own_variance + own[-1] ** 2 + of_all), _MOST_FOLD)
    ratio = np.exp(np.minimum(growth, _MOST_GROWTH))
    columns = (top * ratio, top * ratio * spread_of_rms, ratio, ratio * spread, chi1)
    return [
        (GradientEstimates(Estimate(rms, sd), Estimate(of_last, sd_of_ratio)), factor)
        for rms, sd, of_last, sd_of_ratio, factor in zip(*(column.tolist() for column in columns), strict=True)
    ]


def _growth_backward(
    slopes: Sequence[float], back: Sequence[float], widths: Sequence[int], radial: Radial[Doubles]
) -> Doubles:
    """Return ln of the rms of dL/dz of each layer over that of the last.

    A layer multiplies its square by chi1, but for the part along the signal, one direction of many: the weights are not
    independent of it, and it grows by the square of the factor of a deviation of the signal.
    """
    of_along, kept, gained = (column.tolist() for column in radial)
    along = gained[-1] / (slopes[-1] or 1.0) / widths[-1]
    growth, scale = np.zeros(len(slopes)), 0.0
    for layer in range(len(slopes) - 2, -1, -1):
        width = widths[layer]
        radially = along * widths[layer + 1]  # of the square of dL/da, in units of one direction of many
        squares = slopes[layer] * width + of_along[layer] * max(radially - 1, 0.0)
        if not squares * back[layer + 1] > 0:
            growth[: layer + 1] = -np.inf
            break
        scale += log(back[layer + 1] * squares / width) / 2
        growth[layer] = scale
        # A part orthogonal to the activations contributes along z by the part of z f' orthogonal to them.
        along = (kept[layer] * radially + max(gained[layer] - kept[layer], 0.0)) / squares
    return growth


def _variances_through_q(
    flow: Flow, around: tuple[Curves, Curves], passed: Doubles, drift: Doubles
) -> tuple[Doubles, Doubles]:
    """Return the variance of ln rms dL/dz of each layer that comes from deviations of q, through the slopes.

    A layer passes its deviation of ln q on to the next, times its degree, and the effects on the slopes of all these
    layers add up; the slopes of the last layer, which cancel in the ratio to it, count in the second array only.
    """
    passed_on = np.append(flow.degree[:-1] * passed[1:], 0.0)
    fresh = np.append(drift[:1], np.maximum(drift[1:] - np.square(passed_on[:-1]) * drift[:-1], 0))
    rise = np.log(around[1].slope) - np.log(around[0].slope)
    effects = np.clip(np.nan_to_num(rise / (4 * STEP)), -_MOST_VARIANCE, _MOST_VARIANCE)
    without, every = np.zeros_like(drift), np.zeros_like(drift)
    if not effects.any():
        return without, every
    columns = [column.tolist() for column in (effects, passed_on, drift, fresh)]
    for variance, top in ((without, 0.0), (every, 1.0)):
        above, later = 0.0, 0.0
        for layer in range(len(drift) - 1, -1, -1):
            own, factor, total, new = (column[layer] for column in columns)
            effect = own * (top if layer == len(drift) - 1 else 1.0) + factor * above
            effect = min(max(effect, -_MOST_VARIANCE), _MOST_VARIANCE)
            variance[layer] = min(effect**2 * total + later, _MOST_VARIANCE)
            above, later = effect, min(later + effect**2 * new, _MOST_VARIANCE)
    return without, every


def _summed_above(steps: Doubles) -> Doubles:
    """Return the sum over a layer and those above it but the last, which has none: shape (layers,) of (layers - 1,)."""
    total: Doubles = np.append(steps, 0.0)[::-1].cumsum()[::-1]
    return total
