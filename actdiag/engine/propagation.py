"""The engine: forward and backward through a stack, as streams that hold one layer at a time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np

from actdiag.activations import Activation
from actdiag.arrays import Array, cut
from actdiag.engine.blocks import MAPPED, pieces, scratch
from actdiag.engine.memory import Plan, draws_ahead
from actdiag.engine.parameters import draw_biases, draw_weights, fit_scale, sample_weights, scale_weights
from actdiag.engine.workers import Started, Workers
from actdiag.model.stack import Stack

Seen = TypeVar("Seen")

_GRADIENT_BLOCK = 512


class ForwardLayer(NamedTuple, Generic[Seen]):
    """A layer on the way up.

    Attributes:
        number: The layer's number, from 1; 0 is the input.
        activations: a, shape (batch, width). The buffer is reused: it holds until the next layer is asked for.
        blocks: What `visit` returned for each block of rows, in the order of the rows; the input has none.
    """

    number: int
    activations: Array
    blocks: list[Seen]


class BackwardLayer(NamedTuple, Generic[Seen]):
    """A layer on the way down. The arrays hold until the layer after the next one is asked for.

    Attributes:
        number: The layer's number, from 1.
        inputs: The activations of the layer below, shape (batch, fan_in).
        weights: w, shape (fan_in, columns).
        z: Pre-activations, shape (batch, columns).
        d_z: dL/dz, shape (batch, columns).
        blocks: What `visit` returned for each block of rows, in the order of the rows.
    """

    number: int
    inputs: Array
    weights: Array
    z: Array
    d_z: Array
    blocks: list[Seen]


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


def _turns(stack: Stack) -> int:
    """Return how many buffers a stream needs whose blocks go on before their layer is done.

    A block may overwrite what the same block of the layer before has read. Where widths differ its rows lie elsewhere,
    in what other blocks may still read, and a third buffer keeps them apart.
    """
    return 2 if len(set(stack.widths)) == 1 else 3


def forward(
    stack: Stack, workers: Workers, visit: Callable[[int, Array, Array], Seen], tape: Tape | None = None
) -> Iterator[ForwardLayer[Seen]]:
    """Yield the input as layer 0, then layers 1 to L, each computed from the one before in blocks of rows.

    While the caller has a layer in hand, the next one is computed.

    Args:
        stack: What to run.
        workers: Where blocks run; their number does not change the numbers.
        visit: (layer, z, a) of one block of rows, while it is in cache, to whatever is wanted of it. It may run on
            another thread and must not keep the arrays.
        tape: Where to keep what a backward pass needs.
    """

    def draw(layer: int) -> tuple[Array, Array | None]:
        return sample_weights(stack, layer), draw_biases(stack, layer)

    def climb(
        rows: slice, layer: int, below: Array, above: Array, weights: Array, biases: Array | None, kept: Array | None
    ) -> Seen:
        z = scratch("z", (len(below[rows]), weights.shape[1]), stack.dtype) if kept is None else kept[rows]
        multiply(below[rows], weights, biases, z)
        _activate(stack.act, z, above[rows])
        return visit(layer, z, above[rows])

    drawn = workers.ahead(draw, range(1, stack.depth + 1), draws_ahead(stack))
    a = stack.inputs(workers.map)
    blocks = stack.row_blocks()
    buffers = _Buffers(stack, max(stack.widths), _turns(stack))
    running: Started[Seen] = Started()
    for layer, (weights, biases) in enumerate(drawn, 1):
        scale = 1.0
        if stack.init.fits_batch:
            running.results()
            scale = fit_scale(weights, biases, a, blocks, workers)
            if tape is not None:
                tape.scales[layer] = scale
        scale_weights(stack, layer, weights, scale)
        below, above = a, buffers.next(stack.widths[layer - 1])
        kept = _keep(tape, stack, layer, weights)
        climb_block = partial(climb, layer=layer, below=below, above=above, weights=weights, biases=biases, kept=kept)
        following = workers.start(climb_block, blocks, after=running, meanwhile=drawn)
        yield _finished(stack, layer - 1, below, running, tape)
        a, running = above, following
    yield _finished(stack, stack.depth, a, running, tape)


def backward(
    stack: Stack, workers: Workers, tape: Tape, d_top: Array, visit: Callable[[int, Array, Array, Array], Seen]
) -> Iterator[BackwardLayer[Seen]]:
    """Yield layers L to 1, with the gradient of the loss at each. What the tape kept of a layer is dropped behind it.

    While the caller has a layer in hand, the gradient goes on to the next one.

    Args:
        stack: The stack that `tape` was recorded from, to its last layer.
        workers: Where blocks run; their number does not change the numbers.
        tape: What the forward pass kept.
        d_top: dL/da at the last layer, shape (batch, width).
        visit: (layer, z, d_a, d_z) of one block of rows, while it is in cache, to whatever is wanted of it; on the
            terms of `forward`.
    """

    def draw(layer: int) -> Array:
        kept = tape.weights.pop(layer, None)
        return draw_weights(stack, layer, tape.scales.get(layer, 1.0)) if kept is None else kept

    def descend(
        rows: slice,
        layer: int,
        z: Array,
        z_below: Array | None,
        inputs: Array,
        d_a: Array,
        d_z: Array,
        weights: Array,
        d_below: Array | None,
    ) -> Seen:
        if z_below is not None:
            _activate(stack.act, z_below[rows], inputs[rows])
        _pull_back(stack.act, z[rows], d_a[rows], d_z[rows])
        if d_below is not None:
            np.matmul(d_z[rows], weights.T, out=d_below[rows])
        return visit(layer, z[rows], d_a[rows], d_z[rows])

    drawn = workers.ahead(draw, range(stack.depth, 0, -1), draws_ahead(stack))
    blocks = stack.row_blocks()
    widest = max(stack.widths)
    d_a_buffers, input_buffers = _Buffers(stack, widest, _turns(stack)), _Buffers(stack, widest, 3)
    d_z_buffers = _Buffers(stack, widest * stack.act.pieces, 3)
    running: Started[Seen] = Started()
    held: BackwardLayer[Seen] | None = None
    d_a = d_top
    for (layer, z, z_below), weights in zip(_replay(stack, workers, tape), drawn, strict=True):
        inputs = tape.inputs.pop(layer - 1) if z_below is None else input_buffers.next(stack.fan_in(layer))
        d_z = d_z_buffers.next(stack.columns(layer))
        d_below = d_a_buffers.next(stack.fan_in(layer)) if layer > 1 else None
        descend_block = partial(
            descend,
            layer=layer,
            z=z,
            z_below=z_below,
            inputs=inputs,
            d_a=d_a,
            d_z=d_z,
            weights=weights,
            d_below=d_below,
        )
        following = workers.start(descend_block, blocks, after=running, meanwhile=drawn)
        if held is not None:
            yield held._replace(blocks=running.results())
        running, held = following, BackwardLayer(layer, inputs, weights, z, d_z, [])
        if d_below is not None:
            d_a = d_below
    assert held is not None
    yield held._replace(blocks=running.results())


def weight_gradients(
    layer: BackwardLayer[Any], workers: Workers, visit: Callable[[slice, Array], Seen]
) -> Started[Seen]:
    """Start `visit` on each block of rows of dL/dW, shape (rows, columns).

    `visit` must not keep the block, whose memory is reused.
    The blocks are over fan_in, so that each sums over the whole batch at once and dL/dW is never held as a whole.
    """

    def visit_block(rows: slice) -> Seen:
        inputs = layer.inputs[:, rows].T
        d_weights = scratch("d_weights", (len(inputs), layer.d_z.shape[1]), layer.d_z.dtype)
        return visit(rows, np.matmul(inputs, layer.d_z, out=d_weights))

    return workers.start(visit_block, list(cut(layer.inputs.shape[1], _GRADIENT_BLOCK)))


def multiply(inputs: Array, weights: Array, biases: Array | None, z: Array) -> None:
    """Fill `z` with the pre-activations."""
    np.matmul(inputs, weights, out=z)
    if biases is not None:
        z += biases


def _activate(act: Activation, z: Array, a: Array) -> None:
    """Fill `a` with the activations of `z`, a few rows at a time, so that what `value` needs on the way stays small."""
    for rows in pieces(z, MAPPED):
        a[rows] = act.value(z[rows])


def _pull_back(act: Activation, z: Array, d_a: Array, d_z: Array) -> None:
    """Fill `d_z` with dL/dz, a few rows at a time."""
    for rows in pieces(z, MAPPED):
        d_z[rows] = act.pull_back(z[rows], d_a[rows])


def _finished(
    stack: Stack, layer: int, activations: Array, running: Started[Seen], tape: Tape | None
) -> ForwardLayer[Seen]:
    """Wait for a layer, and keep its activations where the plan says so."""
    seen = running.results()
    if tape is not None and layer == 0:
        tape.inputs[0] = activations
    elif tape is not None and tape.plan.stride > 1 and layer % tape.plan.stride == 0 and layer < stack.depth:
        tape.inputs[layer] = activations.copy()
    return ForwardLayer(layer, activations, seen)


def _keep(tape: Tape | None, stack: Stack, layer: int, weights: Array) -> Array | None:
    """Keep the weights if the plan says so, and return where the pre-activations go, if they are kept."""
    if tape is None or tape.plan.stride > 1:
        return None
    if tape.plan.weights:
        tape.weights[layer] = weights
    tape.pre_activations[layer] = np.empty((stack.batch, stack.columns(layer)), dtype=stack.dtype)
    return tape.pre_activations[layer]


def _replay(stack: Stack, workers: Workers, tape: Tape) -> Iterator[tuple[int, Array, Array | None]]:
    """Yield (layer, its z, z of the layer below) from the last layer to the first, computing again what was not kept.

    Where the tape has the layer's input, the z below is None.
    """
    stride = tape.plan.stride if tape.plan.stride > 1 else stack.depth
    buffers = _Buffers(stack, max(stack.widths)) if tape.plan.stride > 1 else None
    for start in reversed(range(0, stack.depth, stride)):
        layers = range(start + 1, min(start + stride, stack.depth) + 1)
        if buffers is not None:
            _recompute(stack, workers, tape, layers, buffers)
        for layer in reversed(layers):
            below = None if layer == layers[0] else tape.pre_activations[layer - 1]
            yield layer, tape.pre_activations.pop(layer), below


def _recompute(stack: Stack, workers: Workers, tape: Tape, layers: range, buffers: _Buffers) -> None:
    """Compute the pre-activations of `layers` again, from the input of the first, with the bits of the first time."""
    blocks = stack.row_blocks()
    a = tape.inputs[layers[0] - 1]

    def draw(layer: int) -> tuple[Array, Array | None]:
        return draw_weights(stack, layer, tape.scales.get(layer, 1.0)), draw_biases(stack, layer)

    def climb(rows: slice, below: Array, above: Array | None, weights: Array, biases: Array | None, z: Array) -> None:
        multiply(below[rows], weights, biases, z[rows])
        if above is not None:
            _activate(stack.act, z[rows], above[rows])

    drawn = workers.ahead(draw, layers, draws_ahead(stack))
    for layer, (weights, biases) in zip(layers, drawn, strict=True):
        z = np.empty((stack.batch, stack.columns(layer)), dtype=stack.dtype)
        above = buffers.next(stack.widths[layer - 1]) if layer != layers[-1] else None
        climb_block = partial(climb, below=a, above=above, weights=weights, biases=biases, z=z)
        workers.start(climb_block, blocks, meanwhile=drawn).results()
        tape.pre_activations[layer] = z
        if above is not None:
            a = above
