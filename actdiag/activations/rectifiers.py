"""The ReLU and its variants: (nearly) linear above zero, something else below."""

from dataclasses import replace
from typing import Any

import numpy as np

from actdiag.activations.entry import (
    LARGEST_PARAMETER,
    Activation,
    check_above,
    check_parameter,
    check_scale,
    register,
)
from actdiag.arrays import Array
from actdiag.errors import InvalidField, check_real

_SELU_ALPHA = 1.6732632423543772
_SELU_SCALE = 1.0507009873554805


def step(x: Array) -> Array:
    """Return 1 where x > 0 and 0 elsewhere: the ReLU's derivative, 0 at 0."""
    return (x > 0).astype(x.dtype)


# Sums of two sides, one of which is zero: to choose between the sides entry by entry takes ten times as long.
def _sloped(x: Array, below: float | Array) -> Array:
    return np.maximum(x, 0) + np.asarray(below, dtype=x.dtype) * np.minimum(x, 0)


def _slopes(x: Array, below: float | Array) -> Array:
    return _sides(x, x.dtype.type(1), np.asarray(below, dtype=x.dtype))


def _sides(x: Array, above: float | np.floating[Any] | Array, below: float | Array) -> Array:
    """Return `above` where x > 0 and `below` elsewhere; both are finite, or NaN where x is."""
    over = x > 0
    chosen: Array = over * above + ~over * below
    return chosen


def _hull_of_slope(slope: float) -> tuple[float, float]:
    return (0.0 if slope <= 0 else -np.inf, np.inf)


@register("linear")
def identity() -> Activation:
    """No activation: a linear layer."""
    return Activation(
        name="identity",
        formula="x",
        source="Saxe, McClelland & Ganguli 2013, arXiv:1312.6120",
        value=np.copy,
        derivative=np.ones_like,
    )


@register()
def relu(max_value: float = np.inf, threshold: float = 0.0, negative_slope: float = 0.0) -> Activation:
    """The rectified linear unit; relu'(0) = 0.

    Where it ends, at max_value, its slope is 0. Up to a threshold it is 0, or has a slope of its own; above 0 its value
    jumps there.
    """
    if (max_value, threshold, negative_slope) != (np.inf, 0, 0):
        return _general_relu(max_value, threshold, negative_slope)
    return Activation(
        name="relu",
        formula="max(x, 0)",
        source="Nair & Hinton 2010, ICML",
        value=lambda x: np.maximum(x, 0),
        derivative=step,
        kinks=(0.0,),
        bounds=(0.0, np.inf),
    )


def _general_relu(max_value: float, threshold: float, negative_slope: float) -> Activation:
    ends = max_value != np.inf
    if ends:
        check_scale("max_value", max_value)
    check_real("threshold", threshold, 0.0, LARGEST_PARAMETER)
    check_real("negative_slope", negative_slope, 0.0, LARGEST_PARAMETER)
    check_above("max_value", max_value, "threshold", threshold)
    kept = f"min(x, {max_value:g})" if ends else "x"
    below = f"x - {threshold:g}" if threshold else "x"
    below = f"{negative_slope:g} {f'({below})' if threshold else below}" if negative_slope else "0"
    bends = (threshold,) if (threshold, negative_slope) != (0, 1) else ()

    def derivative(x: Array) -> Array:
        slope: Array = ((x > threshold) & (x < max_value)).astype(x.dtype)
        if negative_slope:
            slope += x.dtype.type(negative_slope) * (x <= threshold)
            slope[np.isnan(x)] = np.nan
        return slope

    def value(x: Array) -> Array:
        kept = np.clip(x, 0, max_value) * ~(x <= threshold)
        return kept + x.dtype.type(negative_slope) * np.minimum(x - threshold, 0) if negative_slope else kept

    return Activation(
        name="relu",
        formula=f"{kept} for x > {threshold:g}, else {below}",
        source="Keras 3, keras.activations.relu",
        value=value,
        derivative=derivative,
        kinks=(*bends, max_value) if ends else bends,
        bounds=(-np.inf if negative_slope else 0.0, max_value),
        saturates="above" if ends else "none",
    )


@register()
def leaky_relu(slope: float = 0.01) -> Activation:
    """The ReLU with a small slope below zero.

    At 0 its slope is the one below zero, as in PyTorch; in JAX it is 1. Keras takes 0.2 by default: keras_leaky_relu.
    """
    check_parameter("slope", slope)
    return Activation(
        name="leaky_relu",
        formula=f"x for x > 0, else {slope:g} x",
        source="Maas, Hannun & Ng 2013, ICML workshop",
        value=lambda x: _sloped(x, slope),
        derivative=lambda x: _slopes(x, slope),
        kinks=(0.0,) if slope != 1 else (),
        bounds=_hull_of_slope(slope),
    )


@register()
def keras_leaky_relu(slope: float = 0.2) -> Activation:
    """The leaky ReLU with the slope that Keras takes by default; its layer, keras.layers.LeakyReLU, takes 0.3."""
    return replace(leaky_relu(slope), source="Keras 3, keras.activations.leaky_relu")


@register()
def prelu(slope: float = 0.25) -> Activation:
    """The ReLU whose slope below zero is learned, one for a layer; `slope` is its value at initialization.

    At 0 its slope is the one below zero, as in PyTorch; in Flax it is 1.
    """
    check_parameter("slope", slope)
    entry = Activation(
        name="prelu",
        formula=f"x for x > 0, else slope x, slope learned from {slope:g}",
        source="He, Zhang, Ren & Sun 2015, arXiv:1502.01852",
        value=lambda x: _sloped(x, slope),
        derivative=lambda x: _slopes(x, slope),
        kinks=(0.0,) if slope != 1 else (),
        bounds=_hull_of_slope(slope),
        slope_derivative=lambda x: np.minimum(x, 0),
        slope=slope,
    )
    return replace(entry, sloped=lambda learned: _with_slope(entry, learned))


@register()
def rrelu(lower: float = 1 / 8, upper: float = 1 / 3) -> Activation:
    """The randomized leaky ReLU as it evaluates: with the mean of the slopes that training draws."""
    _check_range(lower, upper)
    slope = (lower + upper) / 2
    entry = Activation(
        name="rrelu",
        formula=f"x for x > 0, else {slope:.6g} x (the mean of U({lower:.4g}, {upper:.4g}))",
        source="Xu, Wang, Chen & Li 2015, arXiv:1505.00853",
        value=lambda x: _sloped(x, slope),
        derivative=lambda x: _slopes(x, slope),
        kinks=(0.0,) if slope != 1 else (),
        bounds=_hull_of_slope(slope),
        slope_range=(lower, upper),
    )
    return replace(entry, sloped=lambda drawn: _with_slope(entry, drawn))


def _with_slope(entry: Activation, slope: float | Array) -> Activation:
    """Return an entry whose negative side has another slope: one number, or one for every entry of z."""
    return replace(
        entry,
        value=lambda x: _sloped(x, slope),
        derivative=lambda x: _slopes(x, slope),
        bounds=(-np.inf, np.inf) if isinstance(slope, np.ndarray) else _hull_of_slope(slope),
    )


def _check_range(lower: float, upper: float) -> None:
    check_parameter("lower", lower)
    check_parameter("upper", upper)
    if upper < lower:
        raise InvalidField(field="upper", problem=f"must be at least lower ({lower:g}), got {upper:g}")


@register()
def elu(alpha: float = 1.0) -> Activation:
    """The exponential linear unit."""
    check_scale("alpha", alpha)
    return Activation(
        name="elu",
        formula=f"x for x > 0, else {alpha:g} (exp(x) - 1)",
        source="Clevert, Unterthiner & Hochreiter 2015, arXiv:1511.07289",
        value=lambda x: np.maximum(x, 0) + x.dtype.type(alpha) * np.expm1(np.minimum(x, 0)),
        derivative=lambda x: _sides(x, x.dtype.type(1), x.dtype.type(alpha) * np.exp(np.minimum(x, 0))),
        kinks=() if alpha == 1 else (0.0,),
        bounds=(-alpha, np.inf),
        saturates="below",
    )


@register()
def celu(alpha: float = 1.0) -> Activation:
    """The ELU made continuously differentiable for every alpha."""
    check_scale("alpha", alpha)
    return Activation(
        name="celu",
        formula=f"max(x, 0) + min(0, {alpha:g} (exp(x/{alpha:g}) - 1))",
        source="Barron 2017, arXiv:1704.07483",
        value=lambda x: np.maximum(x, 0) + x.dtype.type(alpha) * np.expm1(np.minimum(x, 0) / alpha),
        derivative=lambda x: np.exp(np.minimum(x, 0) / alpha),
        bounds=(-alpha, np.inf),
        saturates="below",
    )


@register()
def selu() -> Activation:
    """The ELU scaled so that zero mean and unit variance reproduce themselves."""
    plateau = _SELU_SCALE * _SELU_ALPHA
    return Activation(
        name="selu",
        formula=f"{_SELU_SCALE:.10g} (x for x > 0, else {_SELU_ALPHA:.10g} (exp(x) - 1))",
        source="Klambauer, Unterthiner, Mayr & Hochreiter 2017, arXiv:1706.02515",
        value=lambda x: x.dtype.type(_SELU_SCALE) * np.maximum(x, 0) + plateau * np.expm1(np.minimum(x, 0)),
        derivative=lambda x: _sides(x, x.dtype.type(_SELU_SCALE), plateau * np.exp(np.minimum(x, 0))),
        kinks=(0.0,),
        bounds=(-plateau, np.inf),
        saturates="below",
    )


@register()
def relu_squared() -> Activation:
    """The square of the ReLU."""
    return Activation(
        name="relu_squared",
        formula="max(x, 0)^2",
        source="So et al. 2021 (Primer), arXiv:2109.08668",
        value=lambda x: np.square(np.maximum(x, 0)),
        derivative=lambda x: 2 * np.maximum(x, 0),
        bounds=(0.0, np.inf),
    )


@register()
def threshold(theta: float = 1.0, value: float = 0.0) -> Activation:
    """The identity above a threshold, a constant below; the value jumps at theta unless the constant is theta."""
    check_parameter("theta", theta)
    check_parameter("value", value)
    return Activation(
        name="threshold",
        formula=f"x for x > {theta:g}, else {value:g}",
        source="Konda, Memisevic & Krueger 2014, arXiv:1402.3337",
        value=lambda x: np.where(x <= theta, x.dtype.type(value), x),  # which hands NaN on
        derivative=lambda x: (x > theta).astype(x.dtype),
        kinks=(float(theta),),
        bounds=(min(theta, value), np.inf),
    )
