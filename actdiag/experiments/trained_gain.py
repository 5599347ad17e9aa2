"""Whether a gain trains: one stack under it is trained for a while."""

from math import isfinite, log
from typing import NamedTuple

from actdiag import initializers
from actdiag.activations import Activation
from actdiag.datasets.catalogue import load_dataset
from actdiag.engine.losses import Loss
from actdiag.engine.workers import Workers
from actdiag.experiments.run import Progress, run_grad_flow, run_settings
from actdiag.experiments.train import Recipe, over_rows, training_need
from actdiag.experiments.train.loop import last_mean, steps
from actdiag.experiments.train.network import draw_network
from actdiag.model.stack import Stack
from actdiag.options import DEFAULT_BUDGET, TrainOptions

WIDTH, ITERATIONS = 100, 250
"""The stack that is trained is as wide as those that the verdict was fitted to, and is trained as long."""

_DATA = "synthetic"


class Trained(NamedTuple):
    """What became of the stack that was trained.

    Attributes:
        loss: The mean of its last 25 losses; None where it diverged.
        chance: The loss of a guess, ln(classes).
        learning_rate: The learning rate of SGD, the one that the verdict at initialization recommends.
        iterations: The number of iterations.
    """

    loss: float | None
    chance: float
    learning_rate: float
    iterations: int


def train_under(
    act: Activation, gain: float, bias_std: float, depth: int, seed: int = 0, progress: Progress | None = None
) -> Trained:
    """Train a stack with weights N(0, gain^2 / fan_in) and biases N(0, bias_std^2) on the data set `synthetic`.

    Args:
        act: The activation.
        gain: The gain.
        bias_std: The std of the biases.
        depth: The number of layers.
        seed: The seed of the stack and of the data.
        progress: Called with (iterations done, iterations in all).

    Raises:
        InvalidField: Training does not fit into memory.
    """
    data = load_dataset(_DATA, seed=seed)
    rows = over_rows(data)
    stack = Stack(
        act=act,
        init=initializers.resolve("lecun"),
        widths=(WIDTH,) * depth,
        input=_DATA,
        input_width=rows.shape[1],
        batch=len(rows),
        gain=gain,
        bias_std=bias_std,
        seed=seed,
        data=rows,
    )
    recipe = Recipe(iterations=ITERATIONS)
    training_need(stack, recipe, data.classes).check(threads=1)
    loss = Loss("cross-entropy", data.classes, data.train_labels)
    fixed = ("width", "batch", "classes")
    verdict = run_grad_flow(stack, loss, DEFAULT_BUDGET, run_settings(theory=False), fixed=fixed).verdict
    rate = verdict.learning_rate or float(str(TrainOptions.lr))
    losses: list[float] = []
    with Workers(1) as workers:
        network = draw_network(stack, data.classes, workers)
        for step in steps(network, data.train_inputs, data.train_labels, recipe, rate):
            losses.append(step.loss)
            if progress is not None:
                progress(step.iteration, ITERATIONS)
    found = last_mean(losses)
    return Trained(found if isfinite(found) else None, log(data.classes), rate, ITERATIONS)
