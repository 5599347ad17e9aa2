"""The ReLU and its variants: (nearly) linear above zero, something else below."""

from dataclasses import replace
from typing import Any

import numpy as np

from actdiag.activations.entry import Activation, register
from actdiag.arrays import Array
from actdiag.errors import InvalidField, check_real

_LARGEST_PARAMETER = 1e6
_SELU_ALPHA = 1.6732632423543772
_SELU_SCALE = 1.0507009873554805


def step(x: Array) -> Array:
    """Return 1 where x > 0 and 0 elsewhere: the ReLU's derivative, 0 at 0."""
    return (x > 0).astype(x.dtype)


def _check_slope(slope: float) -> float:
    return check_real("slope", slope, -_LARGEST_PARAMETER, _LARGEST_PARAMETER)


def _check_alpha(alpha: float) -> float:
    return check_real("alpha", alpha, 0.0, _LARGEST_PARAMETER, open_below=True)


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


@register()
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
def relu() -> Activation:
    """The rectified linear unit; relu'(0) = 0."""
    return Activation(
        name="relu",
        formula="max(x, 0)",
        source="Nair & Hinton 2010, ICML",
        value=lambda x: np.maximum(x, 0),
        derivative=step,
        kinks=(0.0,),
        bounds=(0.0, np.inf),
    )


@register()
def leaky_relu(slope: float = 0.01) -> Activation:
    """The ReLU with a small slope below zero."""
    _check_slope(slope)
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
def prelu(slope: float = 0.25) -> Activation:
    """The ReLU whose slope below zero is learned, one for a layer; `slope` is its value at initialization."""
    _check_slope(slope)
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
    check_real("lower", lower, -_LARGEST_PARAMETER, _LARGEST_PARAMETER)
    check_real("upper", upper, -_LARGEST_PARAMETER, _LARGEST_PARAMETER)
    if upper < lower:
        raise InvalidField(field="upper", problem=f"must be at least lower ({lower:g}), got {upper:g}")


@register()
def elu(alpha: float = 1.0) -> Activation:
    """The exponential linear unit."""
    _check_alpha(alpha)
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
    _check_alpha(alpha)
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
def relu6() -> Activation:
    """The ReLU cut off at 6."""
    return Activation(
        name="relu6",
        formula="min(max(x, 0), 6)",
        source="Krizhevsky 2010, Convolutional Deep Belief Networks on CIFAR-10",
        value=lambda x: np.clip(x, 0, 6),
        derivative=lambda x: ((x > 0) & (x < 6)).astype(x.dtype),
        kinks=(0.0, 6.0),
        bounds=(0.0, 6.0),
        saturates="above",
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
    check_real("theta", theta, -_LARGEST_PARAMETER, _LARGEST_PARAMETER)
    check_real("value", value, -_LARGEST_PARAMETER, _LARGEST_PARAMETER)
    return Activation(
        name="threshold",
        formula=f"x for x > {theta:g}, else {value:g}",
        source="Konda, Memisevic & Krueger 2014, arXiv:1402.3337",
        value=lambda x: np.where(x > theta, x, x.dtype.type(value)),
        derivative=lambda x: (x > theta).astype(x.dtype),
        kinks=(float(theta),),
        bounds=(min(theta, value), np.inf),
    )
