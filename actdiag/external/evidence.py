"""What the tools look at: numbers of every layer from one training step."""

from dataclasses import dataclass
from math import inf, nan
from typing import Literal

import numpy as np

from actdiag.activations import Activation, traits

Kind = Literal["rectifier", "tanh", "sigmoid", "other"]
"""What an activation is to rules that concern only some."""


_POINTS = np.linspace(-4, 4, 33)
_BELOW = np.array([0.1, 1.0, 10.0, 100.0])


@dataclass(frozen=True, slots=True)
class LayerEvidence:
    """What the tools look at in one layer. Numbers are NaN where there is nothing finite to take them of.

    Attributes:
        layer: The layer's number, from 1.
        input_variance: Of the finite pre-activations, over batch and units together.
        output_variance: Of the finite activations, likewise.
        zero_fraction: Activations that are exactly zero.
        nonpositive_fraction: Activations at or under zero.
        near_zero_fraction: Activations under `torchmortem.NEAR_ZERO` in size.
        near_one_fraction: Activations over `torchmortem.NEAR_ONE` in size.
        far_fraction: Pre-activations at or beyond `deepdiagnosis.FAR` in size.
        inactive_fraction: Units whose activation is other than zero for under `sagemaker.ACTIVITY` of the inputs.
        saturated_fraction: Units whose pre-activation is within `sagemaker.UNSATURATED` for under
            `sagemaker.ACTIVITY` of the inputs; NaN for activations that have no such bounds.
        nonfinite_fraction: Entries that are NaN or infinite, the greatest share among those of z, a and dL/dW.
        weight_norm: Norm of W.
        gradient_norm: Norm of dL/dW; NaN where an entry is not finite.
        gradient_nonfinite_fraction: Entries of dL/dW that are NaN or infinite.
        gradient_mean: Mean of |dL/dW|.
        gradient_width: From the 5th to the 95th percentile of the entries of dL/dW.
        gradient_zeros: How many entries of dL/dW and dL/db are exactly zero.
        gradient_entries: How many there are.
    """

    layer: int
    input_variance: float
    output_variance: float
    zero_fraction: float
    nonpositive_fraction: float
    near_zero_fraction: float
    near_one_fraction: float
    far_fraction: float
    inactive_fraction: float
    saturated_fraction: float
    nonfinite_fraction: float
    weight_norm: float
    gradient_norm: float
    gradient_nonfinite_fraction: float
    gradient_mean: float
    gradient_width: float
    gradient_zeros: int
    gradient_entries: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the tools look at in one training step.

    Attributes:
        kind: What the activation of the layers is.
        layers: Layer 1 first.
        learning_rate: That of the step, which is plain gradient descent.
    """

    kind: Kind
    layers: tuple[LayerEvidence, ...]
    learning_rate: float

    def values(self, field: str) -> dict[int, float]:
        """Return a field of every layer."""
        return {seen.layer: float(getattr(seen, field)) for seen in self.layers}

    def update_ratios(self, epsilon: float = 0.0) -> dict[int, float]:
        """Return the norm of every layer's update over that of its weights, to which `epsilon` is added."""
        return {
            seen.layer: quotient(self.learning_rate * seen.gradient_norm, seen.weight_norm + epsilon)
            for seen in self.layers
        }


def quotient(part: float, whole: float) -> float:
    """Return part/whole as floating-point arithmetic has it: inf over zero, NaN of zero over zero."""
    if whole:
        return part / whole
    return inf if part > 0 else nan


def kind_of(act: Activation) -> Kind:
    """Return what an activation is to the tools, which go by the name of its layer; here it goes by its values.

    Rules on ReLU layers hold for whatever is exactly zero below some point, never negative and not level above. Those
    on tanh and sigmoid layers hold for these two alone, for their bounds are made for them.
    """
    if act.derivative is None:
        return "other"
    with np.errstate(all="ignore"):
        if act.bounds == (-1.0, 1.0) and np.allclose(act.value(_POINTS), np.tanh(_POINTS), rtol=1e-12):
            return "tanh"
        if act.bounds == (0.0, 1.0) and np.allclose(act.value(_POINTS), 1 / (1 + np.exp(-_POINTS)), rtol=1e-12):
            return "sigmoid"
        edge = traits(act).dead_below
        if edge is None or act.saturates in ("below", "both") or act.bounds[0] < 0:
            return "other"
        return "other" if act.value(edge - _BELOW).any() else "rectifier"
