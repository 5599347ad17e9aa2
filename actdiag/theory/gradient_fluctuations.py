"""The spread of gradient norms, given the gradient of the layer above, which finite width and batch cause."""

from collections.abc import Sequence
from typing import Generic, NamedTuple

import numpy as np

from actdiag.arrays import Doubles, cut
from actdiag.theory.batches import Batch, Batches, alone, mean_powers
from actdiag.theory.fluctuations import Number
from actdiag.theory.grids import ENTRIES_AT_ONCE, normal_grid
from actdiag.theory.mehler import POINTS, spreads_of_means, summands_on_grid
from actdiag.theory.tables import tables


def spread_of_slopes(given: Batch, alike: float = 1.0) -> float:
    """Return what `spreads_of_slopes` does for one layer."""
    return float(spreads_of_slopes(alone(given), alike)[0])


@np.errstate(all="ignore")
def spreads_of_slopes(given: Batches, alike: float = 1.0) -> Doubles:
    """Return the relative sd of the rms of dL/dz of each layer, given dL/dz of the layer above, shape (layers,).

    A unit adds f'(z)^2 x^2, x Gaussian.

    Args:
        given: The pre-activations.
        alike: The mean squared cosine between dL/dz of different inputs; 1, where it is not known, overestimates.
    """
    _, weights = normal_grid(POINTS)
    powers, parts = mean_powers(given.c), []
    for some in _chunks(given):
        part = given.of(some)
        slopes = np.square(_slopes(part))
        average, squares = _averaged(part.shares, slopes), _averaged(part.shares, np.square(slopes))
        one_unit = part._replace(width=np.ones(len(part.q)))
        summands = summands_on_grid(average[:, np.newaxis], squares[:, np.newaxis])
        spread = spreads_of_means(summands, one_unit, powers[some])[:, 0]
        second = np.vecdot(average, weights)
        parts.append((second, np.divide(spread, second, out=np.zeros_like(spread), where=second != 0)))
    second, relative = (np.concatenate(part) for part in zip(*parts, strict=True))
    # In so many dimensions even unrelated directions have a squared cosine of 1/width.
    together = (1 - 1 / given.batch) * np.maximum(alike, 1 / given.width) + 1 / given.batch
    spread = np.sqrt(np.maximum((1 + 2 * together) * (relative**2 + 1) - 1, 0) / given.width) / 2
    return np.where(second == 0, 0, spread)


def _chunks(given: Batches) -> Sequence[slice]:
    return list(cut(len(given.q), max(ENTRIES_AT_ONCE // (given.q.shape[1] * POINTS), 1)))


def _slopes(given: Batches) -> Doubles:
    """Return f' for each layer and group on the grid, shape (layers, groups, points), or one for all."""
    z, _ = normal_grid(POINTS)
    assert given.act.derivative is not None
    roots = np.sqrt(given.q)[..., np.newaxis]
    if tables(given.act).sides is not None and (given.q > 0).all():
        roots = np.ones((1, 1, 1))
    slopes: Doubles = np.asarray(given.act.derivative(roots * z), dtype=float)
    return slopes


def _averaged(shares: Doubles, values: Doubles) -> Doubles:
    """Return the average over groups, shape (layers, points), of values of shape (layers or 1, groups or 1, points)."""
    if values.shape[1] == 1:
        of_one: Doubles = shares.sum(axis=1)[:, np.newaxis] * values[:, 0]
        return of_one
    average: Doubles = (shares[:, np.newaxis] @ values)[:, 0]
    return average


class Radial(NamedTuple, Generic[Number]):
    """Factors from the square of a gradient at the activations to that at the pre-activations.

    Attributes:
        along: E f^2 f'^2 / E f^2, for a gradient that points along the activations.
        kept: E[f f' u]^2 / (q E f^2), the part of it that points along the pre-activations.
        gained: E u^2 f'^2 / q, that part for a gradient of one unit in any direction.
    """

    along: Number
    kept: Number
    gained: Number


@np.errstate(all="ignore")
def radials(given: Batches) -> Radial[Doubles]:
    """Return these factors for each layer; 0 where f is zero or too large."""
    z, weights = normal_grid(POINTS)
    parts = []
    for some in _chunks(given):
        part = given.of(some)
        u = np.sqrt(part.q)[..., np.newaxis] * z
        f, slopes = np.asarray(part.act.value(u), dtype=float), _slopes(part)
        unit = np.abs(f).max(axis=(1, 2), keepdims=True)
        f = f / np.where(unit == 0, 1, unit)

        def mean(values: Doubles, shares: Doubles = part.shares) -> Doubles:
            average: Doubles = np.vecdot(_averaged(shares, values), weights)
            return average

        squared = np.square(slopes)
        second, q = mean(np.square(f)), np.vecdot(part.shares, part.q)
        found = [mean(np.square(f) * squared) / second, mean(f * slopes * u) ** 2 / (q * second)]
        found.append(mean(u * u * squared) / q)
        known = (second != 0) & (q != 0)
        parts.append([np.where(known & np.isfinite(column), column, 0) for column in found])
    return Radial(*(np.concatenate(column) for column in zip(*parts, strict=True)))
