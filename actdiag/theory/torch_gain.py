"""The gain that PyTorch recommends for an activation, and what becomes of a deep stack under it."""

from collections.abc import Callable
from math import inf, sqrt
from typing import Literal, NamedTuple

import numpy as np

from actdiag.activations import ACTIVATIONS, Activation
from actdiag.theory.critical import next_q
from actdiag.theory.gaussian import moments
from actdiag.theory.homogeneous import homogeneous_sides
from actdiag.theory.meanfield import destination

Fate = Literal["keeps", "settles", "vanishes", "explodes"]


class TorchGain(NamedTuple):
    """The gain that torch.nn.init.calculate_gain returns for an activation, and its effect in a deep stack.

    Attributes:
        gain: The gain.
        fate: Whether the signal keeps any scale, settles at one, vanishes or explodes.
        q: The second moment of the pre-activations where it settles; None where it does not.
        signal_change: The factor of the signal's rms a layer in the limit.
        gradient_change: That of the gradient's rms; None where it has none.
        chi1: The square of that.
    """

    gain: float
    fate: Fate
    q: float | None
    signal_change: float | None
    gradient_change: float | None
    chi1: float | None


def torch_gain(act: Activation) -> TorchGain | None:
    """Return PyTorch's gain for an activation and its effect; None where PyTorch has none.

    The signal starts at the second moment that N(0, 1) inputs give layer 1: the gain squared.
    """
    base = act.name.split(":")[0].split("=")[0]
    say = _TORCH.get(ACTIVATIONS[base].__name__) if base in ACTIVATIONS else None
    if say is None:
        return None
    gain = say(act)
    sides = homogeneous_sides(act)
    if sides is not None:
        chi1 = gain**2 * (sides[0] ** 2 + sides[1] ** 2) / 2
        fate: Fate = "keeps" if abs(chi1 - 1) < 1e-9 else "vanishes" if chi1 < 1 else "explodes"
        return TorchGain(gain, fate, None, sqrt(chi1), sqrt(chi1), chi1)
    q = destination(act, gain**2, 0.0, gain**2)
    if 0 < q < inf:
        chi1 = gain**2 * moments(act, q).slope
        return TorchGain(gain, "settles", q, 1.0, sqrt(chi1), chi1)
    far = 1e-12 if q == 0 else 1e12
    change, chi1 = sqrt(next_q(act, gain, 0.0, far) / far), gain**2 * moments(act, far).slope
    return TorchGain(gain, "vanishes" if q == 0 else "explodes", None, change, sqrt(chi1), chi1)


def _torch_leaky(act: Activation) -> float:
    assert act.derivative is not None
    return sqrt(2 / (1 + float(act.derivative(np.array([-1.0]))[0]) ** 2))


# A fact about another library, torch.nn.init.calculate_gain of PyTorch 2: every name that it knows.
_TORCH: dict[str, Callable[[Activation], float]] = {
    "identity": lambda act: 1.0,
    "sigmoid": lambda act: 1.0,
    "tanh": lambda act: 5 / 3,
    "relu": lambda act: sqrt(2),
    "leaky_relu": _torch_leaky,
    "selu": lambda act: 3 / 4,
}
