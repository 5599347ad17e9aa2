"""The gains of an activation: those that preserve the signal and the gradient, and the recommended one.

A gain is sqrt(fan_in) times the std of a weight, sigma_w of theory. All of it holds for wide layers. Sources: see
`critical`.
"""

from collections.abc import Callable
from math import inf, isfinite, sqrt
from typing import Literal, NamedTuple

import numpy as np

from actdiag.activations import ACTIVATIONS, Activation, traits
from actdiag.errors import InvalidField, check_integer, check_real
from actdiag.initializers import resolve
from actdiag.model.stack import MOST_LAYERS, Stack
from actdiag.options import GainOptions
from actdiag.theory.critical import (
    CriticalPoint,
    chiq_of,
    critical_points,
    half_stable_point,
    next_q,
)
from actdiag.theory.gaussian import moments
from actdiag.theory.homogeneous import homogeneous_sides
from actdiag.theory.meanfield import destination
from actdiag.theory.prediction import predict
from actdiag.theory.recommendation import Recommendation, recommend

Fate = Literal["keeps", "settles", "vanishes", "explodes"]

MOST_BIAS = 1e3
"""The largest std of the biases accepted."""

LEAST_APART = 0.02
"""Where the mean cosine between inputs comes nearer to 1 than this, no gain was found to train a stack."""

_WIDTH = 256
"""Of the stacks and batches that the cosine is predicted of."""


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


class Gains(NamedTuple):
    """What theory says about the scale of the weights for one activation.

    Attributes:
        name: The activation's.
        forward_gain: E[f(z)^2]^(-1/2), z ~ N(0, 1): keeps a signal of second moment 1. None where there is none.
        backward_gain: E[f'(z)^2]^(-1/2): keeps a gradient under such a signal. None where there is none.
        chi1: The factor of the gradient's second moment a layer at the forward gain.
        chiq: The factor of a small deviation from second moment 1 a layer there.
        gain_reason: Why a gain is None.
        bias_std: The std of the biases of the critical point.
        critical: The critical point for it, a stable one where there is one.
        critical_count: How many there are.
        reason: Why there is none.
        half_stable: The critical point at which a deviation of the signal neither grows nor shrinks; None without one.
        torch: PyTorch's gain; None where it has none.
        recommended: The recommended gain.
    """

    name: str
    forward_gain: float | None
    backward_gain: float | None
    chi1: float | None
    chiq: float | None
    gain_reason: str | None
    bias_std: float
    critical: CriticalPoint | None
    critical_count: int
    reason: str | None
    half_stable: CriticalPoint | None
    torch: TorchGain | None
    recommended: Recommendation


def gains(act: Activation, bias_std: float = 0.0, depth: int = GainOptions.depth) -> Gains:
    """Return the gains of an elementwise activation, its critical point and the recommended gain.

    Args:
        act: The activation.
        bias_std: The std of the biases of the critical point.
        depth: The number of layers that the recommended gain is for.

    Raises:
        InvalidField: The activation is structured, `bias_std` is not a std, or `depth` not a number of layers.
    """
    _check(act, bias_std, "act")
    check_integer("depth", depth, 1, MOST_LAYERS)
    at_one = moments(act, 1.0)
    forward, backward = (
        value**-0.5 if 0 < value < inf and isfinite(value**-0.5) else None for value in (at_one.second, at_one.slope)
    )
    points = critical_points(act, bias_std)
    critical = next((point for point in points if point.stable), points[0] if points else None)
    half_stable = half_stable_point(act)
    return Gains(
        name=act.name,
        forward_gain=forward,
        backward_gain=backward,
        chi1=None if forward is None or not isfinite(at_one.slope) else forward**2 * at_one.slope,
        chiq=None if forward is None or not isfinite(at_one.mixed) else chiq_of(act, forward, 1.0),
        gain_reason=None if forward and backward else _without_gain(at_one.second, at_one.slope),
        bias_std=bias_std,
        critical=critical,
        critical_count=len(points),
        reason=None if critical else _without_critical(act, bias_std),
        half_stable=half_stable,
        torch=torch_gain(act),
        recommended=_apart(act, recommend(act, bias_std, critical, half_stable, depth)),
    )


def _apart(act: Activation, found: Recommendation) -> Recommendation:
    """Return a recommendation that is not good where inputs have aligned at the last layer."""
    if not found.good:
        return found
    recipe = Stack(
        act=act,
        init=resolve("lecun"),
        widths=(_WIDTH,) * found.depth,
        input="normal",
        input_width=_WIDTH,
        batch=_WIDTH,
        gain=found.gain,
        bias_mean=0.0,
        bias_std=found.bias_std,
    )
    last = predict(recipe)[-1]
    cosine = None if last.cosine is None else last.cosine.value
    if cosine is None or 1 - cosine > LEAST_APART:
        return found
    centred = "" if traits(act).zero_centred else ", or an activation centred on zero, such as tanh"
    reason = (
        f"none is good: after {found.depth} layers the mean cosine between different inputs is {cosine:.3g}, under the "
        f"gain that keeps the gradient. Take fewer layers{centred}"
    )
    return found._replace(good=False, reason=reason)


def automatic(act: Activation, bias_std: float | None, depth: int) -> tuple[float, float]:
    """Return the gain and the std of the biases that `--gain auto` stands for.

    Args:
        act: The activation.
        bias_std: The std of the biases where it is given, and stays; the recommended one where it is None.
        depth: The number of layers.

    Raises:
        InvalidField: The activation is structured.
    """
    asked = bias_std or 0.0
    _check(act, asked, "gain")
    points = critical_points(act, asked)
    critical = next((point for point in points if point.stable), points[0] if points else None)
    half_stable = half_stable_point(act) if bias_std is None else None
    chosen = recommend(act, asked, critical, half_stable, depth)
    return chosen.gain, asked if bias_std is not None else chosen.bias_std


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


def _check(act: Activation, bias_std: float, field: str) -> None:
    if act.derivative is None:
        structured = f"{act.name}, whose units look at several pre-activations"
        problem = f"a number with {structured}, got auto" if field == "gain" else f"elementwise, got {structured}"
        raise InvalidField(field, f"must be {problem}")
    check_real("bias_std", bias_std, 0.0, MOST_BIAS)


def _without_gain(second: float, slope: float) -> str:
    if not isfinite(second) or not isfinite(slope):
        return "E f(z)^2 or E f'(z)^2 is beyond all numbers"
    return "f is 0 almost everywhere" if not second else "the slope is 0 almost everywhere: no gradient passes"


def _without_critical(act: Activation, bias_std: float) -> str:
    """Return why no weights preserve both gradient and signal."""
    if homogeneous_sides(act) is not None:
        if not moments(act, 1.0).slope:
            return "the slope is 0 almost everywhere"
        return "where the gradient keeps, the biases add their variance to the signal's second moment at every layer"
    at = [(q, moments(act, q)) for q in (1e-2, 1.0, 1e2)]
    known = [(q, found) for q, found in at if 0 < found.slope < inf and isfinite(found.second)]
    if not known:
        return "no gradient passes, or E f(z)^2 is beyond all numbers"
    if all(q - found.second / found.slope < bias_std**2 for q, found in known):
        return "where the gradient keeps (chi1 = 1), the signal grows at every scale"
    if all(q - found.second / found.slope > bias_std**2 for q, found in known):
        return "where the gradient keeps (chi1 = 1), the signal shrinks at every scale"
    return "at no scale do signal and gradient both keep"
