"""Structured activations: units that look at several pre-activations, of their own or of the whole layer."""

import numpy as np

from actdiag.activations.entry import Activation, Elementwise, register
from actdiag.activations.sigmoidal import sigmoid_slope, sigmoid_value
from actdiag.activations.smooth import gelu_slope, gelu_value, silu_slope, silu_value
from actdiag.arrays import Array
from actdiag.errors import check_integer

_MOST_PIECES = 1024


def _softmax_value(z: Array) -> Array:
    e = np.exp(z - z.max(axis=1, keepdims=True))
    value: Array = e / e.sum(axis=1, keepdims=True)
    return value


def _log_softmax_value(z: Array) -> Array:
    shifted = z - z.max(axis=1, keepdims=True)
    value: Array = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return value


def _softmax_backward(z: Array, d_a: Array) -> Array:
    a = _softmax_value(z)
    d_z: Array = a * (d_a - (d_a * a).sum(axis=1, keepdims=True))
    return d_z


def _sparsemax_value(z: Array) -> Array:
    """Return the point of the simplex nearest to each row: what is over a threshold, less that."""
    shifted = z - z.max(axis=1, keepdims=True)
    descending = -np.sort(-shifted, axis=1)
    summed, count = descending.cumsum(axis=1), np.arange(1, z.shape[1] + 1, dtype=z.dtype)
    kept = (1 + count * descending > summed).sum(axis=1, keepdims=True)
    threshold = (np.take_along_axis(summed, kept - 1, axis=1) - 1) / kept.astype(z.dtype)
    value: Array = np.maximum(shifted - threshold, 0)
    return value


def _sparsemax_backward(z: Array, d_a: Array) -> Array:
    kept = _sparsemax_value(z) > 0
    mean = (d_a * kept).sum(axis=1, keepdims=True) / kept.sum(axis=1, keepdims=True, dtype=z.dtype)
    d_z: Array = kept * (d_a - mean)
    return d_z


@register()
def softmax() -> Activation:
    """The softmax over the units of a layer."""
    return Activation(
        name="softmax",
        formula="exp(x_i) / sum_j exp(x_j), over the layer",
        source="Bridle 1990, doi:10.1007/978-3-642-76153-9_28",
        value=_softmax_value,
        backward=_softmax_backward,
        bounds=(0.0, 1.0),
    )


@register()
def softmin() -> Activation:
    """The softmax of -x over the units of a layer."""
    return Activation(
        name="softmin",
        formula="exp(-x_i) / sum_j exp(-x_j), over the layer",
        source="PyTorch, torch.nn.Softmin",
        value=lambda z: _softmax_value(-z),
        backward=lambda z, d_a: -_softmax_backward(-z, d_a),
        bounds=(0.0, 1.0),
    )


@register()
def sparsemax() -> Activation:
    """The softmax's sparse relative, over the units of a layer: the nearest shares that sum to 1."""
    return Activation(
        name="sparsemax",
        formula="max(x_i - t, 0), over the layer, t such that they sum to 1",
        source="Martins & Astudillo 2016, arXiv:1602.02068",
        value=_sparsemax_value,
        backward=_sparsemax_backward,
        bounds=(0.0, 1.0),
    )


@register("logsoftmax")
def log_softmax() -> Activation:
    """The logarithm of the softmax over the units of a layer."""
    return Activation(
        name="log_softmax",
        formula="x_i - log(sum_j exp(x_j)), over the layer",
        source="Bridle 1990, doi:10.1007/978-3-642-76153-9_28",
        value=_log_softmax_value,
        backward=lambda z, d_a: d_a - _softmax_value(z) * d_a.sum(axis=1, keepdims=True),
        bounds=(-np.inf, 0.0),
    )


@register()
def maxout(pieces: int = 2) -> Activation:
    """The largest of `pieces` pre-activations; unit j takes the columns from j * pieces on, the first at a tie."""
    check_integer("pieces", pieces, 1, _MOST_PIECES)

    pre_activations = "x_1, x_2" if pieces == 2 else "x_1" if pieces == 1 else f"x_1, ..., x_{pieces}"

    def split(z: Array) -> Array:
        return z.reshape(z.shape[0], -1, pieces)

    def backward(z: Array, d_a: Array) -> Array:
        winner = split(z).argmax(axis=2)[..., np.newaxis]
        d_z = np.zeros_like(z)
        np.put_along_axis(split(d_z), winner, d_a[..., np.newaxis], axis=2)
        return d_z

    return Activation(
        name="maxout",
        formula=f"max({pre_activations}), of each unit its own",
        source="Goodfellow, Warde-Farley, Mirza, Courville & Bengio 2013, arXiv:1302.4389",
        value=lambda z: split(z).max(axis=2),
        backward=backward,
        pieces=pieces,
    )


def _gated_linear_unit(name: str, gate_formula: str, source: str, gate: Elementwise, slope: Elementwise) -> Activation:
    """A linear half times a gated half: z is [x, y] with the x of every unit first, a = x gate(y)."""

    def value(z: Array) -> Array:
        x, y = np.split(z, 2, axis=1)
        return x * gate(y)

    def backward(z: Array, d_a: Array) -> Array:
        x, y = np.split(z, 2, axis=1)
        return np.concatenate([d_a * gate(y), d_a * x * slope(y)], axis=1)

    return Activation(name=name, formula=f"x {gate_formula}", source=source, value=value, backward=backward, pieces=2)


@register()
def glu() -> Activation:
    """The gated linear unit."""
    source = "Dauphin, Fan, Auli & Grangier 2016, arXiv:1612.08083"
    return _gated_linear_unit("glu", "sigmoid(y)", source, sigmoid_value, sigmoid_slope)


@register()
def swiglu() -> Activation:
    """The linear unit gated by swish."""
    return _gated_linear_unit("swiglu", "silu(y)", "Shazeer 2020, arXiv:2002.05202", silu_value, silu_slope)


@register()
def geglu() -> Activation:
    """The linear unit gated by the exact GELU."""
    return _gated_linear_unit("geglu", "gelu(y)", "Shazeer 2020, arXiv:2002.05202", gelu_value, gelu_slope)
