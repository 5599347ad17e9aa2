"""A training run: a stack is trained by a recipe, and its curves and its statistics before and after are returned."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import inf, isfinite, log, sqrt
from typing import NamedTuple

import numpy as np

from actdiag.arrays import Array
from actdiag.datasets.catalogue import Dataset
from actdiag.diagnosis import Verdict, diagnose
from actdiag.engine.workers import Workers
from actdiag.errors import InvalidField
from actdiag.experiments.train.loop import Recipe, Step, steps, training_need
from actdiag.experiments.train.network import Network, draw_network, evaluate
from actdiag.experiments.train.outcome import Advantage, Outcome, best_guess, chance_of, outcome_of
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
    """The data that a stack was trained on.

    Attributes:
        name: Their name.
        train_rows: Rows to train on.
        test_rows: Rows to test on.
        features: Features of a row.
        classes: The number of classes; 1 of regression.
        task: `classification` or `regression`.
        chance: The loss of the best prediction that needs no input: the entropy of the training labels under
            cross-entropy, the variance of the targets under mse. None of a document that does not say.
        commonest: The commonest class of the training rows; None of regression.
        commonest_fraction: The share of the training rows that it has.
        commonest_test_fraction: The share of the test rows that it has: the accuracy of always predicting it.
        missing: The classes that no training row has.
        class_names: How class k was called in the data; empty where it was called k.
        notes: What was made of the data as they were read, in phrases.
    """

    name: str
    train_rows: int
    test_rows: int
    features: int
    classes: int
    task: str = "classification"
    chance: float | None = None
    commonest: int | None = None
    commonest_fraction: float | None = None
    commonest_test_fraction: float | None = None
    missing: tuple[int, ...] = ()
    class_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def called(self, label: int) -> str:
        """Return what a class was called in the data."""
        return self.class_names[label] if self.class_names else str(label)

    @property
    def level(self) -> float:
        """The chance level; of a document that does not say, that of classes that are equally frequent."""
        return log(self.classes) if self.chance is None else self.chance


def facts_of(data: Dataset, name: str, loss: str) -> DataFacts:
    """Return what is said of data that a stack is trained on under a loss.

    Raises:
        InvalidField: All labels, or all targets, are the same: there is nothing to learn.
    """
    rows, features = data.train_inputs.shape
    chance = chance_of(data.train_labels, data.classes, loss)
    if not chance:
        what = "targets that differ" if data.task == "regression" else "labels of at least 2 classes"
        problem = f"must have {what} in its rows to train on, got {data.train_labels[0]:g} in all of {name}"
        raise InvalidField(field="data", problem=problem)
    facts = DataFacts(
        name,
        rows,
        len(data.test_inputs),
        features,
        data.classes,
        data.task,
        chance,
        class_names=data.class_names,
        notes=data.notes,
    )
    if data.task == "regression":
        return facts
    counts = np.bincount(data.train_labels, minlength=data.classes)
    most = int(counts.argmax())
    return facts._replace(
        commonest=most,
        commonest_fraction=float(counts[most] / rows),
        commonest_test_fraction=float(np.mean(data.test_labels == most)),
        missing=tuple(np.flatnonzero(counts == 0).tolist()),
    )


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """The result of training a stack.

    Attributes:
        stack: The stack, over the rows that the statistics are of.
        data: The data that it was trained on.
        recipe: How it was trained.
        learning_rate: The learning rate.
        loss: The loss of every iteration's batch, before its update; None where it is not finite.
        accuracy: Its accuracy; of regression R^2, against the variance of all training targets, None where not finite.
        test_loss: Of the test rows, after the last update; None where it is not finite.
        test_accuracy: Likewise; of regression R^2, against the variance of the test targets.
        advantage: How much better test rows are predicted than without any input; None of a document that does not say.
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
    accuracy: tuple[float | None, ...]
    test_loss: float | None
    test_accuracy: float | None
    before: Snapshot
    after: Snapshot
    first_update: tuple[float | None, ...]
    verdict: Verdict
    tried: tuple[Tried, ...] = ()
    advantage: Advantage | None = None

    @property
    def diverged_at(self) -> int | None:
        """The iteration whose loss was not finite; None where all were."""
        return len(self.loss) if self.loss[-1] is None else None

    @property
    def final_loss(self) -> float | None:
        """The mean of the last 25 losses; None where the last is not finite."""
        return None if self.diverged_at else _last([loss for loss in self.loss if loss is not None])

    @property
    def final_accuracy(self) -> float | None:
        """The mean accuracy of the last 25 batches; None where the last is not known."""
        known = [one for one in self.accuracy if one is not None]
        return _last(known) if self.accuracy[-1] is not None else None

    @property
    def outcome(self) -> Outcome:
        """What became of it: `learned`, `slow`, `did not learn`, `diverged` or `memorized`.

        It learned where the training loss is well under the chance level and test rows are predicted better than
        without any input, by more than their number leaves to chance; it memorized where the first alone holds.
        """
        return outcome_of(self.final_loss, self.data.level, self.advantage)


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
    facts = facts_of(data, stack.input, recipe.loss_name)
    network = draw_network(stack, data.classes, workers)
    inputs, labels = stack.inputs(), data.train_labels[: stack.batch]

    def look() -> Snapshot:
        return snapshot(network, inputs, labels, recipe.loss_name, workers)

    before = look()
    weights = [layer.weights for layer in network.layers if layer.weights is not None]
    drawn = [array.copy() for array in weights]
    taken: list[Step] = []
    first_update: tuple[float | None, ...] = ()
    for step in steps(network, _in_dtype(data, stack), data.train_labels, recipe, learning_rate):
        if data.task == "regression":
            step = step._replace(accuracy=1 - step.loss / facts.level)
        taken.append(step)
        if len(taken) == 2:
            first_update = _by_layer(network, relative_changes(drawn, weights))
        if watch is not None:
            watch(Look(stack, learning_rate, step, recipe.iterations, weights, look))
    base = best_guess(data.train_labels)
    tested = evaluate(network, data.test_inputs, data.test_labels, recipe.loss_name, base)
    return TrainingRun(
        stack,
        facts,
        recipe,
        learning_rate,
        tuple(step.loss if isfinite(step.loss) else None for step in taken),
        tuple(step.accuracy if isfinite(step.accuracy) else None for step in taken),
        tested.loss if isfinite(tested.loss) else None,
        tested.score if isfinite(tested.score) else None,
        before,
        look(),
        first_update or _by_layer(network, relative_changes(drawn, weights)),
        _verdict(stack, before, data, recipe, learning_rate),
        advantage=tested.advantage,
    )


def _by_layer(network: Network, changes: Sequence[float | None]) -> tuple[float | None, ...]:
    """Return what is known of the layers that have weights for every layer, None for the others."""
    known = iter(changes)
    return tuple(None if layer.weights is None else next(known) for layer in network.layers)


def _verdict(stack: Stack, before: Snapshot, data: Dataset, recipe: Recipe, learning_rate: float) -> Verdict:
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
            loss=LossValue(recipe.loss_name, data.classes, before.loss),
            classes=data.classes,
            plan=TrainingPlan(recipe.optimizer, recipe.iterations),
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
