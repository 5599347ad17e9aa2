"""How often a layer of a healthy run is flagged: stacks drawn from all that is registered, under fixed seeds."""

from collections import Counter
from itertools import pairwise
from math import log2

import numpy as np
import pytest

from actdiag import grad_flow, propagate
from actdiag.activations import ACTIVATIONS
from actdiag.activations import resolve as activation
from actdiag.initializers import INITIALIZERS
from actdiag.initializers import resolve as initializer

NEED_VALUES = {
    "std": ("std=0.01", "std=0.1", "std=1"),
    "uniform": ("uniform:0.03", "uniform:0.1"),
    "constant": ("constant:0.1",),
    "normal": ("normal:0.1",),
}
ACTS = [name for name in ACTIVATIONS if activation(name).derivative]
INITS = [spec for name in INITIALIZERS for spec in NEED_VALUES.get(name, (name,)) if initializer(spec).mean_field]

pytestmark = pytest.mark.slow

MOST_FLAGGED = MOST_DISAGREEING = 0.01
MOST_WORK = 2e8  # multiplications of one run, which bound the batch of a large one


def some(rng, low, high):
    """Return a whole number whose logarithm is uniform."""
    return int(2 ** rng.uniform(log2(low), log2(high + 1)))


def drawn(rng, number, most_layers, least_width, most_width, most_inputs):
    """Return activation, initializer and options of a stack; every activation comes in turn."""
    depth = int(rng.integers(2, most_layers + 1, 2).min())
    widths = [some(rng, least_width, most_width)] * depth
    if rng.random() < 0.3:
        widths = [some(rng, least_width, most_width) for _ in range(depth)]
    work = sum(below * above for below, above in pairwise([widths[0], *widths]))
    act, init = ACTS[number % len(ACTS)], INITS[int(rng.integers(len(INITS)))]
    options = {
        "widths": widths,
        "batch": some(rng, 2, min(most_inputs, MOST_WORK / work)),
        "seed": int(rng.integers(1_000_000)),
    }
    if rng.random() < 0.3:
        # where a std of 1 is fitted, biases must leave the weights something to do
        options["bias_std"] = float(rng.choice([0.05, 0.2, 0.5 if initializer(init).fits_batch else 1.0]))
    if rng.random() < 0.15:
        options["bias_mean"] = float(rng.choice([-0.2, 0.5]))
    if rng.random() < 0.2:
        options["dtype"] = "float64"
    return act, init, options


class Tally:
    """Counts layers and runs, and keeps what was flagged for the message of an assertion."""

    def __init__(self):
        self.layers = self.flagged = self.runs = self.disagreeing = 0
        self.names, self.cases = Counter(), []

    def add(self, report, case):
        assert report.theory.applies, case
        assert len(report.layer_theory) == len(report.layers)
        flags = {number: said.flagged for number, said in enumerate(report.layer_theory, 1) if said.flagged}
        self.layers += len(report.layers)
        self.runs += 1
        self.flagged += len(flags)
        self.disagreeing += report.theory.disagrees
        self.names.update(name for names in flags.values() for name in names)
        if flags:
            self.cases.append((case, flags))

    def check(self):
        rate, disagreeing = self.flagged / self.layers, self.disagreeing / self.runs
        said = f"{self.flagged} of {self.layers} layers flagged ({rate:.2%}), {self.disagreeing} of {self.runs} runs "
        said += f"disagree ({disagreeing:.2%}): {dict(self.names)}, {self.cases}"
        assert rate <= MOST_FLAGGED, said
        assert disagreeing <= MOST_DISAGREEING, said


def test_few_layers_of_healthy_runs_are_flagged():
    tally = Tally()
    for number in range(200):
        act, init, options = drawn(np.random.default_rng([1, number]), number, 50, 64, 512, 1024)
        tally.add(propagate(act, init, threads=1, **options), (act, init, options))
    assert tally.layers > 3000
    tally.check()


def test_few_gradients_of_healthy_runs_are_flagged():
    tally = Tally()
    for number in range(40):
        rng = np.random.default_rng([2, number])
        act, init, options = drawn(rng, number, 40, 64, 192, 256)
        options["loss"] = str(rng.choice(["random", "mse", "cross-entropy"]))
        tally.add(grad_flow(act, init, threads=1, **options), (act, init, options))
    assert tally.layers > 500
    tally.check()
