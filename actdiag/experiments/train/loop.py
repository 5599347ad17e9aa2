"""The loop: batches in a seeded order, one update each."""

from collections.abc import Callable, Iterator
from itertools import count, islice
from math import isfinite
from typing import NamedTuple

import numpy as np

from actdiag.arrays import Array, Counts
from actdiag.engine.losses import LABELLED
from actdiag.engine.memory import Need
from actdiag.errors import InvalidField, check_choice, check_integer, check_real
from actdiag.experiments.train.network import Network, gradients, slopes_of
from actdiag.experiments.train.optimizers import OPTIMIZERS, USUAL_DECAY, clip, optimizer
from actdiag.experiments.train.outcome import Labels
from actdiag.experiments.train.schedule import checked_schedule, factor_of
from actdiag.model.stack import Stack
from actdiag.options import TrainOptions
from actdiag.streams import Stream, stream

MOST_ITERATIONS = 10_000_000
MOST_BATCH = 1_000_000
_LARGEST = 1e30

_ARRAYS_A_WEIGHT, _AT_ONCE = {"sgd": 3, "momentum": 4, "adam": 5, "adamw": 5}, 4
"""Copies of all weights: their own, as drawn, gradients, the optimizer's; and what the update of a layer takes."""

_ARRAYS_A_ROW = 3
"""Of every layer's pre-activations: themselves, the activations, and room to measure them in."""


class Recipe(NamedTuple):
    """How a network is trained, but for its learning rate.

    Attributes:
        optimizer: `sgd`, `momentum` (0.9), `adam` or `adamw`.
        iterations: Updates.
        batch: Rows a batch.
        clip_norm: What the norm of all gradients together is brought down to; None to leave it.
        clip_value: What every entry of a gradient is brought down to; None to leave it.
        loss_name: `cross-entropy`, or `mse` to the targets, one-hot where labels are classes.
        weight_decay: Of AdamW decoupled, of the others the factor of an L2 penalty; None for the usual one.
        schedule: `constant`, `cosine` or `step:EVERY:FACTOR`.
        warmup: The iterations over which the learning rate rises.
        stop_at: The score on the test rows at which training ends; None to go on to the last iteration.
    """

    optimizer: str = TrainOptions.optimizer
    iterations: int = TrainOptions.iterations
    batch: int = TrainOptions.batch
    clip_norm: float | None = TrainOptions.clip_norm
    clip_value: float | None = TrainOptions.clip_value
    loss_name: str = "cross-entropy"
    weight_decay: float | None = TrainOptions.weight_decay
    schedule: str = TrainOptions.schedule
    warmup: int = TrainOptions.warmup
    stop_at: float | None = TrainOptions.stop_at

    @property
    def decay(self) -> float:
        """The weight decay in use."""
        return USUAL_DECAY[self.optimizer] if self.weight_decay is None else self.weight_decay


def loss_for(loss: str | None, task: str) -> str:
    """Return the loss that a task is trained under: the one given, else its usual one.

    Raises:
        InvalidField: It is none for the task.
    """
    if loss is None:
        return "mse" if task == "regression" else "cross-entropy"
    name = check_choice("loss", loss, tuple(LABELLED))
    if task == "regression" and name != "mse":
        raise InvalidField(field="loss", problem=f"must be mse for regression, got {loss!r}")
    return name


def checked_recipe(recipe: Recipe, rows: int) -> Recipe:
    """Return a recipe whose every field is accepted, for training data of so many rows: no batch has more than all.

    Raises:
        InvalidField: A field is not.
    """
    optimizer = check_choice("optimizer", recipe.optimizer, OPTIMIZERS)
    for field in ("clip_norm", "clip_value"):
        if getattr(recipe, field) is not None:
            check_real(field, getattr(recipe, field), 0.0, _LARGEST, open_below=True)
    iterations = check_integer("iterations", recipe.iterations, 1, MOST_ITERATIONS)
    if recipe.weight_decay is not None:
        check_real("weight_decay", recipe.weight_decay, 0.0, _LARGEST)
    if recipe.stop_at is not None:
        check_real("stop_at", recipe.stop_at, 0.0, 1.0, open_below=True)
    schedule = checked_schedule(recipe.schedule)
    warmup = check_integer("warmup", recipe.warmup, 0, MOST_ITERATIONS)
    if warmup >= iterations > 1 or warmup > iterations:
        raise InvalidField(field="warmup", problem=f"must be less than the {iterations} iterations, got {warmup}")
    batch = min(check_integer("batch", recipe.batch, 1, MOST_BATCH), rows)
    return recipe._replace(optimizer=optimizer, iterations=iterations, batch=batch, schedule=schedule, warmup=warmup)


def training_need(stack: Stack, recipe: Recipe, classes: int) -> Need:
    """Return the memory that the training of a stack needs."""
    item = stack.format.bytes
    columns = [stack.columns(layer) for layer in range(1, stack.depth + 1)]
    weights = [stack.fan_in(layer) * stack.columns(layer) for layer in stack.weight_layers]
    weights.append(stack.widths[-1] * classes)
    held = item * _ARRAYS_A_ROW * (sum(columns) + classes)
    asked = {
        "width": item * (_ARRAYS_A_WEIGHT[recipe.optimizer] * sum(weights) + _AT_ONCE * max(weights)),
        "batch": recipe.batch * held,
        "depth": stack.batch * held,
    }
    field = max(asked, key=lambda name: asked[name])
    got = {"width": max(stack.widths), "batch": recipe.batch, "depth": stack.depth}[field]
    return Need("training needs", max(asked["batch"], asked["depth"]) + asked["width"], field, asked[field], got)


class Step(NamedTuple):
    """One iteration, from 1: the loss and the accuracy of its batch, before its update."""

    iteration: int
    loss: float
    accuracy: float


def steps(
    network: Network,
    inputs: Array,
    labels: Labels,
    recipe: Recipe,
    learning_rate: float,
    watch: Callable[[int, list[Array], list[Array]], None] | None = None,
) -> Iterator[Step]:
    """Train a network in place and yield every iteration, until a loss is not finite or the iterations are done.

    Args:
        network: The network; its stack's seed also sets the order of the rows.
        inputs: All rows, shape (rows, features), in the stack's dtype.
        labels: Their classes or targets, shape (rows,).
        recipe: How to train.
        learning_rate: The learning rate.
        watch: Called before every update with (iteration, gradients, parameters), which it must not change.
    """
    parameters = network.parameters()
    update = optimizer(recipe.optimizer, parameters, recipe.decay)
    draws_slopes = network.stack.act.slope_range is not None
    order = batches(network.stack.seed, len(inputs), recipe.batch)
    for iteration, rows in enumerate(islice(order, recipe.iterations), 1):
        rng = slopes_of(network.stack.seed, iteration) if draws_slopes else None
        loss, accuracy, found = gradients(network, inputs[rows], labels[rows], rng, recipe.loss_name)
        yield Step(iteration, loss, accuracy)
        if not isfinite(loss):
            return
        clip(found, recipe.clip_norm, recipe.clip_value)
        if watch is not None:
            watch(iteration, found, parameters)
        factor = factor_of(recipe.schedule, recipe.warmup, iteration, recipe.iterations)
        update(found, learning_rate * factor)


def batches(seed: int, rows: int, batch: int) -> Iterator[Counts]:
    """Yield the rows of one batch after the other: every epoch in an order of its own, what is left over dropped."""
    for epoch in count():
        order = stream(seed, Stream.ORDER, epoch).permutation(rows)
        for start in range(0, rows - batch + 1, batch):
            yield order[start : start + batch]


def last_mean(losses: list[float], over: int = 25) -> float:
    """Return the mean of the last losses, of all where there are fewer; inf where the last is not finite."""
    return float(np.mean(losses[-over:])) if isfinite(losses[-1]) else float("inf")
