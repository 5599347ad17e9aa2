"""Activations that are linear between two points and level off at both."""

import numpy as np

from actdiag.activations.entry import Activation, check_above, check_parameter, register


@register("hard_tanh")
def hardtanh(min: float = -1.0, max: float = 1.0) -> Activation:
    """The identity cut off at min and max.

    At both its slope is 0, as in PyTorch; it is 1 in JAX, and in Keras on JAX and TensorFlow.
    """
    check_parameter("min", min)
    check_parameter("max", max)
    check_above("max", max, "min", min)
    return Activation(
        name="hardtanh",
        formula=f"min(max(x, {min:g}), {max:g})",
        source="Collobert 2004, Large Scale Machine Learning (thesis, Paris VI)",
        value=lambda x: np.clip(x, min, max),
        derivative=lambda x: ((x > min) & (x < max)).astype(x.dtype),
        kinks=(min, max),
        bounds=(min, max),
        saturates="both",
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


@register("hard_sigmoid")
def hardsigmoid() -> Activation:
    """The piecewise linear sigmoid with slope 1/6, also that of JAX and Keras 3.

    Before version 3 Keras had another: keras2_hard_sigmoid.
    """
    return Activation(
        name="hardsigmoid",
        formula="min(max(x/6 + 1/2, 0), 1)",
        source="Howard et al. 2019, arXiv:1905.02244",
        value=lambda x: np.clip((x + 3) / 6, 0, 1),
        derivative=lambda x: (np.abs(x) < 3) / x.dtype.type(6),
        kinks=(-3.0, 3.0),
        bounds=(0.0, 1.0),
        saturates="both",
    )


@register()
def keras2_hard_sigmoid() -> Activation:
    """The piecewise linear sigmoid with slope 1/5, that of Keras before version 3."""
    return Activation(
        name="keras2_hard_sigmoid",
        formula="min(max(0.2 x + 0.5, 0), 1)",
        source="Courbariaux, Bengio & David 2015, arXiv:1511.00363",
        value=lambda x: np.clip(x / 5 + 0.5, 0, 1),
        derivative=lambda x: (np.abs(x) < 2.5) / x.dtype.type(5),
        kinks=(-2.5, 2.5),
        bounds=(0.0, 1.0),
        saturates="both",
    )


@register()
def sparse_sigmoid() -> Activation:
    """The two-class sparsemax: a linear ramp from -1 to 1.

    At -1 and 1 its slope is 0, as in Keras on TensorFlow and PyTorch; it is 1/4 in JAX, and in Keras on it.
    """
    return Activation(
        name="sparse_sigmoid",
        formula="min(max((x + 1)/2, 0), 1)",
        source="Martins & Astudillo 2016, arXiv:1602.02068",
        value=lambda x: np.clip((x + 1) / 2, 0, 1),
        derivative=lambda x: (np.abs(x) < 1) / x.dtype.type(2),
        kinks=(-1.0, 1.0),
        bounds=(0.0, 1.0),
        saturates="both",
    )
