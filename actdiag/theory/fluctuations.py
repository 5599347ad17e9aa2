"""How far what a layer shows strays from what theory expects: a finite width and a finite batch leave it a spread.

Given the layer before, the units of a layer are independent draws (their weights are), and inputs are correlated draws
of each unit. So a statistic that is a mean over units and inputs has the variance
((1 - 1/batch) * shared + own / batch) / width: `own` the variance of one entry, `shared` the covariance of one unit's
entries for two inputs. With Hermite coefficients h_k of what is averaged, shared is the sum over k > 0 of
h_k^2 <c^k>, <c^k> the mean k-th power of the correlation between inputs (Mehler's formula).
"""

from collections.abc import Sequence
from functools import lru_cache
from math import sqrt
from typing import Generic, NamedTuple, TypeVar

import numpy as np

from actdiag.activations import Activation
from actdiag.arrays import Doubles
from actdiag.theory.grids import normal_grid
from actdiag.theory.regions import Interval
from actdiag.theory.tables import hermite_polynomials, tables

_POINTS = 321
_ORDERS = 24
HEAVY = 10.0
"""Over this kurtosis E f^4 / (E f^2)^2 - 1 spreads are drawn, for they are far from normal."""

_DRAWN, _FEWEST_DRAWS, _SEED = 2**17, 128, 0
_ROUNDING = 1e-7
"""A smaller share of the rms is what rounding leaves of a std."""

_BEYOND = 1.25
"""How much farther than the farthest draw a run may be."""

_SHARED_POINTS, _OWN_POINTS = 97, 41


class Batch(NamedTuple):
    """The pre-activations of one layer, as far as its spread goes.

    Attributes:
        act: The activation.
        q: Second moments of groups of inputs, shape (groups,).
        shares: The share of the inputs in each group.
        c: Correlations between pairs of inputs, shape (pairs,).
        width: How many units there are.
        batch: How many inputs.
        loose: The share of the variance of an input's second moment that the weights leave free: 1 where they are
            independent, 0 where they are orthogonal and keep every length.
    """

    act: Activation
    q: Doubles
    shares: Doubles
    c: Doubles
    width: int
    batch: int
    loose: float = 1.0


Number = TypeVar("Number", float, Doubles)


class Spreads(NamedTuple, Generic[Number]):
    """The sd of a layer's statistics, or of many layers'; names as in LayerEstimates."""

    z_mean: Number
    z_rms: Number
    mean: Number
    std: Number
    rms: Number
    zero_fraction: Number
    saturated_fraction: Number
    cosine: Number
    kurtosis: Number


@lru_cache(maxsize=1)
def _weighted_polynomials() -> Doubles:
    """Return the matrix from values on the grid to Hermite coefficients, shape (orders, points)."""
    z, weights = normal_grid(_POINTS)
    return hermite_polynomials(z, _ORDERS) * weights


def powers_of(c: Doubles) -> Doubles:
    """Return the mean k-th power of the correlations between inputs for k under the orders kept, none under 0."""
    if not len(c):
        return np.ones(_ORDERS)
    means: Doubles = (c ** np.arange(_ORDERS)[:, np.newaxis]).mean(axis=1)
    return np.maximum(means, 0)


def spread_of_mean(values: Doubles, given: Batch, powers: Doubles) -> Doubles:
    """Return the sd of the mean over units and inputs of what has given values on the grid.

    Args:
        values: Of several statistics, shape (statistics, groups, points).
        given: The pre-activations.
        powers: Mean powers of their correlations.
    """
    _, weights = normal_grid(_POINTS)
    average = given.shares @ values
    centre = average @ weights
    own = np.maximum((given.shares @ np.square(values)) @ weights - centre**2, 0)
    kept = np.square(average @ _weighted_polynomials().T)
    bound = (1 - given.loose) * kept[:, 2]  # h_2 is (z^2 - 1) / sqrt 2: the length of an input
    own -= bound
    whole = np.square(average) @ weights - centre**2
    rest = np.maximum(whole - kept[:, 1:].sum(axis=1), 0)
    kept[:, 2] -= bound
    shared = kept[:, 1:] @ powers[1:] + rest * powers[-1]
    spread: Doubles = np.sqrt(np.maximum((1 - 1 / given.batch) * shared + own / given.batch, 0) / given.width)
    return spread


@np.errstate(all="ignore")
def spreads(given: Batch, zero: Sequence[Interval], saturated: Sequence[Interval]) -> Spreads[float]:
    """Return the sd of what is measured of a layer.

    Args:
        given: Its pre-activations.
        zero: The intervals of pre-activations whose activation is exactly zero.
        saturated: Those that count as saturated.
    """
    z, weights = normal_grid(_POINTS)
    u = np.sqrt(given.q)[:, np.newaxis] * z
    f: Doubles = np.asarray(given.act.value(u), dtype=float)
    # In units of the largest, so that no square leaves float64.
    unit, unit_z = float(np.abs(f).max()) or 1.0, float(np.abs(u).max()) or 1.0
    if unit == np.inf:
        return Spreads(*[np.inf] * len(Spreads._fields))
    f, scaled_u = f / unit, u / unit_z
    squares = np.square(f)
    powers = powers_of(given.c)
    mean, second = float(given.shares @ f @ weights), float(given.shares @ squares @ weights)
    std, rms, z_rms = sqrt(max(second - mean**2, 0.0)), sqrt(second), sqrt(float(given.shares @ given.q)) / unit_z

    by_std = (squares - 2 * mean * f) / (2 * std) if std > _ROUNDING * rms else np.zeros_like(f)
    fractions = [_within(u, intervals) for intervals in (zero, saturated) if intervals]
    found = spread_of_mean(np.array([scaled_u, np.square(scaled_u), f, by_std, squares, *fractions]), given, powers)
    of_z, of_z_square, of_f, of_std, of_square, *of_fractions = found.tolist()
    of_zero = of_fractions.pop(0) if zero else 0.0
    return Spreads(
        z_mean=unit_z * of_z,
        z_rms=unit_z * of_z_square / (2 * z_rms) if z_rms else 0.0,
        mean=unit * of_f,
        std=unit * of_std,
        rms=unit * of_square / (2 * rms) if rms else 0.0,
        zero_fraction=of_zero,
        saturated_fraction=of_fractions[0] if saturated else 0.0,
        cosine=_spread_of_cosine(given, powers) if len(given.c) else 0.0,
        kurtosis=float(given.shares @ np.square(squares) @ weights) / second**2 - 1 if second else 0.0,
    )


def relative_spreads(given: Batch, zero: Sequence[Interval], saturated: Sequence[Interval]) -> Spreads[float]:
    """Return what `spreads` does for one group of inputs, those of z and of a relative to their rms."""
    found = spreads(given, zero, saturated)
    second = tables(given.act).second(float(given.q[0]))
    if found.kurtosis > HEAVY and 0 < second < np.inf:
        found = heavy_tailed(given, found, sqrt(second))
    root, rms = sqrt(float(given.q[0])) or 1.0, sqrt(second) or 1.0
    return found._replace(
        z_mean=found.z_mean / root,
        z_rms=found.z_rms / root,
        mean=found.mean / rms,
        std=found.std / rms,
        rms=found.rms / rms,
    )


def heavy_tailed(given: Batch, sd: Spreads[float], rms: float) -> Spreads[float]:
    """Return the spreads where a few entries carry the second moment, so that its tails reach far beyond its sd.

    The mean square over the units is drawn many times for one input of each draw, and a fourth of the farthest draw
    stands for its sd; a batch is taken to narrow it as it narrows the sd.

    Args:
        given: The pre-activations.
        sd: Their spreads as `spreads` has them.
        rms: That of the activations.
    """
    place, normals = _drawn(given.width)
    q = given.q[np.minimum(np.searchsorted(np.cumsum(given.shares), place), len(given.q) - 1)]
    with np.errstate(all="ignore"):
        f = given.act.value(np.sqrt(q)[:, np.newaxis] * normals)
        drawn = np.sqrt(np.mean(np.square(f), axis=1))
    alone = rms * sqrt(sd.kurtosis / given.width) / 2
    narrowed = min(sd.rms / alone, 1.0) if alone and sd.rms else 1.0
    reach = narrowed * _BEYOND * float(np.abs(drawn - rms).max()) / 4
    more = max(reach / sd.rms, 1.0) if sd.rms else 1.0
    return sd._replace(rms=max(reach, sd.rms), std=max(more * sd.std, reach), mean=max(more * sd.mean, reach / 2))


@lru_cache(maxsize=4)
def _drawn(width: int) -> tuple[Doubles, Doubles]:
    """Return for each draw a place in [0, 1), which picks an input, and a standard normal for each unit."""
    draws = max(_DRAWN // width, _FEWEST_DRAWS)
    rng = np.random.default_rng(_SEED)
    return rng.random(draws), rng.standard_normal((draws, width))


def _within(u: Doubles, intervals: Sequence[Interval]) -> Doubles:
    inside = np.zeros(u.shape)
    for low, high in intervals:
        inside += (u >= low) & (u <= high)
    return inside


def _spread_of_cosine(given: Batch, powers: Doubles) -> float:
    """Return the sd of the mean cosine between inputs.

    What two inputs have in common of a unit is y; a unit adds M^2 - cosine * Q to the sum, M the mean of its normalized
    activations over the inputs and Q that of their squares.
    """
    shared = min(float(powers[1]), 1.0)
    (y, outer), (z, inner) = normal_grid(_SHARED_POINTS), normal_grid(_OWN_POINTS)
    root = sqrt(float(given.shares @ given.q))
    f = given.act.value(root * (sqrt(shared) * y[:, np.newaxis] + sqrt(1 - shared) * z))
    mean, second = f @ inner, np.square(f) @ inner
    scale = float(outer @ second)
    if not scale:
        return 0.0
    mean, second = mean / sqrt(scale), second / scale
    cosine = float(outer @ np.square(mean))
    sums = np.square(mean) - cosine * second
    own = np.maximum(second - np.square(mean), 0) / given.batch
    variance = float(outer @ np.square(sums)) - float(outer @ sums) ** 2
    variance += float(outer @ (4 * np.square(mean) * own + 2 * np.square(own)))
    return sqrt(max(variance, 0.0) / given.width)


@np.errstate(all="ignore")
def spread_of_slopes(given: Batch, alike: float = 1.0) -> float:
    """Return the relative sd of the rms of dL/dz of a layer, given dL/dz of the layer above.

    A unit adds f'(z)^2 x^2, x Gaussian.

    Args:
        given: The pre-activations.
        alike: The mean squared cosine between dL/dz of different inputs; 1 overrates the spread where it is not known.
    """
    z, weights = normal_grid(_POINTS)
    assert given.act.derivative is not None
    slopes = np.square(given.act.derivative(np.sqrt(given.q)[:, np.newaxis] * z))
    second = float(given.shares @ slopes @ weights)
    if not second:
        return 0.0
    relative = float(spread_of_mean(slopes[np.newaxis], given._replace(width=1), powers_of(given.c))[0]) / second
    # In so many dimensions even unrelated directions have a squared cosine of 1/width.
    together = (1 - 1 / given.batch) * max(alike, 1 / given.width) + 1 / given.batch
    return sqrt(max((1 + 2 * together) * (relative**2 + 1) - 1, 0.0) / given.width) / 2


class Radial(NamedTuple):
    """What becomes of the square of a gradient at the activations in its derivative at the pre-activations.

    Attributes:
        along: E f^2 f'^2 / E f^2: of a gradient that points along the activations.
        kept: E[f f' u]^2 / (q E f^2): of that, what points along the pre-activations.
        gained: E u^2 f'^2 / q: of one unit of a gradient in any direction, what does.
    """

    along: float
    kept: float
    gained: float


@np.errstate(all="ignore")
def radial(given: Batch) -> Radial:
    """Return what the direction of the signal does to a gradient; zeros where f is zero or too large."""
    z, weights = normal_grid(_POINTS)
    assert given.act.derivative is not None
    u = np.sqrt(given.q)[:, np.newaxis] * z
    f, slopes = given.act.value(u), given.act.derivative(u)
    f = f / (float(np.abs(f).max()) or 1.0)

    def mean(values: Doubles) -> float:
        return float(given.shares @ values @ weights)

    second, q = mean(np.square(f)), float(given.shares @ given.q)
    if not (second and q):
        return Radial(0.0, 0.0, 0.0)
    squared = np.square(slopes)
    found = (mean(np.square(f) * squared) / second, mean(f * slopes * u) ** 2 / (q * second), mean(u * u * squared) / q)
    return Radial(*(value if np.isfinite(value) else 0.0 for value in found))
