"""Rules on dead units: explained by depth and batch, not counted."""

from collections.abc import Iterable
from math import sqrt

from actdiag.activations import traits
from actdiag.diagnosis.lost import dead_layers, recipe_of
from actdiag.diagnosis.rule import Found, Measured, Rule
from actdiag.diagnosis.wording import name_layers, rescale, revive
from actdiag.measure.statistics import LayerStats
from actdiag.measurements import Measurements
from actdiag.numerals import brief_percent
from actdiag.theory.regions import expected_dead_fraction

DEAD = 0.1
"""A layer may have this share of dead units, and so much more than depth and batch explain."""

SPREADS = 6.0
"""Dead units may be this many binomial stds more than expected: all pairs of inputs are taken to be equally alike,
which they are not, so that the worst layer of a healthy ReLU stack of 30 layers of 64 reaches 3 and sometimes 6."""

TREND = (10, 100)
"""So many times the batch are looked ahead."""

_LASTS = 0.25
"""Units of which this share would stay dead on the largest of those are dead because inputs have aligned."""

UNDERFLOWED, NEGATIVE, ALIGNED = "everything underflowed", "biases too negative", "inputs have aligned"
DEAD_FOR_GOOD, TOO_FEW = "these units are dead", "too few inputs"

_BY_CHANCE, _WAKES = 1e-3, 0.5
"""A layer that was likelier than the first to be dead by chance is not called born dead where more inputs would leave
it so with under the second of that chance."""

_LEAST_RMS, _MOST_RMS = 1e-12, 1e150
"""Beyond these no activation tells numbers apart, and a square may leave what is reckoned with."""


def _dead(run: Measurements) -> Iterable[Measured]:
    born = dead_layers(run)
    for stats in run.layers:
        # Where every pre-activation is zero the signal is gone, and what became of it is another rule's to say.
        if stats.dead_fraction is not None and stats.pre_activation.rms and stats.layer not in born:
            yield Measured((stats.layer,), stats.dead_fraction)


def dead_by_chance(run: Measurements, layer: int, times: int = 1) -> float:
    """Return the share of a layer's units that depth and batch leave dead, on `times` as many inputs.

    Each unit's pre-activations have the measured second moment, and the correlation that follows from the cosine
    below; the mean of the biases is left out, for what it kills is a fault.
    """
    stack, stats = recipe_of(run), run.layers[layer - 1]
    rms = stats.pre_activation.rms
    if not rms:
        return 0.0
    below = run.layers[layer - 2] if layer > 1 else None
    cosine = run.input.cosine if below is None else below.cosine
    second_moment = min(max(rms, _LEAST_RMS), _MOST_RMS) ** 2
    from_bias = min(stack.bias_spread(layer)[1] ** 2, second_moment)
    correlation = ((second_moment - from_bias) * (cosine or 0.0) + from_bias) / second_moment
    chance = expected_dead_fraction(stack.act, second_moment, correlation, times * stack.batch)
    edges = traits(stack.act)
    asleep = (below.dead_fraction or 0.0) if below is not None and times == 1 else 0.0  # more inputs may wake any
    awake = 0 if below is None else round(below.width * (1 - asleep))
    if awake and (edges.dead_below is None) != (edges.dead_above is None):
        # Few inputs, all of one sign: a unit is dead as soon as all its weights have the other.
        chance = max(chance, 2.0**-awake)
    return chance


def _allowed_dead(run: Measurements, stats: LayerStats) -> float:
    """Return the share of dead units that depth and batch explain, with its spread in whole units."""
    chance = dead_by_chance(run, stats.layer)
    spread = (SPREADS * sqrt(stats.width * chance * (1 - chance)) + 2) / stats.width
    return min(chance + max(DEAD, spread), 1 - 0.5 / stats.width)


def _dead_is_explained(run: Measurements, measured: Measured) -> bool:
    return measured.value <= _allowed_dead(run, run.layers[measured.layers[0] - 1])


def _dead_said(found: Found) -> str:
    run, stats = found.run, _deadest(found)
    batch, layer = recipe_of(run).batch, stats.layer
    later = (f"{brief_percent(dead_by_chance(run, layer, times))} on {times * batch}" for times in TREND)
    facts = [f"{brief_percent(dead_by_chance(run, layer))} expected", *later]
    facts += [] if stats.cosine is None else [f"cosine {stats.cosine:.3g}"]
    return (
        f"{brief_percent(stats.dead_fraction or 0.0)} of the units of layer {layer} are dead on every input of {batch} "
        f"({', '.join(facts)}): {why_dead(run, stats)}"
    )


def _deadest(found: Found) -> LayerStats:
    layers = (found.run.layers[layer - 1] for layer in found.layers)
    return max(layers, key=lambda stats: stats.dead_fraction or 0.0)


def why_dead(run: Measurements, stats: LayerStats) -> str:
    """Return what became of a layer's dead units, in a few words."""
    bias_mean, _ = recipe_of(run).bias_spread(stats.layer)
    chance, measured = dead_by_chance(run, stats.layer), stats.dead_fraction or 0.0
    if stats.subnormal_fraction:
        return UNDERFLOWED
    if bias_mean < 0 and chance < measured / 2:
        return NEGATIVE
    if measured > _allowed_dead(run, stats):
        return DEAD_FOR_GOOD
    return ALIGNED if dead_by_chance(run, stats.layer, TREND[-1]) > _LASTS * chance else TOO_FEW


def _revive(found: Found) -> str:
    run, stats = found.run, _deadest(found)
    why = why_dead(run, stats)
    if why == UNDERFLOWED:
        return rescale(recipe_of(run), run.layers, run.change.forward) or "use larger weights"
    if why == ALIGNED:
        return "nothing to mend in the units: with fewer layers inputs align less"
    return "take a larger --batch to tell" if why == TOO_FEW else revive(recipe_of(run))


def _born_dead(run: Measurements) -> Iterable[Measured]:
    layers = dead_layers(run)
    if not layers:
        return
    width = run.layers[layers[0] - 1].width
    here, later = (dead_by_chance(run, layers[0], times) ** width for times in (1, TREND[-1]))
    if here < _BY_CHANCE or later >= _WAKES * here:
        yield Measured(layers, float(len(layers)))


def _born_dead_said(found: Found) -> str:
    run = found.run
    why = why_dead(run, run.layers[found.layers[0] - 1])
    return f"every unit of {name_layers(found.layers)} is dead on every input: {why}"


def _revive_layer(found: Found) -> str:
    return revive(recipe_of(found.run))


DEAD_UNITS = Rule(
    name="dead_units",
    title="Units are dead",
    quantity="share of a layer's units without slope on any input of the batch",
    high=DEAD,
    measure=_dead,
    harmless=_dead_is_explained,
    summary=_dead_said,
    advice=_revive,
    explanation=(
        "A unit without slope on any input learns nothing from the batch. Some are expected: as inputs align with "
        "depth, a ReLU is on the same side for nearly all of them, and many units stay below zero on the whole batch "
        "by chance alone. Such units are told as info, with what is expected here and on 10 and 100 times as many "
        "inputs: where that falls, there were too few inputs; where it stays, inputs have aligned. More than that (10 "
        "% of the units, or six standard deviations) is a fault: biases too negative, an underflow, or units that "
        "are dead."
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
    quantity="layers whose units are all without slope, and constant, on the whole batch",
    severity="error",
    high=0.0,
    measure=_born_dead,
    summary=_born_dead_said,
    advice=_revive_layer,
    explanation=(
        "No gradient passes the layer and nothing of the input does: everything below it never learns, and what is "
        "above sees the same for all inputs. Deep and narrow ReLU stacks are born so by chance, the likelier the "
        "deeper."
    ),
    remedy="Biases of mean zero, wider layers, or an activation with a slope on both sides, such as leaky_relu.",
    source="Lu et al. 2019, arXiv:1903.06733",
    mark="dead",
)
