"""How parameters follow their gradients: plain SGD, momentum and Adam, and the clipping that goes before."""

from collections.abc import Callable, Sequence
from math import sqrt

import numpy as np

from actdiag.arrays import Array
from actdiag.measure.squares import merge_squares, square_sum

OPTIMIZERS = ("sgd", "momentum", "adam")

MOMENTUM = 0.9
"""Polyak's factor of `momentum`: v = 0.9 v + g, w -= lr v, as PyTorch has it."""

ADAM_BETAS, ADAM_EPSILON = (0.9, 0.999), 1e-8
"""The constants of Kingma & Ba 2014, arXiv:1412.6980."""

Update = Callable[[Sequence[Array]], None]
"""Takes the gradients, in the order of the parameters, and changes the parameters in place."""


def optimizer(name: str, parameters: Sequence[Array], learning_rate: float) -> Update:
    """Return the update of `sgd`, `momentum` or `adam` over these parameters, with a state of its own."""
    return {"sgd": _sgd, "momentum": _momentum, "adam": _adam}[name](parameters, learning_rate)


def _sgd(parameters: Sequence[Array], learning_rate: float) -> Update:
    def update(gradients: Sequence[Array]) -> None:
        for parameter, gradient in zip(parameters, gradients, strict=True):
            gradient *= learning_rate
            parameter -= gradient

    return update


def _momentum(parameters: Sequence[Array], learning_rate: float) -> Update:
    velocities = [np.zeros_like(parameter) for parameter in parameters]

    def update(gradients: Sequence[Array]) -> None:
        for parameter, velocity, gradient in zip(parameters, velocities, gradients, strict=True):
            velocity *= MOMENTUM
            velocity += gradient
            parameter -= learning_rate * velocity

    return update


def _adam(parameters: Sequence[Array], learning_rate: float) -> Update:
    first = [np.zeros_like(parameter) for parameter in parameters]
    second = [np.zeros_like(parameter) for parameter in parameters]
    fast, slow = ADAM_BETAS
    steps = 0

    def update(gradients: Sequence[Array]) -> None:
        nonlocal steps
        steps += 1
        step = learning_rate / (1 - fast**steps)
        unbiased = sqrt(1 - slow**steps)
        for parameter, m, v, gradient in zip(parameters, first, second, gradients, strict=True):
            m += (1 - fast) * (gradient - m)
            v *= slow
            v += (1 - slow) * gradient * gradient
            parameter -= step * m / (np.sqrt(v) / unbiased + ADAM_EPSILON)

    return update


def clip(gradients: Sequence[Array], norm: float | None, value: float | None) -> None:
    """Bound gradients in place: all of them together by their norm, then every entry; None is no bound.

    The norm's bound is Pascanu, Mikolov & Bengio's (2013, arXiv:1211.5063), with PyTorch's 1e-6 under the fraction.
    """
    if norm is not None:
        whole = norm_of(gradients)
        if whole is not None and norm < whole + 1e-6:
            for gradient in gradients:
                gradient *= norm / (whole + 1e-6)
    if value is not None:
        for gradient in gradients:
            np.clip(gradient, -value, value, out=gradient)


def norm_of(arrays: Sequence[Array]) -> float | None:
    """Return the norm of several arrays as one vector, whatever its size; None where an entry is not finite."""
    return merge_squares([square_sum(np.atleast_2d(array)) for array in arrays]).norm
