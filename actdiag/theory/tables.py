"""The Gaussian integrals of one activation as functions of q, tabulated on demand.

They are needed at every layer, and for many inputs at each: quadrature would take longer than the run itself. Tests
hold tables to the quadrature.
"""

from collections.abc import Callable
from functools import lru_cache, partial
from math import exp, floor, inf, log, pi, sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from actdiag.activations import Activation
from actdiag.arrays import Array, Doubles, cut
from actdiag.theory.gaussian import Moments, moments, moments_over
from actdiag.theory.quadrature import apart, rule

Flags = NDArray[np.bool_]

ORDERS = 128
"""Number of Hermite coefficients of an activation."""

_NODES = 14
"""Chebyshev nodes in a panel."""

_NEAR, _WIDE = 4, 4
"""Beyond the first |ln q| panels have the second width where that resolves all curves."""

_WIDTHS = (1.0, 0.5, 0.25)
"""Widths of other panels, in the order in which they are tried."""

_WIDE_RESOLVED, _RESOLVED, _SHARES_RESOLVED = 1e-12, 1e-9, 1e-7
"""Largest last coefficients of a resolved series: on a wide panel; on the others; for Hermite shares, their sum at a
correlation of .85, where the sum over orders has just converged."""

_AT_ONCE = 128
_HELD = 64 * _AT_ONCE
"""Nodes whose Hermite polynomials are held at once."""

_LEAST_Q, _MOST_Q = 1e-299, 1e299
_LINEAR_Q, FAR_Q = 1e-26, 1e28
_ROUNDING = 1e-12
_CONVERGING = 0.85
_LOG_SECOND = 2


class Curves(NamedTuple):
    """The moments of an activation at several q, each of shape (q,); inf where one diverges.

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


class _Series(NamedTuple):
    """Chebyshev coefficients of the columns in a panel, shape (nodes, columns), and which columns they resolve."""

    coefficients: Doubles
    resolved: Flags


class _Panels:
    """Curves over ln q, as Chebyshev series on panels that are made on demand.

    A panel is a pair: the ln q where it starts, and its width.

    Args:
        columns: The curves at several q, by quadrature, as an array of shape (q, columns).
        resolved: (last coefficients of each column, sizes of the columns) to whether the series resolves each.
    """

    def __init__(self, columns: Callable[..., Doubles], resolved: Callable[[Doubles, Doubles], Flags]) -> None:
        self._columns, self._resolved = columns, resolved
        self._made: dict[tuple[float, float], _Series] = {}
        self._panels: dict[int, tuple[float, float]] = {}

    def at(self, q: Doubles, columns: int | None = None) -> Doubles:
        """Return the first columns (all by default) at each q, shape (q, columns), all within the range of float64."""
        place = np.log(q)
        bins = set(np.floor(place / _WIDTHS[-1]).tolist())
        found: list[tuple[Flags, Doubles]] = []
        for panel in sorted({self._panel_of_bin(int(one)) for one in bins}):
            start, width = panel
            chosen = (place >= start) & (place < start + width)
            coefficients, resolves = self.series(panel)
            series, resolved = coefficients[:, :columns], resolves[:columns]
            values = np.empty((np.count_nonzero(chosen), len(resolved)))
            if resolved.any():
                basis = _chebyshev_polynomials(2 * (place[chosen] - start) / width - 1)
                for some in cut(len(values), _AT_ONCE):  # so small that BLAS uses one thread
                    np.matmul(basis[:, some].T, series, out=values[some])
            if not resolved.all():
                values[:, ~resolved] = self._columns(*q[chosen].tolist())[:, :columns][:, ~resolved]
            if len(values) == len(q):
                return values
            found.append((chosen, values))
        together = np.empty((len(q), found[0][1].shape[1]))
        for chosen, values in found:
            together[chosen] = values
        return together

    def panel(self, place: float) -> tuple[float, float]:
        """Return the panel of ln q = `place`: the widest that resolves all curves, or the narrowest."""
        return self._panel_of_bin(floor(place / _WIDTHS[-1]))

    def is_made(self, place: float) -> bool:
        """Return whether the panel of ln q = `place` is made."""
        return floor(place / _WIDTHS[-1]) in self._panels

    def _panel_of_bin(self, number: int) -> tuple[float, float]:
        """Return the panel that holds a bin of ln q, which has the width of the narrowest panels."""
        if number not in self._panels:
            place = (number + 0.5) * _WIDTHS[-1]
            widths = (_WIDE, *_WIDTHS) if abs(place) >= _NEAR else _WIDTHS
            for width in widths:
                panel = (floor(place / width) * width, width)
                if self.series(panel).resolved.all():
                    break
            self._panels[number] = panel
        return self._panels[number]

    def series(self, panel: tuple[float, float]) -> _Series:
        """Return the series of a panel."""
        if panel not in self._made:
            self._made[panel] = self._make(*panel)
        return self._made[panel]

    @np.errstate(all="ignore")
    def _make(self, start: float, width: float) -> _Series:
        angles = np.pi * (np.arange(_NODES) + 0.5) / _NODES
        columns = self._columns(*np.exp(start + width * (np.cos(angles) + 1) / 2).tolist())
        finite = np.isfinite(columns).all(axis=0)
        basis = np.cos(np.outer(np.arange(_NODES), angles)) * (2 / _NODES)
        basis[0] /= 2
        series: Doubles = basis @ np.where(finite, columns, 0)
        last, sizes = np.abs(series[-3:]).max(axis=0), 1 + np.abs(series[0])
        resolved = last <= _WIDE_RESOLVED * sizes if width == _WIDE else self._resolved(last, sizes)
        return _Series(series, finite & resolved)


def _chebyshev_polynomials(x: Doubles) -> Doubles:
    """Return T_0 to T_(nodes-1) at x, shape (nodes, x)."""
    polynomials = np.ones((_NODES, len(x)))
    polynomials[1] = x
    for n in range(2, _NODES):
        np.multiply(2 * x, polynomials[n - 1], out=polynomials[n])
        polynomials[n] -= polynomials[n - 2]
    return polynomials


def _resolves_each(last: Doubles, sizes: Doubles) -> Flags:
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
        linear_below: Under this q it is linear on both sides of zero, to rounding; 0 where it never is.
        far: 1.0 if above FAR_Q it is linear on both sides of zero, to rounding, 0.0 if constant; None otherwise.
    """

    def __init__(self, act: Activation) -> None:
        self.act = act
        self.sides = homogeneous_sides(act)
        self.linear_below = _LINEAR_Q if linear_at_zero(act) else 0.0
        self.far = degree_far_out(act)
        self._moments = _Panels(lambda *q: _packed(moments_over(act, *q)), _resolves_each)
        self._shares = _Panels(partial(_shares, act), _resolves_cosines)
        self._seconds: dict[tuple[float, float], list[float]] = {}

    def curves(self, q: Doubles) -> Curves:
        """Return the moments at each q, all at least 0, of the shape of q."""
        if q.ndim > 1:
            return Curves(*(curve.reshape(q.shape) for curve in self.curves(q.ravel())))
        at = np.full_like(q, 1.0) if self.sides is not None else self._known(q)
        within = (at > _LEAST_Q) & (at < _MOST_Q)
        found = np.empty((len(q), len(Curves._fields)))
        if self.sides is not None:
            found[:] = _homogeneous_moments(*self.sides)
        elif within.any():
            found[within] = _unpacked(self._moments.at(at[within]))
        for row in np.flatnonzero(~within):
            found[row] = moments(self.act, float(q[row]))
        scale = np.divide(q, at, out=np.ones_like(q), where=within)
        mean, second, fourth, slope, slope_fourth, mixed = found.T
        with np.errstate(all="ignore"):
            # The slope of a saturating activation is near zero only, where there are fewer and fewer inputs.
            fewer = np.where((scale > 1) & (self.far == 0), scale**-0.5, 1.0)
            scale = np.where(fewer < 1, 1.0, scale)
            grown = mean * np.sqrt(scale), second * scale, fourth * scale**2
            return Curves(*grown, slope * fewer, slope_fourth * fewer, mixed * scale * fewer)

    def _known(self, q: Doubles) -> Doubles:
        """Return each q, clipped to the range outside of which the activation only scales."""
        known: Doubles = np.clip(q, self.linear_below, np.inf if self.far is None else FAR_Q)
        return np.where((q > 0) & (q < np.inf), known, q)

    def second(self, q: float) -> float:
        """Return E f(u)^2 at one q, as `curves` does, for a recursion that needs nothing else."""
        if self.sides is not None:
            return (self.sides[0] ** 2 + self.sides[1] ** 2) / 2 * q
        if not 0 < q < inf:
            return moments(self.act, q).second if q == 0 else inf
        at = max(q, self.linear_below)
        if self.far is not None and at > FAR_Q:
            return self.second(FAR_Q) * (q / FAR_Q if self.far else 1.0)
        if not _LEAST_Q < at < _MOST_Q:
            return moments(self.act, q).second
        place = log(at)
        panel = self._moments.panel(place)
        if panel not in self._seconds:
            series, resolved = self._moments.series(panel)
            self._seconds[panel] = series[:, _LOG_SECOND].tolist() if resolved[_LOG_SECOND] else []
        if not self._seconds[panel]:
            return moments(self.act, q).second
        x, later, latest = 2 * (place - panel[0]) / panel[1] - 1, 0.0, 0.0
        for coefficient in reversed(self._seconds[panel]):  # Clenshaw's scheme
            later, latest = 2 * x * later - latest + coefficient, later
        return exp(later - x * latest) * q / at

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


@lru_cache(maxsize=64)
def tables(act: Activation) -> Tables:
    """Return the tables of an elementwise activation."""
    return Tables(act)


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


def _homogeneous_moments(below: float, above: float) -> Moments:
    """Return the moments at q = 1 of an activation with these slopes below and above zero."""
    squares, fourths = (above**2 + below**2) / 2, (above**4 + below**4) / 2
    return Moments((above - below) / sqrt(2 * pi), squares, 3 * fourths, squares, fourths, squares)


@np.errstate(all="ignore")
def linear_at_zero(act: Activation) -> bool:
    """Return whether an activation is 0 at 0 and linear on both sides near 0, with a slope on at least one."""
    assert act.derivative is not None
    x = np.array([-1.0, 1.0]) * sqrt(_LINEAR_Q)
    slopes = act.derivative(x)
    linear = np.abs(act.value(x) - slopes * x) <= _ROUNDING * np.abs(slopes * x).max()
    nowhere_else = all(abs(kink) > 1e3 * sqrt(_LINEAR_Q) for kink in act.kinks if kink)
    return bool(linear.all() and slopes.any() and np.isfinite(slopes).all() and nowhere_else)


@np.errstate(all="ignore")
def degree_far_out(act: Activation) -> float | None:
    """Return 1 for an activation that is linear on both sides far from zero, 0 for a constant one, None for others."""
    assert act.derivative is not None
    if any(abs(kink) > _ROUNDING * sqrt(FAR_Q) for kink in act.kinks):
        return None
    x = np.outer([-1.0, 1.0], sqrt(FAR_Q) * np.array([1e-1, 1.0, 1e1]))
    f, slopes = act.value(x), act.derivative(x)
    largest = np.abs(f).max()
    if not (np.isfinite(f).all() and largest > 0):
        return None
    linear = np.abs(f - slopes * x) <= _ROUNDING * np.abs(f).max(axis=0)
    if linear.all() and (np.abs(slopes - slopes[:, :1]) <= _ROUNDING * np.abs(slopes).max()).all():
        return 1.0
    return 0.0 if (np.abs(f - f[:, :1]) <= _ROUNDING * largest).all() else None


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
    if apart(act, q):
        return np.concatenate([_shares(act, one) for one in q])
    z, weights = rule(act, *q)
    f: Array = act.value(np.sqrt(np.array(q))[:, np.newaxis] * z)
    weighed = f * (weights / np.sqrt(np.square(f) @ weights)[:, np.newaxis])
    shares = np.zeros((len(q), ORDERS))
    for held in cut(len(z), _HELD):
        polynomials, parts = hermite_polynomials(z[held], ORDERS), weighed[:, held]
        for some in cut(parts.shape[1], _AT_ONCE):  # products so small that BLAS uses one thread
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
