"""The forward pass: a stream of layers, one at a time in memory."""

from collections.abc import Callable, Iterator
from typing import Generic, NamedTuple, TypeVar

from actdiag.arrays import Array
from actdiag.engine.blocks import scratch
from actdiag.engine.memory import draws_ahead
from actdiag.engine.parameters import draw_biases, draw_weights, fit_scale, sample_weights, scale_weights
from actdiag.engine.tape import Tape
from actdiag.engine.values import Buffers, crossing, last_readers, widest
from actdiag.engine.workers import Started, Workers
from actdiag.model.stack import Stack
from actdiag.ops.activation import apply
from actdiag.ops.entry import Parameters

Result = TypeVar("Result")


class ForwardLayer(NamedTuple, Generic[Result]):
    """A layer of the forward pass.

    Attributes:
        number: The layer's number, from 1; 0 is the input.
        activations: a, shape (batch, width). The buffer is reused: it holds until the next layer is asked for.
        blocks: What `visit` returned for each block of rows, in the order of the rows; the input has none.
    """

    number: int
    activations: Array
    blocks: list[Result]


def forward(
    stack: Stack, workers: Workers, visit: Callable[[int, Array, Array], Result], tape: Tape | None = None
) -> Iterator[ForwardLayer[Result]]:
    """Yield the input as layer 0, then layers 1 to L, each computed from those before it in blocks of rows.

    While the caller has a layer in hand, the next one is computed.

    Args:
        stack: What to run.
        workers: Where blocks run; their number does not change the numbers.
        visit: (layer, z, a) of one block of rows, while it is in cache, to whatever is wanted of it. It may run on
            another thread and must not keep the arrays.
        tape: Where to keep what a backward pass needs.
    """

    def draw(layer: int) -> Parameters:
        return Parameters(sample_weights(stack, layer), draw_biases(stack, layer))

    nodes, blocks = stack.nodes, stack.row_blocks()
    kept_after = {} if tape is None else crossing(nodes, tape.starts(stack.depth))
    drawn = workers.ahead(draw, stack.weight_layers, draws_ahead(stack))
    values = _Values(stack, {0: stack.inputs(workers.map)})
    running: Started[Result] = Started()
    for number, node in enumerate(nodes, 1):
        parameters = None if node.draw is None else next(drawn)
        if node.op.needs_batch or (parameters is not None and stack.init.fits_batch):
            running.results()
        if parameters is not None:
            scale = 1.0
            if stack.init.fits_batch:
                scale = fit_scale(*parameters, values.held[node.reads[0]], blocks, workers)
                if tape is not None:
                    tape.scales[number] = scale
            scale_weights(stack, number, parameters.weights, scale)
        kept = None if tape is None else tape.room_for(stack, number, parameters and parameters.weights)
        before = values.held[number - 1]
        to_keep = {value: values.held[value] for value in kept_after.get(number - 1, ())}
        run = values.run(number, parameters, kept, visit)
        following = workers.start(run, blocks, after=running, meanwhile=drawn)
        results = running.results()
        if tape is not None:
            _keep(tape, to_keep)
        yield ForwardLayer(number - 1, before, results)
        running = following
    yield ForwardLayer(len(nodes), values.held[len(nodes)], running.results())


def recompute(stack: Stack, workers: Workers, tape: Tape, start: int, end: int) -> None:
    """Compute z of the layers after `start` up to `end` again, with the bits of the first time."""

    def draw(layer: int) -> Parameters:
        return Parameters(draw_weights(stack, layer, tape.scales.get(layer, 1.0)), draw_biases(stack, layer))

    drawn = workers.ahead(draw, [layer for layer in stack.weight_layers if start < layer <= end], draws_ahead(stack))
    values = _Values(stack, dict(tape.values), end)
    for number in range(start + 1, end + 1):
        parameters = None if stack.nodes[number - 1].draw is None else next(drawn)
        run = values.run(number, parameters, tape.new(stack, number), _nothing)
        workers.start(run, stack.row_blocks(), meanwhile=drawn).results()


def _nothing(layer: int, z: Array, a: Array) -> None:
    """Look at nothing."""


def _keep(tape: Tape, values: dict[int, Array]) -> None:
    for value, array in values.items():
        if value not in tape.values:
            tape.values[value] = array.copy() if value else array


class _Values:
    """The values of a network while it runs, as long as a later layer reads them.

    Attributes:
        held: Values by number.
    """

    def __init__(self, stack: Stack, held: dict[int, Array], end: int | None = None) -> None:
        self.held = held
        self._stack = stack
        self._readers = last_readers(stack.nodes[:end])
        self._buffers = Buffers(stack, widest(stack, self._readers))
        self._to_the_last = end is None

    def run(
        self,
        number: int,
        parameters: Parameters | None,
        kept: Array | None,
        visit: Callable[[int, Array, Array], Result],
    ) -> Callable[[slice], Result]:
        """Return what computes a block of rows of a layer, and hold the values that it makes.

        Args:
            number: The layer.
            parameters: What its op has drawn.
            kept: Where its z is kept; None where it is not.
            visit: What `forward` is given.
        """
        node, dtype = self._stack.nodes[number - 1], self._stack.dtype
        site, op, inputs = node.site, node.op, [self.held[value] for value in node.reads]
        z = kept
        if z is None and (site.act is None or -number in self._readers):
            z = self._take(-number if site.act else number, site.columns)
        if site.act is None:
            a = z
        else:
            a = self._take(number, site.units) if self._to_the_last or number in self._readers else None
        for value in (*node.reads, number - 1, 1 - number):
            if self._readers.get(value, 0) <= number:
                self.held.pop(value, None)
        if site.act is not None and z is not None and -number in self._readers:
            self.held[-number] = z
        if a is not None:
            self.held[number] = a

        def block(rows: slice) -> Result:
            of_z = scratch("z", (len(inputs[0][rows]), site.columns), dtype) if z is None else z[rows]
            op.forward([value[rows] for value in inputs], parameters, of_z)
            of_a = of_z
            if site.act is not None and a is not None:
                of_a = a[rows]
                apply(site.act, of_z, of_a)
            return visit(number, of_z, of_a)

        return block

    def _take(self, value: int, columns: int) -> Array:
        number = abs(value)
        return self._buffers.take(columns, number, max(self._readers.get(value, 0), number + 1))
