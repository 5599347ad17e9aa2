"""The probability that plain SGD trains a network, and the learning rates that should: a fit to trained stacks."""

from collections.abc import Mapping
from math import exp, isfinite, log
from typing import NamedTuple

from actdiag.diagnosis.calibration import fitted
from actdiag.diagnosis.calibration.signals import Signals, gradient_rms, signals
from actdiag.measurements import Measurements

LOW, HIGH = 0.15, 0.85
"""A network is called untrainable under the first probability and healthy over the second."""

RATES = (1e-3, 1.0)
"""The lowest and the highest learning rate that the probability allows for: those of the stacks that were fitted."""

_TOLERATED = 20.0
"""The product of learning rate and curvature under which the first steps go down: 2 over the largest slope p(1 - p) of
ten equal softmax probabilities, and a little."""

_ENOUGH = 3.0
"""ln of the product of learning rate and learning over which more is no help."""

_LOUD = 10.0
"""ln of the curvature over which the lowest learning rate is too high."""

_STEEPEST = 2.0
"""The highest product of learning rate and depth."""

_SLOWER, _FASTER = 8.0, 2.0
"""How far under the recommended learning rate steps still make progress, and how far over it few stacks diverge."""

_FARTHEST = 40.0
"""Features are clipped at this value: beyond it one feature decides whatever the others are."""


_EXPLAINED_BY = {
    "falling": ("vanishing_gradient", "saturation", "silent_inputs", "dead_units"),
    "growing": ("exploding_gradient",),
    "slowness": (
        *("collapsed_inputs", "vanishing_signal", "faint_output", "silent_inputs", "dead_units", "aligned_inputs"),
        *("shifted_mean", "precision_lost"),
    ),
    "excess": ("loud_output", "exploding_signal", "input_scale", "uneven_features", "shifted_mean"),
}
"""The rules that explain each feature, the nearest first."""


class Reason(NamedTuple):
    """One of the reasons for the probability.

    Attributes:
        rules: The rules that explain it, the nearest first.
        pull: Its log odds relative to an average stack that trains; below 0 it speaks against training.
        said: The number in words.
    """

    rules: tuple[str, ...]
    pull: float
    said: str


class Trainability(NamedTuple):
    """What the fit predicts for a run.

    Attributes:
        probability: The probability that plain SGD trains the network at the best learning rate.
        learning_rate: The recommended one; None where none should work, or where it is not known.
        learning_rates: The lowest and the highest that should work; likewise.
        estimated: Whether the gradients are estimated because no backward pass was run.
        reasons: The reasons for the probability, the strongest against training first.
        at_most: Whether the probability is an upper bound only: without a recipe some features are not known, and
            nothing is taken to be wrong with them.
    """

    probability: float
    learning_rate: float | None
    learning_rates: tuple[float, float] | None
    estimated: bool
    reasons: tuple[Reason, ...]
    at_most: bool = False


class Features(NamedTuple):
    """What the log odds are linear in, each 0 where nothing is wrong or nothing is known.

    Attributes:
        falling: How far gradients vanish on the backward pass, ln.
        growing: How far they explode.
        slowness: How far the progress of a step at the best learning rate that the curvature tolerates is from enough,
            ln.
        excess: How far the curvature is over what the lowest learning rate tolerates, ln.
    """

    falling: float
    growing: float
    slowness: float
    excess: float


def features(found: Signals, depth: int) -> Features:
    """Return what the log odds are linear in, for a network of so many layers."""
    gradients = [value for value in (found.gradient, found.typical) if value is not None]
    slowness = excess = 0.0
    if found.curvature is not None and found.learning is not None:
        # Once the signal leaves its plateau every layer multiplies the effect of the others: the deeper, the smaller a
        # step must be.
        lowest, highest = log(RATES[0]), log(RATES[1] / depth)
        best = max(min(log(_TOLERATED) - found.curvature, highest), lowest)
        slowness, excess = _ENOUGH - best - found.learning, found.curvature - _LOUD
    unclipped = (-min(gradients, default=0.0), found.gradient or 0.0, slowness, excess)
    return Features(*(min(max(value, 0.0), _FARTHEST) for value in unclipped))


def trainability(measurements: Measurements) -> Trainability:
    """Return the probability that a network trains, and at which learning rates.

    Of several runs that is the mean of theirs, where it is known: the means of what was measured tell nothing of runs
    in which the signal died.
    """
    found, estimated = signals(measurements), not measurements.has_gradient
    of_deaths = _reasons_of_runs(measurements)
    of_runs = None if measurements.runs is None else measurements.runs.probability
    if found is None:
        rules = (*_EXPLAINED_BY["falling"], *_EXPLAINED_BY["slowness"])
        lost = Reason(rules, -_FARTHEST, "the signal, or its gradient, does not reach the other end")
        return Trainability(of_runs or 0.0, None, None, estimated, (lost, *of_deaths))
    measured = features(found, measurements.depth)
    odds = fitted.INTERCEPT + sum(fitted.WEIGHTS[name] * value for name, value in measured._asdict().items())
    probability = 1 / (1 + exp(-min(max(odds, -700.0), 700.0)))
    probability = probability if of_runs is None else of_runs
    rate = recommended_rate(found, measurements.depth) if probability >= 0.5 else None
    rates = None if rate is None else (rate / _SLOWER, rate * _FASTER)
    reasons = tuple(sorted((*_reasons(found, measured), *of_deaths), key=lambda reason: reason.pull))
    return Trainability(probability, rate, rates, estimated, reasons, at_most=found.curvature is None)


def recommended_rate(found: Signals, depth: int) -> float | None:
    """Return the recommended learning rate to one digit, a power of the curvature, at most 2/depth; None without one.

    There is none where the curvature is not known.
    """
    if found.curvature is None:
        return None
    by_curvature = exp(fitted.RATE_INTERCEPT + fitted.RATE_SLOPE * max(found.curvature, -_FARTHEST))
    return float(f"{min(by_curvature, fitted.RATE_MOST, _STEEPEST / depth):.0e}")


def rate_of(measurements: Measurements) -> float | None:
    """Return the learning rate in use, else the recommended one; None where there is neither."""
    in_use = measurements.learning_rate
    return trainability(measurements).learning_rate if in_use is None else in_use


def output_scale(measurements: Measurements) -> float | None:
    """Return the std over the inputs of one output of a readout; None where the signal is lost or that is not known."""
    found = signals(measurements)
    return None if found is None or found.output is None else exp(min(found.output, 700.0))


def _reasons(found: Signals, measured: Features) -> list[Reason]:
    """Return what speaks for and against training; nothing on what is not known."""
    typical: Mapping[str, float] = fitted.TYPICAL
    said: dict[str, str] = {}
    if found.gradient is not None:
        how = "estimated" if found.estimated else "measured"
        ratio = f"dL/dz at layer 1 is {_times(found.gradient)} that at the last ({how})"
        said |= {"falling": ratio, "growing": ratio}
    if found.output is not None and found.curvature is not None:
        output, steepest = exp(min(found.output, 700.0)), _steepest(found.curvature)
        said["slowness"] = f"inputs move what the readout says by {output:.2g} only"
        said["excess"] = f"the loss is so steep that learning rates over {steepest} overshoot"
    return [
        Reason(_EXPLAINED_BY[name], fitted.WEIGHTS[name] * (getattr(measured, name) - typical[name]), words)
        for name, words in said.items()
    ]


def _reasons_of_runs(measurements: Measurements) -> list[Reason]:
    """Return what speaks against training in several runs together: that the signal died in some."""
    runs = measurements.runs
    if runs is None or not runs.died:
        return []
    return [Reason(("died_runs",), -_FARTHEST * runs.died / runs.n, f"the signal died in {runs.died} of {runs.n} runs")]


def _times(logarithm: float) -> str:
    factor = exp(min(max(logarithm, -700.0), 700.0))
    return f"{factor:.3g} times"


def _steepest(curvature: float) -> str:
    rate = _TOLERATED * exp(-min(curvature, 700.0))
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
    "rate_of",
    "recommended_rate",
    "signals",
    "trainability",
]
