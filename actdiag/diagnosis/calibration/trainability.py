"""The probability that an optimizer trains a network, and the learning rates that should: a fit to trained networks."""

from math import exp, isfinite, log
from typing import NamedTuple

from actdiag.diagnosis.calibration import fitted
from actdiag.diagnosis.calibration.domain import Task, outside, task_of
from actdiag.diagnosis.calibration.features import FARTHEST, Features, features, tolerated
from actdiag.diagnosis.calibration.signals import Signals, gradient_rms, signals
from actdiag.measurements import Measurements

LOW, HIGH = 0.15, 0.85
"""A network is called untrainable under the first probability and healthy over the second."""

_SLOWER, _FASTER = 8.0, 2.0
"""How far under the recommended learning rate steps still make progress, and how far over it few stacks diverge."""

_EXPLAINED_BY = {
    "falling": ("vanishing_gradient", "saturation", "silent_inputs", "dead_units"),
    "growing": ("exploding_gradient",),
    "slowness": (
        *("collapsed_inputs", "vanishing_signal", "small_output", "silent_inputs", "dead_units", "vanishing_gradient"),
        *("aligned_inputs", "shifted_mean", "precision_lost"),
    ),
    "excess": ("large_output", "exploding_signal", "input_scale", "uneven_features", "shifted_mean"),
    "roughness": ("exploding_gradient", "collapsed_inputs", "saturation"),
    "loudness": ("large_output", "exploding_signal"),
    "narrowness": (),
    "layers": (),
    "shortness": (),
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
        probability: The probability that the optimizer trains the network at the best learning rate.
        learning_rate: The recommended one; None where none should work, or where it is not known.
        learning_rates: The lowest and the highest that should work; likewise.
        estimated: Whether the gradients are estimated because no backward pass was run.
        reasons: The reasons for the probability, the strongest against training first.
        at_most: Whether the probability is an upper bound only: without a recipe some features are not known, and
            nothing is taken to be wrong with them.
        outside: What lies outside the range of the fit, a sentence each: the probability is then of no use.
    """

    probability: float
    learning_rate: float | None
    learning_rates: tuple[float, float] | None
    estimated: bool
    reasons: tuple[Reason, ...]
    at_most: bool = False
    outside: tuple[str, ...] = ()


def trainability(measurements: Measurements) -> Trainability:
    """Return the probability that a network trains, and at which learning rates.

    Of several runs that is the mean of theirs, where it is known: the means of what was measured tell nothing of runs
    in which the signal died.
    """
    found, estimated, beyond = signals(measurements), not measurements.has_gradient, outside(measurements)
    of_deaths = _reasons_of_runs(measurements)
    of_runs = None if measurements.runs is None else measurements.runs.probability
    if found is None:
        rules = (*_EXPLAINED_BY["falling"], *_EXPLAINED_BY["slowness"])
        lost = Reason(rules, -FARTHEST, "the signal, or its gradient, does not reach the other end")
        return Trainability(of_runs or 0.0, None, None, estimated, (lost, *of_deaths), outside=beyond)
    task = task_of(measurements)
    measured, fit = features(found, task), fitted.FITS[task.optimizer]
    odds = fit["intercept"] + sum(fit[name] * value for name, value in measured._asdict().items())
    probability = 1 / (1 + exp(-min(max(odds, -700.0), 700.0)))
    probability = probability if of_runs is None else of_runs
    rate = recommended_rate(found, task) if probability >= 0.5 and not beyond else None
    rates = None if rate is None else (rate / _SLOWER, rate * _FASTER)
    reasons = tuple(sorted((*_reasons(found, task, measured), *of_deaths), key=lambda reason: reason.pull))
    return Trainability(
        probability, rate, rates, estimated, reasons, at_most=found.curvature is None, outside=beyond
    )  # fmt: skip


def recommended_rate(found: Signals, task: Task) -> float | None:
    """Return the recommended learning rate to one digit, a power of the curvature per unit of what a step tolerates.

    There is none where the curvature is not known.
    """
    if found.curvature is None:
        return None
    intercept, slope, most, steepest = fitted.RATES[task.optimizer]
    steep = max(found.curvature - log(tolerated(task)), -FARTHEST)
    return float(f"{min(exp(intercept + slope * steep), most, steepest / task.depth):.0e}")


def rate_of(measurements: Measurements) -> float | None:
    """Return the learning rate in use, else the recommended one; None where there is neither."""
    in_use = measurements.learning_rate
    return trainability(measurements).learning_rate if in_use is None else in_use


def output_scale(measurements: Measurements) -> float | None:
    """Return the std over the inputs of one output of a readout; None where the signal is lost or that is not known."""
    found = signals(measurements)
    return None if found is None or found.output is None else exp(min(found.output, 700.0))


def _reasons(found: Signals, task: Task, measured: Features) -> list[Reason]:
    """Return what speaks for and against training; nothing on what is not known."""
    fit, typical = fitted.FITS[task.optimizer], fitted.TYPICAL[task.optimizer]
    said: dict[str, str] = {}
    if found.gradient is not None:
        how = "estimated" if found.estimated else "measured"
        ratio = f"dL/dz at layer 1 is {_times(found.gradient)} that at the last ({how})"
        said |= {"falling": ratio, "growing": ratio}
    if found.output is not None and found.curvature is not None:
        output = exp(min(found.output, 700.0))
        said["loudness"] = f"the std of an output over the inputs is {output:.2g}"
        said["slowness"] = f"inputs move what the readout says by {output:.2g} only"
        said["excess"] = "the loss is so steep that the smallest steps overshoot"
        if task.optimizer != "adam":
            said["excess"] = f"the loss is so steep that rates over {_steepest(found.curvature, task)} overshoot"
    if found.roughness is not None:
        said["roughness"] = f"outputs change {_times(found.roughness)} as much as inputs do"
    said["narrowness"] = f"a layer of {task.width} units is narrow for {task.classes} classes"
    said["layers"] = f"{task.depth} layers are many to learn together"
    said["shortness"] = f"{task.iterations} iterations are few"
    return [
        Reason(_EXPLAINED_BY[name], fit[name] * (getattr(measured, name) - typical[name]), words)
        for name, words in said.items()
    ]


def _reasons_of_runs(measurements: Measurements) -> list[Reason]:
    """Return what speaks against training in several runs together: that the signal died in some."""
    runs = measurements.runs
    if runs is None or not runs.died:
        return []
    return [Reason(("died_runs",), -FARTHEST * runs.died / runs.n, f"the signal died in {runs.died} of {runs.n} runs")]


def _times(logarithm: float) -> str:
    factor = exp(min(max(logarithm, -700.0), 700.0))
    return f"{factor:.3g} times"


def _steepest(curvature: float, task: Task) -> str:
    rate = tolerated(task) * exp(-min(curvature, 700.0))
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
