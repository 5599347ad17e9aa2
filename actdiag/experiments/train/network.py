"""A stack and its readout as something that learns: parameters held in memory, gradients by backpropagation."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from actdiag.activations import Activation
from actdiag.arrays import Array, Counts
from actdiag.engine.losses import Loss, cross_entropy, readout
from actdiag.engine.parameters import draw_biases, draw_weights, fit_scale, sample_weights
from actdiag.engine.propagation import multiply
from actdiag.engine.workers import Workers
from actdiag.model.stack import Stack
from actdiag.streams import Stream, stream


@dataclass(slots=True)
class Layer:
    """A layer's parameters, changed in place by training.

    Attributes:
        weights: w, shape (fan_in, columns).
        biases: b, shape (columns,).
        slope: The learned slope, shape (1,), of an activation that has one.
    """

    weights: Array
    biases: Array
    slope: Array | None = None

    def parameters(self) -> list[Array]:
        """Return the arrays that are learned."""
        return [self.weights, self.biases] + ([] if self.slope is None else [self.slope])


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

    def activation(self, number: int) -> Activation:
        """Return the activation of a layer, with the slope that it has learned."""
        act, slope = self.stack.act, self.layers[number - 1].slope
        return act if slope is None or act.sloped is None else act.sloped(slope.item())


def draw_network(stack: Stack, classes: int, workers: Workers) -> Network:
    """Return a stack's network at initialization: the same weights, biases and readout as every run of the stack has.

    Args:
        stack: The stack; its inputs are those that weights are fitted to, where the initializer does so.
        classes: The classes of the readout, at least 2.
        workers: Where the blocks of that fit run.
    """
    loss = Loss("cross-entropy", classes)
    top = stack.inputs() if stack.init.fits_batch else np.empty((0, stack.widths[-1]), dtype=stack.dtype)
    layers = []
    for number in range(1, stack.depth + 1):
        biases = draw_biases(stack, number)
        scale = 1.0
        if stack.init.fits_batch:
            scale = fit_scale(sample_weights(stack, number), biases, top, stack.row_blocks(), workers)
        weights = draw_weights(stack, number, scale)
        if biases is None:
            biases = np.zeros(stack.columns(number), dtype=stack.dtype)
        if stack.init.fits_batch:
            top = stack.act.value(top @ weights + biases)
        slope = None if stack.act.slope is None else np.array([stack.act.slope], dtype=stack.dtype)
        layers.append(Layer(weights, biases, slope))
    weights, own = readout(stack, loss, top, workers)
    return Network(stack, layers, Layer(weights, np.zeros(classes, dtype=stack.dtype) if own is None else own))


@dataclass(frozen=True, slots=True)
class Pass:
    """What a forward pass of a batch leaves: the inputs and pre-activations of every layer, the activations used.

    Attributes:
        inputs: The input of layers 1 to L and of the readout, each of shape (batch, fan_in).
        z: Pre-activations of layers 1 to L, each of shape (batch, columns).
        acts: The activation of each layer, as it was in this pass.
        logits: What the readout says, shape (batch, classes).
    """

    inputs: list[Array]
    z: list[Array]
    acts: list[Activation]
    logits: Array


def climb(network: Network, inputs: Array, rng: np.random.Generator | None = None) -> Pass:
    """Push a batch, shape (batch, features), through a network.

    Args:
        network: The network.
        inputs: The batch, in the stack's dtype.
        rng: Where an activation that draws its slopes in training takes them from; None to evaluate.
    """
    a, below, above, acts = inputs, [], [], []
    for number, layer in enumerate(network.layers, 1):
        z = np.empty((len(a), layer.weights.shape[1]), dtype=a.dtype)
        multiply(a, layer.weights, layer.biases, z)
        act = network.activation(number)
        if rng is not None and act.slope_range is not None and act.sloped is not None:
            act = act.sloped(rng.uniform(*act.slope_range, size=z.shape).astype(z.dtype))
        below.append(a)
        above.append(z)
        acts.append(act)
        a = act.value(z)
    logits = np.empty((len(a), network.readout.weights.shape[1]), dtype=a.dtype)
    multiply(a, network.readout.weights, network.readout.biases, logits)
    return Pass([*below, a], above, acts, logits)


def descend(network: Network, passed: Pass, d_logits: Array) -> Iterator[tuple[int, Array, Array, list[Array]]]:
    """Yield (layer, dL/da, dL/dz, gradients of the layer's parameters) from the readout, which is layer 0, downwards.

    The gradients stand in the order of `Layer.parameters`. Of the readout dL/da is empty and dL/dz that of the logits.
    """
    yield 0, np.empty(0), d_logits, [passed.inputs[-1].T @ d_logits, d_logits.sum(axis=0)]
    d_z, weights = d_logits, network.readout.weights
    for number in range(len(network.layers), 0, -1):
        layer, z, act = network.layers[number - 1], passed.z[number - 1], passed.acts[number - 1]
        d_a = d_z @ weights.T
        d_z = act.pull_back(z, d_a)
        gradients = [passed.inputs[number - 1].T @ d_z, d_z.sum(axis=0)]
        if layer.slope is not None and act.slope_derivative is not None:
            gradients.append((d_a * act.slope_derivative(z)).sum().reshape(1))
        yield number, d_a, d_z, gradients
        weights = layer.weights


def gradients(
    network: Network, inputs: Array, labels: Counts, rng: np.random.Generator | None = None
) -> tuple[float, float, list[Array]]:
    """Return the mean cross-entropy of a batch, its accuracy, and the gradients in the order of `parameters`."""
    passed = climb(network, inputs, rng)
    loss, d_logits = cross_entropy(passed.logits, labels, len(inputs))
    by_layer = {number: own for number, _, _, own in descend(network, passed, d_logits)}
    ordered = [own for number in (*range(1, len(network.layers) + 1), 0) for own in by_layer[number]]
    return loss, _accuracy(passed.logits, labels), ordered


def evaluate(network: Network, inputs: Array, labels: Counts, rows_at_once: int = 2000) -> tuple[float, float]:
    """Return the mean cross-entropy and the accuracy over rows, without drawing slopes."""
    loss = right = 0.0
    for start in range(0, len(inputs), rows_at_once):
        rows = slice(start, start + rows_at_once)
        logits = climb(network, inputs[rows].astype(network.stack.dtype, copy=False)).logits
        loss += cross_entropy(logits, labels[rows], len(inputs))[0]
        right += _accuracy(logits, labels[rows]) * len(logits)
    return loss, right / len(inputs)


def slopes_of(seed: int, iteration: int) -> np.random.Generator:
    """Return where the slopes that an activation draws in an iteration of training come from."""
    return stream(seed, Stream.SLOPES, iteration)


def _accuracy(logits: Array, labels: Counts) -> float:
    finite = np.isfinite(logits).all(axis=1)
    return float(np.mean((logits.argmax(axis=1) == labels) & finite))
