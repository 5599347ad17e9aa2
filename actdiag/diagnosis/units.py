"""Rules on units: saturated ones, and copies of each other."""

from collections.abc import Iterable

from actdiag.diagnosis.lost import recipe_of
from actdiag.diagnosis.rule import Found, Measured, Rule
from actdiag.diagnosis.wording import DRAW_WEIGHTS, name_layers, unsaturate
from actdiag.measurements import Measurements
from actdiag.numerals import brief_percent, whole_percent

SATURATED = 0.5
"""A layer with more than this share of saturated entries passes little gradient."""


def _saturated(run: Measurements) -> Iterable[Measured]:
    for stats in run.layers:
        if stats.saturated_fraction is not None:
            yield Measured((stats.layer,), stats.saturated_fraction)


def _saturation_said(found: Found) -> str:
    where = name_layers(found.layers)
    up_to, limit = whole_percent(found.value), brief_percent(found.limit)
    return f"up to {up_to} of the entries saturated in {where} (limit {limit})"


def _unsaturate(found: Found) -> str:
    return unsaturate(recipe_of(found.run), found.layers[0])


def _symmetric(run: Measurements) -> Iterable[Measured]:
    layers = tuple(
        stats.layer
        for stats in run.layers
        if stats.width > 1 and recipe_of(run).weight_std(stats.layer) == recipe_of(run).bias_spread(stats.layer)[1] == 0
    )
    if layers:
        yield Measured(layers, float(len(layers)))


def _symmetry_said(found: Found) -> str:
    return f"all weights are equal in {name_layers(found.layers)} (std 0), so that all units of a layer are one"


def _draw_weights(found: Found) -> str:
    return DRAW_WEIGHTS


SATURATION = Rule(
    name="saturation",
    title="Units are saturated",
    quantity="share of a layer's entries on a plateau (slope under 1 % of its largest)",
    high=SATURATED,
    measure=_saturated,
    summary=_saturation_said,
    advice=_unsaturate,
    explanation=(
        "On a plateau the slope is next to nothing: the gradient that passes such an entry is lost, and the unit "
        "answers nearly the same whatever comes in. Few activations have plateaus that count; `actdiag activations` "
        "says which."
    ),
    remedy="Smaller weights, such as --init lecun or a smaller --gain; inputs of rms 1 (--standardize).",
    source="Glorot & Bengio 2010; LeCun et al. 1998, Efficient BackProp; the limit is a rule of thumb",
    mark="saturated",
)

SYMMETRIC_UNITS = Rule(
    name="symmetric_units",
    title="Units of a layer are alike",
    quantity="layers whose weights are all equal, and whose biases are",
    severity="error",
    high=0.0,
    measure=_symmetric,
    summary=_symmetry_said,
    advice=_draw_weights,
    explanation=(
        "Units that start equal get equal gradients and stay equal: however wide, the layer is a single unit for good."
    ),
    remedy="Random weights, such as --init lecun.",
    source="Goodfellow, Bengio & Courville 2016, Deep Learning, section 8.4",
)
