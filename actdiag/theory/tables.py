"""The Gaussian integrals of one activation as functions of q, tabulated on demand.

They are needed at every layer, and for many inputs at each: quadrature would take longer than the run itself. Tests
hold tables to the quadrature.
"""

from functools import lru_cache, partial
from math import exp, inf, log
from typing import NamedTuple

import numpy as np

from actdiag.activations import Activation
from actdiag.arrays import Array, Doubles, Flags, cut
from actdiag.theory import often_bent
from actdiag.theory.chebyshev import AT_ONCE, InterpolatedCurves
from actdiag.theory.gaussian import moments, moments_over
from actdiag.theory.homogeneous import (
    FAR_Q,
    LINEAR_Q,
    degree_at_zero,
    degree_far_out,
    homogeneous_moments,
    homogeneous_sides,
    is_power,
)
from actdiag.theory.quadrature import bends_often, is_known, one_by_one, rule

ORDERS = 128
"""Number of Hermite coefficients of an activation."""

_RESOLVED, _SHARES_RESOLVED = 1e-9, 1e-7
"""Largest last coefficients of a resolved series; for Hermite shares, their sum at a correlation of .85, where the sum
over orders has just converged."""

_HELD = 64 * AT_ONCE
"""Nodes whose Hermite polynomials are held at once."""

_LEAST_Q, _MOST_Q = 1e-299, 1e299
_CONVERGING = 0.85
_LOG_SECOND = 2


class Curves(NamedTuple):
    """The moments of an activation at several q, each of shape (q,); inf where one diverges.

    All are NaN at a q for which the activation bends too often.

    Attributes:
        mean: E f(u), u ~ N(0, q).
        second: E f(u)^2.
        fourth: E f(u)^4.
        slope: E f'(u)^2.
        slope_fourth: E f'(u)^4.
        mixed: q times the derivative of `second` after q.
    """

    mean: Doubles
    second: Doubles
    fourth: Doubles
    slope: Doubles
    slope_fourth: Doubles
    mixed: Doubles


def resolves_each(last: Doubles, sizes: Doubles) -> Flags:
    """Return whether each column is resolved."""
    return last <= _RESOLVED * sizes


def _resolves_cosines(last: Doubles, sizes: Doubles) -> Flags:
    """Return whether Hermite shares are resolved well enough for the cosine that they add up to."""
    off = float(last @ _CONVERGING ** np.arange(len(last)))
    return np.full(len(last), off <= _SHARES_RESOLVED)


class Tables:
    """Moments and Hermite coefficients of an elementwise activation, by interpolation in ln q.

    Attributes:
        act: The activation.
        sides: Its slopes below and above zero where it is linear on both sides; None for others.
        near: The power of |u| that it scales with under `scales_below`, to rounding; None where it never does.
        far: That above `scales_above`, 0.0 if it is constant there.
        scales_below: 0 without a power; 1 where the power is one and the same everywhere.
        scales_above: Infinite without a power; 1 likewise.
    """

    def __init__(self, act: Activation) -> None:
        self.act = act
        self.sides = homogeneous_sides(act)
        self.near, self.far = degree_at_zero(act), degree_far_out(act)
        self.scales_below = 0.0 if self.near is None else LINEAR_Q
        self.scales_above = inf if self.far is None else FAR_Q
        if self.near is not None and self.near == self.far and is_power(act, self.near):
            self.scales_below = self.scales_above = 1.0
        self._moments = InterpolatedCurves(lambda *q: _packed(moments_over(act, *q)), resolves_each)
        self._shares = InterpolatedCurves(partial(_shares, act), _resolves_cosines)
        self._seconds: dict[tuple[float, float], list[float]] = {}

    def curves(self, q: Doubles) -> Curves:
        """Return the moments at each q, all at least 0, of the shape of q."""
        if q.ndim > 1:
            return Curves(*(curve.reshape(q.shape) for curve in self.curves(q.ravel())))
        at = np.full_like(q, 1.0) if self.sides is not None else self._known(q)
        within = (at > _LEAST_Q) & (at < _MOST_Q)
        found = np.empty((len(q), len(Curves._fields)))
        if self.sides is not None:
            found[:] = homogeneous_moments(*self.sides)
        elif within.any():
            found[within] = _unpacked(self._moments.at(at[within]))
        for row in np.flatnonzero(~within):
            found[row] = moments(self.act, float(q[row]))
        scale = np.divide(q, at, out=np.ones_like(q), where=within)
        return self._scaled(Curves(*found.T), scale)

    @np.errstate(all="ignore")
    def _scaled(self, known: Curves, scale: Doubles) -> Curves:
        """Return the moments at second moments that are `scale` times those at which they are known."""
        if (scale == 1).all():
            return known
        degree = np.where(scale > 1, self.far or 0.0, self.near or 0.0) if self.sides is None else np.ones_like(scale)
        flat = (scale != 1) & (degree == 0)
        # The slope of a saturating activation is near zero only, where there are fewer and fewer inputs.
        return Curves(
            mean=np.where(known.mean == 0, 0, known.mean * np.sqrt(scale) ** degree),
            second=known.second * scale**degree,
            fourth=known.fourth * scale ** (2 * degree),
            slope=known.slope * scale ** np.where(flat, -0.5, degree - 1),
            slope_fourth=known.slope_fourth * scale ** np.where(flat, -0.5, 2 * (degree - 1)),
            mixed=known.mixed * scale ** np.where(flat, -0.5, degree),
        )

    def knows(self, q: Doubles) -> bool:
        """Return whether the moments up to the largest q are known: the activation does not bend too often there."""
        largest = float(q.max())
        return self.sides is not None or not 0 < largest < inf or is_known(self.act, largest)

    def _known(self, q: Doubles) -> Doubles:
        """Return each q, clipped to the range outside of which the activation only scales."""
        known: Doubles = np.clip(q, self.scales_below, self.scales_above)
        return np.where((q > 0) & (q < np.inf), known, q)

    def second(self, q: float) -> float:
        """Return E f(u)^2 at one q, as `curves` does, for a recursion that needs nothing else."""
        if self.sides is not None:
            return (self.sides[0] ** 2 + self.sides[1] ** 2) / 2 * q
        if not 0 < q < inf:
            return moments(self.act, q).second if q == 0 else inf
        at = max(q, self.scales_below)
        if at > self.scales_above:
            return _grown(self.second(self.scales_above), at / self.scales_above, self.far or 0.0)
        if not _LEAST_Q < at < _MOST_Q:
            return moments(self.act, q).second
        place = log(at)
        panel = self._moments.panel(place)
        if panel not in self._seconds:
            series, resolved, _ = self._moments.series(panel)
            self._seconds[panel] = series[:, _LOG_SECOND].tolist() if resolved[_LOG_SECOND] else []
        if not self._seconds[panel]:
            return moments(self.act, q).second
        x, later, latest = 2 * (place - panel[0]) / panel[1] - 1, 0.0, 0.0
        for coefficient in reversed(self._seconds[panel]):  # Clenshaw's scheme
            later, latest = 2 * x * later - latest + coefficient, later
        return _grown(exp(later - x * latest), q / at, self.near or 1.0)

    def second_if_made(self, q: float) -> float | None:
        """Return `second` at one q where that needs no new panel; else None."""
        if self.sides is None and not (_LEAST_Q < q < _MOST_Q and self._moments.is_made(log(q))):
            return None
        return self.second(q)

    def hermite(self, q: Doubles, orders: int = ORDERS) -> Doubles:
        """Return the share of each of the first Hermite polynomials in the activation at each q, shape (q, orders).

        It is E f(sqrt(q) z) h_n(z) / sqrt(E f^2), so that the squares add up to 1 over all orders.
        """
        if self.sides is not None:
            return np.broadcast_to(_shares(self.act, 1.0)[:, :orders], (len(q), orders))
        at = self._known(q)
        within = (at > _LEAST_Q) & (at < _MOST_Q)
        if within.all():
            return self._shares.at(at, orders)
        found = np.empty((len(q), orders))
        if within.any():
            found[within] = self._shares.at(at[within], orders)
        for row in np.flatnonzero(~within):
            found[row] = _shares(self.act, float(q[row]))[0, :orders]
        return found


def _grown(value: float, by: float, degree: float) -> float:
    """Return a value times a power, infinite where that is beyond float64."""
    try:
        return float(value * by**degree)
    except OverflowError:
        return inf if value else 0.0


@lru_cache(maxsize=64)
def tables(act: Activation) -> Tables:
    """Return the tables of an elementwise activation."""
    return Tables(act)


@lru_cache(maxsize=64)
@np.errstate(all="ignore")
def _shares(act: Activation, *q: float) -> Doubles:
    """Return what `Tables.hermite` does, by quadrature.

    That E f(u1) f(u2) is the sum of products of coefficients times c^n is Mehler's formula (Daniely, Frostig & Singer
    2016, arXiv:1602.05897).
    """
    if 0.0 in q:
        alone = np.zeros((len(q), ORDERS))
        alone[:, 0] = np.sign(moments(act, 0.0).mean)
        return alone
    if bends_often(act, q):
        return one_by_one(None, _often_bent, act, q, ORDERS)  # polynomials at fewer points
    z, weights = rule(act, *q)
    f: Array = act.value(np.sqrt(np.array(q))[:, np.newaxis] * z)
    return _projected(z, f * (weights / np.sqrt(np.square(f) @ weights)[:, np.newaxis]))


def _often_bent(act: Activation, q: float) -> Doubles | None:
    found = often_bent.weighed(act, q)
    return None if found is None else _projected(found.z, found.parts[:1] / np.sqrt(found.parts[1].sum()))[0]


def _projected(z: Doubles, weighed: Doubles) -> Doubles:
    """Return the products of functions, weighted at z, shape (functions, nodes), with the Hermite polynomials."""
    shares = np.zeros((len(weighed), ORDERS))
    for held in cut(len(z), _HELD):
        polynomials, parts = hermite_polynomials(z[held], ORDERS), weighed[:, held]
        for some in cut(parts.shape[1], AT_ONCE):  # products so small that BLAS uses one thread
            shares += parts[:, some] @ polynomials[:, some].T
    return shares


def hermite_polynomials(z: Doubles, orders: int) -> Doubles:
    """Return h_0 to h_(orders-1) at z, shape (orders, points): orthonormal under N(0, 1)."""
    polynomials = np.ones((orders, len(z)))
    polynomials[1] = z
    for n in range(1, orders - 1):
        np.multiply(z, polynomials[n], out=polynomials[n + 1])
        polynomials[n + 1] -= np.sqrt(n) * polynomials[n - 1]
        polynomials[n + 1] /= np.sqrt(n + 1)
    return polynomials


@np.errstate(all="ignore")
def _packed(columns: Doubles) -> Doubles:
    """Return moments, shape (q, moments), as curves that are smooth in ln q and of order one: logarithms and shares."""
    mean, second, fourth, slope, slope_fourth, mixed = columns.T
    logs = [np.log(column) for column in (second, fourth, slope_fourth, slope)]
    of_nothing, beyond = second == 0, second == np.inf
    shares = [mean / np.sqrt(second), mixed / second]
    return np.column_stack([*(np.where(of_nothing, 0, np.where(beyond, 1, share)) for share in shares), *logs])


@np.errstate(all="ignore")
def _unpacked(packed: Doubles) -> Doubles:
    """Return the argument of `_packed`."""
    second, fourth, slope_fourth, slope = np.exp(packed[:, 2:]).T
    mean, mixed = packed[:, 0] * np.sqrt(second), packed[:, 1] * second
    return np.column_stack([mean, second, fourth, slope, slope_fourth, mixed])
