"""The gains of an activation: those that preserve the signal and the gradient, and the recommended one.

A gain is sqrt(fan_in) times the std of a weight, sigma_w of theory. All of it holds for wide layers. Sources: see
`critical`.
"""

from math import inf, isfinite, isnan
from typing import NamedTuple

from actdiag.activations import Activation, traits
from actdiag.errors import check_integer, check_real
from actdiag.initializers import resolve
from actdiag.model.stack import MOST_LAYERS, Stack
from actdiag.options import GainOptions
from actdiag.theory.critical import CriticalPoint, chiq_of, critical_points, half_stable_point, known_at
from actdiag.theory.gaussian import moments
from actdiag.theory.homogeneous import homogeneous_sides
from actdiag.theory.often_bent import REASON
from actdiag.theory.prediction import predict
from actdiag.theory.recommendation import LEAST_APART, Recommendation, recommend, too_alike
from actdiag.theory.simulated_gains import looks_at_the_layer, recommend_simulated, simulated
from actdiag.theory.torch_gain import TorchGain, torch_gain

MOST_BIAS = 1e3
"""The largest std of the biases accepted."""

_MOST_PREDICTED = 1000
"""Layers that the cosine between inputs is predicted over."""

_WIDTH = 256
"""Of the stacks and batches that the cosine is predicted of."""


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
        standard_error: The relative standard error of the forward gain where gains are simulated, as they are for
            activations whose units look at several pre-activations; None where they are integrals.
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
    standard_error: float | None = None


def gains(act: Activation, bias_std: float = 0.0, depth: int = GainOptions.depth) -> Gains:
    """Return the gains of an activation, its critical point and the recommended gain.

    Those of a structured activation are simulated, and it has no critical point.

    Args:
        act: The activation.
        bias_std: The std of the biases of the critical point.
        depth: The number of layers that the recommended gain is for.

    Raises:
        InvalidField: `bias_std` is not a std, or `depth` not a number of layers.
    """
    check_real("bias_std", bias_std, 0.0, MOST_BIAS)
    check_integer("depth", depth, 1, MOST_LAYERS)
    if act.derivative is None:
        return _simulated(act, bias_std, depth)
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
        recommended=_apart(act, recommend(act, bias_std, critical, half_stable, depth), bias_std),
    )


def _simulated(act: Activation, bias_std: float, depth: int) -> Gains:
    found = simulated(act)
    layered = "a unit looks at the whole layer" if looks_at_the_layer(act) else "E a^2 is 0 or beyond all numbers"
    return Gains(
        name=act.name,
        forward_gain=found and found.forward_gain,
        backward_gain=found and found.backward_gain,
        chi1=found and found.chi1,
        chiq=found and found.chiq,
        gain_reason=None if found and found.backward_gain else "no gradient passes" if found else layered,
        bias_std=bias_std,
        critical=None,
        critical_count=0,
        reason="theory has none for units that look at several pre-activations",
        half_stable=None,
        torch=None,
        recommended=recommend_simulated(act, depth),
        standard_error=found and found.error,
    )


def _apart(act: Activation, found: Recommendation, bias_std: float) -> Recommendation:
    """Return a recommendation that is not good where inputs have aligned at the last layer."""
    if not found.good:
        return found
    layers = min(found.depth, _MOST_PREDICTED)
    recipe = Stack(
        act=act,
        init=resolve("lecun"),
        widths=(_WIDTH,) * layers,
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
    instead = ["fewer layers"] if found.depth > 1 else []
    if bias_std and found.bias_std == bias_std:
        instead.append("smaller biases")
    if not traits(act).zero_centred:
        instead.append("an activation centred on zero, such as tanh")
    return found._replace(good=False, reason=too_alike(layers, cosine, instead or ["another activation"]))


def automatic(act: Activation, bias_std: float | None, depth: int) -> tuple[float, float]:
    """Return the gain and the std of the biases that `--gain auto` stands for.

    Args:
        act: The activation.
        bias_std: The std of the biases where it is given, and stays; the recommended one where it is None.
        depth: The number of layers.

    Raises:
        InvalidField: `bias_std` is not a std.
    """
    asked = bias_std or 0.0
    check_real("bias_std", asked, 0.0, MOST_BIAS)
    if act.derivative is None:
        return recommend_simulated(act, depth).gain, asked
    points = critical_points(act, asked)
    critical = next((point for point in points if point.stable), points[0] if points else None)
    half_stable = half_stable_point(act) if bias_std is None else None
    chosen = recommend(act, asked, critical, half_stable, depth)
    return chosen.gain, asked if bias_std is not None else chosen.bias_std


def _without_gain(second: float, slope: float) -> str:
    if isnan(second):
        return REASON
    if not isfinite(second) or not isfinite(slope):
        return "E f(z)^2 or E f'(z)^2 is beyond all numbers"
    return "f is 0 almost everywhere" if not second else "the slope is 0 almost everywhere: no gradient passes"


def _without_critical(act: Activation, bias_std: float) -> str:
    """Return why no weights preserve both gradient and signal."""
    if homogeneous_sides(act) is not None:
        if not moments(act, 1.0).slope:
            return "the slope is 0 almost everywhere"
        return "where the gradient keeps, the biases add their variance to the signal's second moment at every layer"
    if not known_at(act, bias_std):
        return REASON
    at = [(q, moments(act, q)) for q in (1e-2, 1.0, 1e2)]
    known = [(q, found) for q, found in at if 0 < found.slope < inf and isfinite(found.second)]
    if not known:
        return "no gradient passes, or E f(z)^2 is beyond all numbers"
    if all(q - found.second / found.slope < bias_std**2 for q, found in known):
        return "where the gradient keeps (chi1 = 1), the signal grows at every scale"
    if all(q - found.second / found.slope > bias_std**2 for q, found in known):
        return "where the gradient keeps (chi1 = 1), the signal shrinks at every scale"
    return "at no scale do signal and gradient both keep"
