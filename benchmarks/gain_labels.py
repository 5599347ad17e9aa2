"""Gains: stacks trained over a grid of gains, biases and learning rates, so that recommended gains can be scored.

Run as `python -m benchmarks.gain_labels --data mnist.npz`: each case is a line of benchmarks/labels/gains.jsonl, and
what is there already is not trained again.
"""

import argparse
import json
import math
import multiprocessing
import os
import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from actdiag import ACTIVATIONS, gain, make_stack
from actdiag.activations import resolve
from actdiag.datasets.catalogue import Dataset
from actdiag.engine.workers import Workers
from actdiag.experiments.train.loop import Recipe, last_mean, steps
from actdiag.experiments.train.network import draw_network
from actdiag.theory.gains import Gains
from benchmarks.cases import FOLDER, data_of, load_mnist

PATH = FOLDER / "gains.jsonl"

MAIN = ("relu", "tanh", "softsign", "sigmoid", "elu", "selu", "gelu", "silu", "mish", "softplus", "sin", "hardtanh")
"""The activations that are trained at every shape and seed; all others at the first of both."""

NAMED = ("he", "xavier", "lecun", "torch_linear", "keras_dense")
"""What people use without being told a gain."""

SHAPES = ((30, 100), (10, 100), (60, 100), (30, 256))
SEEDS = (0, 1, 2)
RATES = (0.3, 0.1, 0.03, 0.01, 0.003)
ITERATIONS = 250

_GAINS, _LEAST_SPAN = 8, 2.0
_BESIDE = 1.25
"""The grid goes beyond what theory names by this factor on both sides."""

_FIRST_LOOK, _AT_CHANCE = 60, 0.98
"""A run whose loss is over this part of ln 10 at that step is stopped."""


class Case(NamedTuple):
    """A stack to train, as the arguments of `make_stack`; biases of None are those of the initializer."""

    act: str
    init: str
    gain: float
    bias_std: float | None
    depth: int
    width: int
    seed: int


class Trained(NamedTuple):
    """What became of a case: the mean of the last 25 losses at each learning rate, None where it diverged."""

    case: Case
    losses: tuple[float | None, ...]
    iterations: tuple[int, ...]

    @property
    def best(self) -> float:
        """The least loss over the learning rates; inf where all diverged."""
        return min(math.inf if loss is None else loss for loss in self.losses)


def grid(act: str) -> tuple[float, ...]:
    """Return the gains to train: evenly spaced logarithms around all that theory names for the activation."""
    found = gain(act)
    named = [_critical_gain(found), found.forward_gain or 1.0]
    low, high = min(named) / _BESIDE, max(named) * _BESIDE
    wider = math.sqrt(max(_LEAST_SPAN * low / high, 1.0))
    return tuple(float(f"{one:.4g}") for one in np.geomspace(low / wider, high * wider, _GAINS))


def _critical_gain(found: Gains) -> float:
    """Return the gain of the point that keeps signal and gradient, whatever the depth; else the recommended one."""
    if found.recommended.bias_std and found.half_stable is not None:
        return found.half_stable.sigma_w
    stable = found.critical is not None and found.critical.stable
    return found.critical.sigma_w if found.critical is not None and stable else found.recommended.gain


def recommended(act: str, depth: int) -> tuple[float, float]:
    """Return the gain and the std of the biases that are recommended for a stack of some depth."""
    take = gain(act, depth=depth).recommended
    return float(f"{take.gain:.4g}"), float(f"{take.bias_std:.4g}")


def biases(act: str) -> tuple[float, ...]:
    """Return the stds of the biases to train with: 0, and what theory recommends."""
    return tuple(sorted({0.0, float(f"{gain(act).recommended.bias_std:.4g}")}))


def cases() -> Iterator[Case]:
    """Yield all cases, those first that say the most by themselves."""
    for seed in SEEDS:
        for depth, width in SHAPES:
            for act in MAIN:
                yield from _of(act, depth, width, seed)
        if seed == SEEDS[0]:
            others = [name for name in ACTIVATIONS if name not in MAIN and resolve(name).derivative is not None]
            for act in others:
                yield from _of(act, *SHAPES[0], seed)


def _of(act: str, depth: int, width: int, seed: int) -> Iterator[Case]:
    for init in NAMED:
        yield Case(act, init, 1.0, None, depth, width, seed)
    for bias_std in biases(act):
        for one in grid(act):
            yield Case(act, "lecun", one, bias_std, depth, width, seed)
    yield Case(act, "lecun", *recommended(act, depth), depth, width, seed)


def train(case: Case, data: Dataset) -> Trained:
    """Train a case at every learning rate."""
    stack = make_stack(**case._asdict(), input=data.train_inputs[:128])
    found: list[tuple[float | None, int]] = []
    with Workers(1) as workers:
        for rate in RATES:
            network = draw_network(stack, data.classes, workers)
            losses: list[float] = []
            for step in steps(network, data.train_inputs, data.train_labels, Recipe(iterations=ITERATIONS), rate):
                losses.append(step.loss)
                if len(losses) == _FIRST_LOOK and last_mean(losses) > _AT_CHANCE * math.log(data.classes):
                    break
            loss = last_mean(losses)
            found.append((float(f"{loss:.5g}") if math.isfinite(loss) else None, len(losses)))
    return Trained(case, tuple(loss for loss, _ in found), tuple(count for _, count in found))


def read() -> list[Trained]:
    """Return what is stored."""
    lines = PATH.read_text().splitlines() if PATH.exists() else ()
    return [_parsed(json.loads(line)) for line in lines]


def _parsed(line: dict[str, Any]) -> Trained:
    return Trained(Case(**line["case"]), tuple(line["losses"]), tuple(line["iterations"]))


def _train(case: Case) -> Trained:
    return train(case, data_of("mnist"))


def produce(wanted: Sequence[Case], processes: int) -> Iterator[Trained]:
    """Train what is missing, and keep each as it comes."""
    done = {trained.case for trained in read()}
    missing = [case for case in wanted if case not in done]
    with multiprocessing.get_context("fork").Pool(processes) as pool, PATH.open("a") as file:
        for trained in pool.imap(_train, missing):
            file.write(json.dumps(trained._asdict() | {"case": trained.case._asdict()}) + "\n")
            file.flush()
            yield trained


def main() -> None:
    """Train all cases that are missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, help="MNIST: a .npz file or IDX files, as `actdiag train` takes it")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    load_mnist(given.data)
    wanted, start = list(cases()), time.perf_counter()
    before = len(read())
    for count, _ in enumerate(produce(wanted, given.processes), 1):
        hours = (time.perf_counter() - start) / 3600
        left = hours / count * (len(wanted) - before - count)
        print(f"\r{before + count} of {len(wanted)}, about {left:.1f} hours left", end="", flush=True)
    print()


if __name__ == "__main__":
    main()
