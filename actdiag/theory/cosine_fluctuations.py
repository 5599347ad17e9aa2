"""The spread of the mean cosine between the inputs of a layer, which finite width and batch cause."""

from functools import lru_cache

import numpy as np

from actdiag.activations import Activation
from actdiag.arrays import Doubles, cut
from actdiag.theory.batches import Batches
from actdiag.theory.grids import ENTRIES_AT_ONCE, normal_grid
from actdiag.theory.tables import tables

_SHARED_POINTS, _OWN_POINTS = 97, 41


def spreads_of_cosine(given: Batches, powers: Doubles) -> Doubles:
    """Return the sd of the mean cosine between inputs, shape (layers,); 0 where there are no pairs.

    The part of a unit's pre-activation that all inputs share is y; the unit adds M^2 - cosine * Q to the sum, M the
    mean of its normalized activations over the inputs and Q that of their squares.
    """
    y, outer = normal_grid(_SHARED_POINTS)
    shared = np.minimum(powers[:, 1], 1)[:, np.newaxis]
    root = np.sqrt(np.vecdot(given.shares, given.q))[:, np.newaxis]
    mean, second = _over_own(given.act, root * np.sqrt(shared) * y, root * np.sqrt(1 - shared))
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


def _over_own(act: Activation, shared: Doubles, own: Doubles) -> tuple[Doubles, Doubles]:
    """Return E f(shared + own z) and E f(shared + own z)^2 over a standard normal z.

    Args:
        act: An elementwise activation.
        shared: Shape (layers, points).
        own: Shape (layers, 1).
    """
    z, weights = normal_grid(_OWN_POINTS)
    sides = tables(act).sides
    if sides is None:
        parts = []
        for some in cut(len(shared), max(ENTRIES_AT_ONCE // (shared.shape[1] * len(z)), 1)):
            f = act.value(shared[some, :, np.newaxis] + own[some, :, np.newaxis] * z)
            parts.append((f @ weights, np.square(f) @ weights))
        first, second = (np.concatenate(part) for part in zip(*parts, strict=True))
        return first, second
    tails = _tails()
    above = tails[:, z.searchsorted(-shared / own)]
    below = tails[:, 0, np.newaxis, np.newaxis] - above
    first, second = np.zeros_like(shared), np.zeros_like(shared)
    for slope, sums in zip(sides, (below, above), strict=True):
        first += slope * (sums[0] * shared + sums[1] * own)
        second += slope**2 * (sums[0] * shared**2 + 2 * sums[1] * shared * own + sums[2] * own**2)
    return first, second


@lru_cache(maxsize=1)
def _tails() -> Doubles:
    """Return the sums of weight * z^n over each point and those above it, and over none: shape (3, points + 1)."""
    z, weights = normal_grid(_OWN_POINTS)
    terms = weights * z ** np.arange(3)[:, np.newaxis]
    return np.pad(terms[:, ::-1].cumsum(axis=1)[:, ::-1], ((0, 0), (0, 1)))
