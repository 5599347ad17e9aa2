"""Rules on the first step of training: how far it moves the weights, and whether the gradients can be trusted."""

from collections.abc import Iterable
from dataclasses import replace
from math import inf

from actdiag.diagnosis.calibration.trainability import rate_of
from actdiag.diagnosis.rule import Found, Measured, Rule, Rules
from actdiag.diagnosis.scale import gradient_path, is_within
from actdiag.diagnosis.words import name_layers
from actdiag.measurements import Measurements

_SMALLEST, _LARGEST = 1e-5, 1e-1


def update_ratios(measurements: Measurements) -> dict[int, float]:
    """Return the norm of each layer's first step of plain SGD over the norm of its weights, without unknown ones."""
    rate = rate_of(measurements)
    known = {stats.layer: stats.weight_gradient for stats in measurements.layers}
    ratios = {layer: one.weight_ratio for layer, one in known.items() if one is not None}
    return {layer: rate * ratio for layer, ratio in ratios.items() if ratio is not None and rate is not None}


def _updates(measurements: Measurements, rules: Rules) -> Iterable[Measured]:
    return (Measured((layer,), ratio) for layer, ratio in update_ratios(measurements).items())


def _rate_is_only_recommended(measurements: Measurements, measured: Measured, rules: Rules) -> bool:
    return measurements.learning_rate is None


def _update_summary(found: Found) -> str:
    change = f"moves the weights by {found.value:.2g} of their norm in {name_layers(found.layers)}"
    return f"a step at learning rate {rate_of(found.measurements):.3g} {change} (limit {found.limit:g})"


def _flatness(measurements: Measurements, rules: Rules) -> Iterable[Measured]:
    """Yield the largest over the smallest norm of dL/dW, where dL/dz vanishes or explodes."""
    norms = [stats.weight_gradient.norm for stats in measurements.layers if stats.weight_gradient]
    known = [norm for norm in norms if norm]
    if len(known) == len(norms) > 1 and gradient_path(measurements) and not is_within(measurements, rules, "gradient"):
        yield Measured(tuple(stats.layer for stats in measurements.layers), max(known) / min(known))


def _flat_summary(found: Found) -> str:
    return f"dL/dW looks flat ({found.value:.3g}-fold over all layers) while dL/dz does not"


def _disagreement(measurements: Measurements, rules: Rules) -> Iterable[Measured]:
    if measurements.theory is not None:
        yield Measured((), float(measurements.theory.disagrees))


def _disagreement_summary(found: Found) -> str:
    return "theory and the run disagree: it does not behave as theory says it must"


UPDATE_TOO_LARGE = Rule(
    name="update_too_large",
    title="A step moves too far",
    quantity="learning rate times ||dL/dW|| over ||W||, by layer",
    high=_LARGEST,
    needs=frozenset({"gradient", "steps"}),
    measure=_updates,
    harmless=_rate_is_only_recommended,
    summary=_update_summary,
    explanation=(
        "A step that changes the weights by more than a small share of their norm "
        f"(by default {_LARGEST:g}) leaves the neighbourhood in which the gradient is a guide. Measured under a "
        "labelled loss at the learning rate in use; at the recommended one it is harmless."
    ),
    remedy="A smaller learning rate; where layers differ by orders of magnitude, fix the gradient first or use Adam.",
    source="the default limits are those of DeepDiagnosis (Wardat et al. 2022, ICSE); a common rule of thumb is 1e-3",
    mark="fast",
)

UPDATE_TOO_SMALL = replace(
    UPDATE_TOO_LARGE,
    name="update_too_small",
    title="A step hardly moves",
    low=_SMALLEST,
    high=inf,
    explanation=(
        "Where a step changes the weights by only a tiny share of their norm "
        f"(by default {_SMALLEST:g}), training takes at least the inverse of that share in steps. Measured under a "
        "labelled loss at the learning rate in use; at the recommended one it is harmless."
    ),
    remedy="A larger learning rate; where layers differ by orders of magnitude, fix the gradient first or use Adam.",
    mark="slow",
)

FLAT_WEIGHT_GRADIENT = Rule(
    name="flat_weight_gradient",
    title="dL/dW hides what dL/dz shows",
    quantity="largest over smallest norm of dL/dW, where dL/dz vanishes or explodes",
    low=10.0,
    needs=frozenset({"gradient"}),
    measure=_flatness,
    summary=_flat_summary,
    explanation=(
        "dL/dW is a product of the signal from below and the gradient from above. Where one grows as the other falls, "
        "as in a ReLU stack of any scale, its norms look alike although the gradient dies. Tools that look at dL/dW "
        "alone pass such stacks."
    ),
    remedy="Judge by dL/dz.",
    source="Glorot & Bengio 2010, figures 7 to 9",
    mark="flat",
)

DISAGREES_WITH_THEORY = Rule(
    name="disagrees_with_theory",
    title="Theory and run disagree",
    quantity=(
        "1 if several layers in a row, or a share of all, are more than 4 sd from what the layer before predicts, "
        "else 0"
    ),
    high=0.0,
    needs=frozenset({"theory"}),
    measure=_disagreement,
    summary=_disagreement_summary,
    explanation=(
        "From each layer's measured signal, mean-field theory predicts the statistics of the next, within what width "
        "and batch leave to chance. Three flagged layers in a row, or one in twenty, are not chance: a derivative is "
        "wrong, weights are not drawn as declared, or the inputs have a structure that weights of no width average "
        "out."
    ),
    remedy="See the layers and numbers marked ! in the table.",
    source="Poole et al. 2016, arXiv:1606.05340; Hanin & Nica 2019, arXiv:1812.05994",
)
