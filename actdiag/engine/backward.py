"""The backward pass: a stream of layers from the last to the first."""

from collections.abc import Callable, Iterator
from typing import Any, Generic, NamedTuple, TypeVar

from actdiag.activations import Activation
from actdiag.arrays import Array, cut
from actdiag.engine.blocks import scratch
from actdiag.engine.forward import recompute
from actdiag.engine.memory import draws_ahead
from actdiag.engine.parameters import draw_weights
from actdiag.engine.tape import Tape
from actdiag.engine.values import Buffers, Rotation, first_readers, units_of, widest
from actdiag.engine.workers import Started, Workers
from actdiag.model.stack import Stack
from actdiag.ops.activation import apply, pull_back
from actdiag.ops.entry import Op, Parameters

Result = TypeVar("Result")

_GRADIENT_BLOCK = 512


class BackwardLayer(NamedTuple, Generic[Result]):
    """A layer of the backward pass. The arrays hold until the layer after the next one is asked for.

    Attributes:
        number: The layer's number, from 1.
        op: What makes its pre-activations.
        inputs: What the op reads, shape (batch, fan_in); None where it has no weights.
        weights: w, shape (fan_in, columns); likewise.
        z: Pre-activations, shape (batch, columns).
        d_z: dL/dz, shape (batch, columns).
        blocks: What `visit` returned for each block of rows, in the order of the rows.
    """

    number: int
    op: Op
    inputs: Array | None
    weights: Array | None
    z: Array
    d_z: Array
    blocks: list[Result]


def backward(
    stack: Stack, workers: Workers, tape: Tape, d_last: Array, visit: Callable[[int, Array, Array, Array], Result]
) -> Iterator[BackwardLayer[Result]]:
    """Yield layers L to 1, with the gradient of the loss at each. What the tape kept of a layer is dropped after it.

    While the caller has a layer in hand, the gradient goes on to the next one.

    Args:
        stack: The stack that `tape` was recorded from, to its last layer.
        workers: Where blocks run; their number does not change the numbers.
        tape: What the forward pass kept.
        d_last: dL/da at the last layer, shape (batch, width).
        visit: (layer, z, d_a, d_z) of one block of rows, while it is in cache, to whatever is wanted of it; on the
            terms of `forward`.
    """

    def draw(layer: int) -> Array:
        kept = tape.weights.pop(layer, None)
        return draw_weights(stack, layer, tape.scales.get(layer, 1.0)) if kept is None else kept

    drawn = workers.ahead(draw, list(reversed(stack.weight_layers)), draws_ahead(stack))
    gradients = _Gradients(stack, tape, d_last)
    running: Started[Result] = Started()
    held: BackwardLayer[Result] | None = None
    for number in _replay(stack, workers, tape):
        weights = None if stack.nodes[number - 1].draw is None else next(drawn)
        layer, run = gradients.run(number, weights, visit)
        following = workers.start(run, stack.row_blocks(), after=running, meanwhile=drawn)
        if held is not None:
            yield held._replace(blocks=running.results())
        running, held = following, layer
    assert held is not None
    yield held._replace(blocks=running.results())


def weight_gradients(
    layer: BackwardLayer[Any], workers: Workers, visit: Callable[[slice, Array, Array], Result]
) -> Started[Result]:
    """Start `visit` on each block of rows of w and dL/dw, each of shape (rows, columns); on none without weights.

    `visit` must not keep the blocks, whose memory is reused. They are over fan_in, so that each sums over the whole
    batch at once and dL/dw is never held as a whole.
    """
    inputs, weights = layer.inputs, layer.weights
    if inputs is None or weights is None:
        return Started()

    def visit_block(rows: slice) -> Result:
        d_weights = scratch("d_weights", weights[rows].shape, layer.d_z.dtype)
        layer.op.weight_gradient(rows, inputs, layer.d_z, d_weights)
        return visit(rows, weights[rows], d_weights)

    return workers.start(visit_block, list(cut(len(weights), _GRADIENT_BLOCK)))


def _replay(stack: Stack, workers: Workers, tape: Tape) -> Iterator[int]:
    """Yield the layers from the last to the first, z of each on the tape, computing again what was not kept."""
    starts = tape.starts(stack.depth)
    for start in reversed(starts):
        end = min(start + starts.step, stack.depth)
        if tape.plan.stride > 1:
            recompute(stack, workers, tape, start, end)
        yield from range(end, start, -1)


class _Gradients:
    """The gradients at the values of a network, from when the last reader of a value adds to it until it is made."""

    def __init__(self, stack: Stack, tape: Tape, d_last: Array) -> None:
        self._stack, self._tape = stack, tape
        self._at: dict[int, Array] = {stack.depth: d_last}
        self._first_readers = first_readers(stack.nodes)
        columns = widest(stack, self._first_readers)
        self._buffers = Buffers(stack, columns)
        most_read = max((len(node.reads) for node in stack.nodes if node.op.needs_inputs), default=1)
        self._inputs = Rotation(stack, columns, 3 * most_read)
        self._d_z = Rotation(stack, max(node.site.columns for node in stack.nodes), 3)

    def run(
        self, number: int, weights: Array | None, visit: Callable[[int, Array, Array, Array], Result]
    ) -> tuple[BackwardLayer[Result], Callable[[slice], Result]]:
        """Return a layer, its blocks to come, and what computes a block of its rows.

        Args:
            number: The layer.
            weights: w, where it has weights.
            visit: What `backward` is given.
        """
        node = self._stack.nodes[number - 1]
        act, op = node.site.act, node.op
        z, d_a, d_more = self._tape.pre_activations.pop(number), self._at.pop(number), self._at.pop(-number, None)
        found = [self._read(value) if op.needs_inputs else (None, None) for value in node.reads]
        for value in node.reads:
            if self._first_readers[value] == number:
                self._tape.values.pop(value, None)
        d_z = self._d_z.next(node.site.columns)
        parameters = None if weights is None else Parameters(weights, None)
        targets = [(which, *self._target(value, number)) for which, value in enumerate(node.reads) if value]

        def block(rows: slice) -> Result:
            for array, remade in found:
                if remade is not None and array is not None:
                    apply(remade.act, remade.z[rows], array[rows])
            if act is None:
                d_z[rows] = d_a[rows]
            else:
                pull_back(act, z[rows], d_a[rows], d_z[rows])
            if d_more is not None:
                d_z[rows] += d_more[rows]
            read = [None if array is None else array[rows] for array, _ in found]
            for which, target, is_new in targets:
                d_value = target[rows] if is_new else scratch("d_value", target[rows].shape, target.dtype)
                op.backward(which, d_z[rows], read, parameters, d_value)
                if not is_new:
                    target[rows] += d_value
            return visit(number, z[rows], d_a[rows], d_z[rows])

        return BackwardLayer(number, op, None if weights is None else found[0][0], weights, z, d_z, []), block

    def _read(self, value: int) -> "tuple[Array, _Remade | None]":
        """Return a value that the tape has, or where it goes and what it is made of again."""
        kept = self._tape.values.get(value)
        if kept is not None:
            return kept, None
        act, z = self._stack.nodes[abs(value) - 1].site.act, self._tape.pre_activations[abs(value)]
        if act is None or value < 0:
            return z, None
        return self._inputs.next(units_of(self._stack, value)), _Remade(act, z)

    def _target(self, value: int, number: int) -> tuple[Array, bool]:
        """Return where the gradient at a value goes, and whether a layer is the first to add to it."""
        known = self._at.get(value)
        if known is not None:
            return known, False
        step, used_until = (self._stack.depth - node + 1 for node in (number, abs(value)))
        self._at[value] = self._buffers.take(units_of(self._stack, value), step, used_until)
        return self._at[value], True


class _Remade(NamedTuple):
    """Activations that are computed again: of what, and from which pre-activations."""

    act: Activation
    z: Array
