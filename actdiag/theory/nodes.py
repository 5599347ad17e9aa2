"""Nodes of a network as moment maps see them: expectations of their activation, their weights, their values."""

from functools import lru_cache
from math import nan
from typing import NamedTuple

import numpy as np

from actdiag.activations import Activation
from actdiag.arrays import Doubles
from actdiag.model.blocks import Node
from actdiag.model.stack import Stack
from actdiag.ops.entry import Signal, Weights
from actdiag.theory.pairs import pair_cosines
from actdiag.theory.shifting import shifted_activation
from actdiag.theory.tables import Tables, tables

MOST_FOLD = 100.0
"""A predicted spread is at most so many times the value."""

STEP = 0.05
"""Of ln q, over which derivatives are taken."""

LINEAR = Activation(
    name="linear",
    value=np.copy,
    derivative=np.ones_like,
    formula="x",
    source="what stands where no activation follows",
)


class Expectations:
    """Gaussian expectations of an activation about a mean, from the tables: `ops.entry.Integrals`."""

    def __init__(self, at: Tables) -> None:
        self._at = at

    def mean(self, q: float) -> float:
        """Return E f."""
        return float(self._at.curves(np.array([q])).mean[0])

    def second(self, q: float) -> float:
        """Return E f^2."""
        return self._at.second(q)

    def slope(self, q: float) -> float:
        """Return E f'^2."""
        return float(self._at.curves(np.array([q])).slope[0])

    def cosine(self, q: float, c: float) -> float:
        """Return E f(u) f(v) / E f^2 for two pre-activations of correlation `c`."""
        return nan if c != c else float(pair_cosines(self._at, np.array([q]), np.array([q]), np.array([c]))[0])


@lru_cache(maxsize=256)
def expectations(act: Activation, mean: float) -> Expectations:
    """Return the expectations of an activation over pre-activations of that mean."""
    return Expectations(tables(shifted_activation(act, mean)))


class PredictedValue(NamedTuple):
    """A value as theory has it in one run.

    Attributes:
        signal: Its moments.
        sources: How the logarithm of its second moment deviates, shape (nodes,).
        cosine_sd: How far its mean cosine deviates.
        scatter: The sd of the cosine over pairs of inputs.
    """

    signal: Signal
    sources: Doubles
    cosine_sd: float
    scatter: float


def weights_of(stack: Stack, number: int, node: Node) -> Weights | None:
    """Return the moments of a node's weights and biases."""
    if node.draw is None:
        return None
    mean, std = stack.bias_spread(number)
    variance = stack.weight_std(number) ** 2
    return Weights(node.site.fan_in * variance, node.site.columns * variance, mean, std**2, node.draw)
