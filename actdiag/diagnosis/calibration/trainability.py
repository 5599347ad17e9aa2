"""The probability that plain SGD trains a stack, and the learning rates that should: a fit to stacks trained before."""

from collections.abc import Mapping
from math import exp, isfinite, log
from typing import NamedTuple

from actdiag.diagnosis.calibration import fitted
from actdiag.diagnosis.calibration.signals import Signals, gradient_rms, signals
from actdiag.diagnosis.lost import recipe_of
from actdiag.measurements import Measurements

LOW, HIGH = 0.15, 0.85
"""A stack is called untrainable under the first probability, and healthy over the second."""

RATES = (1e-3, 1.0)
"""The least and the largest learning rate that the probability allows for: those that the fitted stacks were given."""

_TOLERATED = 20.0
"""The product of learning rate and curvature under which the first steps go down: 2 over the largest slope p(1 - p) of
ten equal softmax probabilities, and a little."""

_ENOUGH = 3.0
"""ln of the product of learning rate and learning over which more is no help."""

_LOUD = 10.0
"""ln of the curvature over which the least learning rate is too large."""

_STEEPEST = 2.0
"""Of the product of learning rate and depth."""

_SLOWER, _FASTER = 8.0, 2.0
"""How far under the recommended learning rate steps still do enough, and how far over it the least stacks diverge."""

_FARTHEST = 40.0
"""What a feature is held to: beyond, one feature decides whatever the others are."""


class Reason(NamedTuple):
    """One thing that the probability rests on.

    Attributes:
        rule: The rule that it belongs to.
        pull: Its log odds against an average stack that trains; below 0 it speaks against training.
        said: The number, in words.
    """

    rule: str
    pull: float
    said: str


class Trainability(NamedTuple):
    """What the numbers of a run promise.

    Attributes:
        probability: That plain SGD trains the stack at the best of its learning rates.
        learning_rate: The one to try first; None where none should work.
        learning_rates: The lowest and the highest that should work; likewise.
        estimated: Whether the gradients are estimated, no backward pass having been run.
        reasons: What the probability rests on, the strongest pull against training first.
    """

    probability: float
    learning_rate: float | None
    learning_rates: tuple[float, float] | None
    estimated: bool
    reasons: tuple[Reason, ...]


class Features(NamedTuple):
    """What the log odds are linear in, each 0 where nothing is wrong.

    Attributes:
        falling: How far gradients vanish on the way down, ln.
        growing: How far they explode.
        slowness: What the best learning rate that the curvature tolerates leaves to be wished of a step's progress, ln.
        excess: How far the curvature is over what the least learning rate tolerates, ln.
    """

    falling: float
    growing: float
    slowness: float
    excess: float


def features(found: Signals, depth: int) -> Features:
    """Return what the log odds are linear in, of a stack of so many layers."""
    # Once the signal is out of its plateau every layer multiplies what the others do: the deeper, the smaller a step.
    least, most = log(RATES[0]), log(RATES[1] / depth)
    best = max(min(log(_TOLERATED) - found.curvature, most), least)
    whole = Features(
        falling=max(-min(found.gradient, found.carried), 0.0),
        growing=max(found.gradient, 0.0),
        slowness=max(_ENOUGH - best - found.learning, 0.0),
        excess=max(found.curvature - _LOUD, 0.0),
    )
    return Features(*(min(value, _FARTHEST) for value in whole))


def trainability(run: Measurements) -> Trainability:
    """Return what the numbers of a run promise."""
    found = signals(run)
    if found is None:
        lost = Reason("outlook", -_FARTHEST, "the signal, or its gradient, does not reach the other end")
        return Trainability(0.0, None, None, run.loss is None, (lost,))
    measured = features(found, recipe_of(run).depth)
    odds = fitted.INTERCEPT + sum(fitted.WEIGHTS[name] * value for name, value in measured._asdict().items())
    probability = 1 / (1 + exp(-min(max(odds, -700.0), 700.0)))
    rate = recommended_rate(found, recipe_of(run).depth) if probability >= 0.5 else None
    rates = None if rate is None else (rate / _SLOWER, rate * _FASTER)
    return Trainability(probability, rate, rates, found.estimated, tuple(_reasons(found, measured)))


def recommended_rate(found: Signals, depth: int) -> float:
    """Return the learning rate to try first, in one digit: a power of the curvature, at most 2/depth."""
    by_curvature = exp(fitted.RATE_INTERCEPT + fitted.RATE_SLOPE * max(found.curvature, -_FARTHEST))
    return float(f"{min(by_curvature, fitted.RATE_MOST, _STEEPEST / depth):.0e}")


def output_scale(run: Measurements) -> float | None:
    """Return the std over the inputs of what the readout says of a class; None where the signal is lost."""
    found = signals(run)
    return None if found is None else exp(min(found.output, 700.0))


def _reasons(found: Signals, measured: Features) -> list[Reason]:
    """Return what speaks for and against training, the strongest against it first."""
    typical: Mapping[str, float] = fitted.TYPICAL
    told = "estimated" if found.estimated else "measured"
    factor = _times(found.gradient)
    slow_rule = "collapsed_inputs" if found.information < -4 else "faint_output"
    said = {
        "falling": ("vanishing_gradient", f"dL/dz at layer 1 is {factor} that at the last ({told})"),
        "growing": ("exploding_gradient", f"dL/dz at layer 1 is {factor} that at the last ({told})"),
        "slowness": (slow_rule, f"inputs move what the readout says by {exp(min(found.output, 700.0)):.2g} only"),
        "excess": ("loud_output", f"the loss is so steep that learning rates over {_steepest(found)} overshoot"),
    }
    reasons = [
        Reason(rule, fitted.WEIGHTS[name] * (getattr(measured, name) - typical[name]), words)
        for name, (rule, words) in said.items()
    ]
    return sorted(reasons, key=lambda reason: reason.pull)


def _times(logarithm: float) -> str:
    factor = exp(min(max(logarithm, -700.0), 700.0))
    return f"{factor:.3g} times"


def _steepest(found: Signals) -> str:
    rate = _TOLERATED * exp(-min(found.curvature, 700.0))
    return f"{rate:.1g}" if isfinite(rate) else "0"


__all__ = [
    "HIGH",
    "LOW",
    "Features",
    "Reason",
    "Signals",
    "Trainability",
    "features",
    "gradient_rms",
    "output_scale",
    "recommended_rate",
    "signals",
    "trainability",
]
