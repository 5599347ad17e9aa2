"""Rules on dead units: how many depth and batch size explain, and how many they do not."""

from collections.abc import Iterable
from dataclasses import replace
from math import isnan, sqrt

import numpy as np

from actdiag.activations import Activation, traits
from actdiag.arrays import Doubles
from actdiag.diagnosis.lost_signal import dead_layers
from actdiag.diagnosis.rule import Found, Measured, Rule, Rules
from actdiag.diagnosis.words import name_layers
from actdiag.measure.statistics import LayerStats
from actdiag.measurements import Measurements, Place
from actdiag.numerals import brief_percent
from actdiag.theory.regions import expected_dead_fractions

_DEAD = 0.1

_STDS = 6.0
"""Dead units may be this many binomial stds more than expected: all pairs of inputs are taken to have the same cosine,
which they have not, so that the worst layer of a healthy ReLU stack of 30 layers of 64 reaches 3 and sometimes 6."""

TREND = (10, 100)
"""The expected share is also given for so many times the batch."""

_LASTS = 0.25
"""Where this share of the expected dead units stays dead on the largest of those, they are dead because inputs have
aligned."""

UNDERFLOWED, NEGATIVE, ALIGNED = "everything underflowed", "biases too negative", "inputs have aligned"
DEAD_FOR_GOOD, TOO_FEW, NOT_CENTRED = "these units are dead", "too few inputs", "the inputs are not centred"

_UNCENTRED = 0.5
"""The mean cosine of inputs over which most of their second moment is one mean that all share."""

_BY_CHANCE, _FALLS_TO = 1e-3, 0.5
"""A layer with a higher probability than the first to be dead by chance is not called born dead where, on more inputs,
that probability falls under the second share of it."""

_LEAST_RMS, _MOST_RMS = 1e-12, 1e150
"""Beyond these no activation tells numbers apart, and a square may leave float64."""


def _dead(measurements: Measurements, rules: Rules) -> Iterable[Measured]:
    born = dead_layers(measurements)
    for stats in measurements.layers:
        # Where every pre-activation is zero the signal is lost, which other rules report.
        if stats.dead_fraction is not None and stats.pre_activation.rms and stats.layer not in born:
            yield Measured((stats.layer,), stats.dead_fraction)


def expected_dead(measurements: Measurements, number: int, times: int = 1) -> float:
    """Return the share of a layer's units that are expected to be dead by chance, on `times` as many inputs.

    Each unit's pre-activations have the measured second moment, and the correlation that follows from the cosine of the
    layer below; the mean of the biases is left out, for the units that it kills are a fault.
    """
    chance = float(_dead_by_chance(measurements, times)[number - 1])
    return 0.0 if isnan(chance) else max(chance, _all_weights_of_one_sign(measurements, number, times))


def _dead_by_chance(measurements: Measurements, times: int) -> Doubles:
    """Return what weights of both signs let expect of each layer; NaN where it has no pre-activations, or only 0."""
    key = f"dead by chance on {times} times the inputs"
    if key not in measurements.derived:
        chances, second_moments, correlations = np.full((3, measurements.depth), np.nan)
        alike: dict[tuple[Activation, int], list[int]] = {}
        for row, (number, site, stats) in enumerate(measurements.places()):
            if stats.pre_activation.rms and site.act is not None:
                alike.setdefault((site.act, site.batch), []).append(row)
                second_moments[row], correlations[row] = _of_a_unit(measurements, number)
        for (act, batch), rows in alike.items():
            chances[rows] = expected_dead_fractions(act, second_moments[rows], correlations[rows], times * batch)
        measurements.derived[key] = chances
    known: Doubles = measurements.derived[key]
    return known


def _of_a_unit(measurements: Measurements, number: int) -> tuple[float, float]:
    """Return the second moment of a layer's pre-activations, and their correlation between inputs."""
    below = measurements.below(number)
    cosine = measurements.input.cosine if below is None else below.stats.cosine
    rms = measurements.place(number).stats.pre_activation.rms or 0.0
    second_moment = min(max(rms, _LEAST_RMS), _MOST_RMS) ** 2
    bias_std = 0.0 if measurements.recipe is None else measurements.recipe.bias_spread(number)[1]
    from_bias = min(bias_std**2, second_moment)
    return second_moment, ((second_moment - from_bias) * (cosine or 0.0) + from_bias) / second_moment


def _all_weights_of_one_sign(measurements: Measurements, number: int, times: int) -> float:
    """Return the probability that all weights of a unit over active units below have the sign that kills it.

    Over inputs that are all of one sign, such as those of a ReLU or pixels, it is then dead.
    """
    site, below = measurements.place(number).site, measurements.below(number)
    if site.act is None or not has_one_dead_side(site.act):
        return 0.0
    if below is None:
        return 2.0**-site.fan_in if site.fan_in and _features_have_one_sign(measurements) else 0.0
    dead = (below.stats.dead_fraction or 0.0) if times == 1 else 0.0  # more inputs may activate any unit
    active = round(below.stats.width * (1 - dead))
    return 2.0**-active if active else 0.0


def _features_have_one_sign(measurements: Measurements) -> bool:
    data = None if measurements.recipe is None else measurements.recipe.data
    if not isinstance(data, np.ndarray):
        return False
    low, high = data.min(axis=0), data.max(axis=0)
    return bool(((low >= 0) | (high <= 0)).all())


def _allowed(measurements: Measurements, stats: LayerStats, rules: Rules) -> float:
    """Return the share of dead units that depth and batch size explain, and as much more as the limit allows."""
    chance = expected_dead(measurements, stats.layer)
    spread = (_STDS * sqrt(stats.width * chance * (1 - chance)) + 2) / stats.width
    return min(chance + max(rules[DEAD_UNITS.name].high, spread), 1 - 0.5 / stats.width)


def _is_explained(measurements: Measurements, measured: Measured, rules: Rules) -> bool:
    return measured.value <= _allowed(measurements, measurements.place(measured.layers[0]).stats, rules)


def _dead_summary(found: Found) -> str:
    measurements, place = found.measurements, deadest(found)
    batch, stats, number = place.site.batch, place.stats, place.number
    later = (f"{brief_percent(expected_dead(measurements, number, times))} on {times * batch}" for times in TREND)
    facts = [f"{brief_percent(expected_dead(measurements, number))} expected", *later]
    facts += [] if stats.cosine is None else [f"cosine {stats.cosine:.3g}"]
    dead = brief_percent(stats.dead_fraction or 0.0)
    return (
        f"{dead} of the units of layer {number} are dead on every input of {batch} "
        f"({', '.join(facts)}): {cause_of_death(measurements, stats, found.rules)}"
    )


def deadest(found: Found) -> Place:
    """Return the layer with the most dead units of those that were found."""
    places = (found.measurements.place(layer) for layer in found.layers)
    return max(places, key=lambda place: place.stats.dead_fraction or 0.0)


def cause_of_death(measurements: Measurements, stats: LayerStats, rules: Rules) -> str:
    """Return why a layer's units are dead, in a few words."""
    bias_mean = 0.0 if measurements.recipe is None else measurements.recipe.bias_spread(stats.layer)[0]
    chance, measured = expected_dead(measurements, stats.layer), stats.dead_fraction or 0.0
    silent = (stats.silent_fraction or 0.0) > rules[SILENT_INPUTS.name].high
    if stats.subnormal_fraction:
        return UNDERFLOWED
    if bias_mean < 0 and (silent or chance < measured / 2):
        return NEGATIVE
    if stats.layer == 1 and (measurements.input.cosine or 0.0) > _UNCENTRED:
        return NOT_CENTRED
    if measured > _allowed(measurements, stats, rules):
        return DEAD_FOR_GOOD
    return ALIGNED if expected_dead(measurements, stats.layer, TREND[-1]) > _LASTS * chance else TOO_FEW


def _silent(measurements: Measurements, rules: Rules) -> Iterable[Measured]:
    """Yield the share of inputs that each layer gives the same, without a slope; a dead layer has it whatever it is."""
    dead = dead_layers(measurements)
    for number, site, stats in measurements.places():
        if number in dead:
            yield Measured((number,), 1.0)
        elif (
            stats.silent_fraction is not None
            and stats.pre_activation.rms
            and not site.in_branch
            and site.act is not None
            and has_one_dead_side(site.act)
        ):
            yield Measured((number,), stats.silent_fraction)


def _born_dead(measurements: Measurements, rules: Rules) -> Iterable[Measured]:
    found = list(_silent(measurements, rules))
    first = next((one.layers[0] for one in found if one.value > rules[BORN_DEAD.name].high), None)
    if first is None:
        return
    width = measurements.place(first).stats.width
    here, later = (expected_dead(measurements, first, times) ** width for times in (1, TREND[-1]))
    if here < _BY_CHANCE or later >= _FALLS_TO * here:
        yield from found


def _silent_inputs(measurements: Measurements, rules: Rules) -> Iterable[Measured]:
    """Yield what `_silent` does, without the layers that born_dead reports."""
    born = rules[BORN_DEAD.name]
    dead = _born_dead(measurements, rules) if born.enabled else ()
    reported = {one.layers for one in dead if one.value > born.high}
    return (one for one in _silent(measurements, rules) if one.layers not in reported)


def _silent_summary(found: Found) -> str:
    place = found.measurements.place(found.layers[0])
    why = cause_of_death(found.measurements, place.stats, found.rules)
    where = name_layers(found.layers)
    if found.value == 1:
        return f"every unit of {where} is dead on every input: {why}"
    most = "up to " if len(found.layers) > 1 else ""
    # Where inputs reach no unit although units live, a number of inputs explains nothing.
    cause = "" if why in (DEAD_FOR_GOOD, TOO_FEW) else f": {why}"
    return f"no unit of {where} has a slope for {most}{brief_percent(found.value)} of the inputs{cause}"


def has_one_dead_side(act: Activation) -> bool:
    """Return whether an activation has no slope on one side only: inputs without a slope are then all the same."""
    edges = traits(act)
    return (edges.dead_below is None) != (edges.dead_above is None)


DEAD_UNITS = Rule(
    name="dead_units",
    title="Units are dead",
    quantity="share of a layer's units that have no slope on any input of the batch",
    high=_DEAD,
    measure=_dead,
    harmless=_is_explained,
    summary=_dead_summary,
    explanation=(
        "A unit that has no slope on any input learns nothing from the batch. Some are expected: as inputs align with "
        "depth, a ReLU is on the same side for nearly all of them, and many units stay below zero on the whole batch "
        f"by chance alone. Such units are harmless, and are reported with the share expected here and on {TREND[0]} "
        f"and {TREND[1]} times as many inputs: where that share falls, there were too few inputs; where it stays, "
        f"inputs have aligned. A share that exceeds the expected one by more than the limit (by default {_DEAD:.0%} of "
        f"the units) and by more than {_STDS:.0f} standard deviations is a fault: biases too negative, an underflow, "
        "or units that are dead for good."
    ),
    remedy=(
        "Biases of mean zero; wider layers; an activation with a slope on both sides, such as leaky_relu; where "
        "inputs have aligned, fewer layers."
    ),
    source="Lu et al. 2019, arXiv:1903.06733; the expected share by quadrature over a Gaussian shared by all inputs",
    mark="dead",
)

BORN_DEAD = Rule(
    name="born_dead",
    title="A whole layer is dead",
    quantity="share of the inputs on which no unit of a layer has a slope, so that all of them give the same output",
    severity="error",
    certain=True,
    high=0.99,
    measure=_born_dead,
    summary=_silent_summary,
    explanation=(
        "Neither the gradient nor anything of the input gets through the layer: nothing below it ever learns, and the "
        "layers above see the same for every input. Deep, narrow ReLU stacks can be born dead by chance, the deeper "
        "the likelier."
    ),
    remedy="Biases of mean zero, wider layers, or an activation with a slope on both sides, such as leaky_relu.",
    source="Lu et al. 2019, arXiv:1903.06733",
    mark="dead",
)

SILENT_INPUTS = replace(
    BORN_DEAD,
    name="silent_inputs",
    title="Inputs reach no unit",
    severity="info",
    certain=False,
    high=0.5,
    measure=_silent_inputs,
    harmless=lambda measurements, measured, rules: measured.value > rules[BORN_DEAD.name].high,
    explanation=(
        "For such an input every unit of the layer is on its flat side: the layers above see the same as for every "
        "other such input, and nothing below learns from it. Narrow layers, biases that are too negative and inputs "
        "that are not centred cause this. Beyond the limit of born_dead, that rule reports it."
    ),
    remedy="Biases of mean zero, inputs of mean zero (--scale feature), or wider layers.",
    source="Lu et al. 2019, arXiv:1903.06733; the limit is a rule of thumb",
    mark="silent",
)
