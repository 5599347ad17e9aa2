"""The recommended gain of an activation with its reason, also where no gain is good."""

from collections.abc import Sequence
from math import exp, inf, isfinite, log, sqrt
from typing import NamedTuple

import numpy as np

from actdiag.activations import Activation
from actdiag.numerals import whole_percent
from actdiag.options import GainOptions
from actdiag.theory.critical import CriticalPoint, after_layers, chiq_of, known_at, roots_of, tried_from
from actdiag.theory.gaussian import moments
from actdiag.theory.homogeneous import homogeneous_sides
from actdiag.theory.kept_gradient import FEWEST_LAYERS, KeptGradient, kept_gradient
from actdiag.theory.meanfield import destination
from actdiag.theory.often_bent import REASON
from actdiag.theory.regions import chance_within, saturated_intervals

MOST_SATURATED = 1 / 3
"""The share of saturated units from which a critical point is not good to train from."""

_LAYERS, _STRAY = 30, 2.0
"""A stack stays at a point if after this many layers its second moment is at most this factor beyond it."""

MOST_CHANGED = exp(2.0)
"""The factor that the signal may change by from end to end under a gain that is good to train with."""

LEAST_APART = 0.02
"""Where the mean cosine between inputs comes nearer to 1 than this, no gain was found to train a stack."""

_RETURNS = 0.9
"""Where no gain is good, the factor of a deviation of the signal a layer may be this at most."""

_LEAST_Q, _MOST_Q = 1e-2, 1e2
_ROUNDING = 1e-9


class Recommendation(NamedTuple):
    """The recommended weights and biases.

    Attributes:
        gain: sqrt(fan_in) times the std of a weight.
        bias_std: The std of a bias.
        reason: Why, in words.
        good: Whether a stack of that many layers trains with it.
        depth: The number of layers that it is for.
    """

    gain: float
    bias_std: float
    reason: str
    good: bool
    depth: int = GainOptions.depth


def recommend(
    act: Activation, bias_std: float, critical: CriticalPoint | None, half_stable: CriticalPoint | None, depth: int
) -> Recommendation:
    """Return the recommended gain for a stack of some depth.

    For an activation that is linear on both sides of 0 it is the gain that preserves signal and gradient. Else it is
    the gain under which the gradient is as large at the first layer as at the last: with the given biases, if the
    critical point for them is stable, or with those of the half-stable point. Where there is no such gain, the least
    bad one preserves the signal with the smallest possible change of the gradient.

    Args:
        act: An elementwise activation.
        bias_std: The std of the biases.
        critical: The critical point under it.
        half_stable: The half-stable point; None where there is none, or where the biases are fixed.
        depth: The number of layers.
    """
    sides = homogeneous_sides(act)
    if sides is not None and 0 < sides[0] ** 2 + sides[1] ** 2 < inf:
        return _linear_on_both_sides(act, sides, bias_std, depth)
    stable = critical is not None and critical.stable and _holds(act, critical)
    steadied = None if stable or half_stable is None or not _holds(act, half_stable) else half_stable
    kept = kept_gradient(act, bias_std if steadied is None else steadied.sigma_b, depth)
    if kept is None or (steadied is None and not stable and not _is_kept(kept)):
        return _least_bad(act, bias_std, critical, depth)
    if steadied is not None:
        return _steadied(act, kept, steadied, bias_std, depth)
    saturated = _saturated_share(act, critical) if critical is not None and critical.q else 0.0
    if act.saturates == "both" and saturated >= MOST_SATURATED:
        return _saturating(act, kept, bias_std, saturated, depth)
    return Recommendation(kept.gain, bias_std, _keeps(act, kept, bias_std, depth), _is_kept(kept), depth)


def _is_kept(kept: KeptGradient) -> bool:
    return 1 / MOST_CHANGED < kept.signal < MOST_CHANGED


def _keeps(act: Activation, kept: KeptGradient, bias_std: float, depth: int) -> str:
    layers = max(depth, FEWEST_LAYERS)
    scale = f"the rms of the activations changes by x{kept.signal:.2g} from layer 1 to layer {layers}"
    if not _is_kept(kept):
        instead = _instead(act, bias_std, depth)
        return f"none is good: under the gain that preserves the gradient over {layers} layers {scale}{instead}"
    reason = f"the gradient is as large at layer 1 as at layer {layers}, and {scale}"
    return reason if depth == layers else f"{reason}: networks of fewer than {layers} layers get the gain of {layers}"


def _linear_on_both_sides(act: Activation, sides: tuple[float, float], bias_std: float, depth: int) -> Recommendation:
    gain = ((sides[0] ** 2 + sides[1] ** 2) / 2) ** -0.5
    reason = f"{act.name} is linear on both sides of 0: this gain preserves signal and gradient at any scale"
    if bias_std:
        reason += f"; biases of std {bias_std:.3g} would add {bias_std**2:.3g} to the second moment at every layer"
    return Recommendation(gain, 0.0, reason, True, depth)


def _holds(act: Activation, point: CriticalPoint) -> bool:
    """Return whether the second moment of a stack with N(0, 1) inputs stays between its start and the point."""
    assert point.q is not None
    start = point.sigma_w**2 + point.sigma_b**2
    end = after_layers(act, point.sigma_w, point.sigma_b, start, _LAYERS)
    return min(start, point.q) / _STRAY <= end <= max(start, point.q) * _STRAY


def _saturated_share(act: Activation, point: CriticalPoint) -> float:
    assert point.q is not None
    return float(chance_within(saturated_intervals(act), np.array([point.q]))[0])


def _saturating(act: Activation, kept: KeptGradient, bias_std: float, share: float, depth: int) -> Recommendation:
    saturated = whole_percent(share).replace("%", " %")
    if moments(act, 0.0).mean:
        instead = "an activation with f(0) = 0 and slope 1 there, such as tanh"
    else:
        instead = "smaller biases" if bias_std else "another activation, such as tanh"
    reason = (
        f"none is good: preserving the gradient over {max(depth, FEWEST_LAYERS)} layers takes a gain of "
        f"{kept.gain:.4g}, at which {saturated} of the units are saturated; {_other_gain(act)}. Use {instead}"
    )
    return Recommendation(kept.gain, bias_std, reason, False, depth)


def _other_gain(act: Activation) -> str:
    found = moments(act, 1.0)
    return f"under the forward gain the gradient changes by x{sqrt(found.slope / found.second):.2g} per layer"


def _steadied(act: Activation, kept: KeptGradient, point: CriticalPoint, bias_std: float, depth: int) -> Recommendation:
    under = f"with biases of std {bias_std:.3g}" if bias_std else "without biases"
    reason = _keeps(act, kept, bias_std, depth)
    if _is_kept(kept):
        reason += f". The biases are those of the half-stable point: {under} a deviation of the signal grows faster"
    return Recommendation(kept.gain, point.sigma_b, reason, _is_kept(kept), depth)


def _least_bad(act: Activation, bias_std: float, critical: CriticalPoint | None, depth: int) -> Recommendation:
    why = f"none is good: {_why_none(act, bias_std, critical)}"
    known = known_at(act, bias_std)
    instead = _instead(act, bias_std, depth) if known else ". Use an activation that bends less often"
    stable = _least_bad_stable(act, bias_std)
    start = None if stable else _from_the_start(act, bias_std)
    if stable is not None:
        gain, q = stable
        change = gain * sqrt(moments(act, q).slope)
        found = f"Under this one the second moment of z returns to {q:.3g}, and the gradient changes by x{change:.2g}"
        reason = f"{why}. {found} per layer{instead}"
    elif start is not None:
        gain, q = start
        change, chiq = gain * sqrt(moments(act, q).slope), chiq_of(act, gain, q)
        found = f"This one keeps N(0, 1) inputs at their scale, and the gradient changes by x{change:.2g} per layer"
        reason = f"{why}. {found}, but a deviation of the signal grows by {grown(chiq)} per layer{instead}"
    else:
        second = moments(act, 1.0).second
        gain, reason = second**-0.5 if 0 < second < inf else 1.0, f"{why}{instead}"
    return Recommendation(gain, bias_std, reason, False, depth)


def _least_bad_stable(act: Activation, bias_std: float) -> tuple[float, float] | None:
    """Return (gain, q) of the stable fixed point where the gradient changes least."""

    def gain_at(q: float) -> float:
        second = moments(act, q).second
        return sqrt((q - bias_std**2) / second) if 0 < second < inf and q > bias_std**2 else 0.0

    def over(q: float) -> float:
        gain = gain_at(q)
        return chiq_of(act, gain, q) - _RETURNS if gain else inf

    beyond_the_biases = [share * bias_std**2 for share in (1.02, 1.2, 1.5) if bias_std]
    tried = sorted({q for q in tried_from(act, _LEAST_Q) if q <= _MOST_Q}.union(beyond_the_biases))
    places = []
    for q in [*tried, *roots_of(over, tried)]:
        gain, slope = gain_at(q), moments(act, q).slope
        if gain and 0 < slope < inf and over(q) <= _ROUNDING:
            places.append((abs(log(gain**2 * slope)), gain, q))
    for _, gain, q in sorted(places):
        if abs(destination(act, gain**2, bias_std**2, gain**2 + bias_std**2) / q - 1) < 1e-3:
            return gain, q
    return None


def _from_the_start(act: Activation, bias_std: float) -> tuple[float, float] | None:
    """Return (gain, q) under which layer 1, from N(0, 1) inputs, is at a fixed point: E f(u)^2 = 1."""
    tried = tried_from(act, max(_LEAST_Q, bias_std**2))
    roots = roots_of(lambda q: moments(act, q).second - 1, tried)
    q = next((root for root in roots if root > bias_std**2 and isfinite(moments(act, root).slope)), None)
    return None if q is None else (sqrt(q - bias_std**2), q)


def grown(chiq: float) -> str:
    """Return in percent by how much a factor is over 1."""
    percent = 100 * (chiq - 1)
    return f"{percent:.2g} %" if percent < 99.5 else f"{percent:.0f} %"


def _why_none(act: Activation, bias_std: float, critical: CriticalPoint | None) -> str:
    if critical is None:
        if not known_at(act, bias_std):
            return f"which weights preserve signal and gradient is not known, for {REASON}"
        return "no weights preserve both signal and gradient"
    if critical.stable:
        return f"from N(0, 1) inputs the signal does not reach the critical point (gain {critical.sigma_w:.4g})"
    grows = critical.chiq > 1 + _ROUNDING
    why = f"a deviation from it grows by {grown(critical.chiq)} per layer" if grows else "no deviation from it shrinks"
    return f"the critical point (gain {critical.sigma_w:.4g}) does not hold the signal: {why}"


def _instead(act: Activation, bias_std: float, depth: int) -> str:
    at_zero = moments(act, 0.0)
    if at_zero.mean:
        return ". Use an activation with f(0) = 0, such as elu"
    if not at_zero.slope:
        return ". Use an activation with a slope at 0, such as elu"
    if bias_std:
        return ". Use smaller biases"
    return ". Use fewer layers" if depth > 1 else ". Use another activation, such as elu"


def too_alike(layers: int, cosine: float, instead: Sequence[str]) -> str:
    """Return why no gain is good where different inputs have aligned.

    Args:
        layers: The number of layers after which they have.
        cosine: The mean cosine between them there.
        instead: What to use instead, at least one.
    """
    after = "1 layer" if layers == 1 else f"{layers} layers"
    use = " or ".join([", ".join(instead[:-1]), instead[-1]] if len(instead) > 1 else instead)
    return (
        f"none is good: after {after} the mean cosine between different inputs is {cosine:.3g}, under the recommended "
        f"gain. Use {use}"
    )
