"""A site: one place in a network where something is measured, and all that measuring needs to know of it."""

from dataclasses import dataclass

from actdiag.activations import Activation
from actdiag.formats import NumberFormat


@dataclass(frozen=True, slots=True)
class Site:
    """One place in a network: what makes pre-activations, and the activation that follows it.

    Attributes:
        path: Where it is; in a plain stack the layer's number, from 1.
        kind: The op that makes the pre-activations.
        act: The activation that follows; None where the activations are the pre-activations.
        units: The activations of one input.
        columns: The pre-activations of one input; the op's fan_out.
        fan_in: The inputs to one unit.
        batch: The inputs.
        format: The number format of the arithmetic.
        axis: The axis of the arrays that units lie on.
        in_branch: Whether it is within a residual, so that the signal has a way past it.
    """

    path: str
    kind: str
    act: Activation | None
    units: int
    columns: int
    fan_in: int
    batch: int
    format: NumberFormat
    axis: int = -1
    in_branch: bool = False
