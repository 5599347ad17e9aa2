"""The spread of a layer's statistics about their expectation, which finite width and batch cause.

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

from actdiag.arrays import Doubles, cut
from actdiag.theory.batches import ORDERS, Batch, Batches, alone, mean_powers
from actdiag.theory.grids import normal_grid
from actdiag.theory.regions import Interval
from actdiag.theory.tables import hermite_polynomials, tables

HEAVY = 10.0
"""Above this kurtosis E f^4 / (E f^2)^2 - 1 spreads are simulated, for they are far from normal."""

POINTS = 321
"""Of the normal grid."""

_DRAWN, _FEWEST_DRAWS, _SEED = 2**17, 128, 0
_ROUNDING = 1e-7
"""A std under this share of the rms is rounding."""

_BEYOND = 1.25
"""Factor by which a run may exceed the farthest draw."""

_SHARED_POINTS, _OWN_POINTS = 97, 41
ENTRIES_AT_ONCE = 2**16
"""Entries of an array over layers, groups and points that are worked on at once, so that they stay in cache."""

_AVERAGES = 10
"""The averages of a layer that are held together, each over all points."""


Number = TypeVar("Number", float, Doubles)


class Spreads(NamedTuple, Generic[Number]):
    """The sd of a layer's statistics, or of several layers', shape (layers,); names as in LayerEstimates."""

    z_mean: Number
    z_rms: Number
    mean: Number
    std: Number
    rms: Number
    zero_fraction: Number
    saturated_fraction: Number
    cosine: Number
    kurtosis: Number


class _Averages(NamedTuple):
    """Functions of a standard normal z, averaged over the inputs of a layer, each of shape (layers, points).

    Attributes:
        first: Of f, in units of the largest.
        second: Of f^2.
        fourth: Of f^4.
        apart: Of (f - E f)^2.
        apart_fourth: Of (f - E f)^4.
    """

    first: Doubles
    second: Doubles
    fourth: Doubles
    apart: Doubles
    apart_fourth: Doubles


@lru_cache(maxsize=1)
def _weighted_polynomials() -> Doubles:
    """Return the matrix from values on the grid to Hermite coefficients, shape (points, orders)."""
    z, weights = normal_grid(POINTS)
    return np.ascontiguousarray((hermite_polynomials(z, ORDERS) * weights).T)


def spread_of_mean(average: Doubles, squares: Doubles, given: Batches, powers: Doubles) -> Doubles:
    """Return the sd of the mean over units and inputs of several statistics, shape (layers, statistics).

    No bit of a layer's depends on which layers are computed with it.

    Args:
        average: What is averaged, as a function of z averaged over the inputs, shape (layers, statistics, points).
        squares: Its square, likewise.
        given: The pre-activations.
        powers: Mean powers of their correlations, shape (layers, orders).
    """
    _, weights = normal_grid(POINTS)
    centre = np.vecdot(average, weights)
    own = np.maximum(np.vecdot(squares, weights) - centre**2, 0)
    kept = np.square(average @ _weighted_polynomials())
    bound = (1 - given.loose[:, np.newaxis]) * kept[..., 2]  # h_2 is (z^2 - 1) / sqrt 2: the length of an input
    own -= bound
    whole = np.vecdot(np.square(average), weights) - centre**2
    rest = np.maximum(whole - kept[..., 1:].sum(axis=2), 0)
    kept[..., 2] -= bound
    shared = np.vecdot(kept[..., 1:], powers[:, np.newaxis, 1:]) + rest * powers[:, -1:]
    variance = np.maximum((1 - 1 / given.batch) * shared + own / given.batch, 0)
    spread: Doubles = np.sqrt(variance / given.width[:, np.newaxis])
    return spread


def spreads(given: Batch, zero: Sequence[Interval], saturated: Sequence[Interval]) -> Spreads[float]:
    """Return what `spreads_of_layers` does for one layer."""
    found = spreads_of_layers(alone(given), zero, saturated)
    return Spreads(*(float(column[0]) for column in found))


def spreads_of_layers(given: Batches, zero: Sequence[Interval], saturated: Sequence[Interval]) -> Spreads[Doubles]:
    """Return the sd of what is measured of each layer.

    Args:
        given: Their pre-activations.
        zero: The intervals of pre-activations whose activation is exactly zero.
        saturated: Those that count as saturated.
    """
    powers = mean_powers(given.c) if given.powers is None else given.powers
    # Where f is linear on both sides one group does for all, and the averages take most of the memory.
    groups = _AVERAGES if tables(given.act).sides is not None else given.q.shape[1]
    parts = [
        _spreads(given.of(some), zero, saturated, powers[some])
        for some in cut(len(given.q), max(ENTRIES_AT_ONCE // (groups * POINTS), 1))
    ]
    return Spreads(*(np.concatenate(column) for column in zip(*parts, strict=True)))


@np.errstate(all="ignore")
def _spreads(
    given: Batches, zero: Sequence[Interval], saturated: Sequence[Interval], powers: Doubles
) -> Spreads[Doubles]:
    z, weights = normal_grid(POINTS)
    roots = np.sqrt(given.q)
    averages, unit = _averages(given, roots)
    mean, second, fourth = (np.vecdot(part, weights) for part in averages[:3])
    std, rms = np.sqrt(np.maximum(second - mean**2, 0)), np.sqrt(second)

    unit_z = z[-1] * roots.max(axis=1)
    unit_z[unit_z == 0] = 1
    scaled = roots / unit_z[:, np.newaxis]
    of_roots, of_q, of_q_squared = (np.vecdot(given.shares, scaled**power) for power in (1, 2, 4))
    of_z = [part[:, np.newaxis] * z**power for part, power in ((of_roots, 1), (of_q, 2), (of_q_squared, 4))]
    z_rms = np.sqrt(of_q)

    twice_std = np.where(std > _ROUNDING * rms, 2 * std, np.inf)[:, np.newaxis]
    fractions = [_within(given, roots, intervals) for intervals in (zero, saturated) if intervals]
    average = [*of_z[:2], averages.first, averages.apart / twice_std, averages.second, *fractions]
    squares = [*of_z[1:], averages.second, averages.apart_fourth / twice_std**2, averages.fourth, *fractions]
    found = spread_of_mean(np.stack(average, axis=1), np.stack(squares, axis=1), given, powers)
    nothing = np.zeros(len(unit))
    in_z, in_z_square, in_f, in_std, in_square, *in_fractions = found.T
    all_of_them = Spreads(
        z_mean=unit_z * in_z,
        z_rms=np.divide(unit_z * in_z_square, 2 * z_rms, out=nothing.copy(), where=z_rms > 0),
        mean=unit * in_f,
        std=unit * in_std,
        rms=np.divide(unit * in_square, 2 * rms, out=nothing.copy(), where=rms > 0),
        zero_fraction=in_fractions.pop(0) if zero else nothing,
        saturated_fraction=in_fractions[0] if saturated else nothing,
        cosine=_spreads_of_cosine(given, powers) if given.c.shape[1] else nothing,
        kurtosis=np.divide(fourth, second**2, out=nothing + 1, where=second > 0) - 1,
    )
    if (unit < np.inf).all():
        return all_of_them
    return Spreads(*(np.where(unit < np.inf, column, np.inf) for column in all_of_them))


def _averages(given: Batches, roots: Doubles) -> tuple[_Averages, Doubles]:
    """Return the averages of f in units of its largest value in each layer, and these values, shape (layers,)."""
    z, weights = normal_grid(POINTS)
    if tables(given.act).sides is not None:  # f(sqrt(q) z) = sqrt(q) f(z)
        f = np.asarray(given.act.value(z.copy()), dtype=float)
        unit = float(np.abs(f).max()) * roots.max(axis=1)
        unit[unit == 0] = 1
        scaled = roots / unit[:, np.newaxis]
        sums = [np.vecdot(given.shares, scaled**power)[:, np.newaxis] for power in range(5)]
        first, second, third, fourth = (sums[power] * f**power for power in range(1, 5))
        mean = np.vecdot(first, weights)[:, np.newaxis]
        apart = second - 2 * mean * first + mean**2
        apart_fourth = fourth - 4 * mean * third + 6 * mean**2 * second - 4 * mean**3 * first + mean**4
        return _Averages(first, second, fourth, apart, apart_fourth), unit
    values: Doubles = np.asarray(given.act.value(roots[..., np.newaxis] * z), dtype=float)
    unit = np.maximum(values.max(axis=(1, 2)), -values.min(axis=(1, 2)))
    unit[unit == 0] = 1
    values = values / unit[:, np.newaxis, np.newaxis]

    def averaged(part: Doubles) -> Doubles:
        average: Doubles = (given.shares[:, np.newaxis] @ part)[:, 0]
        return average

    first, squared = averaged(values), np.square(values)
    second, fourth = averaged(squared), averaged(np.square(squared))
    values -= np.vecdot(first, weights)[:, np.newaxis, np.newaxis]
    squared = np.square(values)
    return _Averages(first, second, fourth, averaged(squared), averaged(np.square(squared))), unit


def _within(given: Batches, roots: Doubles, intervals: Sequence[Interval]) -> Doubles:
    """Return the share of the inputs whose pre-activation is within the intervals, shape (layers, points)."""
    z, _ = normal_grid(POINTS)
    edges = np.array([edge for interval in intervals for edge in interval])
    least = float(roots[roots > 0].min(initial=np.inf))
    if (np.searchsorted(z, edges / least) == np.searchsorted(z, edges / float(roots.max()))).all():
        still = np.vecdot(given.shares, roots == 0)[:, np.newaxis]  # the same points are inside at every other q
        both: Doubles = (1 - still) * _inside(least * z, intervals) + still * _inside(np.zeros(1), intervals)
        return both
    share: Doubles = (given.shares[:, np.newaxis] @ _inside(roots[..., np.newaxis] * z, intervals))[:, 0]
    return share


def _inside(u: Doubles, intervals: Sequence[Interval]) -> Doubles:
    inside = np.zeros(u.shape)
    for low, high in intervals:
        inside += (u >= low) & (u <= high)
    return inside


def relative_spreads(given: Batch, zero: Sequence[Interval], saturated: Sequence[Interval]) -> Spreads[float]:
    """Return what `relative_spreads_of_layers` does for one layer."""
    found = relative_spreads_of_layers(alone(given), zero, saturated)
    return Spreads(*(float(column[0]) for column in found))


def relative_spreads_of_layers(
    given: Batches, zero: Sequence[Interval], saturated: Sequence[Interval]
) -> Spreads[Doubles]:
    """Return what `spreads_of_layers` does for one group of inputs each, of z and of a relative to their rms."""
    found = spreads_of_layers(given, zero, saturated)
    q = given.q[:, 0]
    second = np.array([tables(given.act).second(one) for one in q.tolist()])
    for layer in np.flatnonzero((found.kurtosis > HEAVY) & (second > 0) & (second < np.inf)).tolist():
        heavy = heavy_tailed(given.one(layer), _row(found, layer), sqrt(second[layer]))
        for column, value in zip(found, heavy, strict=True):
            column[layer] = value
    root, rms = (np.where(part > 0, np.sqrt(part), 1) for part in (q, second))
    return found._replace(
        z_mean=found.z_mean / root,
        z_rms=found.z_rms / root,
        mean=found.mean / rms,
        std=found.std / rms,
        rms=found.rms / rms,
    )


def _row(sd: Spreads[Doubles], layer: int) -> Spreads[float]:
    return Spreads(*(float(column[layer]) for column in sd))


def heavy_tailed(given: Batch, sd: Spreads[float], rms: float) -> Spreads[float]:
    """Return the spreads where a few entries carry the second moment, whose distribution then has heavy tails.

    The mean square over the units is drawn many times, for one input each, and its sd is replaced by a fourth of the
    largest deviation; a batch is taken to narrow it as it narrows the sd.

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
    of_kurtosis = rms * sqrt(sd.kurtosis / given.width) / 2
    narrowed = min(sd.rms / of_kurtosis, 1.0) if of_kurtosis and sd.rms else 1.0
    reach = narrowed * _BEYOND * float(np.abs(drawn - rms).max()) / 4
    more = max(reach / sd.rms, 1.0) if sd.rms else 1.0
    return sd._replace(rms=max(reach, sd.rms), std=max(more * sd.std, reach), mean=max(more * sd.mean, reach / 2))


@lru_cache(maxsize=4)
def _drawn(width: int) -> tuple[Doubles, Doubles]:
    """Return for each draw a place in [0, 1), which picks an input, and a standard normal for each unit."""
    draws = max(_DRAWN // width, _FEWEST_DRAWS)
    rng = np.random.default_rng(_SEED)
    return rng.random(draws), rng.standard_normal((draws, width))


def _spreads_of_cosine(given: Batches, powers: Doubles) -> Doubles:
    """Return the sd of the mean cosine between inputs, shape (layers,).

    The part of a unit's pre-activation that all inputs share is y; the unit adds M^2 - cosine * Q to the sum, M the
    mean of its normalized activations over the inputs and Q that of their squares.
    """
    (y, outer), (z, inner) = normal_grid(_SHARED_POINTS), normal_grid(_OWN_POINTS)
    parts = []
    for some in cut(len(given.q), max(ENTRIES_AT_ONCE // (len(y) * len(z)), 1)):
        shared = np.minimum(powers[some, 1], 1)[:, np.newaxis, np.newaxis]
        root = np.sqrt(np.vecdot(given.shares[some], given.q[some]))[:, np.newaxis, np.newaxis]
        f = given.act.value(root * (np.sqrt(shared) * y[:, np.newaxis] + np.sqrt(1 - shared) * z))
        parts.append((f @ inner, np.square(f) @ inner))
    mean, second = (np.concatenate(part) for part in zip(*parts, strict=True))
    scale = np.vecdot(second, outer)[:, np.newaxis]
    mean, second = mean / np.sqrt(scale), second / scale
    squares = np.square(mean)
    sums = squares - np.vecdot(squares, outer)[:, np.newaxis] * second
    own = np.maximum(second - squares, 0) / given.batch
    variance = np.vecdot(np.square(sums), outer) - np.square(np.vecdot(sums, outer))
    variance += np.vecdot(4 * squares * own + 2 * np.square(own), outer)
    spread = np.sqrt(np.maximum(variance, 0) / given.width)
    without_pairs = np.isnan(given.c).all(axis=1) | (scale[:, 0] == 0)
    return np.where(without_pairs, 0, spread)
