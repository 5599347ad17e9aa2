"""A stack and its readout as something that learns: parameters held in memory, gradients by backpropagation."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from actdiag.activations import Activation
from actdiag.arrays import Array, Doubles
from actdiag.engine.losses import LABELLED, Loss, readout
from actdiag.engine.parameters import draw_biases, draw_weights, fit_scale, sample_weights
from actdiag.engine.workers import Workers
from actdiag.experiments.train.outcome import Advantage, Labels, advantage_of, is_regression
from actdiag.model.stack import Stack
from actdiag.ops.dense import Dense
from actdiag.ops.entry import Parameters
from actdiag.streams import Stream, stream


@dataclass(slots=True)
class Layer:
    """What a layer learns, changed in place by training.

    Attributes:
        weights: w, shape (fan_in, columns); None of a layer without weights.
        biases: b, shape (columns,); likewise.
        slope: The learned slope, shape (1,), of an activation that has one.
    """

    weights: Array | None = None
    biases: Array | None = None
    slope: Array | None = None

    def parameters(self) -> list[Array]:
        """Return the arrays that are learned."""
        return [array for array in (self.weights, self.biases, self.slope) if array is not None]

    def drawn(self) -> Parameters | None:
        """Return what the layer's op runs with."""
        return None if self.weights is None else Parameters(self.weights, self.biases)


@dataclass(slots=True)
class Network:
    """A stack's layers and its linear readout, at some time of their training.

    Attributes:
        stack: What the parameters were drawn from.
        layers: Layers 1 to L.
        readout: The linear layer from the last activations to the classes.
    """

    stack: Stack
    layers: list[Layer]
    readout: Layer

    def parameters(self) -> list[Array]:
        """Return all that is learned, layer by layer, the readout last."""
        return [array for layer in (*self.layers, self.readout) for array in layer.parameters()]

    def activation(self, number: int) -> Activation | None:
        """Return the activation of a layer, with the slope that it has learned; None where none follows."""
        act, slope = self.stack.nodes[number - 1].site.act, self.layers[number - 1].slope
        return act if act is None or slope is None or act.sloped is None else act.sloped(slope.item())


def draw_network(stack: Stack, classes: int, workers: Workers) -> Network:
    """Return a stack's network at initialization: the same weights, biases and readout as every run of the stack has.

    Args:
        stack: The stack; its inputs are those that weights are fitted to, where the initializer does so.
        classes: The outputs of the readout.
        workers: Where the blocks of that fit run.
    """
    network = Network(stack, [], Layer())
    passed = Pass({0: stack.inputs()}) if stack.init.fits_batch else None
    for number, node in enumerate(stack.nodes, 1):
        layer, act = Layer(), node.site.act
        if node.draw is not None:
            biases, scale = draw_biases(stack, number), 1.0
            if passed is not None:
                inputs = passed.values[node.reads[0]]
                scale = fit_scale(sample_weights(stack, number), biases, inputs, stack.row_blocks(), workers)
            zeros = np.zeros(stack.columns(number), dtype=stack.dtype)
            layer = Layer(draw_weights(stack, number, scale), zeros if biases is None else biases)
        if act is not None and act.slope is not None:
            layer.slope = np.array([act.slope], dtype=stack.dtype)
        network.layers.append(layer)
        if passed is not None:
            _run(network, passed, number, act)
    last = np.empty((0, stack.widths[-1]), dtype=stack.dtype) if passed is None else passed.values[stack.depth]
    weights, own = readout(stack, Loss("mse", classes), last, workers)
    network.readout = Layer(weights, np.zeros(classes, dtype=stack.dtype) if own is None else own)
    return network


@dataclass(slots=True)
class Pass:
    """What a forward pass of a batch leaves.

    Attributes:
        values: By number, the values that layers read, each of shape (batch, units): 0 is the input, n the activations
            of layer n, -n its pre-activations.
        acts: The activation of layers 1 to L, as it was in this pass; None where none follows.
        logits: The outputs of the readout, shape (batch, classes).
    """

    values: dict[int, Array]
    acts: list[Activation | None] = field(default_factory=list)
    logits: Array = field(default_factory=lambda: np.empty((0, 0)))

    @property
    def z(self) -> list[Array]:
        """Pre-activations of layers 1 to L, each of shape (batch, columns)."""
        return [self.values[-number] for number in range(1, len(self.acts) + 1)]


_READOUT = Dense()


def forward(network: Network, inputs: Array, rng: np.random.Generator | None = None) -> Pass:
    """Push a batch, shape (batch, features), through a network.

    Args:
        network: The network.
        inputs: The batch, in the stack's dtype.
        rng: Where an activation that draws its slopes in training takes them from; None to evaluate.
    """
    passed = Pass({0: inputs})
    for number in range(1, len(network.layers) + 1):
        act = network.activation(number)
        if rng is not None and act is not None and act.slope_range is not None and act.sloped is not None:
            shape = len(inputs), network.stack.columns(number)
            act = act.sloped(rng.uniform(*act.slope_range, size=shape).astype(inputs.dtype))
        _run(network, passed, number, act)
    drawn = _readout_parameters(network)
    passed.logits = np.empty((len(inputs), drawn.weights.shape[1]), dtype=inputs.dtype)
    _READOUT.forward([passed.values[len(network.layers)]], drawn, passed.logits)
    return passed


def _run(network: Network, passed: Pass, number: int, act: Activation | None) -> None:
    """Add a layer to a pass."""
    node, layer = network.stack.nodes[number - 1], network.layers[number - 1]
    inputs = [passed.values[value] for value in node.reads]
    z = np.empty((len(inputs[0]), node.site.columns), dtype=inputs[0].dtype)
    node.op.forward(inputs, layer.drawn(), z)
    passed.acts.append(act)
    passed.values[-number] = z
    passed.values[number] = z if act is None else act.value(z)


def _readout_parameters(network: Network) -> Parameters:
    drawn = network.readout.drawn()
    assert drawn is not None
    return drawn


def backward(network: Network, passed: Pass, d_logits: Array) -> Iterator[tuple[int, Array, Array, list[Array]]]:
    """Yield (layer, dL/da, dL/dz, gradients of the layer's parameters) from the readout, which is layer 0, to layer 1.

    The gradients stand in the order of `Layer.parameters`. Of the readout dL/da is empty and dL/dz that of the logits.
    """
    depth = len(network.layers)
    last = passed.values[depth]
    yield 0, np.empty(0), d_logits, _READOUT.parameter_gradients(last, d_logits)
    at = {depth: np.empty_like(last)}
    _READOUT.backward(0, d_logits, [last], _readout_parameters(network), at[depth])
    for number in range(depth, 0, -1):
        node, layer, act = network.stack.nodes[number - 1], network.layers[number - 1], passed.acts[number - 1]
        z, d_a, d_more = passed.values[-number], at.pop(number), at.pop(-number, None)
        d_z = d_a if act is None else act.pull_back(z, d_a)
        if d_more is not None:
            d_z = d_z + d_more
        inputs = [passed.values[value] for value in node.reads]
        gradients = node.op.parameter_gradients(inputs[0], d_z) if layer.weights is not None else []
        if layer.slope is not None and act is not None and act.slope_derivative is not None:
            gradients.append((d_a * act.slope_derivative(z)).sum().reshape(1))
        yield number, d_a, d_z, gradients
        for which, (value, read) in enumerate(zip(node.reads, inputs, strict=True)):
            if value:
                d_value = np.empty_like(read)
                node.op.backward(which, d_z, inputs, layer.drawn(), d_value)
                at[value] = at[value] + d_value if value in at else d_value


def gradients(
    network: Network,
    inputs: Array,
    labels: Labels,
    rng: np.random.Generator | None = None,
    loss: str = "cross-entropy",
) -> tuple[float, float, list[Array]]:
    """Return the mean loss of a batch, its accuracy (NaN of regression), and the gradients in order of `parameters`.

    Args:
        network: The network.
        inputs: The batch, shape (batch, features).
        labels: Their classes or targets, shape (batch,).
        rng: Where an activation that draws its slopes takes them from.
        loss: `cross-entropy`, or `mse` to targets, one-hot where labels are classes.
    """
    passed = forward(network, inputs, rng)
    value, d_logits = LABELLED[loss](passed.logits, labels, len(inputs))
    by_layer = {number: own for number, _, _, own in backward(network, passed, d_logits)}
    ordered = [own for number in (*range(1, len(network.layers) + 1), 0) for own in by_layer[number]]
    return value, _accuracy(passed.logits, labels), ordered


class Evaluation(NamedTuple):
    """What a network says of rows, without drawing slopes.

    Attributes:
        loss: The mean loss.
        score: The accuracy; of regression R^2, the share of the variance of these targets that is explained.
        advantage: Over predicting `base` for every row.
    """

    loss: float
    score: float
    advantage: Advantage


def evaluate(
    network: Network, inputs: Array, labels: Labels, loss: str, base: float, rows_at_once: int = 2000
) -> Evaluation:
    """Return how well a network predicts rows.

    Args:
        network: The network.
        inputs: The rows, shape (rows, features).
        labels: Their classes or targets, shape (rows,).
        loss: `cross-entropy` or `mse`.
        base: What is predicted without any input: a class or a target.
        rows_at_once: Rows in a forward pass.
    """
    total, gains, errors = 0.0, [], []
    regression = is_regression(labels)
    for start in range(0, len(inputs), rows_at_once):
        rows = slice(start, start + rows_at_once)
        logits = forward(network, inputs[rows].astype(network.stack.dtype, copy=False)).logits
        wanted = labels[rows]
        total += LABELLED[loss](logits, wanted, len(inputs))[0]
        if regression:
            errors.append(np.square(logits[:, 0].astype(np.float64) - wanted))
            gains.append(np.square(base - wanted) - errors[-1])
        else:
            errors.append(1.0 - _right(logits, wanted))
            gains.append((wanted != base) - errors[-1])
    wrong = float(np.mean(np.concatenate(errors)))
    variance = float(np.var(labels)) if regression else 1.0
    score = 1 - wrong / variance if variance else math.nan
    return Evaluation(total, score, advantage_of(np.concatenate(gains), regression))


def slopes_of(seed: int, iteration: int) -> np.random.Generator:
    """Return where the slopes that an activation draws in an iteration of training come from."""
    return stream(seed, Stream.SLOPES, iteration)


def _accuracy(logits: Array, labels: Labels) -> float:
    return math.nan if is_regression(labels) else float(np.mean(_right(logits, labels)))


def _right(logits: Array, labels: Labels) -> Doubles:
    """Return 1 for rows whose class is the largest output and 0 for others, shape (rows,)."""
    finite = np.isfinite(logits).all(axis=1)
    right: Doubles = ((logits.argmax(axis=1) == labels) & finite).astype(np.float64)
    return right
