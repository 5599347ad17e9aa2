"""The rule that names the numbers that lower the probability together where no other rule found the cause."""

from collections.abc import Iterable

from actdiag.diagnosis.calibration.trainability import HIGH, trainability
from actdiag.diagnosis.rule import Found, Measured, Rule, Rules
from actdiag.diagnosis.words import trains_it
from actdiag.measurements import Measurements
from actdiag.numerals import whole_percent

_MOST_REASONS = 2


def _probability(measurements: Measurements, rules: Rules) -> Iterable[Measured]:
    yield Measured((), round(trainability(measurements).probability, 2))  # as it is printed


def _cause(found: Found) -> str:
    """Return the two numbers that lower the probability most."""
    reasons = sorted(trainability(found.measurements).reasons, key=lambda reason: reason.pull)
    against = [reason.said for reason in reasons if reason.pull < 0][:_MOST_REASONS]
    return "; ".join(against) or "no number stands out, several are a little off"


def _summary(found: Found) -> str:
    promised, why = trainability(found.measurements), _cause(found)
    bound = "at most " if promised.at_most else ""
    return f"{bound}{whole_percent(found.value)} {trains_it(*found.measurements.plan)}: {why}"


COMBINED_RISK = Rule(
    name="combined_risk",
    title="Several numbers together",
    quantity="probability that the optimizer trains the stack",
    low=HIGH,
    measure=_probability,
    summary=_summary,
    cause=_cause,
    explanation=(
        "The verdict's probability comes from a fit on stacks that were trained, and each number that goes into it "
        "may be within its own limits while together they are not. It is reported only where no other rule explains "
        "the probability."
    ),
    remedy="Start with what the summary names first; --gain auto fixes most of these.",
    source="the labelled stacks of this project's benchmark",
)
