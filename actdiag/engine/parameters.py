"""A layer's weights and biases, drawn from the seed, and the factor that fits them to a batch."""

import math

import numpy as np

from actdiag.arrays import Array
from actdiag.engine.workers import Workers
from actdiag.errors import InvalidField
from actdiag.initializers.draws import draw_normal
from actdiag.model.stack import Stack
from actdiag.streams import Stream, stream


def sample_weights(stack: Stack, layer: int) -> Array:
    """Return what the initializer gives `layer`, shape (fan_in, columns): w before any scaling and before the gain."""
    if stack.weights is not None:
        return _in_dtype(stack, stack.weights.layer(layer)[0])
    rng = stream(stack.seed, Stream.WEIGHTS, stack.draw_number(layer))
    return stack.init.sample(rng, stack.fan_in(layer), stack.columns(layer), stack.dtype)


def draw_weights(stack: Stack, layer: int, scale: float = 1.0) -> Array:
    """Return w of `layer`, shape (fan_in, columns), in the stack's dtype.

    Args:
        stack: The stack.
        layer: The layer's number, from 1.
        scale: The factor that fits the weights to the batch, where the initializer does so.
    """
    weights = sample_weights(stack, layer)
    scale_weights(stack, layer, weights, scale)
    return weights


def scale_weights(stack: Stack, layer: int, weights: Array, scale: float) -> None:
    """Multiply what the initializer gave `layer`, in place: by what fits it to the batch, then by the gain."""
    for factor in (scale, stack.layer_gain(layer)):
        if factor != 1:
            weights *= factor


def draw_biases(stack: Stack, layer: int) -> Array | None:
    """Return b of `layer`, shape (columns,), or None where all biases are zero."""
    if stack.weights is not None:
        return _in_dtype(stack, stack.weights.layer(layer)[1])
    columns = stack.columns(layer)
    if stack.bias_mean is None and stack.bias_std is None:
        sample = stack.init.sample_bias
        if sample is None:
            return None
        rng = stream(stack.seed, Stream.BIASES, stack.draw_number(layer))
        return sample(rng, stack.fan_in(layer), columns, stack.dtype)
    mean, std = stack.bias_spread(layer)
    if mean == std == 0:
        return None
    rng = stream(stack.seed, Stream.BIASES, stack.draw_number(layer))
    biases = draw_normal(rng, columns, stack.dtype)
    biases *= std
    biases += mean
    return biases


def _in_dtype(stack: Stack, array: Array) -> Array:
    """Return a copy of given parameters in the stack's dtype.

    Raises:
        InvalidField: One does not fit.
    """
    with np.errstate(over="ignore"):
        own: Array = np.array(array, dtype=stack.dtype)
    if not np.isfinite(own).all():
        largest = float(np.abs(array).max())
        problem = f"must hold numbers that {stack.dtype} can hold, got up to {largest:.3g}"
        raise InvalidField(field="weights", problem=problem)
    return own


def fit_scale(weights: Array, biases: Array | None, inputs: Array, blocks: list[slice], workers: Workers) -> float:
    """Return the factor on `weights` that gives z = inputs @ w + b a std of 1 over batch and units.

    It is the root of a quadratic, where Mishkin & Matas 2016 (arXiv:1511.06422) divide by the std until it is 1. Where
    there is none (inputs all zero, or biases that spread over 1 by themselves) it is 1.
    """
    b = np.zeros(weights.shape[1]) if biases is None else biases.astype(np.float64)

    def sums(rows: slice) -> tuple[float, float, float]:
        u = (inputs[rows] @ weights).astype(np.float64)
        return float(u.sum()), float(np.square(u).sum()), float((u @ b).sum())

    first, second, mixed = (sum(parts) for parts in zip(*workers.map(sums, blocks), strict=True))
    count = len(inputs) * weights.shape[1]
    mean = first / count
    variance, covariance = second / count - mean**2, mixed / count - mean * float(b.mean())
    discriminant = covariance**2 - variance * (float(b.var()) - 1)
    if not (0 < variance < math.inf and 0 <= discriminant < math.inf):
        return 1.0
    scale: float = (math.sqrt(discriminant) - covariance) / variance
    return scale
