"""The pre-activations of layers as spreads are computed from: second moments, correlations, width and batch."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from actdiag.activations import Activation
from actdiag.arrays import Doubles

ORDERS = 24
"""Hermite orders, and powers of the correlation, that spreads are summed over one by one."""


class Batch(NamedTuple):
    """The pre-activations of one layer.

    Attributes:
        act: The activation.
        q: Second moments of groups of inputs, shape (groups,).
        shares: The share of the inputs in each group.
        c: Correlations between pairs of inputs, shape (pairs,).
        width: The number of units.
        batch: The number of inputs.
        loose: The share of the variance of an input's second moment that the weights leave free: 1 where they are
            independent, 0 where they are orthogonal and preserve every length.
    """

    act: Activation
    q: Doubles
    shares: Doubles
    c: Doubles
    width: int
    batch: int
    loose: float = 1.0


class Batches(NamedTuple):
    """The pre-activations of several layers.

    Attributes:
        act: The activation.
        q: Second moments of groups of inputs, shape (layers, groups).
        shares: The share of the inputs in each group; padded with 0.
        c: Correlations between pairs of inputs, shape (layers, pairs); padded with NaN.
        width: The number of units, shape (layers,).
        batch: The number of inputs.
        loose: As in `Batch`, shape (layers,).
        powers: What `mean_powers` returns for c, where that is known.
    """

    act: Activation
    q: Doubles
    shares: Doubles
    c: Doubles
    width: Doubles
    batch: int
    loose: Doubles
    powers: Doubles | None = None

    def of(self, layers: slice) -> "Batches":
        """Return some of the layers."""
        return self._replace(
            q=self.q[layers],
            shares=self.shares[layers],
            c=self.c[layers],
            width=self.width[layers],
            loose=self.loose[layers],
        )

    def one(self, layer: int) -> Batch:
        """Return one of the layers, without padding."""
        c = self.c[layer]
        width, loose = int(self.width[layer]), float(self.loose[layer])
        return Batch(self.act, self.q[layer], self.shares[layer], c[~np.isnan(c)], width, self.batch, loose)


def together(parts: Sequence[Batches]) -> Batches:
    """Return the layers of several Batches of one activation, batch and number of groups as one."""
    if len(parts) == 1:
        return parts[0]
    return parts[0]._replace(
        q=np.concatenate([part.q for part in parts]),
        shares=np.concatenate([part.shares for part in parts]),
        c=np.concatenate([part.c[:, :1] for part in parts]),  # to tell whether there are pairs
        width=np.concatenate([part.width for part in parts]),
        loose=np.concatenate([part.loose for part in parts]),
        powers=np.concatenate([mean_powers(part.c) for part in parts]),
    )


def alone(given: Batch) -> Batches:
    """Return one layer as Batches."""
    q, shares, c = (part[np.newaxis] for part in (given.q, given.shares, given.c))
    return Batches(given.act, q, shares, c, np.array([float(given.width)]), given.batch, np.array([given.loose]))


def mean_powers(c: Doubles) -> Doubles:
    """Return the mean k-th power of the correlations c, shape (layers, pairs), at least 0: shape (layers, orders)."""
    known = ~np.isnan(c)
    count = np.count_nonzero(known, axis=1)
    one = np.where(known, c, 0)
    power, sums = one.copy(), np.ones((len(c), ORDERS))
    for order in range(1, ORDERS):
        sums[:, order] = power.sum(axis=1)
        power *= one
    means: Doubles = np.maximum(sums / np.maximum(count, 1)[:, np.newaxis], 0)
    means[:, 0] = 1
    means[count == 0] = 1
    return means
