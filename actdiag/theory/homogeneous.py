"""Activations that are linear on both sides of zero, with their closed forms, and powers near zero or far from it."""

from math import acos, pi, sqrt

import numpy as np

from actdiag.activations import Activation
from actdiag.arrays import Doubles
from actdiag.theory.gaussian import Moments

LINEAR_Q, FAR_Q = 1e-26, 1e28
"""Under the first q pre-activations are near zero, above the second far from it."""

_ROUNDING, _DIGITS = 1e-12, 10


@np.errstate(all="ignore")
def homogeneous_sides(act: Activation) -> tuple[float, float] | None:
    """Return the slopes below and above zero of an activation that is linear on both sides; None for others."""
    assert act.derivative is not None
    if any(kink != 0 for kink in act.kinks):
        return None
    x = np.geomspace(1e-30, 1e30, 241)
    sides = []
    for sign in (-1.0, 1.0):
        slopes = act.derivative(sign * x)
        linear = np.abs(act.value(sign * x) - sign * slopes * x) <= 1e-14 * np.abs(slopes * x)
        if not ((slopes == slopes[0]).all() and linear.all()):
            return None
        sides.append(float(slopes[0]))
    return sides[0], sides[1]


def degree_at_zero(act: Activation) -> float | None:
    """Return the power of |u| that an activation is near zero, 1 where it is linear on both sides; None without one."""
    if any(abs(kink) <= 1e3 * sqrt(LINEAR_Q) for kink in act.kinks if kink):
        return None
    return _degree(act, sqrt(LINEAR_Q) * np.array([1e-2, 1e-1, 1.0])) or None


def degree_far_out(act: Activation) -> float | None:
    """Return the power of |u| that an activation is far from zero, 0 where it is constant; None without one."""
    if any(abs(kink) > _ROUNDING * sqrt(FAR_Q) for kink in act.kinks):
        return None
    return _degree(act, sqrt(FAR_Q) * np.array([1.0, 1e1, 1e2]))


@np.errstate(all="ignore")
def _degree(act: Activation, distances: Doubles) -> float | None:
    """Return the power of |u| that an activation is, to rounding, on both sides of zero; None where it is none.

    Args:
        act: An elementwise activation.
        distances: Three of them from zero, each ten times the one before.
    """
    assert act.derivative is not None
    x = np.outer([-1.0, 1.0], distances)
    f, slopes = act.value(x), act.derivative(x)
    sizes = np.abs(f).max(axis=0)
    if not (np.isfinite(f).all() and (sizes > 0).all()):
        return None
    degree = float(np.round(np.log10(sizes[2] / sizes[0]) / 2, _DIGITS)) + 0.0
    expected = f[:, 1:2] * (distances / distances[1]) ** degree
    if (np.abs(f - expected) > _ROUNDING * sizes).any():
        return None
    falls = np.abs(slopes - degree * f / x) > _ROUNDING * np.abs(degree) * sizes / distances
    return None if degree and falls.any() else degree


@np.errstate(all="ignore")
def is_power(act: Activation, degree: float) -> bool:
    """Return whether an activation is that power of |u| on both sides of zero, to rounding, however far."""
    if any(act.kinks):
        return False
    x = np.geomspace(1e-8, 1e8, 129)
    sides = [(act.value(sign * x), act.value(np.array([sign]))) for sign in (-1.0, 1.0)]
    powers = x**degree
    return all(bool((np.abs(f - unit * powers) <= _ROUNDING * np.abs(unit) * powers).all()) for f, unit in sides)


def homogeneous_moments(below: float, above: float) -> Moments:
    """Return the moments at q = 1 of an activation with these slopes below and above zero."""
    squares, fourths = (above**2 + below**2) / 2, (above**4 + below**4) / 2
    return Moments((above - below) / sqrt(2 * pi), squares, 3 * fourths, squares, fourths, squares)


def homogeneous_cosines(below: float, above: float, c: Doubles) -> Doubles:
    """Return the cosines of an activation with these slopes below and above zero (Cho & Saul 2009)."""
    one_side = (np.sqrt((1 - c) * (1 + c)) + (np.pi - np.arccos(c)) * c) / (2 * np.pi)  # E relu(z1) relu(z2)
    across = one_side - c / 2  # of relu(z1) relu(-z2)
    kernel: Doubles = 2 * ((above**2 + below**2) * one_side - 2 * above * below * across)
    return kernel / (above**2 + below**2)


def homogeneous_cosine(below: float, above: float, c: float) -> float:
    """Return what `homogeneous_cosines` does for one correlation."""
    one_side = (sqrt((1 - c) * (1 + c)) + (pi - acos(c)) * c) / (2 * pi)
    squares = above * above + below * below
    return 2 * (squares * one_side - 2 * above * below * (one_side - c / 2)) / squares if squares else float("nan")
