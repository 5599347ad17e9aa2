"""What starts the backward pass: the losses, their readout, and dL/da at the last layer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

from actdiag.arrays import Array, Counts, Doubles, Numbers, digest
from actdiag.datasets.inputs import checked_labels, checked_targets
from actdiag.datasets.random_inputs import random_labels, random_rows
from actdiag.engine.parameters import fit_scale
from actdiag.engine.workers import Workers
from actdiag.errors import InvalidField, check_choice, check_integer
from actdiag.initializers.draws import draw_normal
from actdiag.model.stack import Stack
from actdiag.options import LossOptions
from actdiag.streams import Stream, stream

LOSSES = ("random", "mse", "cross-entropy")
DEFAULT_CLASSES = 10
MOST_CLASSES = 1_000_000


@dataclass(frozen=True, slots=True)
class Loss:
    """A loss on the last layer's activations.

    Attributes:
        name: `random`, the mean over the batch of <g_i, a_i> with g ~ N(0, I) and no readout: the pure signal;
            `mse`, the mean over batch and classes of (readout - one-hot)^2; `cross-entropy`, the mean over the batch.
        classes: How many classes the readout of `mse` and `cross-entropy` has.
        labels: A class for each input, shape (rows,) with rows >= batch, or a target in float; None to draw classes
            from the seed.
    """

    name: str = LossOptions.loss
    classes: int = DEFAULT_CLASSES
    labels: Numbers | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Check name and classes, and that labels have a use.

        Raises:
            InvalidField: A field holds something that is not accepted.
        """
        object.__setattr__(self, "name", check_choice("loss", self.name, LOSSES))
        # One class has no cross-entropy: the readout is right whatever it says, and the gradient zero.
        least = 2 if self.name == "cross-entropy" else 1
        object.__setattr__(self, "classes", check_integer("classes", self.classes, least, MOST_CLASSES))
        if self.labels is not None and self.name == "random":
            raise InvalidField(field="labels", problem="must come with loss mse or cross-entropy, got loss random")

    @property
    def labels_digest(self) -> str | None:
        """A SHA-256 of the labels' dtype, shape and entries; None without labels."""
        return None if self.labels is None else digest(self.labels)

    def __eq__(self, other: object) -> bool:
        """Whether another loss holds the same, labels included."""
        if not isinstance(other, Loss):
            return NotImplemented
        same = (self.name, self.classes) == (other.name, other.classes)
        return same and (self.labels is other.labels or self.labels_digest == other.labels_digest)

    def __hash__(self) -> int:
        """The hash of all that is compared."""
        return hash((self.name, self.classes, self.labels_digest))


def readout(stack: Stack, loss: Loss, top: Array, workers: Workers) -> tuple[Array, Array | None]:
    """Return weights (width, classes) and biases (classes,) of the linear readout, by the initializer without gain.

    Of given weights it is the one that is given for so many classes, else Lecun's.
    """
    rng = stream(stack.seed, Stream.READOUT)
    fan_in = stack.widths[-1]
    if stack.weights is not None:
        given = stack.weights.readout
        if given is not None and given[0].shape == (fan_in, loss.classes):
            return given[0].astype(stack.dtype), given[1].astype(stack.dtype)
        return draw_normal(rng, (fan_in, loss.classes), stack.dtype) / np.sqrt(fan_in, dtype=stack.dtype), None
    weights = stack.init.sample(rng, fan_in, loss.classes, stack.dtype)
    if stack.init.fits_batch:
        weights *= fit_scale(weights, None, top, stack.row_blocks(), workers)
    sample_bias = stack.init.sample_bias
    return weights, None if sample_bias is None else sample_bias(rng, fan_in, loss.classes, stack.dtype)


def labels_of(stack: Stack, loss: Loss) -> Counts | Doubles | None:
    """Return the class or the target of each input, shape (batch,); None where the loss needs none.

    Raises:
        InvalidField: The labels given are not labels, or do not cover the batch.
    """
    if loss.name == "random":
        return None
    if loss.labels is None:
        return random_labels(stack.seed, stack.batch, loss.classes)
    if loss.labels.dtype.kind == "f":
        return checked_targets(loss.labels, stack.batch)
    return checked_labels(loss.labels, stack.batch, loss.classes)


def loss_and_gradient(stack: Stack, loss: Loss, top: Array, workers: Workers) -> tuple[float, Array]:
    """Return the loss and dL/da at the last layer.

    Args:
        stack: The stack that was run.
        loss: The loss.
        top: a of the last layer, shape (batch, width).
        workers: Where blocks of rows run.
    """
    labels = labels_of(stack, loss)
    if labels is None:
        shape = (stack.batch, stack.widths[-1])
        target = random_rows(Stream.TARGET, "normal", stack.seed, shape, stack.dtype, workers.map)
    else:
        weights, biases = readout(stack, loss, top, workers)
    d_top = np.empty_like(top)

    def one_block(rows: slice) -> float:
        if labels is None:
            d_top[rows] = target[rows] / stack.batch
            return float(np.einsum("ij,ij->", target[rows], top[rows], dtype=np.float64)) / stack.batch
        y = top[rows] @ weights
        if biases is not None:
            y += biases
        value, d_y = LABELLED[loss.name](y, labels[rows], stack.batch)
        d_top[rows] = d_y @ weights.T
        return value

    return sum(workers.map(one_block, stack.row_blocks())), d_top


def mse(y: Array, labels: Counts | Doubles, batch: int) -> tuple[float, Array]:
    """Return the sum over the rows of the mean squared error, over `batch`, and its gradient.

    Args:
        y: What the readout says, shape (rows, classes); of regression shape (rows, 1).
        labels: The class of each row, shape (rows,), whose one-hot row is the target; of regression the target itself,
            a float.
        batch: The rows that the mean is over, of which these may be a part.
    """
    error = y.copy()
    if labels.dtype.kind == "f":
        error -= labels.reshape(-1, 1)
    else:
        error[np.arange(len(y)), labels] -= 1
    entries = batch * y.shape[1]
    value = float(np.einsum("ij,ij->", error, error, dtype=np.float64)) / entries
    error *= 2 / entries
    return value, error


def cross_entropy(y: Array, labels: Counts, batch: int) -> tuple[float, Array]:
    """Return the sum over the rows of the softmax cross-entropy, over `batch`, and its gradient.

    Args:
        y: What the readout says, shape (rows, classes).
        labels: The class of each row, shape (rows,).
        batch: The rows that the mean is over, of which these may be a part.
    """
    shifted = y - y.max(axis=1, keepdims=True)
    d_y = np.exp(shifted)
    total = d_y.sum(axis=1, keepdims=True)
    rows = np.arange(len(y))
    value = float((np.log(total[:, 0]) - shifted[rows, labels]).sum(dtype=np.float64)) / batch
    d_y /= total
    d_y[rows, labels] -= 1
    d_y /= batch
    return value, d_y


LABELLED: Mapping[str, Callable[[Array, Any, int], tuple[float, Array]]] = MappingProxyType(
    {"mse": mse, "cross-entropy": cross_entropy}
)
"""The losses of labels, by name."""
