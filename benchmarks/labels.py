"""Labels: random stacks, each trained at several learning rates, so that verdicts at initialization can be scored.

Run as `python -m benchmarks.labels --data mnist.npz`: each of the sets is written to benchmarks/labels/NAME.jsonl, a
stack a line, and what is there already is not trained again.
"""

import argparse
import hashlib
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

from actdiag import make_stack
from actdiag.arrays import Array
from actdiag.datasets.catalogue import Dataset, load_dataset
from actdiag.engine.workers import Workers
from actdiag.experiments.train.loop import Recipe, last_mean, steps
from actdiag.experiments.train.network import draw_network, forward
from actdiag.model.stack import Stack

FOLDER = Path(__file__).parent / "labels"

ACTS = ("relu", "leaky_relu:0.2", "tanh", "sigmoid", "elu", "selu", "gelu", "silu", "softplus", "softsign")
INITS = ("he", "xavier", "lecun", "glorot_uniform", "orthogonal", "torch_linear", "std=0.01", "std=0.05")
RATES = (1.0, 0.1, 0.01, 0.001)
ADAM_RATES = (0.01, 0.001, 0.0001, 0.00001)
DEPTHS, WIDTHS, GAINS, BIAS_STDS = (3, 50), (64, 200), (0.5, 4.0), (0.0, 1.0)

SEEN = 500
"""Training rows that the stack is measured on."""

TRAINS, STUCK = 1.0, 2.2
"""A stack clearly trains where the loss comes under the first, and clearly does not where it stays over the second."""

_OVER = 25
# Of ten classes guessed evenly the loss is 2.303. A stack at that loss is out of it in time if what it says of the
# inputs, growing on as it has grown, comes near 1; one at a larger loss must fall.
_GUESSING, _CALM, _LOUD, _FALLING = 2.295, 2.36, 5.0, 0.98
_FIRST_LOOK, _NEXT_LOOK, _FAR_FROM_ONE = 50, 100, 0.01
_LOOKED_AT = 128


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
        stacks: How many there are.
        data: `mnist`, or what `load_dataset` calls it.
        depth: The depth of all of them; None for the range.
        optimizer: How they are trained.
        rates: The learning rates.
        iterations: Updates at each.
    """

    seed: int
    stacks: int
    data: str = "mnist"
    depth: int | None = None
    optimizer: str = "sgd"
    rates: tuple[float, ...] = RATES
    iterations: int = 250


SETS = {
    "fit": Set(seed=1, stacks=600),
    "held_out": Set(seed=2, stacks=200),
    "digits": Set(seed=3, stacks=60, data="digits"),
    "deep": Set(seed=4, stacks=9, depth=100),
    "adam": Set(seed=5, stacks=28, optimizer="adam", rates=ADAM_RATES),
    "longer": Set(seed=6, stacks=20, iterations=1000),
}


class Outcome(NamedTuple):
    """What became of a stack at one learning rate.

    Attributes:
        rate: The learning rate.
        loss: The mean of the last 25 losses; None where it diverged.
        iterations: After how many.
        highest: The largest loss on the way; None where it diverged.
    """

    rate: float
    loss: float | None
    iterations: int
    highest: float | None

    @property
    def trains(self) -> bool:
        """Whether the loss came under the limit."""
        return self.loss is not None and self.loss < TRAINS

    @property
    def stands_still(self) -> bool:
        """Whether the stack did nothing but guess, at a loss that nothing ever moved: a smaller rate moves it less."""
        return self.loss is not None and self.loss > _GUESSING and (self.highest or math.inf) < _CALM


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
    for number in range(chosen.stacks):
        act, init = str(rng.choice(ACTS)), str(rng.choice(INITS))
        depth, width = round(between(DEPTHS)), int(rng.integers(WIDTHS[0], WIDTHS[1] + 1))
        gain = round(between(GAINS), 3) if rng.random() < 0.5 else 1.0
        bias_std = round(rng.uniform(*BIAS_STDS), 3) if rng.random() < 0.5 else None
        found.append(Draw(act, init, gain, bias_std, chosen.depth or depth, width, 1000 * chosen.seed + number))
    return found


def outcome(draw: Draw, data: Dataset, chosen: Set, rate: float) -> Outcome:
    """Train a drawn stack at one learning rate, no longer than it takes to know what becomes of it."""
    return outcome_of(draw.stack(data), data, chosen, rate)


def outcome_of(stack: Stack, data: Dataset, chosen: Set, rate: float) -> Outcome:
    """Train a stack at one learning rate, no longer than it takes to know what becomes of it."""
    with Workers(1) as workers:
        network = draw_network(stack, data.classes, workers)
        recipe = Recipe(chosen.optimizer, chosen.iterations)
        losses: list[float] = []
        spreads: list[float] = []
        for step in steps(network, data.train_inputs, data.train_labels, recipe, rate):
            losses.append(step.loss)
            if step.iteration in (_FIRST_LOOK, _NEXT_LOOK):
                spreads.append(_spread(forward(network, data.train_inputs[:_LOOKED_AT]).logits))
            if len(losses) >= _OVER and _decided(losses, spreads, chosen.iterations):
                break
    if not math.isfinite(losses[-1]):
        return Outcome(rate, None, len(losses), None)
    return Outcome(rate, last_mean(losses), len(losses), max(losses))


def _spread(logits: Array) -> float:
    return float(logits.std(axis=0).mean())


def _decided(losses: list[float], spreads: list[float], iterations: int) -> bool:
    """Return whether more iterations would change nothing: it trains, or nothing moves, or it is lost."""
    last, before = last_mean(losses[-_OVER:]), last_mean(losses[-2 * _OVER : -_OVER] or losses)
    if last < TRAINS:
        return True
    if len(losses) % _OVER or len(losses) < _NEXT_LOOK or last < _GUESSING:
        return False
    if last > _LOUD:
        return last > _FALLING * before
    growth = max(spreads[1] / spreads[0], 1.0) if spreads[0] else 1.0
    reached = math.log(max(spreads[1], 1e-300)) + math.log(growth) * (iterations - _NEXT_LOOK) / _FIRST_LOOK
    return len(losses) == _NEXT_LOOK and last < _CALM and reached < math.log(_FAR_FROM_ONE)


def label(task: tuple[Set, Draw]) -> Labelled:
    """Train a stack at the learning rates of its set, but for those under one that says enough."""
    chosen, draw = task
    data = _DATA[chosen.data]
    found: list[Outcome] = []
    for rate in chosen.rates:
        larger = [one for one in found if one.rate > rate]
        # The steps of Adam do not shrink with the gradient, so that one that stands still says nothing of the others.
        if not any(one.trains or (one.stands_still and chosen.optimizer == "sgd") for one in larger):
            found.append(outcome(draw, data, chosen, rate))
    return Labelled(draw, tuple(found))


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


def digest(*names: str) -> str:
    """Return the sha256 of files of labels, one after the other, with line ends as on Linux."""
    contents = b"".join((FOLDER / f"{name}.jsonl").read_bytes() for name in names)
    return hashlib.sha256(contents.replace(b"\r\n", b"\n")).hexdigest()


def _parsed(line: dict[str, Any]) -> Labelled:
    return Labelled(Draw(**line["draw"]), tuple(Outcome(*entry) for entry in line["outcomes"]))


def _written(labelled: Labelled) -> str:
    return json.dumps({"draw": labelled.draw._asdict(), "outcomes": [plain(one) for one in labelled.outcomes]}) + "\n"


def plain(one: Outcome) -> tuple[float, float | None, int, float | None]:
    """Return an outcome as it is stored."""
    return one.rate, _rounded(one.loss), one.iterations, _rounded(one.highest)


def _rounded(loss: float | None) -> float | None:
    return None if loss is None else float(f"{loss:.5g}")


def produce(name: str, processes: int) -> Iterator[Labelled]:
    """Label what is missing of a set, and keep each as it comes."""
    chosen = SETS[name]
    done = {labelled.draw for labelled in read(name)}
    missing = [(chosen, draw) for draw in draws(chosen) if draw not in done]
    FOLDER.mkdir(exist_ok=True)
    with multiprocessing.get_context("fork").Pool(processes) as pool, (FOLDER / f"{name}.jsonl").open("a") as file:
        for labelled in pool.imap_unordered(label, missing):
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
