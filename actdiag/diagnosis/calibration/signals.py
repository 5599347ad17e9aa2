"""The few physical numbers that decide whether a network trains, taken from one run at initialization."""

from math import exp, inf, isfinite, log, sqrt
from typing import NamedTuple

from actdiag.measure.statistics import LayerStats
from actdiag.measurements import Measurements, Place
from actdiag.model.stack import Stack

_MOST_LOG = 700.0
"""The logarithm of what overflowed is taken to be this."""


class Signals(NamedTuple):
    """The numbers that decide, as natural logarithms. None where the weights' scale is not known, without a recipe.

    Attributes:
        gradient: rms dL/dz at layer 1 over that at the last layer: below 0 where gradients vanish on the backward pass;
            None where it was neither measured nor estimated.
        typical: The same of the median input, without what lies along z: a few inputs may have nearly all of the
            gradient. None where it was not measured.
        information: The std over the inputs of a unit's activation at the last layer over the layer's rms: what the
            layer still tells of the input.
        roughness: How many times as much the activations of the last layer change, relative to their std over the
            inputs, as z of layer 1 does relative to its rms. None where gradients are not known.
        output: The std over the inputs of one output of the readout.
        curvature: The trace of the neural tangent kernel of one output over one input, the sum over the layers of
            |dy/dz|^2 (|a of the layer below|^2 + 1): the reciprocal of the learning rates that a step tolerates.
        learning: The part of it that differs between inputs.
        estimated: Whether the gradients are estimated from slopes and weights because no backward pass was run.
    """

    gradient: float | None
    typical: float | None
    information: float
    roughness: float | None
    output: float | None
    curvature: float | None
    learning: float | None
    estimated: bool


def gradient_rms(measurements: Measurements) -> dict[int, float] | None:
    """Return the rms of dL/dz of each layer relative to the last layer's, measured or estimated, the last first.

    In the estimate, the square falls from a layer to the one below by fan_out Var(W) mean f'(z)^2, as in mean-field
    theory: it takes the weights of the backward pass as independent of those of the forward pass.

    Returns:
        None where the last layer's is zero or not finite, or where it is neither measured nor to be estimated.
    """
    logs = _log_gradients(measurements)
    return None if logs is None else {number: exp(min(value, 700.0)) for number, value in logs.items()}


def signals(measurements: Measurements) -> Signals | None:
    """Return the physical numbers of a run; None where the signal is lost or not finite at the last layer."""
    if "signals" not in measurements.derived:
        measurements.derived["signals"] = _signals(measurements)
    known: Signals | None = measurements.derived["signals"]
    return known


def _signals(measurements: Measurements) -> Signals | None:
    last, recipe = measurements.last.stats, measurements.recipe
    if not last.rms or last.nonfinite_fraction:
        return None
    gradients, information = _log_gradients(measurements), _spread(last) - log(last.rms)
    if recipe is None:
        if gradients is None and measurements.has_gradient:
            return None
        gradient = None if gradients is None else gradients[1]
        return Signals(
            gradient=gradient,
            typical=_typical(measurements),
            information=information,
            roughness=None if gradient is None else _roughness(measurements, gradient),
            output=None,
            curvature=None,
            learning=None,
            estimated=not measurements.has_gradient,
        )
    weight_std = _readout_std(measurements, recipe)
    if gradients is None or not last.slope_rms or not weight_std:
        return None
    whole, differing = _kernel(measurements, gradients, log(weight_std))
    return Signals(
        gradient=gradients[1],
        typical=_typical(measurements),
        information=information,
        roughness=_roughness(measurements, gradients[1]),
        output=0.5 * log(measurements.last.site.units) + log(weight_std) + _spread(last),
        curvature=whole,
        learning=differing,
        estimated=not measurements.has_gradient,
    )


def _roughness(measurements: Measurements, gradient: float) -> float | None:
    """Return how rough the network is, as `Signals` has it.

    A random change of z at layer 1 arrives at the last layer as large as gradients arrive at layer 1: both are the
    Frobenius norm of the Jacobian.
    """
    first, last = measurements.first, measurements.last
    scale, slope = first.stats.pre_activation.rms, last.stats.slope_rms
    spread = _spread(last.stats)
    if not scale or not slope or not isfinite(gradient) or not isfinite(spread):
        return None
    arrived = gradient + 0.5 * log(first.site.columns / last.site.columns)
    return arrived + log(scale) + log(slope) - spread


def typical_gradients(measurements: Measurements) -> dict[int, float]:
    """Return the rms of dL/dz of the median input at each layer relative to the last layer's, the last first.

    Returns:
        Nothing where the last layer's is zero or not known; layers where it is not known are left out.
    """
    measured = {stats.layer: stats.gradient for stats in reversed(measurements.layers)}
    known = {number: one.typical_rms for number, one in measured.items() if one and one.typical_rms is not None}
    top = known.get(measurements.depth)
    return {number: value / top for number, value in known.items()} if top else {}


def _typical(measurements: Measurements) -> float | None:
    found = typical_gradients(measurements).get(1)
    return None if found is None else _log(found)


def _kernel(measurements: Measurements, gradients: dict[int, float], readout_std: float) -> tuple[float, float]:
    """Return ln of the trace of the tangent kernel of one output, and ln of its part that differs between inputs.

    Args:
        measurements: The run.
        gradients: ln of the rms of dL/dz of each layer over the last layer's, the last first.
        readout_std: ln of the std of the readout's weights.
    """
    last = measurements.last
    top = 2 * (readout_std + log(last.stats.slope_rms or 1.0))
    whole, differing = [_squares(last.stats, last.site.units)], [_differing(last.stats, last.site.units)]
    for number, value in gradients.items():
        site, below = measurements.place(number).site, measurements.below(number)
        if measurements.recipe is not None and measurements.recipe.arch is not None:
            if number not in measurements.recipe.weight_layers:
                continue
            below = _read_by(measurements, measurements.recipe, number)
        passed = log(site.columns) + top + 2 * value
        if below is None:
            rms, spread = _input_logs(measurements)
            whole.append(passed + _log_sum([log(site.fan_in) + 2 * rms, 0.0]))
            differing.append(passed + (log(site.fan_in) + 2 * spread))
        else:
            whole.append(passed + _squares(below.stats, site.fan_in))
            differing.append(passed + _differing(below.stats, site.fan_in))
    return _log_sum(whole), _log_sum(differing)


def _log_gradients(measurements: Measurements) -> dict[int, float] | None:
    """Return ln of the rms of dL/dz of each layer over the last layer's, the last first."""
    if measurements.has_gradient:
        measured = {stats.layer: stats.gradient for stats in reversed(measurements.layers)}
        rms = {number: gradient.rms for number, gradient in measured.items() if gradient is not None}
        lost = any(gradient is None or gradient.nonfinite_fraction for gradient in measured.values())
        top = rms.get(measurements.depth)
        if lost or not top:
            return None
        return {number: _log(value) - log(top) for number, value in rms.items()}
    return None if measurements.recipe is None else _estimated(measurements, measurements.recipe)


def _estimated(measurements: Measurements, recipe: Stack) -> dict[int, float] | None:
    """Return ln of the rms of dL/dz of each layer over the last layer's, from slopes and weights, the last first."""
    if "estimated gradients" not in measurements.derived:
        way = _estimated_layer_by_layer if recipe.arch is None else _estimated_through
        measurements.derived["estimated gradients"] = way(measurements, recipe)
    known: dict[int, float] | None = measurements.derived["estimated gradients"]
    return known


def _estimated_layer_by_layer(measurements: Measurements, recipe: Stack) -> dict[int, float] | None:
    """Return what `_estimated` does for a plain stack."""
    total = 0.0
    found = {measurements.depth: 0.0}
    for number in range(measurements.depth - 1, 0, -1):
        place, above = measurements.place(number), measurements.place(number + 1).site
        if place.stats.slope_rms is None:
            return None
        spread = place.site.units / place.site.columns * above.columns
        total += (
            _log(place.stats.slope_rms)
            + _log(_weight_std(measurements, recipe, number + 1, place.stats))
            + 0.5 * log(spread)
        )
        found[number] = total
    return found


def _estimated_through(measurements: Measurements, recipe: Stack) -> dict[int, float] | None:
    """Return what `_estimated` does for a network of ops: squares of gradients that meet at a value add up."""
    at: dict[int, float] = {}
    found: dict[int, float] = {}
    for number in range(measurements.depth, 0, -1):
        place, node = measurements.place(number), recipe.nodes[number - 1]
        slope = place.stats.slope_rms if node.site.act is not None else 1.0
        if slope is None:
            return None
        passed = [] if number == measurements.depth else [at.pop(number, -inf) + 2 * _log(slope)]
        squares = 0.0 if number == measurements.depth else _log_sum([*passed, at.pop(-number, -inf)])
        found[number] = squares / 2
        if node.draw is None:
            factors = [_log(node.op.gradient_factor(which)) for which in range(len(node.reads))]
        else:
            read = _read_by(measurements, recipe, number)
            std = _weight_std(measurements, recipe, number, None if read is None else read.stats)
            factors = [2 * _log(std) + log(node.site.columns)]
        for value, factor in zip(node.reads, factors, strict=True):
            at[value] = _log_sum([at[value], squares + factor]) if value in at else squares + factor
    return found


def _read_by(measurements: Measurements, recipe: Stack, number: int) -> Place | None:
    """Return the place whose activations an op with weights reads; None for the input."""
    read = recipe.nodes[number - 1].reads[0]
    return measurements.place(abs(read)) if read else None


def _weight_std(measurements: Measurements, recipe: Stack, number: int, below: LayerStats | None) -> float:
    """Return the std of the weights of a layer over another: where they are fitted to the batch, that of the fit."""
    place = measurements.place(number)
    if not recipe.init.fits_batch or below is None or not below.rms:
        return recipe.weight_std(number)
    bias_mean, bias_std = recipe.bias_spread(number)
    from_weights = (place.stats.pre_activation.rms or 0.0) ** 2 - bias_mean**2 - bias_std**2
    return sqrt(max(from_weights, 0.0) / place.site.fan_in) / below.rms


def _readout_std(measurements: Measurements, recipe: Stack) -> float:
    """Return the std of a readout's weights under the initializer; where it is fitted, its outputs have an rms of 1."""
    fan_in = measurements.last.site.units
    if recipe.weights is not None and recipe.weights.readout_std:
        return recipe.weights.readout_std
    if recipe.init.fits_batch:
        return 1 / (sqrt(fan_in) * (measurements.last.stats.rms or inf))
    return recipe.init.std(fan_in, measurements.classes)


def _squares(stats: LayerStats, width: int) -> float:
    """Return ln of the mean sum of squares of a layer's activations, and 1 for the bias."""
    return _log_sum([log(width) + 2 * _log(stats.rms or 0.0), 0.0])


def _differing(stats: LayerStats, width: int) -> float:
    """Return ln of the mean sum of squares of a layer's activations about the mean of each unit."""
    return log(width) + 2 * _spread(stats)


def _input_logs(measurements: Measurements) -> tuple[float, float]:
    """Return ln of the rms of the inputs, 1 where it is not known, and ln of their std about the mean input."""
    rms = measurements.input.rms or 1.0
    alike = max(measurements.input.cosine or 0.0, 0.0)
    return _log(rms), log(rms) + 0.5 * log(max(1 - alike, 1e-12))


def _spread(stats: LayerStats) -> float:
    """Return ln of the std of a unit over the inputs; for a single input, of its rms."""
    return _log(stats.rms if stats.unit_std is None else stats.unit_std)


def _log(value: float | None) -> float:
    return -inf if not value else log(value) if isfinite(value) else _MOST_LOG


def _log_sum(logs: list[float]) -> float:
    largest = max(logs)
    return largest + log(sum(exp(value - largest) for value in logs)) if isfinite(largest) else largest
