"""Rules on units: saturated ones, and identical ones."""

from collections.abc import Iterable

from actdiag.diagnosis.rule import Found, Measured, Rule, Rules
from actdiag.diagnosis.words import name_layers
from actdiag.measurements import Measurements
from actdiag.numerals import brief_percent, whole_percent


def _saturated(measurements: Measurements, rules: Rules) -> Iterable[Measured]:
    for stats in measurements.layers:
        if stats.saturated_fraction is not None:
            yield Measured((stats.layer,), stats.saturated_fraction)


def _saturation_summary(found: Found) -> str:
    where = name_layers(found.layers)
    up_to, limit = whole_percent(found.value), brief_percent(found.limit)
    return f"up to {up_to} of the entries saturated in {where} (limit {limit})"


def _identical(measurements: Measurements, rules: Rules) -> Iterable[Measured]:
    recipe = measurements.recipe
    layers = tuple(
        place.number
        for place in measurements.places()
        if recipe is not None
        and place.stats.width > 1
        and place.number in recipe.weight_layers
        and recipe.weight_std(place.number) == recipe.bias_spread(place.number)[1] == 0
    )
    if layers:
        yield Measured(layers, float(len(layers)))


def _identical_summary(found: Found) -> str:
    return f"all weights are equal in {name_layers(found.layers)} (std 0), so that all units of a layer are one"


SATURATION = Rule(
    name="saturation",
    title="Units are saturated",
    quantity="share of a layer's entries on a plateau (slope under 1 % of its largest)",
    high=0.5,
    measure=_saturated,
    summary=_saturation_summary,
    explanation=(
        "On a plateau the slope is next to nothing: the gradient that reaches such an entry is lost, and the unit "
        "gives nearly the same output whatever the input. Few activations have plateaus that count; `actdiag "
        "activations` lists them."
    ),
    remedy="Smaller weights, such as --init lecun or a smaller --gain; inputs of rms 1 (--scale feature).",
    source="Glorot & Bengio 2010; LeCun et al. 1998, Efficient BackProp; the limit is a rule of thumb",
    mark="saturated",
)

SYMMETRIC_UNITS = Rule(
    name="symmetric_units",
    title="Units of a layer are alike",
    quantity="layers whose weights are all equal, and whose biases are too",
    severity="error",
    certain=True,
    high=0.0,
    needs=frozenset({"recipe"}),
    measure=_identical,
    summary=_identical_summary,
    explanation=(
        "Units that start equal get equal gradients and stay equal: however wide the layer, it never does more than a "
        "single unit."
    ),
    remedy="Random weights, such as --init lecun.",
    source="Goodfellow, Bengio & Courville 2016, Deep Learning, section 8.4",
)
