"""Rules on the first step of training: how far it moves the weights, and whether the gradients can be trusted."""

from collections.abc import Iterable
from dataclasses import replace
from math import inf

from actdiag.diagnosis.calibration.trainability import trainability
from actdiag.diagnosis.rule import Found, Measured, Rule
from actdiag.diagnosis.scale import GRADIENT_FOLD, gradient_path
from actdiag.diagnosis.wording import name_layers
from actdiag.measurements import Measurements

SMALLEST_UPDATE, LARGEST_UPDATE = 1e-5, 1e-1
"""A step of plain SGD may change a layer's weights by these shares of their norm."""

FLAT = 10.0
"""Norms of dL/dW within this factor of each other look flat to the eye."""


def rate_of(run: Measurements) -> float | None:
    """Return the learning rate in use, else the one that the verdict recommends."""
    return run.learning_rate if run.learning_rate is not None else trainability(run).learning_rate


def _updates(run: Measurements) -> Iterable[Measured]:
    """The share of its norm by which a step moves each layer's weights; of labelled losses alone."""
    rate = rate_of(run) if run.loss is not None and run.loss.name != "random" else None
    if rate is None:
        return
    for stats in run.layers:
        ratio = stats.weight_gradient.weight_ratio if stats.weight_gradient else None
        if ratio is not None:
            yield Measured((stats.layer,), rate * ratio)


def _rate_is_only_recommended(run: Measurements, measured: Measured) -> bool:
    return run.learning_rate is None


def _update_said(found: Found) -> str:
    move = f"moves the weights by {found.value:.2g} of their norm in {name_layers(found.layers)}"
    return f"a step at learning rate {rate_of(found.run):.3g} {move} (limit {found.limit:g})"


def _change_rate(found: Found) -> str:
    rate = rate_of(found.run)
    updates = [measured.value for measured in _updates(found.run)]
    if not rate or not min(updates) or max(updates) > LARGEST_UPDATE / SMALLEST_UPDATE * min(updates):
        return "no single learning rate suits all layers: mend the gradient first, or take Adam"
    too_large = found.value > found.limit
    return f"take a learning rate {'under' if too_large else 'over'} {rate * found.limit / found.value:.2g}"


def _flatness(run: Measurements) -> Iterable[Measured]:
    """How far the norms of dL/dW lie apart, where dL/dz vanishes or explodes."""
    path = gradient_path(run)
    norms = [stats.weight_gradient.norm for stats in run.layers if stats.weight_gradient]
    known = [norm for norm in norms if norm]
    if len(known) == len(norms) > 1 and path and not 1 / GRADIENT_FOLD <= path[-1][1] <= GRADIENT_FOLD:
        yield Measured(tuple(stats.layer for stats in run.layers), max(known) / min(known))


def _flat_said(found: Found) -> str:
    return f"dL/dW looks flat ({found.value:.3g}-fold over all layers) while dL/dz does not"


def _judge_by_dz(found: Found) -> str:
    return "judge by dL/dz: in dL/dW the changes of the signal and of the gradient cancel"


def _disagreement(run: Measurements) -> Iterable[Measured]:
    if run.theory is not None:
        yield Measured((), float(run.theory.disagrees))


def _disagreement_said(found: Found) -> str:
    return "theory and the run disagree: it does not behave as theory says it must"


def _doubt(found: Found) -> str:
    return "look at the numbers marked ! and at what the input holds: predictions for this stack are off"


UPDATE_TOO_LARGE = Rule(
    name="update_too_large",
    title="A step moves too far",
    quantity="learning rate times ||dL/dW|| over ||W||, by layer",
    high=LARGEST_UPDATE,
    measure=_updates,
    harmless=_rate_is_only_recommended,
    summary=_update_said,
    advice=_change_rate,
    explanation=(
        "A step that changes the weights by a tenth of their norm leaves the neighbourhood in which the gradient says "
        "where to go. Measured under a labelled loss at the learning rate in use; at the recommended one it is told "
        "as info."
    ),
    remedy="A smaller learning rate; where layers differ by decades, mend the gradient first or take Adam.",
    source="DeepDiagnosis (Wardat et al. 2022, ICSE) has the limits 1e-5 and 1e-1; a common rule of thumb is 1e-3",
    mark="fast",
)

UPDATE_TOO_SMALL = replace(
    UPDATE_TOO_LARGE,
    name="update_too_small",
    title="A step hardly moves",
    low=SMALLEST_UPDATE,
    high=inf,
    explanation=(
        "At a hundred-thousandth of their norm a step, weights need as many steps to become others. Measured under a "
        "labelled loss at the learning rate in use; at the recommended one it is told as info."
    ),
    remedy="A greater learning rate; where layers differ by decades, mend the gradient first or take Adam.",
    mark="slow",
)

FLAT_WEIGHT_GRADIENT = Rule(
    name="flat_weight_gradient",
    title="dL/dW hides what dL/dz shows",
    quantity="largest over smallest norm of dL/dW, where dL/dz vanishes or explodes",
    severity="info",
    low=FLAT,
    measure=_flatness,
    summary=_flat_said,
    advice=_judge_by_dz,
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
        "whether layers in a row, or a share of all, are over 4 sd from what the layer before lets expect (1) or not "
        "(0)"
    ),
    severity="info",
    high=0.0,
    measure=_disagreement,
    summary=_disagreement_said,
    advice=_doubt,
    explanation=(
        "From each layer's measured signal mean-field theory says what the next must show, within what width and "
        "batch leave to chance. Three flagged layers in a row, or one in twenty, are no chance: a derivative that is "
        "wrong, weights that are not what they are said to be, or inputs whose structure weights of any width do not "
        "average out."
    ),
    remedy="See the layers and numbers marked ! in the table.",
    source="Poole et al. 2016, arXiv:1606.05340; Hanin & Nica 2019, arXiv:1812.05994",
)
