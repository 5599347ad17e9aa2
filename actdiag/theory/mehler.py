"""The spread of a mean over the units and inputs of a layer, whose pre-activations are correlated.

Given the layer before, the units of a layer are independent draws (their weights are), and inputs are correlated draws
of each unit. So a statistic that is a mean over units and inputs has the variance
((1 - 1/batch) * shared + own / batch) / width: `own` the variance of one entry, `shared` the covariance of one unit's
entries for two inputs. With Hermite coefficients h_k of what is averaged, shared is the sum over k > 0 of
h_k^2 <c^k>, <c^k> the mean k-th power of the correlation between inputs (Mehler's formula).
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from actdiag.arrays import Doubles
from actdiag.theory.batches import ORDERS, Batches
from actdiag.theory.grids import normal_grid
from actdiag.theory.tables import hermite_polynomials

POINTS = 321
"""Of the normal grid."""


class Summands(NamedTuple):
    """What several statistics of layers are means of: functions of a standard normal z, averaged over the inputs.

    Attributes:
        mean: Their expectations, shape (layers, statistics).
        square: Those of their square.
        coefficients: Their Hermite coefficients, shape (layers, statistics, orders).
        square_of_one: The expectations of the squares of single inputs, averaged over the inputs, shaped as `mean`.
    """

    mean: Doubles
    square: Doubles
    coefficients: Doubles
    square_of_one: Doubles


@lru_cache(maxsize=1)
def _weighted_polynomials() -> Doubles:
    """Return the matrix from values on the grid to Hermite coefficients, shape (points, orders)."""
    z, weights = normal_grid(POINTS)
    return np.ascontiguousarray((hermite_polynomials(z, ORDERS) * weights).T)


def hermite_coefficients(values: Doubles) -> Doubles:
    """Return the coefficients, shape (..., orders), of functions given on the grid, shape (..., points)."""
    found: Doubles = values @ _weighted_polynomials()
    return found


def summands_on_grid(average: Doubles, squares: Doubles) -> Summands:
    """Return the summands given on the grid.

    Args:
        average: Functions of z averaged over the inputs, shape (layers, statistics, points).
        squares: Their squares averaged over the inputs, likewise.
    """
    _, weights = normal_grid(POINTS)
    return Summands(
        mean=np.vecdot(average, weights),
        square=np.vecdot(np.square(average), weights),
        coefficients=hermite_coefficients(average),
        square_of_one=np.vecdot(squares, weights),
    )


def spreads_of_means(of: Summands, given: Batches, powers: Doubles) -> Doubles:
    """Return the sd of the means over units and inputs, shape (layers, statistics).

    No bit of a layer's depends on which layers are computed with it.

    Args:
        of: What is averaged, in each layer or in all.
        given: The pre-activations.
        powers: Mean powers of their correlations, shape (layers, orders).
    """
    kept = np.square(of.coefficients)
    bound = (1 - given.loose[:, np.newaxis]) * kept[..., 2]  # h_2 is (z^2 - 1) / sqrt 2: the length of an input
    own = np.maximum(of.square_of_one - of.mean**2, 0) - bound
    rest = np.maximum(of.square - of.mean**2 - kept[..., 1:].sum(axis=2), 0)
    shared = np.vecdot(kept[..., 1:], powers[:, np.newaxis, 1:]) - bound * powers[:, 2:3] + rest * powers[:, -1:]
    variance = np.maximum((1 - 1 / given.batch) * shared + own / given.batch, 0)
    spread: Doubles = np.sqrt(variance / given.width[:, np.newaxis])
    return spread
