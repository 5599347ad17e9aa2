"""Even grids for expectations over a standard normal, of as many digits as spreads and rules of thumb need."""

from functools import lru_cache

import numpy as np

from actdiag.arrays import Doubles

REACH = 8.0
"""Grids go from minus to plus this."""

ENTRIES_AT_ONCE = 2**16
"""Entries of an array over layers, groups and points that are worked on at once, so that they stay in cache."""


@lru_cache(maxsize=8)
def normal_grid(points: int) -> tuple[Doubles, Doubles]:
    """Return points of a standard normal and weights that add up to 1, each of shape (points,).

    An even number of points leaves out 0, where a kink may make it one side or the other.
    """
    z = np.linspace(-REACH, REACH, points)
    weights = np.exp(-np.square(z) / 2)
    return z, weights / weights.sum()
