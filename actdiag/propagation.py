"""The engine: forward and backward through a stack, as streams that hold one layer at a time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Generic, TypeVar

import numpy as np

from actdiag.activations import Activation
from actdiag.arrays import Array
from actdiag.memory import Plan
from actdiag.parameters import draw_biases, draw_weights, fit_scale, sample_weights
from actdiag.stack import Stack, cut
from actdiag.workers import Workers

Seen = TypeVar("Seen")

_GRADIENT_BLOCK = 256


@dataclass(frozen=True, slots=True)
class ForwardLayer(Generic[Seen]):
    """A layer on the way up.

    Attributes:
        number: The layer's number, from 1.
        activations: a, shape (batch, width). The buffer is reused: it holds until the next layer is asked for.
        blocks: What `visit` returned for each block of rows, in the order of the rows.
    """

    number: int
    activations: Array
    blocks: list[Seen]


@dataclass(frozen=True, slots=True)
class BackwardLayer:
    """A layer on the way down. The arrays hold until the next layer is asked for.

    Attributes:
        number: The layer's number, from 1.
        inputs: The activations of the layer below, shape (batch, fan_in).
        weights: w, shape (fan_in, columns).
        z: Pre-activations, shape (batch, columns).
        d_a: dL/da, shape (batch, width).
        d_z: dL/dz, shape (batch, columns).
    """

    number: int
    inputs: Array
    weights: Array
    z: Array
    d_a: Array
    d_z: Array


@dataclass(slots=True)
class Tape:
    """What the forward pass leaves for the backward pass, as its plan has it.

    Attributes:
        plan: What is kept.
        inputs: The input of layer l + 1 under l: of layer 1, and of every stride-th layer.
        pre_activations: z of every layer, where the stride is 1.
        weights: w of every layer, where weights are kept.
        scales: The factor that fitted a layer's weights to the batch, for initializers that do so.
    """

    plan: Plan
    inputs: dict[int, Array] = field(default_factory=dict)
    pre_activations: dict[int, Array] = field(default_factory=dict)
    weights: dict[int, Array] = field(default_factory=dict)
    scales: dict[int, float] = field(default_factory=dict)


class _Buffers:
    """Arrays that take turns, so that a stream of layers reuses its memory."""

    def __init__(self, stack: Stack, columns: int, count: int = 2) -> None:
        self._batch = stack.batch
        self._arrays = [np.empty(stack.batch * columns, dtype=stack.dtype) for _ in range(count)]

    def next(self, columns: int) -> Array:
        self._arrays.append(self._arrays.pop(0))
        return self._arrays[0][: self._batch * columns].reshape(self._batch, columns)


def forward(
    stack: Stack, workers: Workers, visit: Callable[[int, Array, Array], Seen], tape: Tape | None = None
) -> Iterator[ForwardLayer[Seen]]:
    """Yield layers 1 to L, each computed from the one before in blocks of rows.

    Args:
        stack: What to run.
        workers: Where blocks run; their number does not change the numbers.
        visit: (layer, z, a) of one block of rows, while it is in cache, to whatever is wanted of it. It may run on
            another thread and must not keep the arrays.
        tape: Where to keep what a backward pass needs.
    """

    def climb(
        rows: slice, layer: int, below: Array, above: Array, weights: Array, biases: Array | None, kept: Array | None
    ) -> Seen:
        z = _pre_activations(below[rows], weights, biases)
        above[rows] = stack.act.value(z)
        if kept is not None:
            kept[rows] = z
        return visit(layer, z, above[rows])

    blocks = stack.row_blocks()
    buffers = _Buffers(stack, max(stack.widths))
    a = stack.inputs()
    if tape is not None:
        tape.inputs[0] = a
    for layer in range(1, stack.depth + 1):
        scale, biases = 1.0, draw_biases(stack, layer)
        if stack.init.fits_batch:
            scale = fit_scale(sample_weights(stack, layer), biases, a, blocks, workers)
            if tape is not None:
                tape.scales[layer] = scale
        weights = draw_weights(stack, layer, scale)
        above = buffers.next(stack.widths[layer - 1])
        kept = _keep(tape, stack, layer, weights)

        climb_block = partial(climb, layer=layer, below=a, above=above, weights=weights, biases=biases, kept=kept)
        a, seen = above, workers.map(climb_block, blocks)
        if tape is not None and tape.plan.stride > 1 and layer % tape.plan.stride == 0 and layer < stack.depth:
            tape.inputs[layer] = a.copy()
        yield ForwardLayer(layer, a, seen)


def backward(stack: Stack, workers: Workers, tape: Tape, d_top: Array) -> Iterator[BackwardLayer]:
    """Yield layers L to 1, with the gradient of the loss at each. What the tape kept of a layer is dropped behind it.

    Args:
        stack: The stack that `tape` was recorded from, to its last layer.
        workers: Where blocks run; their number does not change the numbers.
        tape: What the forward pass kept.
        d_top: dL/da at the last layer, shape (batch, width).
    """
    blocks = stack.row_blocks()
    widest = max(stack.widths)
    d_a_buffers, d_z_buffer = _Buffers(stack, widest), _Buffers(stack, widest * stack.act.pieces, count=1)

    def descend(rows: slice, layer: BackwardLayer, d_below: Array | None) -> None:
        layer.d_z[rows] = stack.act.pull_back(layer.z[rows], layer.d_a[rows])
        if d_below is not None:
            np.matmul(layer.d_z[rows], layer.weights.T, out=d_below[rows])

    d_a: Array | None = d_top
    for number, z, inputs in _replay(stack, workers, tape):
        weights = tape.weights.get(number)
        if weights is None:
            weights = draw_weights(stack, number, tape.scales.get(number, 1.0))
        assert d_a is not None
        layer = BackwardLayer(number, inputs, weights, z, d_a, d_z_buffer.next(stack.columns(number)))
        d_a = d_a_buffers.next(stack.fan_in(number)) if number > 1 else None
        workers.map(partial(descend, layer=layer, d_below=d_a), blocks)
        yield layer


def weight_gradients(layer: BackwardLayer, workers: Workers, visit: Callable[[slice, Array], Seen]) -> list[Seen]:
    """Return what `visit` makes of each block of rows of dL/dW, shape (rows, columns), in the order of the rows.

    The blocks are over fan_in, so that each sums over the whole batch at once and dL/dW is never held as a whole.
    """

    def visit_block(rows: slice) -> Seen:
        return visit(rows, layer.inputs[:, rows].T @ layer.d_z)

    return workers.map(visit_block, list(cut(layer.inputs.shape[1], _GRADIENT_BLOCK)))


def _pre_activations(inputs: Array, weights: Array, biases: Array | None) -> Array:
    z: Array = inputs @ weights
    if biases is not None:
        z += biases
    return z


def _keep(tape: Tape | None, stack: Stack, layer: int, weights: Array) -> Array | None:
    """Keep the weights if the plan says so, and return where the pre-activations go, if they are kept."""
    if tape is None or tape.plan.stride > 1:
        return None
    if tape.plan.weights:
        tape.weights[layer] = weights
    tape.pre_activations[layer] = np.empty((stack.batch, stack.columns(layer)), dtype=stack.dtype)
    return tape.pre_activations[layer]


def _replay(stack: Stack, workers: Workers, tape: Tape) -> Iterator[tuple[int, Array, Array]]:
    """Yield (layer, z, input of the layer) from the last layer to the first, computing again what was not kept."""
    blocks = stack.row_blocks()
    buffers = _Buffers(stack, max(stack.widths))
    recompute = tape.plan.stride > 1
    stride = tape.plan.stride if recompute else stack.depth
    for start in reversed(range(0, stack.depth, stride)):
        layers = range(start + 1, min(start + stride, stack.depth) + 1)
        if recompute:
            _recompute(stack, workers, tape, layers, buffers)
        for layer in reversed(layers):
            if layer == layers[0]:
                inputs = tape.inputs[start]
            else:
                inputs = buffers.next(stack.fan_in(layer))
                _activate(stack.act, tape.pre_activations[layer - 1], inputs, blocks, workers)
            yield layer, tape.pre_activations.pop(layer), inputs
            tape.weights.pop(layer, None)


def _recompute(stack: Stack, workers: Workers, tape: Tape, layers: range, buffers: _Buffers) -> None:
    """Compute the pre-activations of `layers` again, from the input of the first, with the bits of the first time."""
    blocks = stack.row_blocks()
    a = tape.inputs[layers[0] - 1]

    def multiply(rows: slice, below: Array, weights: Array, biases: Array | None, z: Array) -> None:
        z[rows] = _pre_activations(below[rows], weights, biases)

    for layer in layers:
        weights, biases = draw_weights(stack, layer, tape.scales.get(layer, 1.0)), draw_biases(stack, layer)
        z = np.empty((stack.batch, stack.columns(layer)), dtype=stack.dtype)
        workers.map(partial(multiply, below=a, weights=weights, biases=biases, z=z), blocks)
        tape.pre_activations[layer] = z
        if layer != layers[-1]:
            a = buffers.next(stack.widths[layer - 1])
            _activate(stack.act, z, a, blocks, workers)


def _activate(act: Activation, z: Array, a: Array, blocks: list[slice], workers: Workers) -> None:
    """Fill `a` with the activations of `z`."""

    def activate(rows: slice) -> None:
        a[rows] = act.value(z[rows])

    workers.map(activate, blocks)
