"""Activations that level off on both sides: sigmoid, tanh and their kin."""

import numpy as np

from actdiag.activations.entry import Activation, register
from actdiag.arrays import Array

_SQRT_PI = 1.7724538509055159


def sigmoid_value(x: Array) -> Array:
    """Return 1 / (1 + exp(-x)), exact in both tails."""
    # exp of a negative number only: it cannot overflow, and the lower tail keeps its relative precision.
    value: Array = np.exp(np.minimum(x, 0)) / (1 + np.exp(-np.abs(x)))
    return value


def sigmoid_slope(x: Array) -> Array:
    """Return the derivative of the sigmoid, s(x) s(-x), exact in both tails."""
    e = np.exp(-np.abs(x))
    slope: Array = e / np.square(1 + e)
    return slope


def tanh_slope(x: Array) -> Array:
    """Return the derivative of tanh, sech(x)^2; 1 - tanh(x)^2 would lose its tails to cancellation."""
    e = np.exp(-2 * np.abs(x))
    slope: Array = 4 * e / np.square(1 + e)
    return slope


@register("logistic")
def sigmoid() -> Activation:
    """The logistic function."""
    return Activation(
        name="sigmoid",
        formula="1 / (1 + exp(-x))",
        source="Rumelhart, Hinton & Williams 1986, doi:10.1038/323533a0",
        value=sigmoid_value,
        derivative=sigmoid_slope,
        bounds=(0.0, 1.0),
        saturates="both",
    )


@register()
def tanh() -> Activation:
    """The hyperbolic tangent."""
    return Activation(
        name="tanh",
        formula="tanh(x)",
        source="LeCun, Bottou, Orr & Mueller 1998, doi:10.1007/3-540-49430-8_2",
        value=np.tanh,
        derivative=tanh_slope,
        bounds=(-1.0, 1.0),
        saturates="both",
    )


@register()
def lecun_tanh() -> Activation:
    """The scaled tanh, with f(1) = 1 and the largest second derivative at 1."""
    return Activation(
        name="lecun_tanh",
        formula="1.7159 tanh(2x/3)",
        source="LeCun, Bottou, Orr & Mueller 1998, doi:10.1007/3-540-49430-8_2",
        value=lambda x: 1.7159 * np.tanh(x * (2 / 3)),
        derivative=lambda x: (1.7159 * 2 / 3) * tanh_slope(x * (2 / 3)),
        bounds=(-1.7159, 1.7159),
        saturates="both",
    )


@register()
def erf() -> Activation:
    """The error function."""

    def value(x: Array) -> Array:
        from scipy.special import erf as erf_function

        result: Array = erf_function(x)
        return result

    return Activation(
        name="erf",
        formula="erf(x) = 2/sqrt(pi) int_0^x exp(-t^2) dt",
        source="Williams 1998, doi:10.1162/089976698300017412",
        value=value,
        derivative=lambda x: (2 / _SQRT_PI) * np.exp(-np.square(x)),
        bounds=(-1.0, 1.0),
        saturates="both",
    )


@register("atan")
def arctan() -> Activation:
    """The inverse tangent."""
    return Activation(
        name="arctan",
        formula="arctan(x)",
        source="Kamruzzaman & Aziz 2002, doi:10.1109/IJCNN.2002.1007519",
        value=np.arctan,
        derivative=lambda x: 1 / (1 + np.square(x)),
        bounds=(-np.pi / 2, np.pi / 2),
        saturates="both",
    )


@register("soft_sign")
def softsign() -> Activation:
    """The softsign, whose plateaus are approached like 1/x."""
    return Activation(
        name="softsign",
        formula="x / (1 + |x|)",
        source="Bergstra, Desjardins, Lamblin & Bengio 2009, U. Montreal TR 1337",
        value=lambda x: x / (1 + np.abs(x)),
        derivative=lambda x: 1 / np.square(1 + np.abs(x)),
        bounds=(-1.0, 1.0),
        saturates="both",
    )


@register()
def sin() -> Activation:
    """The sine."""
    return Activation(
        name="sin",
        formula="sin(x)",
        source="Sitzmann, Martel, Bergman, Lindell & Wetzstein 2020, arXiv:2006.09661",
        value=np.sin,
        derivative=np.cos,
        bounds=(-1.0, 1.0),
    )
