"""Activations that shrink, switch off or bend around zero."""

import numpy as np

from actdiag.activations.entry import Activation, register
from actdiag.arrays import Array
from actdiag.errors import check_real


def _outside(x: Array, half_width: float) -> Array:
    return (np.abs(x) > half_width).astype(x.dtype)


def _check_half_width(half_width: float) -> float:
    return check_real("half_width", half_width, 0.0, 1e6)


# Of x - tanh(x) = x^3 (1/3 - 2/15 x^2 + 17/315 x^4 - ...), from the Bernoulli numbers.
_TANHSHRINK_SERIES = (1 / 3, -2 / 15, 17 / 315, -62 / 2835, 1382 / 155925, -21844 / 6081075, 929569 / 638512875)
_CANCELS = 0.1


def _tanhshrink(x: Array) -> Array:
    """Return x - tanh(x), near zero by its series, for the difference would keep no digits there."""
    near = np.clip(x, -_CANCELS, _CANCELS)
    square = np.square(near)
    series = np.zeros_like(square)
    for coefficient in reversed(_TANHSHRINK_SERIES):
        series = series * square + x.dtype.type(coefficient)
    return np.where(np.abs(x) < _CANCELS, near * square * series, x - np.tanh(x))


@register("tanh_shrink")
def tanhshrink() -> Activation:
    """What tanh leaves of x."""
    return Activation(
        name="tanhshrink",
        formula="x - tanh(x)",
        source="Collobert, Kavukcuoglu & Farabet 2011 (Torch7), NeurIPS workshop",
        value=_tanhshrink,
        derivative=lambda x: np.square(np.tanh(x)),
    )


@register("soft_shrink")
def softshrink(half_width: float = 0.5) -> Activation:
    """Pulls x towards zero by half_width, to zero where it is nearer than that."""
    _check_half_width(half_width)
    return Activation(
        name="softshrink",
        formula=f"sign(x) max(|x| - {half_width:g}, 0)",
        source="Donoho & Johnstone 1994, doi:10.1093/biomet/81.3.425",
        value=lambda x: x - np.clip(x, -half_width, half_width),
        derivative=lambda x: _outside(x, half_width),
        kinks=(-half_width, half_width) if half_width else (),
    )


@register("hard_shrink")
def hardshrink(half_width: float = 0.5) -> Activation:
    """The identity outside half_width, zero within; the value jumps at both ends."""
    _check_half_width(half_width)
    return Activation(
        name="hardshrink",
        formula=f"x for |x| > {half_width:g}, else 0",
        source="Donoho & Johnstone 1994, doi:10.1093/biomet/81.3.425",
        value=lambda x: x * _outside(x, half_width),
        derivative=lambda x: _outside(x, half_width),
        kinks=(-half_width, half_width) if half_width else (),
    )


@register("hard_swish", "hard_silu")
def hardswish() -> Activation:
    """The piecewise parabolic swish."""
    return Activation(
        name="hardswish",
        formula="x min(max(x + 3, 0), 6)/6",
        source="Howard et al. 2019, arXiv:1905.02244",
        value=lambda x: x * np.clip((x + 3) / 6, 0, 1),
        derivative=lambda x: np.where(x >= 3, 1, np.where(x <= -3, 0, x / 3 + 0.5)).astype(x.dtype),
        kinks=(-3.0, 3.0),
        bounds=(-0.375, np.inf),
    )
