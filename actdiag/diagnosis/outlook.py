"""The rule that speaks where the probability is low and no other rule says why."""

from collections.abc import Iterable

from actdiag.diagnosis.calibration.trainability import HIGH, trainability
from actdiag.diagnosis.lost import recipe_of
from actdiag.diagnosis.rule import Found, Measured, Rule
from actdiag.measurements import Measurements
from actdiag.numerals import whole_percent

_MOST_REASONS = 2


def _probability(run: Measurements) -> Iterable[Measured]:
    yield Measured((), trainability(run).probability)


def _reasons_said(found: Found) -> str:
    reasons = sorted(trainability(found.run).reasons, key=lambda reason: reason.pull)
    against = [reason.said for reason in reasons if reason.pull < 0][:_MOST_REASONS]
    why = "; ".join(against) or "no number stands out, several are a little off"
    return f"{whole_percent(found.value)} that plain SGD trains it: {why}"


def _improve(found: Found) -> str:
    stack = recipe_of(found.run)
    if stack.target_gain is None and stack.act.derivative is not None and stack.init.mean_field:
        return f"try --gain auto, which brings every layer to the gain that {stack.act.name} needs, or fewer layers"
    return "try fewer layers, or another activation"


OUTLOOK = Rule(
    name="outlook",
    title="Many numbers are a bit off",
    quantity="probability that plain SGD trains the stack",
    low=HIGH,
    measure=_probability,
    summary=_reasons_said,
    advice=_improve,
    explanation=(
        "The verdict's probability comes from a fit on stacks that were trained, and each number that goes into it "
        "may be within its own limits while together they are not. This is said only where no other rule found "
        "anything."
    ),
    remedy="What the summary names first; --gain auto mends most of it.",
    source="the labelled stacks of this project's benchmark",
)
