"""The spread of a layer's statistics about their expectation, which finite width and batch cause."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Generic, NamedTuple, TypeVar

import numpy as np

from actdiag.activations import Activation
from actdiag.arrays import Doubles, cut
from actdiag.theory.batches import Batch, Batches, alone, mean_powers
from actdiag.theory.cosine_fluctuations import spreads_of_cosine
from actdiag.theory.grids import ENTRIES_AT_ONCE, REACH, normal_grid
from actdiag.theory.mehler import POINTS, Summands, hermite_coefficients, spreads_of_means, summands_on_grid
from actdiag.theory.regions import Interval, inside
from actdiag.theory.tables import tables

_ROUNDING = 1e-7
"""A std under this share of the rms is rounding."""


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


class _Layers(NamedTuple):
    """What the statistics of layers are means of.

    Attributes:
        unit: The unit of f in each layer, shape (layers,): its largest value on the grid.
        second: E f^2 in that unit.
        fourth: E f^4.
        summands: Of z and z^2 in units of the largest z; of f, (f - E f)^2 over twice its std, and f^2.
    """

    unit: Doubles
    second: Doubles
    fourth: Doubles
    summands: Summands


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
    at_once = 1 if tables(given.act).sides is not None else given.q.shape[1]
    parts = [
        _spreads(given.of(some), zero, saturated, powers[some])
        for some in cut(len(given.q), max(ENTRIES_AT_ONCE // (at_once * POINTS), 1))
    ]
    return Spreads(*(np.concatenate(column) for column in zip(*parts, strict=True)))


@np.errstate(all="ignore")
def _spreads(
    given: Batches, zero: Sequence[Interval], saturated: Sequence[Interval], powers: Doubles
) -> Spreads[Doubles]:
    roots = np.sqrt(given.q)
    unit_z = REACH * roots.max(axis=1)
    unit_z[unit_z == 0] = 1
    scaled = roots / unit_z[:, np.newaxis]
    of_z = np.array([np.vecdot(given.shares, scaled**power) for power in (1, 2, 4)])
    of_layers = _linear_on_both_sides if tables(given.act).sides is not None else _on_grid
    unit, second, fourth, summands = of_layers(given, roots, of_z)
    in_z, in_z_square, in_f, in_std, in_square = spreads_of_means(summands, given, powers).T
    z_rms, rms, nothing = np.sqrt(of_z[1]), np.sqrt(second), np.zeros(len(unit))

    def of_fraction(intervals: Sequence[Interval]) -> Doubles:
        if not intervals:
            return nothing
        within = _within(given, roots, intervals)[:, np.newaxis]
        spread: Doubles = spreads_of_means(summands_on_grid(within, within), given, powers)[:, 0]
        return spread

    all_of_them = Spreads(
        z_mean=unit_z * in_z,
        z_rms=np.divide(unit_z * in_z_square, 2 * z_rms, out=nothing.copy(), where=z_rms > 0),
        mean=unit * in_f,
        std=unit * in_std,
        rms=np.divide(unit * in_square, 2 * rms, out=nothing.copy(), where=rms > 0),
        zero_fraction=of_fraction(zero),
        saturated_fraction=of_fraction(saturated),
        cosine=spreads_of_cosine(given, powers) if given.c.shape[1] else nothing,
        kurtosis=np.divide(fourth, second**2, out=nothing + 1, where=second > 0) - 1,
    )
    if (unit < np.inf).all():
        return all_of_them
    return Spreads(*(np.where(unit < np.inf, column, np.inf) for column in all_of_them))


def _on_grid(given: Batches, roots: Doubles, of_z: Doubles) -> _Layers:
    """Return what the statistics are means of, from f on the grid for every group of inputs.

    Args:
        given: The pre-activations.
        roots: Their rms, shape (layers, groups).
        of_z: The averages over the inputs of the rms, q and q^2, in units of the largest z, shape (3, layers).
    """
    z, weights = normal_grid(POINTS)
    values: Doubles = np.asarray(given.act.value(roots[..., np.newaxis] * z), dtype=float)
    unit = np.maximum(values.max(axis=(1, 2)), -values.min(axis=(1, 2)))
    unit[unit == 0] = 1
    values = values / unit[:, np.newaxis, np.newaxis]

    def averaged(part: Doubles) -> Doubles:
        average: Doubles = (given.shares[:, np.newaxis] @ part)[:, 0]
        return average

    first, squared = averaged(values), np.square(values)
    in_second, in_fourth = averaged(squared), averaged(np.square(squared))
    mean, second, fourth = (np.vecdot(part, weights) for part in (first, in_second, in_fourth))
    std = np.sqrt(np.maximum(second - mean**2, 0))
    values -= mean[:, np.newaxis, np.newaxis]
    squared = np.square(values)
    twice = _twice(std, second)[:, np.newaxis]
    in_z = [part[:, np.newaxis] * z**power for part, power in zip(of_z, (1, 2, 4), strict=True)]
    average = [*in_z[:2], first, averaged(squared) / twice, in_second]
    squares = [*in_z[1:], in_second, averaged(np.square(squared)) / twice**2, in_fourth]
    summands = summands_on_grid(np.stack(average, axis=1), np.stack(squares, axis=1))
    return _Layers(unit, second, fourth, summands)


def _twice(std: Doubles, second: Doubles) -> Doubles:
    """Return twice the std of f, infinite where it is rounding."""
    return np.where(std > _ROUNDING * np.sqrt(second), 2 * std, np.inf)


def _linear_on_both_sides(given: Batches, roots: Doubles, of_z: Doubles) -> _Layers:
    """Return what `_on_grid` does, where f(sqrt(q) z) = sqrt(q) f(z): by sums of powers of sqrt(q)."""
    of_f = _powers_of(given.act)
    unit = of_f.largest * roots.max(axis=1)
    unit[unit == 0] = 1
    scaled = roots / unit[:, np.newaxis]
    m = [np.vecdot(given.shares, scaled**power) * moment for power, moment in enumerate(of_f.moments)]
    mean, second, third, fourth = m[1:]
    std = np.sqrt(np.maximum(second - mean**2, 0))
    twice = _twice(std, second)
    in_f, in_square = (np.vecdot(given.shares, scaled**power) for power in (1, 2))
    parts = np.zeros((len(unit), 5, len(of_f.coefficients)))  # of each summand: 1, z, z^2, f and f^2
    parts[:, 0, 1], parts[:, 1, 2], parts[:, 2, 3], parts[:, 4, 4] = of_z[0], of_z[1], in_f, in_square
    apart = np.stack([mean**2, -2 * mean * in_f, in_square], axis=1)
    parts[:, 3, (0, 3, 4)] = apart / twice[:, np.newaxis]
    apart_fourth = fourth - 4 * mean * third + 6 * mean**2 * second - 3 * mean**4
    of_one = (of_z[1] * of_f.products[1, 1], of_z[2] * of_f.products[2, 2], second, apart_fourth / twice**2, fourth)
    summands = Summands(
        mean=parts @ of_f.products[0],
        square=np.vecdot(parts @ of_f.products, parts),
        coefficients=parts @ of_f.coefficients,
        square_of_one=np.stack(of_one, axis=1),
    )
    return _Layers(unit, second, fourth, summands)


class _Powers(NamedTuple):
    """1, z, z^2, f(z) and f(z)^2 of a standard normal z.

    Attributes:
        largest: The largest |f| on the grid.
        moments: E f^n for n from 0 to 4.
        coefficients: Their Hermite coefficients, shape (5, orders).
        products: The expectations of the product of each two, shape (5, 5).
    """

    largest: float
    moments: tuple[float, ...]
    coefficients: Doubles
    products: Doubles


@lru_cache(maxsize=64)
def _powers_of(act: Activation) -> _Powers:
    z, weights = normal_grid(POINTS)
    f = np.asarray(act.value(z.copy()), dtype=float)
    five = np.stack([np.ones_like(z), z, z**2, f, f**2])
    moments = tuple(float(np.vecdot(f**power, weights)) for power in range(5))
    return _Powers(float(np.abs(f).max()), moments, hermite_coefficients(five), (five * weights) @ five.T)


def _within(given: Batches, roots: Doubles, intervals: Sequence[Interval]) -> Doubles:
    """Return the share of the inputs within the intervals, shape (layers, points), or (1, points) where it is one."""
    z, _ = normal_grid(POINTS)
    edges = np.array([edge for interval in intervals for edge in interval])
    least = float(roots[roots > 0].min(initial=np.inf))
    if (np.searchsorted(z, edges / least) == np.searchsorted(z, edges / float(roots.max()))).all():
        if roots.all():
            return inside(least * z, intervals)[np.newaxis]
        still = np.vecdot(given.shares, roots == 0)[:, np.newaxis]  # the same points are inside at every other q
        both: Doubles = (1 - still) * inside(least * z, intervals) + still * inside(np.zeros(1), intervals)
        return both
    share: Doubles = (given.shares[:, np.newaxis] @ inside(roots[..., np.newaxis] * z, intervals))[:, 0]
    return share
