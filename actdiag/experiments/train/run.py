"""A training run: a stack is trained by a recipe, and its curves and its statistics before and after are returned."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import inf, isfinite, sqrt
from typing import NamedTuple

from actdiag.arrays import Array
from actdiag.datasets.catalogue import Dataset
from actdiag.diagnosis import Verdict, diagnose
from actdiag.engine.workers import Workers
from actdiag.experiments.train.loop import Recipe, Step, steps, training_need
from actdiag.experiments.train.network import Network, draw_network, evaluate
from actdiag.experiments.train.outcome import Outcome, outcome_of
from actdiag.experiments.train.snapshot import Snapshot, relative_changes, snapshot
from actdiag.measure.directions import directions, mean_cosine, squares_of
from actdiag.measure.features import feature_evenness
from actdiag.measure.statistics import InputStats, LossValue
from actdiag.measurements import Measurements, TrainingPlan
from actdiag.model.stack import Stack
from actdiag.options import DEFAULT_ROWS

AUTO_RATES = {
    "sgd": (1.0, 0.1, 0.01, 0.001),
    "momentum": (0.1, 0.01, 0.001, 0.0001),
    "adam": (0.01, 0.001, 0.0001, 0.00001),
}
"""The learning rates that `auto` tries."""

_OVER = 25
"""A run is judged by the mean of so many of its last losses."""


class Tried(NamedTuple):
    """A learning rate that was tried, and the mean of the last losses; None where it diverged."""

    learning_rate: float
    loss: float | None


class DataFacts(NamedTuple):
    """The data that a stack was trained on: their name, and the numbers of rows, features and classes."""

    name: str
    train_rows: int
    test_rows: int
    features: int
    classes: int


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """The result of training a stack.

    Attributes:
        stack: The stack, over the rows that the statistics are of.
        data: The data that it was trained on.
        recipe: How it was trained.
        learning_rate: The learning rate.
        loss: The cross-entropy of every iteration's batch, before its update; None where it is not finite.
        accuracy: Its accuracy.
        test_loss: Of the test rows, after the last update; None where it is not finite.
        test_accuracy: Likewise.
        before: Statistics at initialization.
        after: Statistics after the last update.
        first_update: The norm of the first update of each layer's weights over the norm of the weights; None where
            that is not finite.
        verdict: The verdict at initialization, on `before`.
        tried: The learning rates that were tried to find this one; empty where it was given.
    """

    stack: Stack
    data: DataFacts
    recipe: Recipe
    learning_rate: float
    loss: tuple[float | None, ...]
    accuracy: tuple[float, ...]
    test_loss: float | None
    test_accuracy: float
    before: Snapshot
    after: Snapshot
    first_update: tuple[float | None, ...]
    verdict: Verdict
    tried: tuple[Tried, ...] = ()

    @property
    def diverged_at(self) -> int | None:
        """The iteration whose loss was not finite; None where all were."""
        return len(self.loss) if self.loss[-1] is None else None

    @property
    def final_loss(self) -> float | None:
        """The mean of the last 25 losses; None where the last is not finite."""
        return None if self.diverged_at else _last([loss for loss in self.loss if loss is not None])

    @property
    def final_accuracy(self) -> float:
        """The mean accuracy of the last 25 batches."""
        return _last(self.accuracy)

    @property
    def outcome(self) -> Outcome:
        """The outcome by the losses: `learned`, `slow`, `did not learn` or `diverged`."""
        return outcome_of(self.final_loss, self.data.classes)


class Look(NamedTuple):
    """A run in progress, before the update of an iteration.

    Attributes:
        stack: The stack that is trained.
        learning_rate: The learning rate.
        step: The iteration, with the loss and the accuracy of its batch.
        iterations: The number of iterations of the whole run.
        weights: The current weights of every layer that has some; not to be changed or kept, for training changes them
            in place.
        snapshot: Returns the current statistics.
    """

    stack: Stack
    learning_rate: float
    step: Step
    iterations: int
    weights: Sequence[Array]
    snapshot: Callable[[], Snapshot]


Watch = Callable[[Look], None]
"""Called at every iteration."""


def run_training(
    stack: Stack,
    data: Dataset,
    recipe: Recipe,
    learning_rates: Sequence[float],
    watch: Watch | None = None,
) -> TrainingRun:
    """Train a stack at each of some learning rates and return the run of the least loss.

    Args:
        stack: The stack; its inputs are the first rows of the training data, which the statistics are of, and are
            called what the data are called.
        data: What to train on.
        recipe: How to train.
        learning_rates: At least one; the loss is the mean of the last 25 batches.
        watch: Called at every iteration.
    """
    with training_need(stack, recipe, data.classes).met(threads=1), Workers(1) as workers:
        runs = [_one(stack, data, recipe, rate, workers, watch) for rate in learning_rates]
    best = min(runs, key=lambda run: inf if run.final_loss is None else run.final_loss)
    if len(runs) == 1:
        return best
    return replace(best, tried=tuple(Tried(run.learning_rate, run.final_loss) for run in runs))


def over_rows(data: Dataset) -> Array:
    """Return the training rows that statistics are measured on: the first 1000."""
    return data.train_inputs[:DEFAULT_ROWS]


def _one(
    stack: Stack, data: Dataset, recipe: Recipe, learning_rate: float, workers: Workers, watch: Watch | None
) -> TrainingRun:
    network = draw_network(stack, data.classes, workers)
    inputs, labels = stack.inputs(), data.train_labels[: stack.batch]

    def look() -> Snapshot:
        return snapshot(network, inputs, labels, workers)

    before = look()
    weights = [layer.weights for layer in network.layers if layer.weights is not None]
    drawn = [array.copy() for array in weights]
    taken: list[Step] = []
    first_update: tuple[float | None, ...] = ()
    for step in steps(network, _in_dtype(data, stack), data.train_labels, recipe, learning_rate):
        taken.append(step)
        if len(taken) == 2:
            first_update = _by_layer(network, relative_changes(drawn, weights))
        if watch is not None:
            watch(Look(stack, learning_rate, step, recipe.iterations, weights, look))
    test_loss, test_accuracy = evaluate(network, data.test_inputs, data.test_labels)
    rows, features = data.train_inputs.shape
    return TrainingRun(
        stack,
        DataFacts(stack.input, rows, len(data.test_inputs), features, data.classes),
        recipe,
        learning_rate,
        tuple(step.loss if isfinite(step.loss) else None for step in taken),
        tuple(step.accuracy for step in taken),
        test_loss if isfinite(test_loss) else None,
        test_accuracy,
        before,
        look(),
        first_update or _by_layer(network, relative_changes(drawn, weights)),
        _verdict(stack, before, data, TrainingPlan(recipe.optimizer, recipe.iterations), learning_rate),
    )


def _by_layer(network: Network, changes: Sequence[float | None]) -> tuple[float | None, ...]:
    """Return what is known of the layers that have weights for every layer, None for the others."""
    known = iter(changes)
    return tuple(None if layer.weights is None else next(known) for layer in network.layers)


def _verdict(stack: Stack, before: Snapshot, data: Dataset, plan: TrainingPlan, learning_rate: float) -> Verdict:
    inputs = stack.inputs()
    found = [directions(inputs)]
    return diagnose(
        Measurements(
            stack.sites(),
            before.layers,
            InputStats(
                mean_cosine(found), sqrt(squares_of(found).mean() / stack.input_width), feature_evenness(inputs)
            ),
            before.change_per_layer,
            loss=LossValue("cross-entropy", data.classes, before.loss),
            classes=data.classes,
            plan=plan,
            learning_rate=learning_rate,
            recipe=stack,
        )
    )


def _in_dtype(data: Dataset, stack: Stack) -> Array:
    return data.train_inputs.astype(stack.dtype, copy=False)


def _last(values: Sequence[float]) -> float:
    """Return the mean of the last values; of losses near the end of the dtype their sum would leave it."""
    last = values[-_OVER:]
    return sum(value / len(last) for value in last)
