"""Rules on what a readout over the last layer would say."""

from collections.abc import Iterable
from dataclasses import replace
from math import inf

from actdiag.diagnosis.calibration.trainability import output_scale
from actdiag.diagnosis.inputs import LARGE_INPUT
from actdiag.diagnosis.lost import lost, recipe_of
from actdiag.diagnosis.rule import Found, Measured, Rule
from actdiag.diagnosis.scale import SIGNAL_FOLD
from actdiag.diagnosis.wording import STANDARDIZE, centre, mend_scale
from actdiag.measurements import Measurements

FAINT, LOUD = 1e-4, 1e2
"""How little and how much a readout's outputs may differ from input to input, as an rms; a softmax looks for 1."""


def _output(run: Measurements) -> Iterable[Measured]:
    scale = None if lost(run) or not recipe_of(run).init.mean_field else output_scale(run)
    if scale is not None:
        yield Measured((recipe_of(run).depth,), scale)


def _output_said(found: Found) -> str:
    return f"a readout's outputs differ by {found.value:.3g} from input to input (limit {found.limit:g})"


def _raise_output(found: Found) -> str:
    first, last = found.run.layers[0], found.run.layers[-1]
    vanishes = (last.rms or 0.0) < (first.rms or 0.0) / SIGNAL_FOLD
    if not vanishes and (last.unit_std or 0.0) < (last.std or 0.0) / 2:
        return centre(recipe_of(found.run), last)
    return mend_scale(recipe_of(found.run), found.run.layers, found.run.change.forward, "signal", exploding=False)


def _lower_output(found: Found) -> str:
    run = found.run
    if run.input.rms is not None and run.input.rms > LARGE_INPUT:
        return STANDARDIZE
    return mend_scale(recipe_of(run), run.layers, run.change.forward, "signal", exploding=True)


FAINT_OUTPUT = Rule(
    name="faint_output",
    title="Outputs would hardly differ",
    quantity="rms over inputs of the deviation of a readout's outputs",
    low=FAINT,
    measure=_output,
    summary=_output_said,
    advice=_raise_output,
    explanation=(
        "Under the stack's initializer, a linear readout gives nearly the same output for every input. The first "
        "steps teach it how frequent the classes are and nothing else; where the gradients are sound it recovers, but "
        "slowly."
    ),
    remedy="Larger weights, such as --init he, or fewer layers where inputs have aligned.",
    source="the limit is wide on purpose: what a faint output costs is part of the fit behind the verdict",
)

LOUD_OUTPUT = replace(
    FAINT_OUTPUT,
    name="loud_output",
    title="Outputs would be too large",
    low=-inf,
    high=LOUD,
    advice=_lower_output,
    explanation=(
        "Under the stack's initializer, a linear readout gives outputs so large that a softmax is sure of a class for "
        "every input, mostly the wrong one. The loss starts at their scale, and so does the gradient: only a tiny "
        "learning rate does not diverge."
    ),
    remedy="Smaller weights, or inputs of rms 1 (--standardize).",
)
