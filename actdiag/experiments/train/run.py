"""A training run: a stack is trained by a recipe, and its curves and its statistics before and after are returned."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from math import inf, isfinite, sqrt
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from actdiag.arrays import Array
from actdiag.datasets.catalogue import Dataset
from actdiag.diagnosis import RULES, Rules, Verdict, diagnose
from actdiag.engine.workers import Workers
from actdiag.experiments.train.facts import DataFacts, facts_of
from actdiag.experiments.train.loop import Recipe, Step, steps, training_need
from actdiag.experiments.train.network import Evaluation, Network, draw_network, evaluate
from actdiag.experiments.train.outcome import Advantage, Outcome, best_guess, outcome_of
from actdiag.experiments.train.snapshot import Snapshot, relative_changes, snapshot
from actdiag.measure.directions import directions, mean_cosine, squares_of
from actdiag.measure.features import feature_evenness
from actdiag.measure.statistics import InputStats, LossValue
from actdiag.measurements import Measurements, TrainingPlan
from actdiag.model.stack import Stack
from actdiag.model.weights import Weights, weights_of
from actdiag.options import DEFAULT_ROWS
from actdiag.report import below

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.console import Console, ConsoleOptions, RenderResult

AUTO_RATES = {
    "sgd": (1.0, 0.1, 0.01, 0.001),
    "momentum": (0.1, 0.01, 0.001, 0.0001),
    "adam": (0.01, 0.001, 0.0001, 0.00001),
    "adamw": (0.01, 0.001, 0.0001, 0.00001),
}
"""The learning rates that `auto` tries."""

_LOOKS = (10, 100)
"""Where training is to stop at a score on the test rows, it is looked at after so many iterations, least and most."""

_OVER = 25
"""A run is judged by the mean of so many of its last losses."""


class Tried(NamedTuple):
    """A learning rate that was tried, and the mean of the last losses; None where it diverged."""

    learning_rate: float
    loss: float | None


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
        weights: The trained weights, where they were to be kept.
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
    weights: Weights | None = field(default=None, repr=False)

    @property
    def diverged_at(self) -> int | None:
        """The iteration whose loss was not finite; None where all were."""
        return len(self.loss) if self.loss[-1] is None else None

    @property
    def stopped_at(self) -> int | None:
        """The iteration at which the score to stop at was reached; None where training went on to its end."""
        return len(self.loss) if self.diverged_at is None and len(self.loss) < self.recipe.iterations else None

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

    def to_dict(self) -> dict[str, Any]:
        """Return the run as plain dicts, lists, numbers and None, with the keys of the JSON of a command of one run."""
        document: dict[str, Any] = below("training_to_dict")([self])
        return document

    def rows(self) -> list[dict[str, Any]]:
        """Return a flat dict for each iteration, from 1: `act`, `init`, `lr`, `iteration`, `loss`, `accuracy`."""
        rows: list[dict[str, Any]] = below("training_rows")([self])
        return rows

    def figure(self) -> "Figure":
        """Return loss and accuracy against iteration as a matplotlib Figure."""
        figure: Figure = next(below("training_figures")([self]))
        return figure

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "RenderResult":
        """Show the run as a table in a rich console."""
        yield below("training_display")([self], width=options.max_width, ascii_only=options.ascii_only)


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
    rules: Rules = RULES,
    keeps_weights: bool = False,
) -> TrainingRun:
    """Train a stack at each of some learning rates and return the best run.

    That is the one which reached the score to stop at first, else the one of the least loss.

    Args:
        stack: The stack; its inputs are the first rows of the training data, which the statistics are of, and are
            called what the data are called.
        data: What to train on.
        recipe: How to train.
        learning_rates: At least one; the loss is the mean of the last 25 batches.
        watch: Called at every iteration.
        rules: The rules of the verdict at initialization.
        keeps_weights: Whether the run that is returned has its trained weights.
    """
    with training_need(stack, recipe, data.classes).met(threads=1), Workers(1) as workers:
        runs = [_one(stack, data, recipe, rate, workers, watch, rules, keeps_weights) for rate in learning_rates]
    best = min(runs, key=_worse)
    if len(runs) == 1:
        return best
    return replace(best, tried=tuple(Tried(run.learning_rate, run.final_loss) for run in runs))


def _worse(run: TrainingRun) -> tuple[float, float]:
    """Return what is least of the best run: where it reached the score to stop at, then the last losses."""
    return run.stopped_at or inf, inf if run.final_loss is None else run.final_loss


def over_rows(data: Dataset) -> Array:
    """Return the training rows that statistics are measured on: the first 1000."""
    return data.train_inputs[:DEFAULT_ROWS]


def _one(
    stack: Stack,
    data: Dataset,
    recipe: Recipe,
    learning_rate: float,
    workers: Workers,
    watch: Watch | None,
    rules: Rules,
    keeps_weights: bool,
) -> TrainingRun:
    facts = facts_of(data, stack.input, recipe.loss_name)
    network = draw_network(stack, data.classes, workers)
    inputs, labels = stack.inputs(), data.train_labels[: stack.batch]

    def look() -> Snapshot:
        return snapshot(network, inputs, labels, recipe.loss_name, workers)

    base, looks_every = best_guess(data.train_labels), _looks_every(facts.train_rows, recipe)

    def test() -> Evaluation:
        return evaluate(network, data.test_inputs, data.test_labels, recipe.loss_name, base)

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
        if recipe.stop_at is not None and not len(taken) % looks_every and test().score >= recipe.stop_at:
            break
    tested = test()
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
        _verdict(stack, before, data, recipe, learning_rate, rules),
        advantage=None if _is_tested_on_itself(data) else tested.advantage,
        weights=_weights_of(network) if keeps_weights else None,
    )


def _is_tested_on_itself(data: Dataset) -> bool:
    """Return whether the rows to test on are those to train on, as where they are too few to hold any out."""
    return np.array_equal(data.test_inputs, data.train_inputs)


def _weights_of(network: Network) -> Weights:
    pairs = [(layer.weights, layer.biases) for layer in (*network.layers, network.readout)]
    *layers, readout = [(w.copy(), b.copy()) for w, b in pairs if w is not None and b is not None]
    return weights_of("the run", layers, readout)


def _looks_every(rows: int, recipe: Recipe) -> int:
    """Return after how many iterations the test rows are looked at: an epoch, within limits."""
    fewest, most = _LOOKS
    return min(max(rows // recipe.batch, fewest), most)


def _by_layer(network: Network, changes: Sequence[float | None]) -> tuple[float | None, ...]:
    """Return what is known of the layers that have weights for every layer, None for the others."""
    known = iter(changes)
    return tuple(None if layer.weights is None else next(known) for layer in network.layers)


def _verdict(
    stack: Stack, before: Snapshot, data: Dataset, recipe: Recipe, learning_rate: float, rules: Rules
) -> Verdict:
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
        ),
        rules,
    )


def _in_dtype(data: Dataset, stack: Stack) -> Array:
    return data.train_inputs.astype(stack.dtype, copy=False)


def _last(values: Sequence[float]) -> float:
    """Return the mean of the last values; of losses near the end of the dtype their sum would leave it."""
    last = values[-_OVER:]
    return sum(value / len(last) for value in last)
