"""Rules on scale: how the rms changes over the layers, of the signal forward and of the gradient backward."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from math import exp, inf, isfinite
from typing import Literal

from actdiag.diagnosis.calibration.signals import gradient_rms, typical_gradients
from actdiag.diagnosis.finite_width import STDS, explained_change
from actdiag.diagnosis.lost_signal import is_lost
from actdiag.diagnosis.rule import Found, Interval, Measured, Rule, Rules
from actdiag.diagnosis.words import fold_of
from actdiag.measurements import Measurements

_SIGNAL_FOLD = 100.0
_GRADIENT_LOG = 4.75
_GRADIENT_FOLD = exp(_GRADIENT_LOG)
"""115.6-fold: no other single limit tells stacks that train from stacks that do not as well."""

Way = Literal["signal", "gradient", "typical gradient"]
"""What changes from end to end: all entries together, or the gradient of the median input."""

Path = tuple[tuple[int, float], ...]


def signal_path(measurements: Measurements) -> Path:
    """Return the rms of each layer's activations over the first's, without layers that are zero or overflowed."""
    return _path(
        {stats.layer: stats.rms for stats in measurements.layers if stats.rms and not stats.nonfinite_fraction}
    )


def gradient_path(measurements: Measurements) -> Path:
    """Return the rms of dL/dz of each layer over the last's, the last first.

    Empty where the signal is lost on the forward pass, for then the gradient that starts there means nothing. It is
    empty too without a backward pass where weights are not drawn, for the estimate rests on their variance.
    """
    if is_lost(measurements):
        return ()
    if measurements.has_gradient:
        gradients = {stats.layer: stats.gradient for stats in reversed(measurements.layers)}
        known = {layer: one.rms for layer, one in gradients.items() if one and not one.nonfinite_fraction}
        return _path({layer: rms for layer, rms in known.items() if rms is not None})
    if measurements.recipe is None or not measurements.recipe.init.mean_field:
        return ()
    return _path(dict(sorted((gradient_rms(measurements) or {}).items(), reverse=True)))


def typical_path(measurements: Measurements) -> Path:
    """Return what `gradient_path` does for the median input; empty without a backward pass."""
    known = {} if is_lost(measurements) else typical_gradients(measurements)
    return tuple(known.items()) if measurements.depth in known else ()


def _path(rms: Mapping[int, float]) -> Path:
    first = next(iter(rms.values()), 0.0)
    return tuple((layer, value / first) for layer, value in rms.items()) if first else ()


def change_of(measurements: Measurements, way: Way) -> Measured | None:
    """Return how the rms of the signal or of the gradient changes from end to end; None under two layers that have one.

    The gradient's change is that from the last layer to the first.
    """
    path = {"signal": signal_path, "gradient": gradient_path, "typical gradient": typical_path}[way](measurements)
    return Measured((path[-1][0],), path[-1][1], path) if len(path) > 1 else None


def is_within(measurements: Measurements, rules: Rules, way: Way) -> bool:
    """Return whether the change of the signal or of the gradient is within the limits of its rules, or not known."""
    change = change_of(measurements, way)
    return change is None or rules[f"vanishing_{way}"].low <= change.value <= rules[f"exploding_{way}"].high


def factor_per_layer(measurements: Measurements, measured: Measured, way: Way) -> float | None:
    """Return the factor from layer to layer."""
    change = measurements.change
    known = {"signal": change.forward, "gradient": change.backward, "typical gradient": None}[way]
    if known is None and 0 < measured.value and isfinite(measured.value):
        return float(measured.value ** (1 / (len(measured.path) - 1)))
    return known


def _measure(measurements: Measurements, rules: Rules, way: Way) -> Iterable[Measured]:
    change = change_of(measurements, way)
    return () if change is None else (change,)


def _vanishing(measurements: Measurements, rules: Rules) -> Iterable[Measured]:
    change = change_of(measurements, _way_of_vanishing(measurements, rules))
    return () if change is None else (change,)


def _way_of_vanishing(measurements: Measurements, rules: Rules) -> Way:
    """Return which gradient vanishes: that of the median input where the whole does not, which a few may have alone."""
    whole, typical = change_of(measurements, "gradient"), change_of(measurements, "typical gradient")
    if whole is None or typical is None or whole.value < rules[VANISHING_GRADIENT.name].low:
        return "gradient"
    return "typical gradient" if typical.value < whole.value else "gradient"


def _explained(measurements: Measurements, measured: Measured, way: Way) -> Interval:
    lowest = min(layer for layer, _ in measured.path)
    above = (measurements.place(number) for number in range(lowest + 1, measurements.depth + 1))
    return explained_change(above, backward=way == "gradient")


def _summary(found: Found, way: Way) -> str:
    measurements = found.measurements
    if found.rule.name == VANISHING_GRADIENT.name:
        way = _way_of_vanishing(measurements, found.rules)
    (measured,) = _measure(measurements, found.rules, way)
    factor = factor_per_layer(measurements, measured, way) if found.value else None
    verb = f"{'falls' if found.value < 1 else 'grows'} {fold_of(found.value)}-fold" if found.value else "falls to zero"
    gradient = "dL/dz" if measurements.has_gradient else "dL/dz (estimated)"
    what = {"signal": "activations", "gradient": gradient, "typical gradient": "the median input's dL/dz"}[way]
    ends = f"from layer {measured.path[0][0]} to {measured.path[-1][0]}"
    per_layer = "" if factor is None else f", x{factor:.3g} per layer"
    return f"rms of {what} {verb} {ends}{per_layer} (limit {fold_of(found.limit)}-fold)"


def _cause(found: Found, way: Way) -> str:
    """Return what becomes of the signal or the gradient, with the factor per layer where there is one."""
    measurements, title = found.measurements, found.rule.title
    if found.rule.name == VANISHING_GRADIENT.name:
        way = _way_of_vanishing(measurements, found.rules)
    (measured,) = _measure(measurements, found.rules, way)
    factor = factor_per_layer(measurements, measured, way) if found.value else None
    return f"{title[:1].lower()}{title[1:]}" + ("" if factor is None else f", x{factor:.2g} per layer")


_FINITE_WIDTH = (
    "What finite width explains is not reported: the variance of the log second moment grows by K/width at every layer "
    f"(5/width for a ReLU) and its median falls by half of that; {STDS:.0f} standard deviations beyond that are "
    "allowed."
)
_OF_WIDTH = "on finite width, Hanin & Nica 2019, arXiv:1812.05994, and Roberts, Yaida & Hanin 2022, arXiv:2106.10165"

VANISHING_SIGNAL = Rule(
    name="vanishing_signal",
    title="The signal vanishes",
    quantity="rms of the last layer's activations over the first's",
    low=1 / _SIGNAL_FOLD,
    measure=partial(_measure, way="signal"),
    explained=partial(_explained, way="signal"),
    summary=partial(_summary, way="signal"),
    cause=partial(_cause, way="signal"),
    explanation=(
        "Every layer shrinks the activations by about the same factor, so that they fall exponentially with depth. "
        "The gradients of the weights are products with them and fall too, and so does what reaches a readout. "
        f"{_FINITE_WIDTH}"
    ),
    remedy=(
        "Weights of the right scale: --init he for relu and its kin, --gain auto or --init auto for any activation; "
        "--init lsuv where no single gain holds the scale."
    ),
    source=(
        "Glorot & Bengio 2010; He et al. 2015, arXiv:1502.01852; the default limit is a rule of thumb "
        f"({_SIGNAL_FOLD:.0f}-fold over the whole depth); {_OF_WIDTH}"
    ),
)

EXPLODING_SIGNAL = replace(
    VANISHING_SIGNAL,
    name="exploding_signal",
    title="The signal explodes",
    low=-inf,
    high=_SIGNAL_FOLD,
    explanation=(
        "Every layer enlarges the activations by about the same factor, so that they grow exponentially with depth. "
        f"The loss starts out huge, and the first steps throw the weights far off. {_FINITE_WIDTH}"
    ),
)

VANISHING_GRADIENT = Rule(
    name="vanishing_gradient",
    title="The gradient vanishes",
    quantity="rms of dL/dz at the first layer over that at the last",
    low=1 / _GRADIENT_FOLD,
    needs_one_of=frozenset({"gradient", "recipe"}),
    measure=_vanishing,
    explained=partial(_explained, way="gradient"),
    summary=partial(_summary, way="gradient"),
    cause=partial(_cause, way="gradient"),
    explanation=(
        "The gradient falls exponentially on the backward pass, so that the lower layers hardly learn. It is judged "
        "by dL/dz, because in dL/dW the changes of signal and gradient cancel. Where no backward pass was run, it is "
        "estimated as the product of fan_out Var(W) mean f'(z)^2 over the layers above. Where a few inputs have "
        "nearly all of the gradient, that of the median input is judged. In the benchmark of this verdict no other "
        f"number at initialization told as well whether a stack trains. {_FINITE_WIDTH}"
    ),
    remedy=(
        "The gain that preserves the gradient (`actdiag gain ACT`; --gain auto takes it), an activation whose slope "
        "reaches 1 such as tanh or relu in place of sigmoid, or fewer layers."
    ),
    source=(
        "Bengio, Simard & Frasconi 1994; Glorot & Bengio 2010; Schoenholz et al. 2017, arXiv:1611.01232; the default "
        f"limit, exp({_GRADIENT_LOG:g}), comes from stacks that were trained; {_OF_WIDTH}"
    ),
)

EXPLODING_GRADIENT = replace(
    VANISHING_GRADIENT,
    name="exploding_gradient",
    title="The gradient explodes",
    low=-inf,
    high=_GRADIENT_FOLD,
    measure=partial(_measure, way="gradient"),
    explanation=(
        "The gradient grows exponentially on the backward pass, so that a learning rate at which the upper layers "
        "learn is far too large for the lower ones. It is judged, and estimated where it was not measured, as for "
        f"vanishing_gradient. {_FINITE_WIDTH}"
    ),
    remedy="Smaller weights: the gain that preserves the gradient (`actdiag gain ACT`; --gain auto takes it).",
)
