"""How parameters follow their gradients: plain SGD, momentum, Adam and AdamW, and the clipping that goes before."""

from collections.abc import Callable, Sequence
from math import sqrt

import numpy as np

from actdiag.arrays import Array
from actdiag.measure.squares import merge_squares, square_sum

OPTIMIZERS = ("sgd", "momentum", "adam", "adamw")

MOMENTUM = 0.9
"""Polyak's factor of `momentum`: v = 0.9 v + g, w -= lr v, as PyTorch has it."""

ADAM_BETAS, ADAM_EPSILON = (0.9, 0.999), 1e-8
"""The constants of Kingma & Ba 2014, arXiv:1412.6980."""

USUAL_DECAY = {"sgd": 0.0, "momentum": 0.0, "adam": 0.0, "adamw": 0.01}
"""The weight decay of each optimizer where none is given, as PyTorch has it."""

Update = Callable[[Sequence[Array], float], None]
"""Takes the gradients, in the order of the parameters, and a learning rate, and changes the parameters in place."""


def optimizer(name: str, parameters: Sequence[Array], weight_decay: float = 0.0) -> Update:
    """Return the update of an optimizer over these parameters, with a state of its own.

    Args:
        name: `sgd`, `momentum`, `adam` or `adamw`.
        parameters: What is trained.
        weight_decay: Of AdamW what shrinks the parameters beside the step (Loshchilov & Hutter 2019, arXiv:1711.05101),
            by the learning rate times it; of the others what times the parameters is added to the gradients.
    """
    plain = {"sgd": _sgd, "momentum": _momentum, "adam": _adam, "adamw": _adam}[name](parameters)
    if not weight_decay:
        return plain

    def update(gradients: Sequence[Array], learning_rate: float) -> None:
        for parameter, gradient in zip(parameters, gradients, strict=True):
            if name == "adamw":
                parameter *= 1 - learning_rate * weight_decay
            else:
                gradient += weight_decay * parameter
        plain(gradients, learning_rate)

    return update


def _sgd(parameters: Sequence[Array]) -> Update:
    def update(gradients: Sequence[Array], learning_rate: float) -> None:
        for parameter, gradient in zip(parameters, gradients, strict=True):
            gradient *= learning_rate
            parameter -= gradient

    return update


def _momentum(parameters: Sequence[Array]) -> Update:
    velocities = [np.zeros_like(parameter) for parameter in parameters]

    def update(gradients: Sequence[Array], learning_rate: float) -> None:
        for parameter, velocity, gradient in zip(parameters, velocities, gradients, strict=True):
            velocity *= MOMENTUM
            velocity += gradient
            parameter -= learning_rate * velocity

    return update


def _adam(parameters: Sequence[Array]) -> Update:
    first = [np.zeros_like(parameter) for parameter in parameters]
    second = [np.zeros_like(parameter) for parameter in parameters]
    fast, slow = ADAM_BETAS
    steps = 0

    def update(gradients: Sequence[Array], learning_rate: float) -> None:
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
