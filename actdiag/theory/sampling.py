"""Samples of activations from which theory predicts the next layer: second moments, and cosines of some pairs."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from actdiag.arrays import Array, Counts, Doubles, cut

GROUPS = 32
"""Groups of inputs of nearly the same second moment: equal steps of its logarithm, from the least to the greatest.

Groups of equal size would mix second moments of different orders of magnitude where a few inputs carry most of it.
"""

PAIRS = 256
"""Pairs of inputs, the same in every layer, whose cosines represent all pairs."""

_ENTRIES_AT_ONCE = 2**14
_LEAST_SQUARES = 1e-290


class InputSample(NamedTuple):
    """A sample of the activations of a layer, or of the input.

    Attributes:
        seconds: Second moments over the units, of groups of inputs, shape (groups,).
        shares: The share of the inputs in each group.
        first: Second moments of one input of each pair, shape (pairs,).
        second: Those of the other.
        cosines: Cosines of the pairs.
        cosine: The mean over all pairs of different inputs.
    """

    seconds: Doubles
    shares: Doubles
    first: Doubles
    second: Doubles
    cosines: Doubles
    cosine: float


def sample_inputs(activations: Array, squares: Doubles, cosine: float | None) -> InputSample | None:
    """Return the sample of a layer; None where the sum of squares of an input overflows or underflows float64.

    Args:
        activations: a, shape (batch, width).
        squares: The sum of squares of each row, shape (batch,).
        cosine: The mean cosine over all pairs of different inputs; None where there is none.
    """
    least, most = float(squares.min()), float(squares.max())
    if not (least >= 0 and most < np.inf):
        return None
    if least < _LEAST_SQUARES and ((squares > 0) & (squares < _LEAST_SQUARES)).any():
        return None
    batch, width = activations.shape
    seconds, shares = _grouped(squares / width)
    one, other = _pairs(batch)
    if least == 0:
        known = (squares[one] > 0) & (squares[other] > 0)
        one, other = one[known], other[known]
    if cosine is None or not len(one):
        none = np.empty(0)
        return InputSample(seconds, shares, none, none, none, 0.0)
    products = np.empty(len(one))
    rows = max(_ENTRIES_AT_ONCE // width, 1)  # a few at a time, so that memory is reused
    for some in cut(len(one), rows):
        both = (activations.take(rows_of[some], axis=0).astype(float) for rows_of in (one, other))
        products[some] = np.vecdot(*both)
    first, second = squares[one], squares[other]
    cosines = np.clip(products / np.sqrt(first) / np.sqrt(second), -1, 1)
    return InputSample(seconds, shares, first / width, second / width, cosines, cosine)


def _grouped(seconds: Doubles) -> tuple[Doubles, Doubles]:
    """Return the mean of each group of second moments, and its share of all."""
    known = seconds if seconds.all() else seconds[seconds > 0]
    none = len(seconds) - len(known)
    if not len(known):
        return np.zeros(1), np.ones(1)
    place = np.log(known)
    place -= place.min()
    step = float(place.max()) / GROUPS
    if step:
        place /= step
    np.minimum(place, GROUPS - 1, out=place)
    group = place.astype(np.intp)
    sizes, sums = np.bincount(group), np.bincount(group, weights=known)
    some = sizes > 0
    values, counts = sums[some] / sizes[some], sizes[some]
    if none:
        values, counts = np.insert(values, 0, 0.0), np.insert(counts, 0, none)
    return values, counts / len(seconds)


@lru_cache(maxsize=8)
def _pairs(batch: int) -> tuple[Counts, Counts]:
    """Return the indices of different pairs of inputs, far apart in the batch."""
    one: list[int] = []
    other: list[int] = []
    for distance in range(batch // 2, 0, -1):
        starts = np.arange(batch // 2 if 2 * distance == batch else batch)
        wanted = min(PAIRS - len(one), len(starts))
        chosen = starts[np.arange(wanted) * len(starts) // max(wanted, 1)]
        one += chosen.tolist()
        other += ((chosen + distance) % batch).tolist()
        if len(one) >= PAIRS:
            break
    return np.array(one, dtype=np.int64), np.array(other, dtype=np.int64)
