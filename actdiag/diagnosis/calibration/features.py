"""What the log odds of training are linear in: how far a network is from where nothing is wrong."""

from math import isfinite, log
from typing import NamedTuple

from actdiag.diagnosis.calibration import fitted
from actdiag.diagnosis.calibration.domain import Task
from actdiag.diagnosis.calibration.signals import Signals

FARTHEST = 40.0
"""Features are clipped at this value: beyond it one feature decides whatever the others are."""

_LOWEST = {"sgd": 1e-3, "momentum": 1e-4, "adam": 1e-5}
_HIGHEST = {"sgd": 1.0, "momentum": 0.3, "adam": 0.03}
"""The learning rates that the trained networks were allowed, under cross-entropy."""

_STEADY = 10.0
"""How many times as far as its learning rate says momentum of 0.9 moves the weights where the gradient is steady."""

_ENOUGH = log(5000)
"""ln of the product of learning rate, iterations and learning over which more is no help."""

_TOO_STEEP = 7.0
"""ln of how many times the tolerated curvature leaves no learning rate that is both low enough and high enough."""

_TOGETHER = 0.3
"""The highest product of Adam's learning rate and depth."""

_WIDE = 4.5
"""The units per class over which more are no help."""


_FEW = 20
"""The number of layers up to which they are learned together."""


class Features(NamedTuple):
    """What the log odds are linear in, each 0 where nothing is wrong or nothing is known.

    Attributes:
        falling: How far gradients vanish on the backward pass, ln.
        growing: How far they explode.
        slowness: How far the progress of all iterations at the best learning rate that the curvature tolerates is from
            enough, ln.
        excess: How far the curvature is over what any learning rate tolerates, ln.
        roughness: How much more than linearly outputs follow changes of the inputs, ln.
        loudness: How far the std of the outputs is over 1, ln; under mse how far their mean square is over the variance
            of one-hot targets, which the loss must fall by.
        narrowness: How far the narrowest layer is from wide for so many classes, ln.
        layers: How far the number of layers is over few, ln.
        shortness: How far the iterations are from the most that were trained, ln.
    """

    falling: float
    growing: float
    slowness: float
    excess: float
    roughness: float
    loudness: float
    narrowness: float
    layers: float
    shortness: float


def features(found: Signals, task: Task) -> Features:
    """Return what the log odds are linear in, for a network that is to learn a task."""
    # A median input without any gradient, as where most inputs saturate a layer, says nothing of the others.
    gradients = [found.gradient or 0.0, *([found.typical] if found.typical and isfinite(found.typical) else [])]
    slowness, excess = (0.0, 0.0) if found.curvature is None or found.learning is None else _pace(found, task)
    unclipped = Features(
        falling=-min(gradients),
        growing=found.gradient or 0.0,
        slowness=slowness,
        excess=excess,
        roughness=found.roughness or 0.0,
        loudness=_loudness(found.output or 0.0, task),
        narrowness=log(_WIDE * task.classes / task.width),
        layers=log(task.depth / _FEW),
        shortness=log(fitted.RANGES["iterations"][1] / task.iterations),
    )
    return Features(*(min(max(value, 0.0), FARTHEST) for value in unclipped))


def tolerated(task: Task) -> float:
    """Return the product of learning rate and curvature under which the first steps go down.

    It is 2 over the curvature of the loss in an output: 1/classes of a softmax of even probabilities under
    cross-entropy, 2/classes of the mean squared error.
    """
    return float(task.classes if task.mse else 2 * task.classes)


def _loudness(output: float, task: Task) -> float:
    """Return loudness, unclipped, from ln of the std of the outputs."""
    if not task.mse:
        return output
    return 2 * output - log((task.classes - 1) / task.classes**2) if task.classes > 1 else 2 * output


def _pace(found: Signals, task: Task) -> tuple[float, float]:
    """Return slowness and excess, unclipped; the curvature must be known."""
    assert found.curvature is not None
    assert found.learning is not None
    lowest, highest = log(_LOWEST[task.optimizer]), log(_HIGHEST[task.optimizer])
    pull = log(2 / task.classes) if task.mse else 0.0  # of the loss on an output
    if task.optimizer == "adam":
        # Every weight moves by the learning rate, an output by the 1-norm of its gradient: about its 2-norm times the
        # root of the number of weights.
        weights = log(task.weights)
        steep = (found.curvature + weights) / 2
        best = max(min(log(tolerated(task)) - steep, highest, log(_TOGETHER / task.depth)), lowest)
        return -(best + (found.learning + weights) / 2 + log(task.iterations)), steep + lowest
    # Once the signal leaves its plateau every layer multiplies the effect of the others: the deeper, the smaller a step
    # must be.
    steady = log(_STEADY) if task.optimizer == "momentum" else 0.0
    reach = log(task.classes) if task.mse else 0.0
    best = min(log(tolerated(task)) - found.curvature, highest + reach + steady - log(task.depth))
    best = max(best, lowest + steady)
    slowness = _ENOUGH - best - found.learning - log(task.iterations) - pull
    return slowness, found.curvature - log(tolerated(task)) - _TOO_STEEP
