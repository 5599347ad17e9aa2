"""The other sides: the same work, or its bare core, in NumPy, SciPy and PyTorch."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from functools import cache, partial
from math import pi, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf, expit, ndtr

if TYPE_CHECKING:
    import torch

Floats = NDArray[np.float32]
Evaluation = Callable[[Floats], tuple[Floats, Floats]]

_BINS = 30
_FIXED_PRODUCTS, _FIXED_WIDTH, _FIXED_SCALE = 1500, 64, 2.0


def bare_forward(depth: int, width: int, batch: int) -> None:
    """Draw a weight matrix and multiply by it, for each layer: what no forward pass can do without."""
    rng = np.random.default_rng(0)
    a = rng.standard_normal((batch, width), dtype=np.float32)
    z = np.empty_like(a)
    for _ in range(depth):
        np.matmul(a, rng.standard_normal((width, width), dtype=np.float32), out=z)


def bare_backward(depth: int, width: int, batch: int) -> None:
    """Draw a weight matrix and do the three products of forward and backward, for each layer."""
    rng = np.random.default_rng(0)
    a, d = (rng.standard_normal((batch, width), dtype=np.float32) for _ in range(2))
    z, d_below = np.empty_like(a), np.empty_like(d)
    d_weights = np.empty((width, width), dtype=np.float32)
    for _ in range(depth):
        weights = rng.standard_normal((width, width), dtype=np.float32)
        np.matmul(a, weights, out=z)
        np.matmul(d, weights.T, out=d_below)
        np.matmul(a.T, d, out=d_weights)


def fixed_work() -> NDArray[np.float64]:
    """Do what takes some 50 milliseconds on one thread of any machine of late: 1500 small products, and a tanh of each.

    It has nothing to do with what it is compared with: it says how fast the machine is while that is timed.
    """
    rng = np.random.default_rng(0)
    x = rng.standard_normal((_FIXED_WIDTH, _FIXED_WIDTH))
    weights = rng.standard_normal((_FIXED_WIDTH, _FIXED_WIDTH)) * (_FIXED_SCALE / sqrt(_FIXED_WIDTH))
    for _ in range(_FIXED_PRODUCTS):
        x = np.tanh(x @ weights)
    return x


def book(depth: int, width: int, batch: int) -> list[NDArray[np.int64]]:
    """Run the textbooks' script: a ReLU stack in float64, every activation kept, a histogram of each."""
    x = np.random.randn(batch, width)  # noqa: NPY002  (as the textbooks draw)
    activations = {}
    for layer in range(depth):
        w = np.random.randn(width, width) * np.sqrt(2 / width)  # noqa: NPY002
        x = activations[layer] = np.maximum(0, x @ w)
    return [np.histogram(a.flatten(), _BINS, range=(0, 1))[0] for a in activations.values()]


def torch_forward(depth: int, width: int, batch: int) -> list[dict[str, Any]]:
    """Run a ReLU stack in PyTorch without gradients, and return what hooks measure of each layer."""
    import torch

    with torch.no_grad():
        model, signals = _relu_stack(depth, width)
        model(torch.randn(batch, width))
    return signals


def torch_backward(depth: int, width: int, batch: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Run a ReLU stack and autograd in PyTorch, and return what hooks measure of each layer, forward and backward."""
    import torch

    model, signals = _relu_stack(depth, width)
    gradients: list[dict[str, Any]] = []

    def measure(_module: torch.nn.Module, _d_inputs: Any, d_outputs: Any) -> None:
        gradients.append(_gradient_statistics(d_outputs[0]))

    linears = [module for module in model if isinstance(module, torch.nn.Linear)]
    for linear in linears:
        linear.register_full_backward_hook(measure)
    out = model(torch.randn(batch, width))
    with warnings.catch_warnings():
        # That layer 1 has no dL/dx is as it should be: nobody asks for it.
        warnings.filterwarnings("ignore", message="Full backward hook is firing")
        ((out * torch.randn(batch, width)).sum() / batch).backward()
    for stats, linear in zip(reversed(gradients), linears, strict=True):
        for name, parameter in (("weight_norm", linear.weight), ("bias_norm", linear.bias)):
            assert parameter.grad is not None
            stats[name] = parameter.grad.norm().item()
        stats["weight_ratio"] = stats["weight_norm"] / linear.weight.norm().item()
    return signals, gradients


def evaluate(evaluation: Evaluation, times: int, shape: tuple[int, int]) -> None:
    """Evaluate an activation and its derivative on normal numbers, `times` times."""
    x = _normal(shape)
    for _ in range(times):
        evaluation(x)


def evaluations(name: str, times: int, shape: tuple[int, int]) -> dict[str, Callable[[], None]]:
    """Return the candidates for the fastest way to evaluate an activation, by their names."""
    return {way: partial(evaluate, evaluation, times, shape) for way, evaluation in EVALUATIONS[name].items()}


@cache  # the evaluation is timed, not the draw
def _normal(shape: tuple[int, int]) -> Floats:
    return np.random.default_rng(0).standard_normal(shape, dtype=np.float32)


def _relu_stack(depth: int, width: int) -> tuple[torch.nn.Sequential, list[dict[str, Any]]]:
    """Return a stack of He-initialized layers, and the list that its hooks fill when it runs."""
    from torch import nn

    signals: list[dict[str, Any]] = []
    modules: list[nn.Module] = []
    for _ in range(depth):
        linear, relu = nn.Linear(width, width), nn.ReLU()
        nn.init.kaiming_normal_(linear.weight, nonlinearity="relu")
        nn.init.zeros_(linear.bias)
        relu.register_forward_hook(lambda _module, _inputs, a: signals.append(_signal_statistics(a)))
        modules += [linear, relu]
    return nn.Sequential(*modules), signals


def _signal_statistics(a: torch.Tensor) -> dict[str, Any]:
    a = a.detach()
    zero = a == 0
    return {
        "mean": a.mean().item(),
        "std": a.std().item(),
        "counts": a.histc(_BINS, 0, 4).tolist(),
        "zero_fraction": zero.float().mean().item(),
        "dead_fraction": zero.all(dim=0).float().mean().item(),
    }


def _gradient_statistics(d_z: torch.Tensor) -> dict[str, Any]:
    d_z = d_z.detach()
    return {
        "rms": d_z.square().mean().sqrt().item(),
        "zero_fraction": (d_z == 0).float().mean().item(),
        "nonfinite_fraction": (~d_z.isfinite()).float().mean().item(),
        "counts": d_z[d_z != 0].abs().log10().histc(45, -45, 0).tolist(),
    }


def _sigmoid_by_expit(x: Floats) -> tuple[Floats, Floats]:
    s = expit(x)
    return s, s * (1 - s)


def _sigmoid_by_exp(x: Floats) -> tuple[Floats, Floats]:
    s = np.reciprocal(1 + np.exp(-x))
    return s, s * (1 - s)


def _tanh_by_tanh(x: Floats) -> tuple[Floats, Floats]:
    t: Floats = np.tanh(x)
    return t, 1 - t * t


def _tanh_by_expit(x: Floats) -> tuple[Floats, Floats]:
    t = 2 * expit(2 * x) - 1
    return t, 1 - t * t


def _gelu(x: Floats, cdf: Floats) -> tuple[Floats, Floats]:
    return x * cdf, cdf + x * (np.exp(x * x * -0.5) * (1 / sqrt(2 * pi)))


def _gelu_by_ndtr(x: Floats) -> tuple[Floats, Floats]:
    return _gelu(x, ndtr(x))


def _gelu_by_erf(x: Floats) -> tuple[Floats, Floats]:
    return _gelu(x, 0.5 * (1 + erf(x * sqrt(0.5))))


EVALUATIONS: Mapping[str, Mapping[str, Evaluation]] = {
    "gelu": {"scipy.special.ndtr": _gelu_by_ndtr, "scipy.special.erf": _gelu_by_erf},
    "tanh": {"numpy.tanh": _tanh_by_tanh, "scipy.special.expit": _tanh_by_expit},
    "sigmoid": {"scipy.special.expit": _sigmoid_by_expit, "numpy.exp": _sigmoid_by_exp},
}
