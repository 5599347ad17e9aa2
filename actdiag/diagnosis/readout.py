"""Rules on the outputs of a readout over the last layer."""

from collections.abc import Iterable
from dataclasses import replace
from math import inf

from actdiag.diagnosis.calibration.trainability import output_scale
from actdiag.diagnosis.lost_signal import is_lost
from actdiag.diagnosis.rule import Found, Measured, Rule, Rules
from actdiag.measurements import Measurements


def _output(measurements: Measurements, rules: Rules) -> Iterable[Measured]:
    recipe = measurements.recipe
    if recipe is None or not recipe.init.mean_field or is_lost(measurements):
        return
    scale = output_scale(measurements)
    if scale is not None:
        yield Measured((measurements.depth,), scale)


def _output_summary(found: Found) -> str:
    return f"a readout's outputs differ by {found.value:.3g} from input to input (limit {found.limit:g})"


SMALL_OUTPUT = Rule(
    name="small_output",
    title="Outputs hardly differ",
    quantity="rms over the inputs of how far a readout's outputs are from their mean",
    low=1e-4,
    needs=frozenset({"recipe"}),
    measure=_output,
    summary=_output_summary,
    explanation=(
        "Under the stack's initializer, a linear readout gives nearly the same output for every input. The first "
        "steps teach it how frequent the classes are and nothing else; where the gradients are sound it recovers, but "
        "slowly."
    ),
    remedy="Larger weights, such as --init he, or fewer layers where inputs have aligned.",
    source="the limit is wide on purpose: the cost of a faint output is part of the fit behind the verdict",
)

LARGE_OUTPUT = replace(
    SMALL_OUTPUT,
    name="large_output",
    title="Outputs are too large",
    low=-inf,
    high=1e2,
    explanation=(
        "Under the stack's initializer, a linear readout gives outputs so large that a softmax is sure of one class "
        "for every input, mostly the wrong one. The loss starts at their scale, and so does the gradient: all but "
        "tiny learning rates diverge."
    ),
    remedy="Smaller weights, or inputs of rms 1 (--scale feature).",
    source="the limit is wide on purpose: the cost of a steep loss is part of the fit behind the verdict",
)
