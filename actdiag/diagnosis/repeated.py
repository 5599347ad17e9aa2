"""The rule on several runs together: in how many the signal died."""

from collections.abc import Iterable

from actdiag.diagnosis.calibration.trainability import HIGH
from actdiag.diagnosis.rule import Found, Measured, Rule, Rules
from actdiag.measurements import Measurements

_TOLERATED = 1 - HIGH
"""A network that loses no greater share of its runs may still be healthy."""


def _died(measurements: Measurements, rules: Rules) -> Iterable[Measured]:
    runs = measurements.runs
    if runs is not None:
        yield Measured((), runs.died / runs.n)


def _are_few(measurements: Measurements, measured: Measured, rules: Rules) -> bool:
    return measured.value <= _TOLERATED


def _summary(found: Found) -> str:
    runs = found.measurements.runs
    assert runs is not None  # it is what was found
    return f"in {runs.died} of {runs.n} runs the signal is lost: zero, not finite, or the same for all inputs"


DIED_RUNS = Rule(
    name="died_runs",
    title="The signal dies in some runs",
    quantity="share of the runs that have lost their signal by the last layer",
    high=0.0,
    needs=frozenset({"runs"}),
    measure=_died,
    harmless=_are_few,
    summary=_summary,
    explanation=(
        "In a narrow, deep network the seed can decide whether a signal gets through. The means of a layer leave out "
        "the runs without one wherever a zero would have no logarithm, and so look better than the runs are. Up to "
        f"{_TOLERATED:.0%} of the runs are harmless."
    ),
    remedy="Wider layers, fewer layers, or an activation with a slope on both sides, such as leaky_relu.",
    source="Lu et al. 2019, arXiv:1903.06733; the harmless share is what the probability of a healthy network leaves",
)
