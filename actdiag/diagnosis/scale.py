"""Rules on scale: how the signal changes on the way up, and the gradient on the way down."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from math import exp, inf, isfinite, sqrt
from typing import Literal

from actdiag.diagnosis.calibration.trainability import gradient_rms
from actdiag.diagnosis.expectations import degree, log_variance
from actdiag.diagnosis.lost import lost, recipe_of
from actdiag.diagnosis.rule import Found, Interval, Measured, Rule
from actdiag.diagnosis.wording import fold_of, mend_scale
from actdiag.measurements import Measurements

SIGNAL_FOLD = 100.0
"""The rms of the activations may change this many times over the whole depth."""

GRADIENT_FOLD = exp(4.75)
"""So may that of dL/dz, 115.6-fold: no other single limit tells stacks that train from stacks that do not as well."""

SPREADS = 4.0
"""A log second moment may wander this many of its finite-width stds."""

_LARGEST_EXPONENT = 700.0
"""exp of more leaves float64."""

Way = Literal["signal", "gradient"]
Path = tuple[tuple[int, float], ...]


def signal_path(run: Measurements) -> Path:
    """Return the rms of each layer's activations over the first's, without layers that are zero or overflowed."""
    return _path({stats.layer: stats.rms for stats in run.layers if stats.rms and not stats.nonfinite_fraction})


def gradient_path(run: Measurements) -> Path:
    """Return the rms of dL/dz of each layer over the last's, the last first.

    Empty where the signal is lost on the way up: what comes down from there says nothing of its own. So it is without
    a backward pass where weights are not drawn, for it is their variance that the gradient is estimated by.
    """
    if lost(run):
        return ()
    if run.layers[-1].gradient is not None:
        gradients = {stats.layer: stats.gradient for stats in reversed(run.layers)}
        known = {layer: one.rms for layer, one in gradients.items() if one and not one.nonfinite_fraction}
        return _path({layer: rms for layer, rms in known.items() if rms is not None})
    if not recipe_of(run).init.mean_field:
        return ()
    return _path(dict(sorted((gradient_rms(run) or {}).items(), reverse=True)))


def _path(rms: Mapping[int, float]) -> Path:
    first = next(iter(rms.values()), 0.0)
    return tuple((layer, value / first) for layer, value in rms.items()) if first else ()


def _change(run: Measurements, way: Way) -> Iterable[Measured]:
    path = signal_path(run) if way == "signal" else gradient_path(run)
    if len(path) > 1:
        yield Measured((path[-1][0],), path[-1][1], path)


def _wandering(run: Measurements, measured: Measured, way: Way) -> Interval:
    """Return the changes that finite width alone explains.

    The log second moment gathers K/width of variance a layer, of which a layer passes on what its activation's local
    degree leaves (never more than all: a scale that runs away is a fault), and its median sinks by half of it.
    """
    variance = 0.0
    for stats in run.layers[min(layer for layer, _ in measured.path) :]:
        act, rms = recipe_of(run).act, stats.pre_activation.rms
        z_rms = None if rms is None else float(f"{rms:.2g}")  # of many layers most are then alike, and reckoned once
        kept = 1.0 if way == "gradient" else min(degree(act, z_rms) or 1.0, 1.0) ** 2
        variance = kept * variance + log_variance(act, z_rms, stats.width, backward=way == "gradient")
    wander = SPREADS * sqrt(variance) / 2  # half of it: an rms is the root of a second moment
    return exp(-min(wander + variance / 4, _LARGEST_EXPONENT)), exp(min(wander, _LARGEST_EXPONENT))


def _a_layer(run: Measurements, measured: Measured, way: Way) -> float | None:
    """Return the factor from layer to layer."""
    known = run.change.forward if way == "signal" else run.change.backward
    if known is None and 0 < measured.value and isfinite(measured.value):
        return float(measured.value ** (1 / (len(measured.path) - 1)))
    return known


def _said(found: Found, way: Way) -> str:
    """Return how an rms changed from end to end."""
    run = found.run
    (measured,) = _change(run, way)
    step = _a_layer(run, measured, way)
    moved = f"{'falls' if found.value < 1 else 'grows'} {fold_of(found.value)}-fold" if found.value else "falls to zero"
    what = "activations" if way == "signal" else "dL/dz" if run.layers[-1].gradient else "dL/dz (estimated)"
    ends = f"from layer {measured.path[0][0]} to {measured.path[-1][0]}"
    factor = "" if step is None else f", x{step:.3g} a layer"
    return f"rms of {what} {moved} {ends}{factor} (limit {fold_of(found.limit)}-fold)"


def _mend(found: Found, way: Way) -> str:
    run = found.run
    signal = next(iter(_change(run, "signal")), None)
    if way == "gradient" and signal is not None and not 1 / SIGNAL_FOLD <= signal.value <= SIGNAL_FOLD:
        way = "signal"  # what mends the signal mends its gradient, and one change is less than two
    (measured,) = _change(run, way)
    return mend_scale(recipe_of(run), run.layers, _a_layer(run, measured, way), way, measured.value > 1)


_FINITE_WIDTH = (
    "What finite width explains is no finding: the log of the second moment wanders by a variance of K/width a layer "
    "(5/width for a ReLU) and its median sinks by half of that; four standard deviations beyond that are allowed."
)
_OF_WIDTH = "of finite width Hanin & Nica 2019, arXiv:1812.05994, and Roberts, Yaida & Hanin 2022, arXiv:2106.10165"

VANISHING_SIGNAL = Rule(
    name="vanishing_signal",
    title="The signal vanishes",
    quantity="rms of the last layer's activations over the first's",
    low=1 / SIGNAL_FOLD,
    measure=partial(_change, way="signal"),
    explained=partial(_wandering, way="signal"),
    summary=partial(_said, way="signal"),
    advice=partial(_mend, way="signal"),
    explanation=(
        "Every layer shrinks the activations by about the same factor, so that they fall exponentially with depth. "
        "The gradients of the weights are products with them and fall too, and so does what a readout sees. "
        f"{_FINITE_WIDTH}"
    ),
    remedy=(
        "Weights of the right scale: --init he for relu and its kin, --gain auto or --init auto for any activation; "
        "--init lsuv where no single gain holds the scale."
    ),
    source=(
        "Glorot & Bengio 2010; He et al. 2015, arXiv:1502.01852; the limit is a rule of thumb (two decades over the "
        f"whole depth), {_OF_WIDTH}"
    ),
)

EXPLODING_SIGNAL = replace(
    VANISHING_SIGNAL,
    name="exploding_signal",
    title="The signal explodes",
    low=-inf,
    high=SIGNAL_FOLD,
    explanation=(
        "Every layer enlarges the activations by about the same factor, so that they grow exponentially with depth. "
        f"The loss starts at huge values, and the first steps throw the weights far off. {_FINITE_WIDTH}"
    ),
)

VANISHING_GRADIENT = Rule(
    name="vanishing_gradient",
    title="The gradient vanishes",
    quantity="rms of dL/dz at the first layer over that at the last",
    low=1 / GRADIENT_FOLD,
    measure=partial(_change, way="gradient"),
    explained=partial(_wandering, way="gradient"),
    summary=partial(_said, way="gradient"),
    advice=partial(_mend, way="gradient"),
    explanation=(
        "The gradient falls exponentially on its way down, so that the lower layers hardly learn. It is judged on "
        "dL/dz, for in dL/dW the changes of signal and gradient cancel. Where no backward pass was run it is "
        "estimated by the product of fan_out Var(W) mean f'(z)^2 over the layers above. The benchmark of this verdict "
        f"found no other number at initialization that tells as well whether a stack trains. {_FINITE_WIDTH}"
    ),
    remedy=(
        "The gain at which the gradient keeps (`actdiag gain ACT`; --gain auto takes it), an activation whose slope "
        "reaches 1 such as tanh or relu in place of sigmoid, or fewer layers."
    ),
    source=(
        "Bengio, Simard & Frasconi 1994; Glorot & Bengio 2010; Schoenholz et al. 2017, arXiv:1611.01232; the limit, "
        f"exp(4.75), comes from stacks that were trained; {_OF_WIDTH}"
    ),
)

EXPLODING_GRADIENT = replace(
    VANISHING_GRADIENT,
    name="exploding_gradient",
    title="The gradient explodes",
    low=-inf,
    high=GRADIENT_FOLD,
    explanation=(
        "The gradient grows exponentially on its way down, so that a rate at which the upper layers learn throws the "
        "lower ones off. It is judged, and estimated where it was not measured, as for vanishing_gradient. "
        f"{_FINITE_WIDTH}"
    ),
    remedy="Smaller weights: the gain at which the gradient keeps (`actdiag gain ACT`; --gain auto takes it).",
)
