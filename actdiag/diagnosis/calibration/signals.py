"""The few physical numbers that decide whether plain SGD trains a stack, taken from one run at initialization."""

from math import exp, inf, isfinite, log, sqrt
from typing import NamedTuple

from actdiag.diagnosis.lost import recipe_of
from actdiag.measure.statistics import LayerStats
from actdiag.measurements import Measurements

_LEAST_LOG = -700.0
"""Under the logarithm of every float64 above zero."""


class Signals(NamedTuple):
    """What decides, as natural logarithms.

    Attributes:
        gradient: rms dL/dz at layer 1 over that at the last layer: below 0 where gradients vanish on the way down.
        carried: The same, estimated from slopes and weights. What is measured may be larger by a gradient along z,
            which rescales what a layer says and tells it nothing of the input.
        information: The std over the inputs of a unit's activation at the last layer over the layer's rms: what the
            layer still says of the input.
        output: The std over the inputs of what the readout says of a class.
        curvature: The trace of the neural tangent kernel of one output over one input, sum over the layers of
            |dy/dz|^2 (|a below|^2 + 1): the reciprocal of the learning rates that a step tolerates.
        learning: The part of it that differs between inputs.
        estimated: Whether the gradients are estimated from slopes and weights, no backward pass having been run.
    """

    gradient: float
    carried: float
    information: float
    output: float
    curvature: float
    learning: float
    estimated: bool


def gradient_rms(run: Measurements) -> dict[int, float] | None:
    """Return of each layer the rms of dL/dz relative to the last layer's, measured or estimated.

    Estimated, the square falls from a layer to the one below by fan_out Var(W) mean f'(z)^2, as mean-field theory has
    it: it takes the weights of the way down as independent of those of the way up.

    Returns:
        None where the last layer's is zero or not finite, or no slope is known.
    """
    logs = _log_gradients(run)
    return None if logs is None else {number: exp(min(value, 700.0)) for number, value in logs.items()}


def signals(run: Measurements) -> Signals | None:
    """Return the physical numbers of a run; None where the signal is lost or not finite at the last layer."""
    stack, last = recipe_of(run), run.layers[-1]
    gradients, carried = _log_gradients(run), _estimated(run)
    if gradients is None or carried is None or not last.rms or last.nonfinite_fraction or not last.slope_rms:
        return None
    fan_in = stack.widths[-1]
    weight_std = _readout_std(run)
    if not weight_std:
        return None
    reach = 0.5 * log(fan_in) + log(weight_std)
    top = 2 * (log(weight_std) + log(last.slope_rms))
    whole, differing = [_squares(last, fan_in)], [_squares(last, fan_in, over_inputs=True)]
    for number, value in gradients.items():
        below = run.layers[number - 2] if number > 1 else None
        units = stack.columns(number)
        passed = log(units) + top + 2 * value
        fan = stack.fan_in(number)
        whole.append(passed + _squares(below, fan, run=run))
        differing.append(passed + _squares(below, fan, run=run, over_inputs=True))
    return Signals(
        gradient=gradients[1],
        carried=carried[1],
        information=_spread(last) - log(last.rms),
        output=reach + _spread(last),
        curvature=_log_sum(whole),
        learning=_log_sum(differing),
        estimated=run.loss is None,
    )


def _log_gradients(run: Measurements) -> dict[int, float] | None:
    """Return of each layer, the last first, ln of the rms of dL/dz over the last layer's."""
    if run.loss is not None:
        measured = {stats.layer: stats.gradient for stats in reversed(run.layers)}
        rms = {number: gradient.rms for number, gradient in measured.items() if gradient is not None}
        lost = any(gradient is None or gradient.nonfinite_fraction for gradient in measured.values())
        top = rms.get(len(run.layers))
        if lost or not top:
            return None
        return {number: _log(value) - log(top) for number, value in rms.items()}
    return _estimated(run)


def _estimated(run: Measurements) -> dict[int, float] | None:
    stack, total = recipe_of(run), 0.0
    found = {len(run.layers): 0.0}
    for number in range(len(run.layers) - 1, 0, -1):
        slope = run.layers[number - 1].slope_rms
        if slope is None:
            return None
        spread = stack.widths[number - 1] / stack.columns(number) * stack.columns(number + 1)
        total += _log(slope) + _log(_weight_std(run, number + 1)) + 0.5 * log(spread)
        found[number] = total
    return found


def _weight_std(run: Measurements, number: int) -> float:
    """Return the std of the weights of a layer from 2 on: where they were fitted to the batch, by what came of it."""
    stack, stats, below = recipe_of(run), run.layers[number - 1], run.layers[number - 2]
    if not stack.init.fits_batch or not below.rms:
        return stack.weight_std(number)
    bias_mean, bias_std = stack.bias_spread(number)
    from_weights = (stats.pre_activation.rms or 0.0) ** 2 - bias_mean**2 - bias_std**2
    return sqrt(max(from_weights, 0.0) / stack.fan_in(number)) / below.rms


def _readout_std(run: Measurements) -> float:
    """Return the std of the weights of a readout under the stack's initializer; fitted, its outputs get an rms of 1."""
    fan_in = recipe_of(run).widths[-1]
    if recipe_of(run).init.fits_batch:
        return 1 / (sqrt(fan_in) * (run.layers[-1].rms or inf))
    return recipe_of(run).init.std(fan_in, run.classes)


def _squares(
    stats: LayerStats | None, width: int, *, run: Measurements | None = None, over_inputs: bool = False
) -> float:
    """Return ln of the squares of a layer's activations over its units, and 1 for the bias.

    Args:
        stats: The layer; None for the input.
        width: Its units.
        run: What the input is of.
        over_inputs: Whether to take the squares about each unit's mean, and no bias, which is the same for all inputs.
    """
    if stats is None:
        rms = run.input.rms if run is not None and run.input.rms else 1.0
        alike = max(run.input.cosine or 0.0, 0.0) if run is not None else 0.0
        spread = log(rms) + 0.5 * log(max(1 - alike, 1e-12))
    else:
        rms, spread = stats.rms or 0.0, _spread(stats)
    if over_inputs:
        return log(width) + 2 * spread
    return _log_sum([log(width) + 2 * _log(rms), 0.0])


def _spread(stats: LayerStats) -> float:
    """Return ln of the std of a unit over the inputs; of a single input, of its rms."""
    return _log(stats.rms if stats.unit_std is None else stats.unit_std)


def _log(value: float | None) -> float:
    return log(value) if value and isfinite(value) else _LEAST_LOG if not value else -_LEAST_LOG


def _log_sum(logs: list[float]) -> float:
    largest = max(logs)
    return largest + log(sum(exp(value - largest) for value in logs)) if isfinite(largest) else inf
