"""What theory says of a stack as a whole: the limit of its signal, its phase, and how deep it can be."""

from collections.abc import Sequence
from math import exp, inf, isfinite, isnan, log, nan, sqrt

import numpy as np

from actdiag.activations import Activation
from actdiag.arrays import Doubles
from actdiag.formats import FORMATS
from actdiag.theory.flow import Flow
from actdiag.theory.gaussian import moments
from actdiag.theory.meanfield import FixedPoint, correlation_fixed_point, depth_scale, fixed_point
from actdiag.theory.often_bent import REASON
from actdiag.theory.recipe import Layers
from actdiag.theory.types import Horizon, LayerEstimates, StackTheory

FOLD = 1000.0
"""A signal or a gradient that has changed by this factor is beyond what can be trained."""

ALIKE = 1e-3
"""Inputs whose 1 - cosine is under this cannot be distinguished."""

FARTHEST = 100_000
"""Largest horizon, in layers."""

_LOOKED_AT = 100
_STEADY = 1e-3
"""How much a rate may change from one layer to the next, relatively, to be taken as constant."""

_STILL = 1e-9
_OUTERMOST = 4.0
"""The largest of a few thousand normal entries, in units of their rms."""

_LOOKED_INTO = ("float16", "bfloat16", "float32")


def extended(recipe: Layers) -> Layers:
    """Return a stack's recipe, continued with its typical layer to the layers that horizons are computed from."""
    more = max(_LOOKED_AT - len(recipe.weight), 0)
    weight, bias = _typical(recipe)
    return recipe._replace(
        weight=[*recipe.weight, *[weight] * more],
        back=[*recipe.back, *[weight] * more],
        bias=[*recipe.bias, *[bias] * more],
    )


def _typical(recipe: Layers) -> tuple[float, float]:
    """Return weight and bias of a typical layer: means over those above the first, geometric of the weights."""
    inner = slice(1, None) if len(recipe.weight) > 1 else slice(None)
    with np.errstate(divide="ignore"):
        return float(np.exp(np.mean(np.log(recipe.weight[inner])))), float(np.mean(recipe.bias[inner]))


def summarize(recipe: Layers, flow: Flow, predicted: Sequence[LayerEstimates]) -> StackTheory:
    """Return what theory says of a stack, given the flow of its extended recipe and the predictions of its layers."""
    act = recipe.act
    weight, bias = _typical(recipe)
    if recipe.fitted:
        weight, point = _fitted_point(act, bias)
    elif not len(flow.q) or weight == 0 or flow.q[0] == 0:
        point = FixedPoint(0.0 if len(flow.q) else inf, nan, nan)
    else:
        point = fixed_point(act, weight, bias, float(flow.q[0]))
    c: float | None = None
    slope_of_c = nan
    if point.q is None:
        c, slope_of_c = 1.0, point.chi1
    elif 0 < point.q < inf:
        c, slope_of_c = correlation_fixed_point(act, weight, bias, point)
    elif point.q == 0 and point.chi1 < 1:
        c, slope_of_c = None, point.chi1
    known = isfinite(point.chi1)
    return StackTheory(
        applies=True,
        note=_note(point, predicted),
        phase=point.phase if known else None,
        stable=point.stable if isfinite(point.chiq) else None,
        q=point.q if point.q is not None and isfinite(point.q) else None,
        c=c,
        chi1=point.chi1 if known else None,
        chiq=point.chiq if isfinite(point.chiq) else None,
        xi_q=depth_scale(abs(point.chiq)) if isfinite(point.chiq) else None,
        xi_c=depth_scale(slope_of_c) if isfinite(slope_of_c) else None,
        horizon=_horizon(recipe, flow),
    )


def _fitted_point(act: Activation, bias: float) -> tuple[float, FixedPoint]:
    """Return the weight that brings z to a std of 1, and the fixed point q = 1 that follows."""
    known = moments(act, 1.0)
    weight = max(1 - bias, 0.0) / known.second
    return weight, FixedPoint(1.0, weight * known.slope, 0.0)


def _note(point: FixedPoint, predicted: Sequence[LayerEstimates]) -> str:
    """Return where the signal goes; where it goes on for ever, how far it comes within the stack."""
    other = f"; q = {point.repeller:.4g} is an unstable fixed point" if point.repeller else ""
    if point.q is None:
        return "the signal keeps the scale that it comes with"
    if point.q == 0:
        goes = "falls ever more slowly" if point.chi1 > 1 - _STILL else "vanishes"
        return f"the signal {goes}{_within(predicted)}{other}"
    if isnan(point.q):
        return f"where the signal settles is not known: {REASON}{other}"
    if point.q == inf:
        return f"the signal grows without bound{_within(predicted)}{other}"
    return f"the signal settles at rms z {sqrt(point.q):.4g}{other}"


def _within(predicted: Sequence[LayerEstimates]) -> str:
    first, last = predicted[0].rms, predicted[-1].rms
    if len(predicted) < 2 or not first or not last or not first.value:
        return ""
    return f", x{last.value / first.value:.2g} over these {len(predicted)} layers"


def _horizon(recipe: Layers, flow: Flow) -> Horizon:
    with np.errstate(divide="ignore", invalid="ignore"):
        rms = np.log(flow.curves.second) / 2
        back = np.array(recipe.back[: len(flow.q)]) * flow.fit
        growth = np.cumsum(np.log(flow.curves.slope * np.append(back[1:], back[-1:])) / 2)
        apart = np.log(1 - flow.cosines[:, 0])
    limits = [FORMATS[name] for name in _LOOKED_INTO]
    rises = [rms - rms[:1], growth, -apart] + [rms] * len(limits)
    most = [log(FOLD), log(FOLD), -log(ALIKE), *(log(each.most / _OUTERMOST) for each in limits)]
    least = [-log(FOLD), -log(FOLD), -inf, *(log(each.rounds_to_zero / _OUTERMOST) for each in limits)]
    excess = np.concatenate([np.array(rises) - np.array([most]).T, np.array([least]).T - np.array(rises)])
    found = _first_above_zero(excess)
    either = [min((layer for layer in pair if layer is not None), default=None) for pair in zip(*found, strict=True)]
    return Horizon(*either)


def _first_above_zero(excess: Doubles) -> tuple[list[int | None], list[int | None]]:
    """Return for each row of `excess`, shape (2 rows, layers), the first layer at which it is above zero."""
    if not excess.size:
        return [None] * (len(excess) // 2), [None] * (len(excess) // 2)
    over = excess > 0
    first = np.where(over.any(axis=1), over.argmax(axis=1) + 1, 0).tolist()
    ends = excess[:, -3:].tolist()
    found = [layer or _extrapolated(end, excess.shape[1]) for layer, end in zip(first, ends, strict=True)]
    return found[: len(found) // 2], found[len(found) // 2 :]


def _extrapolated(end: list[float], last: int) -> int | None:
    """Return the layer at which a quantity exceeds zero, extrapolated from the last layers.

    It grows evenly, as where a fixed point is left or approached exponentially, or evenly in the logarithm of depth,
    as at a critical point.

    Args:
        end: The values of the last three layers.
        last: The number of the last layer.
    """
    if last < _LOOKED_AT or not all(map(isfinite, end)):
        return None
    before, rate = end[1] - end[0], end[2] - end[1]
    missing, power, power_before = -end[2], rate * (last - 0.5), before * (last - 1.5)
    if rate <= _STILL:
        return None
    if abs(rate - before) <= _STEADY * rate:
        layer = last + missing / rate
    elif abs(power - power_before) <= _STEADY * power:
        layer = last * exp(min(missing / power, log(FARTHEST)))
    else:
        return None
    return int(layer) + 1 if layer <= FARTHEST else None
