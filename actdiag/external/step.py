"""The statistics of one training step that the tools look at."""

from dataclasses import dataclass
from functools import lru_cache
from math import inf, nan
from typing import Literal

import numpy as np

from actdiag.activations import Activation, traits

Kind = Literal["rectifier", "tanh", "sigmoid", "other"]
"""The kinds of activation that some rules are limited to."""

_POINTS = np.linspace(-4, 4, 33)
_BELOW = np.array([0.1, 1.0, 10.0, 100.0])


@dataclass(frozen=True, slots=True)
class LayerStepStats:
    """The statistics of one layer in a training step. Numbers are NaN where they have no finite entries.

    Attributes:
        layer: The layer's number, from 1.
        kind: The kind of its activation.
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
    kind: Kind
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
class StepStats:
    """The statistics of one training step.

    Attributes:
        layers: Those of each layer, layer 1 first.
        learning_rate: That of the step, which is plain gradient descent.
    """

    layers: tuple[LayerStepStats, ...]
    learning_rate: float

    def values(self, field: str, *kinds: Kind) -> dict[int, float]:
        """Return a field of every layer, or of those whose activation is of one of `kinds` where any are given."""
        layers = (layer for layer in self.layers if not kinds or layer.kind in kinds)
        return {layer.layer: float(getattr(layer, field)) for layer in layers}

    def update_ratios(self, epsilon: float = 0.0) -> dict[int, float]:
        """Return the norm of every layer's update over that of its weights, to which `epsilon` is added."""
        return {
            layer.layer: quotient(self.learning_rate * layer.gradient_norm, layer.weight_norm + epsilon)
            for layer in self.layers
        }


def quotient(part: float, whole: float) -> float:
    """Return part/whole as in floating-point arithmetic: inf for a division by zero, NaN for zero by zero."""
    if whole:
        return part / whole
    return inf if part > 0 else nan


@lru_cache(maxsize=64)
def kind_of(act: Activation | None) -> Kind:
    """Return the kind of an activation. The tools go by the name of its layer; here it goes by its values.

    Rules on ReLU layers apply to every activation that is exactly zero below some point, never negative and not level
    above. Those on tanh and sigmoid layers apply to these two alone, for their limits are made for them.
    """
    if act is None or act.derivative is None:
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
