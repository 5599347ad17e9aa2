"""How evenly the features of the inputs share their scale."""

import numpy as np

from actdiag.arrays import Array
from actdiag.engine.blocks import in_double


def feature_evenness(x: Array) -> float | None:
    """Return how evenly the features share the sum of squares: 1 where all have as much, 0 where one has all.

    With v the mean squares of d features it is ((sum v)^2 / sum v^2 - 1) / (d - 1): the participation ratio, brought to
    [0, 1].

    Args:
        x: Finite inputs, shape (rows, features).

    Returns:
        None for a single feature, and where all are zero.
    """
    squares = np.zeros(x.shape[1])
    largest = float(np.abs(x).max())
    if x.shape[1] < 2 or not largest:
        return None
    for values in in_double(x):
        squares += np.square(values / largest).sum(axis=0)
    share = (float(squares.sum()) ** 2 / float(np.square(squares).sum()) - 1) / (len(squares) - 1)
    return min(max(share, 0.0), 1.0)
