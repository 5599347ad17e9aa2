"""Gaussian integrals of activations.

Panels resolve an activation for the second moments that are asked for at once. Where it bends too often for that, its
values are summed up first, for all second moments of a bin: `often_bent`.
"""

from functools import lru_cache
from math import sqrt
from typing import NamedTuple

import numpy as np

from actdiag.activations import Activation
from actdiag.arrays import Doubles
from actdiag.theory import often_bent
from actdiag.theory.panels import NOTHING, POINTS, REACH, normal_density
from actdiag.theory.quadrature import bends_often, one_by_one, rule

_JUMP, _DISTANCE = 1e-9, 1e-15
_AT_THE_END = 3e-8
"""An integral with a larger share in the outermost panels is taken to continue beyond the reach."""


class Moments(NamedTuple):
    """Expectations over a pre-activation u ~ N(0, q), f the activation; inf where an integral diverges.

    All are NaN where the activation bends too often to be integrated.

    Attributes:
        mean: E f(u).
        second: E f(u)^2.
        fourth: E f(u)^4.
        slope: E f'(u)^2.
        slope_fourth: E f'(u)^4.
        mixed: q times the derivative of `second` after q: E f(u) f'(u) u, plus the contribution of the jumps of f.
    """

    mean: float
    second: float
    fourth: float
    slope: float
    slope_fourth: float
    mixed: float


def moments(act: Activation, q: float) -> Moments:
    """Return the expectations of an elementwise activation over u ~ N(0, q).

    Source of the maps made of them: Poole et al. 2016, arXiv:1606.05340; Schoenholz et al. 2017, arXiv:1611.01232.

    Args:
        act: The activation.
        q: The second moment of the pre-activations, at least 0.
    """
    return _moments(act, float(q))


@lru_cache(maxsize=4096)
def _moments(act: Activation, q: float) -> Moments:
    return _moments_at_zero(act) if q == 0 else Moments(*moments_over(act, q)[0].tolist())


@np.errstate(all="ignore")
def moments_over(act: Activation, *q: float) -> Doubles:
    """Return the fields of `moments` for each q, all above 0, as an array of shape (q, fields)."""
    if bends_often(act, q):
        return one_by_one(moments_over, _often_bent, act, q, len(Moments._fields))
    assert act.derivative is not None
    z, weights = rule(act, *q)
    u = np.sqrt(np.array(q))[:, np.newaxis] * z
    f, slope = act.value(u), act.derivative(u)
    weighed = np.empty((6, *u.shape))
    if z[-1] > REACH:  # where a fourth power may leave float64 and its product with the weight does not
        root, fourth_root = np.sqrt(weights), np.sqrt(np.sqrt(weights))
        for second, fourth, part in ((1, 2, f), (3, 4, slope)):
            weighed[second] = np.square(part * root)
            weighed[fourth] = np.square(np.square(part * fourth_root))
        weighed[0], weighed[5] = f * weights, (f * root) * (slope * root) * u
    else:
        weighed[0], weighed[1], weighed[3], weighed[5] = f, np.square(f), np.square(slope), f * slope
        weighed[2], weighed[4] = np.square(weighed[1]), np.square(weighed[3])
        weighed[5] *= u
        weighed *= weights
    return _summed(act, q, weighed, float(np.square(u).max()))


def _often_bent(act: Activation, q: float) -> Doubles | None:
    found = often_bent.weighed(act, q)
    if found is None:
        return None
    row: Doubles = _summed(act, (q,), found.parts[:6, np.newaxis], q * float(np.square(found.z).max()))[0]
    return row


def _summed(act: Activation, q: tuple[float, ...], weighed: Doubles, largest: float) -> Doubles:
    """Return the moments from what adds up to them; inf where that would go on beyond the reach.

    Args:
        act: The activation.
        q: The second moments.
        weighed: Of each of the moments at the nodes, shape (fields, q, nodes), which may be overwritten.
        largest: The largest square of a pre-activation.
    """
    found = weighed.sum(axis=2)
    sizes = np.abs(weighed, out=weighed)
    outside = sizes[:, :, :POINTS].sum(axis=2) + sizes[:, :, -POINTS:].sum(axis=2)
    continues = (outside > _AT_THE_END * sizes.sum(axis=2)) & (found > NOTHING * largest)
    diverges = ~np.isfinite(found) | continues
    diverges |= diverges[1]
    diverges[3:] |= diverges[3]
    found[5] += [_at_jumps(act, one) for one in q]
    found[diverges] = np.inf
    columns: Doubles = found.T
    return columns


@lru_cache(maxsize=64)
@np.errstate(all="ignore")
def value_jumps(act: Activation) -> tuple[Doubles, Doubles]:
    """Return the kinks at which the value of an activation jumps, and the jumps of its square."""
    at = np.array(act.kinks, dtype=float)
    distance = _DISTANCE * (1 + np.abs(at))  # farther than what adding a shift rounds away
    below, above = (np.asarray(act.value(at + side * distance), dtype=float) for side in (-1, 1))
    jumping = np.abs(above - below) > _JUMP * (1 + np.abs(at))
    return at[jumping], (above**2 - below**2)[jumping]


def _at_jumps(act: Activation, q: float) -> float:
    """Return the contribution of the jumps of f to q times the derivative of E f(u)^2 after q."""
    if not act.kinks:
        return 0.0
    at, rises = value_jumps(act)
    return float(np.dot(at * rises, normal_density(at / sqrt(q)))) / (2 * sqrt(q))


def _moments_at_zero(act: Activation) -> Moments:
    """Return the limits for q to 0, of f(0) and of its one-sided slopes with weight 1/2 each."""
    assert act.derivative is not None
    value = float(act.value(np.zeros(1))[0])
    slopes = act.derivative(np.array([-1e-300, 1e-300]))
    return Moments(value, value**2, value**4, float(np.mean(slopes**2)), float(np.mean(slopes**4)), 0.0)
