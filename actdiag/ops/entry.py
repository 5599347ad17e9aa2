"""What an op is: one entry with all that is known of it, to lay it out, run it, differentiate it and predict it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar, NamedTuple, Protocol, TypeVar

from actdiag.activations import Activation
from actdiag.arrays import Array

Concrete = TypeVar("Concrete", bound="Op")


class Parameters(NamedTuple):
    """What an op has drawn: w, shape (fan_in, fan_out), and b, shape (fan_out,), None where all are zero."""

    weights: Array
    biases: Array | None


class Layout(Protocol):
    """A network while its ops are laid out, one after the other.

    Attributes:
        units: The entries of one input that the next op takes.
        value: What the next op reads: the output of the op before it.
    """

    units: int
    value: Any

    def append(self, op: "Op", units: int, *, path: str, reads: Sequence[Any] = (), fan_in: int | None = None) -> None:
        """Add a node that `op` makes the pre-activations of.

        Args:
            op: The op.
            units: The pre-activations of one input.
            path: Where it is.
            reads: The values that it reads; `value` by default.
            fan_in: The inputs to one unit; the entries of the value that it reads by default.
        """

    def activate(self, act: Activation | None) -> None:
        """Let an activation follow, the stack's own where it is None."""

    def next_path(self) -> str:
        """Return the path of what comes next at this level."""

    def inside(self, path: str, part: str) -> AbstractContextManager[None]:
        """Count what is laid out within as a part of what is at `path`."""


OPS: dict[str, type["Op"]] = {}
"""The ops that networks are made of, by kind."""


def register(op: type["Concrete"]) -> type["Concrete"]:
    """Add an op to the catalogue, from which documents read it back."""
    OPS[op.kind] = op
    return op


class Signal(NamedTuple):
    """The moments of a value, its network's weights being random.

    Attributes:
        second: The second moment of an entry.
        mean: The mean of an entry.
        cosine: The cosine between the values of two different inputs; NaN where there is one input alone.
        gaussian: Whether entries are Gaussian over the weights.
        draw: The number of the last op with weights that the value depends on; 0 for the input.
    """

    second: float
    mean: float
    cosine: float
    gaussian: bool
    draw: int


class Weights(NamedTuple):
    """The moments of an op's weights and biases, as they are drawn.

    Attributes:
        forward: fan_in times the variance of a weight.
        backward: fan_out times the variance of a weight.
        bias_mean: The mean of a bias.
        bias_variance: Its variance.
        draw: The op's number among those that draw weights, from 1.
    """

    forward: float
    backward: float
    bias_mean: float
    bias_variance: float
    draw: int


class Integrals(Protocol):
    """Expectations of one activation over Gaussian pre-activations of a mean and a second moment `q` about it."""

    def mean(self, q: float) -> float:
        """Return E f."""

    def second(self, q: float) -> float:
        """Return E f^2."""

    def slope(self, q: float) -> float:
        """Return E f'^2."""

    def cosine(self, q: float, c: float) -> float:
        """Return E f(u) f(v) / E f^2 for two pre-activations of correlation `c` about the mean."""


class Known(NamedTuple):
    """What a moment map may need beside the signals that come in.

    Attributes:
        weights: Of the op's own weights; None for an op without.
        integrals: (activation, mean of the pre-activations) to expectations over them.
    """

    weights: Weights | None
    integrals: "Callable[[Activation, float], Integrals]"


class Op(ABC):
    """One operation of a network. Entries are frozen dataclasses: they compare, pickle and print by their parameters.

    Arrays have a row for each input, shape (rows, units).

    Attributes:
        kind: What it is called.
        draws: Whether it has weights that an initializer draws.
        needs_inputs: Whether its gradients need the values that it reads.
        needs_batch: Whether an output depends on other inputs than its own, so that the whole batch must be there.
    """

    __slots__ = ()

    kind: ClassVar[str]
    draws: ClassVar[bool] = False
    needs_inputs: ClassVar[bool] = False
    needs_batch: ClassVar[bool] = False

    @abstractmethod
    def lay(self, layout: Layout) -> None:
        """Add the op to a network."""

    def forward(self, inputs: Sequence[Array], parameters: Parameters | None, out: Array) -> None:
        """Fill `out`, shape (rows, units), with the op's output on rows of the values that it reads."""
        raise NotImplementedError

    def backward(
        self, which: int, d_out: Array, inputs: Sequence[Array | None], parameters: Parameters | None, out: Array
    ) -> None:
        """Fill `out` with the gradient at one of the values that the op reads, given that at its output.

        Args:
            which: The position of that value among those read.
            d_out: dL/doutput, shape (rows, units).
            inputs: The values read; each None where the op does not need them.
            parameters: What the op has drawn.
            out: Where the gradient goes, shaped like the value.
        """
        raise NotImplementedError

    def weight_gradient(self, rows: slice, inputs: Array, d_out: Array, out: Array) -> None:
        """Fill `out`, shape (rows, fan_out), with rows of dL/dw.

        Args:
            rows: Which rows of w.
            inputs: The value read, shape (batch, fan_in).
            d_out: dL/doutput, shape (batch, fan_out).
            out: Where they go.
        """
        raise NotImplementedError

    def parameter_gradients(self, inputs: Array, d_out: Array) -> list[Array]:
        """Return dL/dw and dL/db over a batch."""
        raise NotImplementedError

    def gradient_factor(self, which: int) -> float:
        """Return what an op without weights multiplies the second moment of the gradient with, on the way to a value.

        Of an op that draws weights it follows from them.

        Args:
            which: The position of that value among those read.
        """
        raise NotImplementedError

    def predict(self, incoming: Sequence[Signal], known: Known) -> Signal | str:
        """Return the moments of the output from those of the values read; in words why not, where none apply."""
        return f"no moment map is known of {self.kind}"

    def predict_gradient(self, which: int, incoming: Sequence[Signal], known: Known) -> float | str:
        """Return what the second moment of the gradient is multiplied with on the way to one of the values read."""
        return f"no moment map is known of {self.kind}"
