"""Critical points: where the gradient's second moment is preserved, and whether the signal stays there.

Sources: Poole et al. 2016, arXiv:1606.05340; Schoenholz et al. 2017, arXiv:1611.01232; Hayou et al. 2019,
arXiv:1902.06853; Roberts, Yaida & Hanin 2022, arXiv:2106.10165.
"""

from collections.abc import Callable
from itertools import pairwise
from math import exp, inf, isfinite, isnan, log, sqrt
from typing import NamedTuple

import numpy as np

from actdiag.activations import Activation
from actdiag.theory.gaussian import moments
from actdiag.theory.homogeneous import homogeneous_sides
from actdiag.theory.roots import find_root

_PER_DECADE, _FIRST_DECADE, _LAST_DECADE = 3, -8, 8
"""Second moments are tried at 10^(n/3), the same in every search, so that each is integrated once."""

_SMALLEST_BEND = 1e-4
"""Without biases the search for roots starts at this q; below it the limit q = 0 applies."""

_ROUNDING = 1e-12
"""A smaller share is rounding of the quadrature."""

_MARGIN = 1e-9
"""A factor this near to 1 counts as 1."""


class CriticalPoint(NamedTuple):
    """Weights and biases under which the second moment of the gradient is preserved: chi1 = 1.

    Attributes:
        sigma_w: sqrt(fan_in) times the std of a weight.
        sigma_b: The std of a bias.
        q: The second moment of the pre-activations there; None where every one is a fixed point.
        chi1: The factor by which a layer multiplies the gradient's second moment: 1.
        chiq: The factor by which a layer multiplies a small deviation from q.
        stable: Whether deviations from q do not grow, chiq < 1. Marginal points count as stable where nothing grows:
            under an activation that is linear on both sides of 0, where chiq is 1 at every q, and in a limit q to 0
            that the signal approaches ever more slowly. A half-stable point, unstable on one side, does not count.
    """

    sigma_w: float
    sigma_b: float
    q: float | None
    chi1: float
    chiq: float
    stable: bool


def chiq_of(act: Activation, sigma_w: float, q: float) -> float:
    """Return the derivative of the map of second moments at q."""
    return sigma_w**2 * moments(act, q).mixed / q


def next_q(act: Activation, sigma_w: float, sigma_b: float, q: float) -> float:
    """Return the second moment of the next layer's pre-activations: sigma_w^2 E f(u)^2 + sigma_b^2."""
    return sigma_w**2 * moments(act, q).second + sigma_b**2


def critical_points(act: Activation, sigma_b: float) -> list[CriticalPoint]:
    """Return every critical point for a std of the biases, by increasing q.

    Along chi1 = 1, sigma_w^2 is 1/E f'^2 and sigma_b^2 is q - E f^2 / E f'^2: the search is over q.
    """
    sides = homogeneous_sides(act)
    if sides is not None:
        slope = (sides[0] ** 2 + sides[1] ** 2) / 2
        return [CriticalPoint(slope**-0.5, 0.0, None, 1.0, 1.0, True)] if 0 < slope < inf and not sigma_b else []
    found = [] if sigma_b else _limits(act)
    tried = tried_from(act, sigma_b**2 if sigma_b else _SMALLEST_BEND)
    roots = roots_of(lambda q: _excess(act, q, sigma_b**2) / q, tried, _ROUNDING)
    return [*found, *(_point(act, q, sigma_b) for q in roots)]


def half_stable_point(act: Activation) -> CriticalPoint | None:
    """Return the critical point where chiq passes through 1 from above as well; None where there is none.

    Source: Roberts, Yaida & Hanin 2022, arXiv:2106.10165, ch. 5, on GELU and similar activations.
    """
    if homogeneous_sides(act) is not None:
        return None

    def beyond(q: float) -> float:
        found = moments(act, q)
        if not 0 < found.slope < inf or not isfinite(found.mixed):
            return inf
        return chiq_of(act, found.slope**-0.5, q) - 1

    for q in roots_of(beyond, tried_from(act, _SMALLEST_BEND), _MARGIN):
        if beyond(q * 0.9) > 0 and _excess(act, q, 0.0) >= 0:
            return _point(act, q, sqrt(_excess(act, q, 0.0)))
    return None


def after_layers(act: Activation, sigma_w: float, sigma_b: float, q: float, layers: int) -> float:
    """Return the second moment after a number of layers."""
    for _ in range(layers):
        if not 0 < q < inf:
            break
        q = next_q(act, sigma_w, sigma_b, q)
    return q


def _limits(act: Activation) -> list[CriticalPoint]:
    """Return the critical point in the limit q to 0, if there is one: f(0) = 0, and a slope there."""
    assert act.derivative is not None
    slope = moments(act, 0.0).slope
    around_zero = act.value(np.array([-1e-300, 0.0, 1e-300]))
    if not 0 < slope < inf or np.abs(around_zero).max() > 1e-200:
        return []
    sigma_w = slope**-0.5
    # In the limit chiq is 1; the first q where it is not decides what happens nearby.
    deviations = (chiq_of(act, sigma_w, 10.0**decade) - 1 for decade in range(-6, 3))
    first = next((deviation for deviation in deviations if abs(deviation) > _MARGIN), 0.0)
    return [CriticalPoint(sigma_w, 0.0, 0.0, 1.0, 1.0, first <= 0)]


def _point(act: Activation, q: float, sigma_b: float) -> CriticalPoint:
    sigma_w = moments(act, q).slope ** -0.5
    chiq = chiq_of(act, sigma_w, q)
    return CriticalPoint(sigma_w, sigma_b, q, 1.0, chiq, chiq < 1 - _MARGIN)


def _excess(act: Activation, q: float, variance: float) -> float:
    """Return by how much the critical bias variance at q exceeds `variance`; inf where there is none."""
    found = moments(act, q)
    if not 0 < found.slope < inf or not isfinite(found.second):
        return inf
    return q - found.second / found.slope - variance


def tried_from(act: Activation, least: float) -> list[float]:
    """Return the second moments to try from `least` on, up to where biases are most of q from there on.

    None are tried from where the activation bends too often.
    """
    grid = (10 ** (step / _PER_DECADE) for step in range(_PER_DECADE * _FIRST_DECADE, _PER_DECADE * _LAST_DECADE + 1))
    chosen = []
    for q in grid:
        if q * 10 ** (1 / _PER_DECADE) < least:
            continue
        if isnan(moments(act, q).second):
            break
        chosen.append(q)
        excess = _excess(act, q, least)
        if q > max(1.0, 4 * least) and isfinite(excess) and excess > 0.75 * q:
            break
    return chosen


def known_at(act: Activation, bias_std: float) -> bool:
    """Return whether the moments are known at the second moments that a search for critical points starts from."""
    return not isnan(moments(act, max(bias_std**2, 1.0)).second)


def roots_of(function: Callable[[float], float], tried: list[float], blur: float = 0.0) -> list[float]:
    """Return where a function of q changes sign between neighbours of those tried; values within `blur` count as 0."""
    values = [(q, function(q)) for q in tried]
    known = [(q, value) for q, value in values if isfinite(value) and abs(value) > blur]
    return [
        exp(find_root(lambda log_q: function(exp(log_q)), log(low), log(high), before, after))
        for (low, before), (high, after) in pairwise(known)
        if before * after < 0
    ]
