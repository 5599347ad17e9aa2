"""The dense op: z = x @ w + b."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan
from typing import ClassVar

import numpy as np

from actdiag.arrays import Array
from actdiag.errors import check_integer
from actdiag.ops.entry import Known, Layout, Op, Parameters, Signal, register

MOST_UNITS = 10_000_000


@register
@dataclass(frozen=True, slots=True)
class Dense(Op):
    """A layer of weights that every unit has for every input.

    Attributes:
        width: The units; None for as many as there are inputs to a unit.
    """

    width: int | None = None

    kind: ClassVar[str] = "dense"
    draws: ClassVar[bool] = True
    needs_inputs: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Check the width.

        Raises:
            InvalidField: It is no width.
        """
        if self.width is not None:
            object.__setattr__(self, "width", check_integer("width", self.width, 1, MOST_UNITS))

    def lay(self, layout: Layout) -> None:
        """Add the op to a network."""
        layout.append(self, layout.units if self.width is None else self.width, path=layout.next_path())

    def forward(self, inputs: Sequence[Array], parameters: Parameters | None, out: Array) -> None:
        """Fill `out`, shape (rows, fan_out), with x @ w + b."""
        assert parameters is not None
        np.matmul(inputs[0], parameters.weights, out=out)
        if parameters.biases is not None:
            out += parameters.biases

    def backward(
        self, which: int, d_out: Array, inputs: Sequence[Array | None], parameters: Parameters | None, out: Array
    ) -> None:
        """Fill `out`, shape (rows, fan_in), with dL/dx = dL/dz @ w^T."""
        assert parameters is not None
        np.matmul(d_out, parameters.weights.T, out=out)

    def weight_gradient(self, rows: slice, inputs: Array, d_out: Array, out: Array) -> None:
        """Fill `out`, shape (rows, fan_out), with rows of x^T @ dL/dz."""
        np.matmul(inputs[:, rows].T, d_out, out=out)

    def parameter_gradients(self, inputs: Array, d_out: Array) -> list[Array]:
        """Return x^T @ dL/dz and the sum of dL/dz over the batch."""
        return [inputs.T @ d_out, d_out.sum(axis=0)]

    def predict(self, incoming: Sequence[Signal], known: Known) -> Signal | str:
        """Return the moments of z: Gaussian, of second moment sigma_w^2 q + sigma_b^2 about the mean of the biases.

        Source: Poole et al. 2016, arXiv:1606.05340.
        """
        (read,), weights = incoming, known.weights
        assert weights is not None
        carried, mean = weights.forward * read.second, weights.bias_mean
        shared = weights.bias_variance + mean**2
        second = carried + shared
        cosine = (carried * read.cosine + shared) / second if second else nan
        return Signal(second, mean, cosine, gaussian=True, draw=weights.draw)

    def predict_gradient(self, which: int, incoming: Sequence[Signal], known: Known) -> float | str:
        """Return fan_out Var(w), the weights being taken as independent of those of the forward pass.

        Source: Schoenholz et al. 2017, arXiv:1611.01232.
        """
        assert known.weights is not None
        return known.weights.backward


def dense(width: int | None = None) -> Dense:
    """Return a dense op.

    Args:
        width: The units; as many as it has inputs where None.

    Raises:
        InvalidField: The width is no whole number from 1 on.

    Example:
        >>> dense(100)
        Dense(width=100)
    """
    return Dense(width)
