"""Smooth relatives of the ReLU, and the exponential family."""

import math

import numpy as np

from actdiag.activations.entry import LARGEST_PARAMETER, Activation, check_scale, register
from actdiag.activations.sigmoidal import sigmoid_slope, sigmoid_value, tanh_slope
from actdiag.arrays import Array
from actdiag.errors import check_real

_INV_SQRT_2PI = 0.3989422804014327
_SQRT_2_OVER_PI = 0.7978845608028654
_GELU_CUBIC = 0.044715


def normal_cdf(x: Array) -> Array:
    """Return the standard normal distribution function, exact in both tails."""
    from scipy.special import ndtr

    probability: Array = ndtr(x)
    return probability


def softplus_value(x: Array) -> Array:
    """Return log(1 + exp(x)) without overflow."""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def gelu_value(x: Array) -> Array:
    """Return x times the normal distribution function."""
    return x * normal_cdf(x)


def gelu_slope(x: Array) -> Array:
    """Return the derivative of the exact GELU."""
    return normal_cdf(x) + x * np.exp(-np.square(x) / 2) * _INV_SQRT_2PI


def silu_value(x: Array) -> Array:
    """Return x sigmoid(x)."""
    return x * sigmoid_value(x)


def silu_slope(x: Array) -> Array:
    """Return the derivative of x sigmoid(x)."""
    return sigmoid_value(x) + x * sigmoid_slope(x)


def _gelu_tanh_argument(x: Array) -> Array:
    # (1 + tanh(u))/2 is sigmoid(2u), which keeps the lower tail that 1 + tanh cancels.
    return (2 * _SQRT_2_OVER_PI) * x * (1 + _GELU_CUBIC * np.square(x))


def _gelu_tanh_slope(x: Array) -> Array:
    x = np.clip(x, -100, 100)  # beyond, the slope is 0 or 1 to the last bit, and its square may overflow
    u = _gelu_tanh_argument(x)
    return sigmoid_value(u) + x * sigmoid_slope(u) * (2 * _SQRT_2_OVER_PI) * (1 + 3 * _GELU_CUBIC * np.square(x))


def _mish_slope(x: Array) -> Array:
    softplus_x = softplus_value(x)
    return np.tanh(softplus_x) + x * tanh_slope(softplus_x) * sigmoid_value(x)


def _exponential(x: Array) -> Array:
    with np.errstate(over="ignore"):  # the one activation that may leave the dtype: inf is its value there
        return np.exp(x)


@register()
def gelu() -> Activation:
    """The exact Gaussian error linear unit.

    jax.nn.gelu is gelu_tanh by default: jax_gelu.
    """
    return Activation(
        name="gelu",
        formula="x Phi(x), Phi the standard normal distribution function",
        source="Hendrycks & Gimpel 2016, arXiv:1606.08415",
        value=gelu_value,
        derivative=gelu_slope,
        bounds=(-0.16997120747990366, np.inf),
    )


@register("jax_gelu")
def gelu_tanh() -> Activation:
    """The tanh approximation of the GELU."""
    return Activation(
        name="gelu_tanh",
        formula="x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))",
        source="Hendrycks & Gimpel 2016, arXiv:1606.08415",
        value=lambda x: x * sigmoid_value(_gelu_tanh_argument(x)),
        derivative=_gelu_tanh_slope,
        bounds=(-0.17004075057125405, np.inf),
    )


@register("swish")
def silu() -> Activation:
    """The sigmoid-weighted linear unit, also called swish."""
    return Activation(
        name="silu",
        formula="x / (1 + exp(-x))",
        source="Elfwing, Uchibe & Doya 2017, arXiv:1702.03118",
        value=silu_value,
        derivative=silu_slope,
        bounds=(-0.27846454276107374, np.inf),
    )


@register()
def mish() -> Activation:
    """The self-gated tanh of softplus."""
    return Activation(
        name="mish",
        formula="x tanh(log(1 + exp(x)))",
        source="Misra 2019, arXiv:1908.08681",
        value=lambda x: x * np.tanh(softplus_value(x)),
        derivative=_mish_slope,
        bounds=(-0.30884341301725041, np.inf),
    )


@register()
def softplus(beta: float = 1.0) -> Activation:
    """The smooth ReLU, always above zero; beta sets how narrow the bend is."""
    # Under a smaller beta float32 loses x beside log(2)/beta.
    check_real("beta", beta, 1 / LARGEST_PARAMETER, LARGEST_PARAMETER)

    def value(x: Array) -> Array:
        return np.maximum(x, 0) + np.log1p(np.exp(-beta * np.abs(x))) / beta

    return Activation(
        name="softplus",
        formula="log(1 + exp(x))" if beta == 1 else f"log(1 + exp({beta:g} x))/{beta:g}",
        source="Dugas, Bengio, Belisle, Nadeau & Garcia 2001, NeurIPS",
        value=softplus_value if beta == 1 else value,
        derivative=sigmoid_value if beta == 1 else lambda x: sigmoid_value(beta * x),
        bounds=(0.0, np.inf),
    )


@register("logsigmoid")
def log_sigmoid() -> Activation:
    """The logarithm of the sigmoid."""
    return Activation(
        name="log_sigmoid",
        formula="-log(1 + exp(-x))",
        source="Collobert, Kavukcuoglu & Farabet 2011 (Torch7), NeurIPS workshop",
        value=lambda x: -softplus_value(-x),
        derivative=lambda x: sigmoid_value(-x),
        bounds=(-np.inf, 0.0),
    )


@register()
def squareplus(b: float = 4.0) -> Activation:
    """The algebraic softplus; b sets how wide the bend is."""
    check_scale("b", b)

    def root(x: Array) -> Array:
        return np.hypot(x, x.dtype.type(math.sqrt(b)))

    def value(x: Array) -> Array:
        # The lower side is written without its cancellation: (x + r)/2 = b / (2 (r - x)).
        r = root(x)
        return np.where(x > 0, x / 2 + r / 2, b / 2 / (r + np.abs(x)))

    return Activation(
        name="squareplus",
        formula=f"(x + sqrt(x^2 + {b:g}))/2",
        source="Barron 2021, arXiv:2112.11687",
        value=value,
        derivative=lambda x: value(x) / root(x),
        bounds=(0.0, np.inf),
    )


@register()
def sparse_plus() -> Activation:
    """The ReLU with a parabola between -1 and 1: the integral of sparse_sigmoid."""
    return Activation(
        name="sparse_plus",
        formula="0 for x <= -1, (x + 1)^2/4 between, x for x >= 1",
        source="Blondel, Martins & Niculae 2019, arXiv:1901.02324",
        value=lambda x: np.where(x >= 1, x, np.square(np.clip(x, -1, 1) + 1) / 4),
        derivative=lambda x: np.clip((x + 1) / 2, 0, 1),
        bounds=(0.0, np.inf),
    )


@register()
def exponential() -> Activation:
    """The exponential: overflows float32 beyond 88.7."""
    return Activation(
        name="exponential",
        formula="exp(x)",
        source="Chollet et al. 2015 (Keras)",
        value=_exponential,
        derivative=_exponential,
        bounds=(0.0, np.inf),
    )
