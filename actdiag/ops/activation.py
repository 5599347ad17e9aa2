"""The activation op: a = f(z)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from actdiag import activations
from actdiag.activations import Activation
from actdiag.arrays import Array, cut
from actdiag.ops.entry import Known, Layout, Op, Signal, register

_ENTRIES_AT_ONCE = 2**14
"""What functions are mapped over at once: their results are fresh memory, which the system hands out from some size on
page by page."""


@register
@dataclass(frozen=True, slots=True)
class Activate(Op):
    """An activation.

    Attributes:
        act: The activation; None for the one that the stack is given.
    """

    act: Activation | None = None

    kind: ClassVar[str] = "activation"

    def lay(self, layout: Layout) -> None:
        """Add the op to a network."""
        layout.activate(self.act)

    def predict(self, incoming: Sequence[Signal], known: Known) -> Signal | str:
        """Return the moments of f over Gaussian pre-activations.

        Source: Poole et al. 2016, arXiv:1606.05340; Daniely, Frostig & Singer 2016, arXiv:1602.05897.
        """
        (z,), act = incoming, self.act
        assert act is not None
        why_not = _why_not(act, z)
        if why_not:
            return why_not
        q = z.second - z.mean**2
        about = known.integrals(act, z.mean)
        c = (z.cosine * z.second - z.mean**2) / q if q > 0 else 1.0
        return Signal(about.second(q), about.mean(q), about.cosine(q, c), gaussian=False, draw=z.draw)

    def predict_gradient(self, which: int, incoming: Sequence[Signal], known: Known) -> float | str:
        """Return E f'^2 over Gaussian pre-activations.

        Source: Schoenholz et al. 2017, arXiv:1611.01232.
        """
        (z,), act = incoming, self.act
        assert act is not None
        return _why_not(act, z) or known.integrals(act, z.mean).slope(z.second - z.mean**2)


def _why_not(act: Activation, z: Signal) -> str:
    """Return why moments of an activation do not follow from those of its pre-activations; nothing where they do."""
    if act.derivative is None:
        return f"a unit of {act.name} looks at several pre-activations"
    return "" if z.gaussian else f"what {act.name} is applied to is not Gaussian"


def apply(act: Activation, z: Array, a: Array) -> None:
    """Fill `a`, shape (rows, units), with the activations of `z`, shape (rows, pieces * units)."""
    for rows in cut(len(z), max(1, _ENTRIES_AT_ONCE // z.shape[1])):
        a[rows] = act.value(z[rows])


def pull_back(act: Activation, z: Array, d_a: Array, d_z: Array) -> None:
    """Fill `d_z`, shaped like `z`, with dL/dz given dL/da, shape (rows, units)."""
    for rows in cut(len(z), max(1, _ENTRIES_AT_ONCE // z.shape[1])):
        d_z[rows] = act.pull_back(z[rows], d_a[rows])


def activation(act: str | Activation | None = None) -> Activate:
    """Return an activation op.

    Args:
        act: An activation's name, with parameters (`leaky_relu:0.2`), or an Activation; None for the stack's own.

    Raises:
        InvalidField: There is no such activation.

    Example:
        >>> activation("tanh").act.name
        'tanh'
    """
    return Activate(None if act is None else activations.resolve(act))


@dataclass(frozen=True, slots=True)
class Copy(Op):
    """What an activation reads that follows no op of its own: its input, as it is."""

    kind: ClassVar[str] = "activation"

    def lay(self, layout: Layout) -> None:
        """Add the op to a network."""
        layout.append(self, layout.units, path=layout.next_path())

    def forward(self, inputs: Sequence[Array], parameters: object, out: Array) -> None:
        """Fill `out` with the input."""
        out[...] = inputs[0]

    def backward(
        self, which: int, d_out: Array, inputs: Sequence[Array | None], parameters: object, out: Array
    ) -> None:
        """Fill `out` with the gradient at the output."""
        out[...] = d_out

    def gradient_factor(self, which: int) -> float:
        """Return 1."""
        return 1.0

    def predict(self, incoming: Sequence[Signal], known: Known) -> Signal | str:
        """Return the moments of the input."""
        return incoming[0]

    def predict_gradient(self, which: int, incoming: Sequence[Signal], known: Known) -> float | str:
        """Return the factor of the gradient."""
        return self.gradient_factor(which)
