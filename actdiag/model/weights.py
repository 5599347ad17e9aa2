"""Weights and biases that are given, in place of those that an initializer draws."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import NamedTuple, NoReturn

import numpy as np

from actdiag.arrays import Array, digest
from actdiag.errors import InvalidField
from actdiag.initializers import Initializer


class Spread(NamedTuple):
    """What is known of a layer's given parameters.

    Attributes:
        fan_in: The inputs of a unit.
        columns: The pre-activations.
        weight_std: The std of the weights.
        bias_mean: The mean of the biases.
        bias_std: Their std.
    """

    fan_in: int
    columns: int
    weight_std: float
    bias_mean: float
    bias_std: float


@dataclass(frozen=True, slots=True)
class Weights:
    """The parameters of a stack's layers.

    Two are equal where their names are and their arrays are, which are compared by digest.

    Attributes:
        name: What they are called: the file that they are from.
        spreads: What is known of each layer, layer 1 first.
        digest: A SHA-256 of all arrays.
        layers: The weights, shape (fan_in, columns), and the biases, shape (columns,), of each layer; empty where there
            is only the record of a document.
        readout: The weights and biases of a readout; None where there is none.
        readout_std: The std of the readout's weights; likewise.
    """

    name: str
    spreads: tuple[Spread, ...]
    digest: str
    layers: tuple[tuple[Array, Array], ...] = field(default=(), compare=False, repr=False)
    readout: tuple[Array, Array] | None = field(default=None, compare=False, repr=False)
    readout_std: float | None = None

    def layer(self, number: int) -> tuple[Array, Array]:
        """Return the weights and the biases of a layer, from 1.

        Raises:
            InvalidField: There is only their record.
        """
        if not self.layers:
            problem = f"must be given again: of the weights of {self.name} a document has the digest"
            raise InvalidField(field="weights", problem=problem)
        return self.layers[number - 1]


def weights_of(name: str, layers: Sequence[tuple[Array, Array]], readout: tuple[Array, Array] | None = None) -> Weights:
    """Return weights and biases of layers, layer 1 first, as Weights.

    Args:
        name: What they are called.
        layers: The weights, shape (fan_in, columns), and the biases, shape (columns,), of each layer, finite.
        readout: Those of a readout.
    """
    arrays = [array for pair in (*layers, *([readout] if readout else [])) for array in pair]
    whole = sha256("".join(map(digest, arrays)).encode()).hexdigest()
    std = None if readout is None else float(np.std(readout[0], dtype=np.float64))
    return Weights(name, tuple(_spread(*pair) for pair in layers), whole, tuple(layers), readout, std)


def _spread(weights: Array, biases: Array) -> Spread:
    fan_in, columns = weights.shape
    mean, std = float(np.mean(biases, dtype=np.float64)), float(np.std(biases, dtype=np.float64))
    return Spread(fan_in, columns, float(np.sqrt(np.mean(np.square(weights, dtype=np.float64)))), mean, std)


def _draw(rng: np.random.Generator, fan_in: int, fan_out: int, dtype: str) -> NoReturn:
    raise InvalidField(field="weights", problem="must be given: no initializer draws them")


def _variance(fan_in: int, fan_out: int) -> float:
    return 1 / fan_in if fan_in else math.nan


GIVEN = Initializer(
    name="given",
    sample=_draw,
    variance=_variance,
    distribution="as given",
    source="the user",
    mean_field=False,
    family="fixed",
)
"""What stands for the initializer of a stack whose weights are given; a readout has the variance of Lecun's."""
