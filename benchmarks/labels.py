"""Labels: random stacks, each trained at several learning rates, so that verdicts at initialization can be scored.

Run as `python -m benchmarks.labels --data mnist.npz`: each of the sets is written to benchmarks/labels/NAME.jsonl, a
stack a line, and what is there already is not trained again.
"""

import argparse
import json
import math
import multiprocessing
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from actdiag.api import make_stack
from actdiag.datasets import Dataset, load_dataset
from actdiag.stack import Stack
from actdiag.training.loop import Recipe, last_mean, steps
from actdiag.training.network import draw_network
from actdiag.workers import Workers

FOLDER = Path(__file__).parent / "labels"

ACTS = ("relu", "leaky_relu:0.2", "tanh", "sigmoid", "elu", "selu", "gelu", "silu", "softplus", "softsign")
INITS = ("he", "xavier", "lecun", "glorot_uniform", "orthogonal", "torch_linear", "std=0.01", "std=0.05")
RATES = (0.1, 1.0, 0.01, 0.001)
ADAM_RATES = (0.001, 0.01, 0.0001, 0.00001)
DEPTHS, WIDTHS, GAINS, BIAS_STDS = (3, 50), (64, 200), (0.5, 4.0), (0.0, 1.0)

SEEN = 500
"""Training rows that the stack is measured on."""

TRAINS, STUCK = 1.0, 2.2
"""A stack clearly trains where the loss comes under the first, and clearly does not where it stays over the second."""

_OVER = 25
_HOPELESS_AT, _HOPELESS = 125, 2.295
_BLOWN_UP_AT, _BLOWN_UP = 50, 100.0


class Draw(NamedTuple):
    """A random stack, as the arguments of `make_stack`."""

    act: str
    init: str
    gain: float
    bias_std: float | None
    depth: int
    width: int
    seed: int

    def stack(self, data: Dataset, rows: int = SEEN) -> Stack:
        """Return the stack over the first rows of the training inputs."""
        return make_stack(**self._asdict(), input=data.train_inputs[:rows])


class Set(NamedTuple):
    """A set of labelled stacks.

    Attributes:
        seed: What its stacks are drawn from.
        count: How many there are.
        data: `mnist`, or what `load_dataset` calls it.
        depth: The depth of all of them; None for the range.
        optimizer: How they are trained.
        rates: The learning rates.
        iterations: Updates at each.
    """

    seed: int
    count: int
    data: str = "mnist"
    depth: int | None = None
    optimizer: str = "sgd"
    rates: tuple[float, ...] = RATES
    iterations: int = 250


SETS = {
    "fit": Set(seed=1, count=600),
    "held_out": Set(seed=2, count=200),
    "digits": Set(seed=3, count=60, data="digits"),
    "deep": Set(seed=4, count=60, depth=100),
    "adam": Set(seed=5, count=60, optimizer="adam", rates=ADAM_RATES),
    "longer": Set(seed=6, count=60, iterations=1000),
}


class Outcome(NamedTuple):
    """What became of a stack at one learning rate: the mean of its last losses (None where it diverged), and when."""

    rate: float
    loss: float | None
    iterations: int


class Labelled(NamedTuple):
    """A stack with what became of it at each learning rate."""

    draw: Draw
    outcomes: tuple[Outcome, ...]

    @property
    def best(self) -> float:
        """The least loss over the learning rates; inf where all diverged."""
        return min(math.inf if outcome.loss is None else outcome.loss for outcome in self.outcomes)

    @property
    def trains(self) -> bool | None:
        """Whether it clearly trains or clearly does not; None in between."""
        return True if self.best < TRAINS else False if self.best > STUCK else None


def draws(chosen: Set) -> list[Draw]:
    """Return the random stacks of a set."""
    rng = np.random.default_rng(chosen.seed)

    def between(ends: tuple[float, float]) -> float:
        return math.exp(rng.uniform(math.log(ends[0]), math.log(ends[1])))

    found = []
    for number in range(chosen.count):
        act, init = str(rng.choice(ACTS)), str(rng.choice(INITS))
        depth, width = round(between(DEPTHS)), int(rng.integers(WIDTHS[0], WIDTHS[1] + 1))
        gain = round(between(GAINS), 3) if rng.random() < 0.5 else 1.0
        bias_std = round(rng.uniform(*BIAS_STDS), 3) if rng.random() < 0.5 else None
        found.append(Draw(act, init, gain, bias_std, chosen.depth or depth, width, 1000 * chosen.seed + number))
    return found


def outcome(draw: Draw, data: Dataset, chosen: Set, rate: float) -> Outcome:
    """Train a stack at one learning rate, no longer than it takes to know what becomes of it."""
    with Workers(1) as workers:
        stack = draw.stack(data)
        network = draw_network(stack, data.classes, workers)
        recipe = Recipe(chosen.optimizer, chosen.iterations)
        losses: list[float] = []
        for step in steps(network, data.train_inputs, data.train_labels, recipe, rate):
            losses.append(step.loss)
            if len(losses) >= _OVER and _decided(losses, chosen.iterations):
                break
    last = last_mean(losses, _OVER)
    return Outcome(rate, last if math.isfinite(last) else None, len(losses))


def _decided(losses: Sequence[float], iterations: int) -> bool:
    last = last_mean(list(losses[-_OVER:]), _OVER)
    stuck = len(losses) >= _HOPELESS_AT * iterations / 250 and _HOPELESS < last
    return last < TRAINS or stuck or (len(losses) >= _BLOWN_UP_AT and last > _BLOWN_UP)


def label(task: tuple[Set, Draw]) -> Labelled:
    """Train a stack at every learning rate of its set."""
    chosen, draw = task
    data = _DATA[chosen.data]
    return Labelled(draw, tuple(outcome(draw, data, chosen, rate) for rate in chosen.rates))


_DATA: dict[str, Dataset] = {}


def load(names: Sequence[str], mnist: str) -> None:
    """Load the data that these sets are trained on; forked processes share it."""
    for name in {SETS[name].data for name in names}:
        _DATA[name] = load_dataset(name) if name != "mnist" else _standardized(load_dataset(mnist, scale="raw"))


def _standardized(mnist: Dataset) -> Dataset:
    """Return MNIST's pixels of 0 to 255 as the labels have them, brought to mean 0 and std 1 by rounded constants."""
    inputs = (mnist.train_inputs / np.float32(255) - np.float32(0.1307)) / np.float32(0.3081)
    return replace(mnist, train_inputs=inputs.astype(np.float32))


def data_of(name: str) -> Dataset:
    """Return the data of a set, which `load` has loaded."""
    return _DATA[SETS[name].data]


def read(name: str) -> list[Labelled]:
    """Return the stored labels of a set."""
    path = FOLDER / f"{name}.jsonl"
    return [_parsed(json.loads(line)) for line in path.read_text().splitlines()] if path.exists() else []


def _parsed(line: dict[str, Any]) -> Labelled:
    return Labelled(Draw(**line["draw"]), tuple(Outcome(*entry) for entry in line["outcomes"]))


def _written(labelled: Labelled) -> str:
    outcomes = [
        (one.rate, one.loss if one.loss is None else round(one.loss, 4), one.iterations) for one in labelled.outcomes
    ]
    return json.dumps({"draw": labelled.draw._asdict(), "outcomes": outcomes}) + "\n"


def produce(name: str, processes: int) -> Iterator[Labelled]:
    """Label what is missing of a set, and keep each as it comes."""
    chosen = SETS[name]
    done = {labelled.draw for labelled in read(name)}
    missing = [(chosen, draw) for draw in draws(chosen) if draw not in done]
    FOLDER.mkdir(exist_ok=True)
    with multiprocessing.get_context("fork").Pool(processes) as pool, (FOLDER / f"{name}.jsonl").open("a") as file:
        for labelled in pool.imap(label, missing):
            file.write(_written(labelled))
            file.flush()
            yield labelled


def main() -> None:
    """Label the sets that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, help="MNIST: a .npz file or IDX files, as `actdiag train` takes it")
    parser.add_argument("--only", default=",".join(SETS), help="sets, with commas between")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    names = given.only.split(",")
    load(names, given.data)
    for name in names:
        start = time.perf_counter()
        counts = {True: 0, False: 0, None: 0}
        for labelled in produce(name, given.processes):
            counts[labelled.trains] += 1
            print(f"\r{name}: {counts[True]} train, {counts[False]} do not, {counts[None]} in between", end="")
        print(f"; {(time.perf_counter() - start) / 60:.1f} minutes")


if __name__ == "__main__":
    main()
