"""Directions of rows, and the mean cosine between them, whatever their lengths."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from actdiag.arrays import Array, Doubles
from actdiag.engine.blocks import in_double
from actdiag.measure.pooled import LEAST_SQUARE, MOST_SQUARE


@dataclass(slots=True, eq=False, repr=False)
class Directions:
    """The sum of some rows' unit vectors, shape (units,), and how many rows have one (finite and not zero).

    Attributes:
        total: The sum of unit vectors.
        count: How many there are.
        parts: The sums of squares of all the rows, in pieces in their order.
    """

    total: Doubles
    count: int = 0
    parts: list[Doubles] = field(default_factory=list)

    def add(self, values: Doubles) -> None:
        """Add the directions of the rows of `values`, shape (rows, units)."""
        squares = np.vecdot(values, values)
        if not (squares.min() > LEAST_SQUARE and squares.max() < MOST_SQUARE):
            largest = np.abs(values).max(axis=1, keepdims=True)
            usable = np.isfinite(largest[:, 0]) & (largest[:, 0] > 0)
            values = values[usable] / largest[usable]
            self.parts.append(squares)
            squares = np.vecdot(values, values)
        else:
            self.parts.append(squares)
        self.total += (1 / np.sqrt(squares)) @ values
        self.count += len(values)


def directions(x: Array) -> Directions:
    """Return the sum of the directions of the rows of `x`, shape (rows, units)."""
    found = Directions(np.zeros(x.shape[1]))
    for values in in_double(x):
        found.add(values)
    return found


def squares_of(parts: Sequence[Directions]) -> Doubles:
    """Return the sum of squares of each row, shape (rows,)."""
    return np.concatenate([squares for part in parts for squares in part.parts])


def mean_cosine(parts: Sequence[Directions]) -> float | None:
    """Return the mean cosine over ordered pairs of different rows; None where under two rows have a direction."""
    count = sum(part.count for part in parts)
    if count < 2:
        return None
    total = parts[0].total
    for part in parts[1:]:
        total = total + part.total
    cosine = (float(np.dot(total, total)) - count) / (count * (count - 1))
    return min(max(cosine, -1.0), 1.0)
