"""What the forward pass leaves for the backward pass."""

from dataclasses import dataclass, field

import numpy as np

from actdiag.arrays import Array
from actdiag.engine.memory import Plan
from actdiag.model.stack import Stack


@dataclass(slots=True)
class Tape:
    """What is kept of a forward pass, as its plan has it.

    Attributes:
        plan: What is kept.
        values: By number, the values that a segment of layers starts from: the input, and what is read across the end
            of every stride-th layer.
        pre_activations: z of every layer where the stride is 1, else of the segment at hand.
        weights: w of every layer, where weights are kept.
        scales: The factor that fitted a layer's weights to the batch, for initializers that do so.
    """

    plan: Plan
    values: dict[int, Array] = field(default_factory=dict)
    pre_activations: dict[int, Array] = field(default_factory=dict)
    weights: dict[int, Array] = field(default_factory=dict)
    scales: dict[int, float] = field(default_factory=dict)

    def starts(self, depth: int) -> range:
        """Return the layers after which segments start, 0 the first."""
        return range(0, depth, self.plan.stride if self.plan.stride > 1 else depth)

    def room_for(self, stack: Stack, layer: int, weights: Array | None) -> Array | None:
        """Keep the weights of a layer if the plan says so, and return where its z goes, if it is kept."""
        if self.plan.stride > 1:
            return None
        if self.plan.weights and weights is not None:
            self.weights[layer] = weights
        return self.new(stack, layer)

    def new(self, stack: Stack, layer: int) -> Array:
        """Return a new array for z of a layer, shape (batch, columns)."""
        self.pre_activations[layer] = np.empty((stack.batch, stack.columns(layer)), dtype=stack.dtype)
        return self.pre_activations[layer]
