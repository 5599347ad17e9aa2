"""Cases: networks drawn at random, each with data, a loss and an optimizer, and whether it trains.

Run as `python -m benchmarks.cases --data mnist.npz`: each group is written to benchmarks/labels/cases_GROUP.jsonl, a
case a line, and what is there already is not trained again.
"""

import argparse
import hashlib
import json
import math
import multiprocessing
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, lru_cache
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from actdiag import gain, make_stack
from actdiag.datasets.catalogue import Dataset, load_dataset
from actdiag.datasets.scaling import find_scaling, scaled
from actdiag.engine.workers import Workers
from actdiag.experiments.train import outcome
from actdiag.experiments.train.loop import Recipe, last_mean, steps
from actdiag.experiments.train.network import draw_network, forward
from actdiag.model.stack import Stack

FOLDER = Path(__file__).parent / "labels"

ACTS = (
    *("relu", "leaky_relu:0.2", "tanh", "sigmoid", "elu", "selu", "gelu", "silu", "softplus", "softsign"),
    *("mish", "hardtanh", "sin"),
)
INITS = (
    *("he", "xavier", "lecun", "glorot_uniform", "orthogonal", "torch_linear", "keras_dense"),
    *("std=0.01", "std=0.05", "std=0.2", "std=1"),
)
OPTIMIZERS = ("sgd", "momentum", "adam")
ITERATIONS = (250, 1000)
BATCHES = (32, 64, 128, 256, 512)
DEPTHS, WIDTHS, GAINS, BIAS_STDS = (1, 200), (2, 1024), (0.5, 4.0), (0.0, 1.0)
FEATURES, CLASSES = (2, 3072), (2, 100)
MOST_PRODUCTS, MOST_SEEN = 2_000_000, 128_000
"""Of depth times the square of width, and of rows that training goes through."""

DEEP = 20
"""From how many layers on a network of a random gain hardly ever trains."""

SUITED: Mapping[str, tuple[float, float]] = {
    "relu": (1.414, 0.0),
    "leaky_relu:0.2": (1.387, 0.0),
    "tanh": (1.171, 0.0),
    "sigmoid": (10.224, 0.0),
    "elu": (1.176, 0.0),
    "selu": (0.843, 0.0),
    "gelu": (1.415, 0.416),
    "silu": (1.433, 0.745),
    "softplus": (1.359, 0.0),
    "softsign": (1.433, 0.0),
    "mish": (1.415, 0.307),
    "hardtanh": (1.019, 0.0),
    "sin": (1.121, 0.0),
}
"""The gains and stds of biases that were recommended for 60 layers when the groups were drawn first."""

_SUITED_INITS, _SUITED_SPREAD = ("lecun", "orthogonal"), 3.0
"""The std of the logarithm of a suited gain is the second over the depth."""

_HALF_DECADES = (3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 0.0003, 0.0001, 0.00003, 0.00001)
_HIGHEST = {"sgd": 1.0, "momentum": 0.3, "adam": 0.03}
_RATES = 8

TRAINS, STUCK = 0.43, 0.955
"""Shares of the chance level: a loss under the first trains, one over the second does not."""

MEASURED_ROWS = 500
"""Training rows that a network is measured on."""

STANDARDIZED = "+standardized"
"""Ends the name of data whose features are standardized one by one."""

_TEACHERS, _TEACHER_ENTRIES, _TEACHER_ROWS = 40, 12_500_000, 12_500

_OVER = 25
_GUESSING, _CALM, _LOUD, _FALLING = 0.997, 1.025, 2.2, 0.98
"""Shares of the chance level: no better than it; no worse than it; lost unless the loss falls by the last share."""

_IN_A_ROW, _SMALLER = 3, 0.9
"""At so many learning rates a network must only guess until smaller ones are given up; how much smaller one must be."""

_AHEAD, _KEPT_TOGETHER = 8, 10
"""How many cases a process has waiting, so that a large one leaves none idle; and how many are kept at once."""

_FIRST_LOOK, _NEXT_LOOK, _FAR_FROM_ONE, _LOOKED_AT = 50, 100, 0.01, 128


class Case(NamedTuple):
    """A network and how it is trained.

    Attributes:
        act: The activation.
        init: The initializer.
        gain: The gain.
        bias_std: The std of the biases; None for those of the initializer.
        depth: The number of layers.
        width: Units per layer.
        seed: The seed of weights, biases, readout and order of the rows.
        data: `mnist`, `digits`, or `synthetic` with its parameters and after a / its seed; with `+standardized` after
            it where every feature is brought to mean 0 and std 1.
        loss: `cross-entropy` or `mse`.
        optimizer: `sgd`, `momentum` or `adam`.
        iterations: Updates.
        batch: Rows a batch.
    """

    act: str
    init: str
    gain: float
    bias_std: float | None
    depth: int
    width: int
    seed: int
    data: str = "mnist"
    loss: str = "cross-entropy"
    optimizer: str = "sgd"
    iterations: int = 250
    batch: int = 128

    def stack(self, data: Dataset, rows: int = MEASURED_ROWS) -> Stack:
        """Return the stack over the first rows of the training inputs."""
        named = ("act", "init", "gain", "bias_std", "depth", "width", "seed")
        return make_stack(**{name: getattr(self, name) for name in named}, input=data.train_inputs[:rows])

    @property
    def recipe(self) -> Recipe:
        """How it is trained, but for the learning rate."""
        return Recipe(self.optimizer, self.iterations, self.batch, loss_name=self.loss)

    @property
    def rates(self) -> tuple[float, ...]:
        """The learning rates, the largest first: under mse the gradients are smaller by the number of classes."""
        highest = _HIGHEST[self.optimizer]
        if self.loss == "mse" and self.optimizer != "adam":
            highest *= 10
        start = min(range(len(_HALF_DECADES)), key=lambda at: abs(math.log(_HALF_DECADES[at] / highest)))
        return _HALF_DECADES[start : start + _RATES]


class Outcome(NamedTuple):
    """What became of a case at one learning rate.

    Attributes:
        rate: The learning rate.
        loss: The mean of the last 25 losses; None where it diverged.
        iterations: After how many.
    """

    rate: float
    loss: float | None
    iterations: int


class Labelled(NamedTuple):
    """A case with the loss of guessing by the frequencies of the labels, and what became of it at learning rates.

    Attributes:
        case: The case.
        chance: The entropy of the labels, or the variance of the one-hot targets.
        outcomes: By learning rate, the largest first; empty where the data do not count, because no reference network
            learns them.
    """

    case: Case
    chance: float
    outcomes: tuple[Outcome, ...]

    @property
    def best(self) -> float:
        """The least loss as a share of chance; inf where all diverged."""
        losses = [math.inf if outcome.loss is None else outcome.loss for outcome in self.outcomes]
        return min(losses, default=math.inf) / self.chance

    def trains_with(self, outcome: Outcome) -> bool:
        """Return whether it trains clearly in one of its outcomes."""
        return outcome.loss is not None and outcome.loss < TRAINS * self.chance

    @property
    def next_rates(self) -> tuple[float, ...]:
        """The learning rates that are left to try, the largest first."""
        lowest = self.outcomes[-1].rate if self.outcomes else math.inf
        return tuple(rate for rate in self.case.rates if rate < lowest * _SMALLER)

    @property
    def is_done(self) -> bool:
        """Whether smaller learning rates would not train it where the larger ones do not.

        One at which it only guesses is no proof: a larger one may have thrown the network where it is dead. Several in
        a row are, but for Adam, whose steps do not shrink with the gradient.
        """
        last = self.outcomes[-_IN_A_ROW:]
        guessing = [one.loss is not None and _GUESSING < one.loss / self.chance < _CALM for one in last]
        still = self.case.optimizer != "adam" and len(last) == _IN_A_ROW and all(guessing)
        return self.best < TRAINS or still or not self.next_rates

    @property
    def trains(self) -> bool | None:
        """Whether it clearly trains or clearly does not; None in between, or where the data do not count."""
        return None if not self.outcomes else True if self.best < TRAINS else False if self.best > STUCK else None


class Group(NamedTuple):
    """Cases that are drawn alike.

    Attributes:
        seed: What they are drawn from.
        cases: How many there are; None to draw until there are `clear` of either kind.
        clear: How many must clearly train, and how many must clearly not.
        only: What a case of the group holds; the rest is drawn.
        suited: The share of the cases whose weights are near the gain that suits the activation.
    """

    seed: int
    cases: int | None = None
    clear: int = 60
    only: Any = None
    suited: float = 0.0


def _old_range(case: Case) -> bool:
    return 3 <= case.depth <= 50 and 64 <= case.width <= 200


GROUPS = {
    "fit": Group(101, cases=900),
    "fit_deep": Group(102, cases=120, only=lambda case: case.depth >= DEEP, suited=1.0),
    "plain": Group(
        201, 200, only=lambda case: _old_range(case) and _is_plain(case) and case.data == "mnist" and case.batch == 128
    ),
    "momentum": Group(202, only=lambda case: case.optimizer == "momentum"),
    "adam": Group(203, only=lambda case: case.optimizer == "adam"),
    "deep": Group(204, only=lambda case: case.depth > 60, suited=0.5),
    "narrow": Group(205, only=lambda case: case.width < 32),
    "other_data": Group(206, only=lambda case: case.data != "mnist"),
    "mse": Group(207, only=lambda case: case.loss == "mse"),
    "longer": Group(208, only=lambda case: case.iterations == 1000),
}


HELD_OUT = ("earlier", *(name for name in GROUPS if not name.startswith("fit")))
"""The groups that nothing is fitted to; `earlier` and `stacks` were drawn before, from a narrower range."""


def _is_plain(case: Case) -> bool:
    return (case.optimizer, case.iterations, case.loss) == ("sgd", 250, "cross-entropy")


def draws(name: str) -> Iterator[Case]:
    """Yield the cases of a group that is kept, without end."""
    return drawn(GROUPS[name])


def drawn(group: Group) -> Iterator[Case]:
    """Yield the cases of a group, without end."""
    rng, number = np.random.default_rng(group.seed), count()
    while True:
        case = _draw(rng)
        if case is not None and (group.only is None or group.only(case)):
            if group.suited and rng.random() < group.suited:
                case = _suited(case, rng)
            yield case._replace(seed=1_000_000 * group.seed + next(number))


def _draw(rng: np.random.Generator) -> Case | None:
    """Return a case, or None where it is larger than allowed."""
    case = Case(
        act=str(rng.choice(ACTS)),
        init=str(rng.choice(INITS)),
        gain=round(_between(rng, GAINS), 3) if rng.random() < 0.5 else 1.0,
        bias_std=round(rng.uniform(*BIAS_STDS), 3) if rng.random() < 0.5 else None,
        depth=round(_between(rng, DEPTHS)),
        width=round(_between(rng, WIDTHS)),
        seed=0,
        data=_draw_data(rng),
        loss="mse" if rng.random() < 0.25 else "cross-entropy",
        optimizer=str(rng.choice(OPTIMIZERS)),
        iterations=int(rng.choice(ITERATIONS)),
        batch=int(rng.choice(BATCHES)),
    )
    fits = case.depth * case.width**2 <= MOST_PRODUCTS and case.batch * case.iterations <= MOST_SEEN
    return case if fits else None


def _suited(case: Case, rng: np.random.Generator) -> Case:
    """Return a case with weights near the gain that suits its activation, and with biases of that std."""
    suited, bias_std = SUITED[case.act]
    factor = math.exp(_SUITED_SPREAD / case.depth * rng.standard_normal())
    return case._replace(init=str(rng.choice(_SUITED_INITS)), gain=round(suited * factor, 3), bias_std=bias_std)


def _between(rng: np.random.Generator, ends: tuple[float, float]) -> float:
    return math.exp(rng.uniform(math.log(ends[0]), math.log(ends[1])))


def _draw_data(rng: np.random.Generator) -> str:
    kind = rng.random()
    return "mnist" if kind < 0.4 else "digits" if kind < 0.55 else str(rng.choice(_teachers()))


@cache
def _teachers() -> list[str]:
    rng = np.random.default_rng(7)
    found = []
    for seed in range(_TEACHERS):
        features, classes = round(_between(rng, FEATURES)), round(_between(rng, CLASSES))
        rows = min(_TEACHER_ROWS, _TEACHER_ENTRIES // features)
        found.append(f"synthetic:rows={rows}:features={features}:classes={classes}/{seed}")
    return found


@lru_cache(maxsize=6)
def data_of(name: str) -> Dataset:
    """Return the data of a case; MNIST must have been loaded."""
    plain = name.removesuffix(STANDARDIZED)
    if plain != name:
        inputs = data_of(plain).train_inputs
        return replace(data_of(plain), train_inputs=scaled(inputs, find_scaling("feature", inputs), name))
    if name == "mnist":
        return _MNIST[0]
    spec, _, seed = name.partition("/")
    return load_dataset(spec, scale="global", seed=int(seed or 0))


_MNIST: list[Dataset] = []


def load_mnist(path: str) -> None:
    """Load MNIST with its pixels brought to mean 0 and std 1 by rounded constants; forked processes share it."""
    mnist = load_dataset(path, scale="raw")
    inputs = (mnist.train_inputs / np.float32(255) - np.float32(0.1307)) / np.float32(0.3081)
    _MNIST[:] = [replace(mnist, train_inputs=inputs.astype(np.float32))]


def chance_of(data: Dataset, loss: str) -> float:
    """Return the loss of guessing by the frequencies of the labels to train on."""
    return outcome.chance_of(data.train_labels, 1 + int(data.train_labels.max()), loss)


def outcome_of(stack: Stack, case: Case, rate: float, chance: float) -> Outcome:
    """Train at one learning rate, no longer than it takes to know what becomes of it."""
    data = data_of(case.data)
    losses: list[float] = []
    spreads: list[float] = []
    with Workers(1) as workers:
        network = draw_network(stack, data.classes, workers)
        for step in steps(network, data.train_inputs, data.train_labels, case.recipe, rate):
            losses.append(step.loss)
            if step.iteration in (_FIRST_LOOK, _NEXT_LOOK):
                logits = forward(network, data.train_inputs[:_LOOKED_AT]).logits
                spreads.append(float(logits.std(axis=0).mean()))
            if len(losses) >= _OVER and _decided(losses, spreads, case.iterations, chance):
                break
    loss = float(f"{last_mean(losses):.5g}") if math.isfinite(losses[-1]) else None
    return Outcome(rate, loss, len(losses))


def _decided(losses: list[float], spreads: list[float], iterations: int, chance: float) -> bool:
    """Return whether more iterations would change nothing: it trains, or nothing moves, or it is lost.

    A network that guesses gets beyond it in time if what it says of the inputs, growing on as it has grown, comes near
    1; one at a larger loss must fall.
    """
    last, before = last_mean(losses[-_OVER:]), last_mean(losses[-2 * _OVER : -_OVER] or losses)
    if last < TRAINS * chance:
        return True
    if len(losses) % _OVER or len(losses) < _NEXT_LOOK or last < _GUESSING * chance:
        return False
    if last > _LOUD * chance:
        return last > _FALLING * before
    growth = max(spreads[1] / spreads[0], 1.0) if spreads[0] else 1.0
    reached = math.log(max(spreads[1], 1e-300)) + math.log(growth) * (iterations - _NEXT_LOOK) / _FIRST_LOOK
    return len(losses) == _NEXT_LOOK and last < _CALM * chance and reached < math.log(_FAR_FROM_ONE)


def outcomes_of(stack: Stack, case: Case, chance: float, known: Sequence[Outcome] = ()) -> tuple[Outcome, ...]:
    """Train at learning rates downwards until one trains, or until smaller ones cannot.

    Args:
        stack: The stack of the case.
        case: The case.
        chance: The loss of guessing.
        known: What is known of larger rates.
    """
    labelled = Labelled(case, chance, tuple(known))
    while not labelled.is_done:
        rate = labelled.next_rates[0]
        labelled = labelled._replace(outcomes=(*labelled.outcomes, outcome_of(stack, case, rate, chance)))
    return labelled.outcomes


@cache
def is_learnable(data: str, loss: str, optimizer: str, iterations: int, batch: int) -> bool:
    """Return whether one of five reference networks trains on some data."""
    for act, init in (("relu", "he"), ("tanh", "xavier"), ("selu", "lecun"), ("gelu", ""), ("elu", "")):
        factor = gain(act).forward_gain if not init else 1.0
        case = Case(
            act, init or "lecun", factor or 1.0, None, 3, 128, 0, data, loss, optimizer, iterations, batch
        )  # fmt: skip
        chance = chance_of(data_of(data), loss)
        outcomes = outcomes_of(case.stack(data_of(data)), case, chance)
        if Labelled(case, chance, outcomes).trains:
            return True
    return False


def label(case: Case) -> Labelled:
    """Train a case at its learning rates, where its data count."""
    data = data_of(case.data)
    chance = chance_of(data, case.loss)
    if not is_learnable(case.data, case.loss, case.optimizer, case.iterations, case.batch):
        return Labelled(case, chance, ())
    return Labelled(case, chance, outcomes_of(case.stack(data), case, chance))


def path_of(name: str) -> Path:
    """Return where the labels of a group are kept."""
    return FOLDER / f"cases_{name}.jsonl"


def digest(*paths: Path) -> str:
    """Return the sha256 of files of labels, one after the other, with line ends as on Linux."""
    contents = b"".join(path.read_bytes() for path in paths)
    return hashlib.sha256(contents.replace(b"\r\n", b"\n")).hexdigest()


def read(name: str) -> list[Labelled]:
    """Return the stored labels of a group, in the order in which its cases are drawn."""
    lines = path_of(name).read_text().splitlines() if path_of(name).exists() else ()
    return sorted((_parsed(json.loads(line)) for line in lines), key=lambda labelled: labelled.case.seed)


def _parsed(line: dict[str, Any]) -> Labelled:
    return Labelled(Case(**line["case"]), line["chance"], tuple(Outcome(*one) for one in line["outcomes"]))


def _written(labelled: Labelled) -> str:
    chance = float(f"{labelled.chance:.6g}")
    return json.dumps({"case": labelled.case._asdict(), "chance": chance, "outcomes": labelled.outcomes}) + "\n"


def is_complete(group: Group, labelled: list[Labelled]) -> bool:
    """Return whether a group has all the cases that it needs."""
    counting = [one for one in labelled if one.outcomes]
    if group.cases is not None:
        return len(counting) >= group.cases
    return all(sum(one.trains is kind for one in counting) >= group.clear for kind in (True, False))


def go_on(labelled: Labelled) -> Labelled:
    """Train a case at the learning rates that are left to try."""
    case, data = labelled.case, data_of(labelled.case.data)
    return labelled._replace(outcomes=outcomes_of(case.stack(data), case, labelled.chance, labelled.outcomes))


def finish(name: str, processes: int) -> Iterator[int]:
    """Go on with the cases of a group that are not done, keep each as it comes, and yield how many are left."""
    known = {labelled.case: labelled for labelled in read(name)}
    unfinished = [one for one in known.values() if one.outcomes and not one.is_done]
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        for number, labelled in enumerate(pool.imap_unordered(go_on, unfinished), 1):
            known[labelled.case] = labelled
            if number % _KEPT_TOGETHER == 0 or number == len(unfinished):
                _rewrite(path_of(name), known.values())
            yield len(unfinished) - number


def _rewrite(path: Path, labelled: Iterable[Labelled]) -> None:
    """Write a file of labels anew, so that at any moment it holds the old ones or the new ones."""
    new = path.with_suffix(".new")
    new.write_text("".join(map(_written, labelled)))
    new.replace(path)


def produce(name: str, processes: int) -> Iterator[list[Labelled]]:
    """Label what is missing of a group, keep each as it comes, and yield all that is known."""
    known = read(name)
    done = {labelled.case for labelled in known}
    missing = (case for case in draws(name) if case not in done)
    with multiprocessing.get_context("fork").Pool(processes) as pool, path_of(name).open("a") as file:
        pending = [pool.apply_async(label, (next(missing),)) for _ in range(_AHEAD * processes)]
        while not is_complete(GROUPS[name], known):
            found = pending.pop(0).get()
            pending.append(pool.apply_async(label, (next(missing),)))
            known.append(found)
            file.write(_written(found))
            file.flush()
            yield known
        pool.terminate()


def expected_hours(name: str, processes: int) -> float:
    """Return the hours that the rest of a group may take."""
    group, known = GROUPS[name], read(name)
    wanted = group.cases or 4 * group.clear
    return hours_each(group) * max(wanted - len(known), 0) / processes


def hours_each(group: Group) -> float:
    """Return the hours that a case of a group takes on average, from the pace of a small and a large network."""
    data, seconds = load_dataset("synthetic"), {}
    for depth, width in ((20, 8), (2, 512)):
        case = Case("relu", "he", 1.0, None, depth, width, 0, "synthetic/0", iterations=20)
        start = time.perf_counter()
        outcome_of(case.stack(data), case, 1e-4, 1e-9)
        seconds[depth] = (time.perf_counter() - start) / 20
    fixed = seconds[20] / 20
    by_product = max(seconds[2] - 2 * fixed, 0.0) / (2 * 512**2 * 128)
    cases = [case for case, _ in zip(drawn(group), range(200), strict=False)]
    work = [
        case.iterations / 2 * case.depth * (fixed + by_product * case.width**2 * case.batch) * _RATES / 2
        for case in cases
    ]
    return float(np.mean(work)) / 3600


def main() -> None:
    """Label the groups that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, help="MNIST: a .npz file or IDX files, as `actdiag train` takes it")
    parser.add_argument(
        "--only",
        default=",".join(GROUPS),
        help="groups, with commas between; what is not done of stacks and earlier is finished",
    )
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    load_mnist(given.data)
    names = given.only.split(",")
    for name in names:
        if name in GROUPS:
            print(f"{name}: about {expected_hours(name, given.processes):.1f} hours", flush=True)
    for name in names:
        for left in finish(name, given.processes):
            print(f"\r{name}: {left} to go on with ", end="", flush=True)
        if name not in GROUPS:
            continue
        for known in produce(name, given.processes):
            counts = [sum(one.trains is kind and bool(one.outcomes) for one in known) for kind in (True, False, None)]
            left_out = sum(not one.outcomes for one in known)
            print(
                f"\r{name}: {counts[0]} train, {counts[1]} do not, {counts[2]} in between, {left_out} on data "
                "that do not count",
                end="",
                flush=True,
            )
        print()


if __name__ == "__main__":
    main()
