"""Learning rates between those of the labels: where training ends, and whether the recommended rate trains.

Run as `python -m benchmarks.rates --data mnist.npz --only fit,held_out`; what was trained is kept in
benchmarks/labels/NAME_rates.jsonl.
"""

import argparse
import json
import multiprocessing
import os
from collections.abc import Iterable

from benchmarks.labels import FOLDER, SETS, Draw, Labelled, Outcome, Set, data_of, load, outcome, plain, read
from benchmarks.observed import observe

HALF_DECADE = 10**0.5

Task = tuple[str, Draw, float]


def grid(chosen: Set) -> tuple[float, ...]:
    """Return the learning rates of the finer grid, half a decade apart, the largest first."""
    return tuple(rounded(rate * factor) for rate in chosen.rates for factor in (HALF_DECADE, 1.0))


def rounded(rate: float) -> float:
    """Return a learning rate in two digits, as it is stored."""
    return float(f"{rate:.2g}")


def known(name: str) -> dict[tuple[Draw, float], Outcome]:
    """Return all that is stored of a set: its labels, and what was trained since."""
    found = {(labelled.draw, one.rate): one for labelled in read(name) for one in labelled.outcomes}
    path = FOLDER / f"{name}_rates.jsonl"
    for line in path.read_text().splitlines() if path.exists() else ():
        stored = json.loads(line)
        one = Outcome(*stored["outcome"])
        found[Draw(**stored["draw"]), one.rate] = one
    return found


def wanted(name: str) -> list[Task]:
    """Return what is to be trained: half a decade over the best label; where trainable, the recommended rate.

    Of the stacks that are fitted to, those that train at the largest rate are trained at two smaller ones too.
    """
    tasks: list[Task] = []
    for labelled in read(name):
        rates = set()
        best = max((one.rate for one in labelled.outcomes if one.trains), default=None)
        if best is not None:
            rates.add(rounded(HALF_DECADE * best))
        if name == "fit":
            rates |= {rounded(best / HALF_DECADE), rounded(best / 10)} if best == max(SETS[name].rates) else set()
        else:
            rates |= _of_the_trainable(name, labelled)
        tasks += [(name, labelled.draw, rate) for rate in sorted(rates)]
    done = known(name)
    return [task for task in tasks if task[1:] not in done]


def _of_the_trainable(name: str, labelled: Labelled) -> set[float]:
    """Return the rates to train a stack at that is called trainable: the recommended, and all if no label trains."""
    report = observe(labelled, data_of(name)).measured
    if report.verdict.learning_rate is None:
        return set()
    rest = () if labelled.trains else grid(SETS[name])
    return {rounded(report.verdict.learning_rate), *rest}


def train_at(task: Task) -> tuple[Task, Outcome]:
    """Train a stack of a set at one learning rate."""
    name, draw, rate = task
    return task, outcome(draw, data_of(name), SETS[name], rate)


def produce(name: str, tasks: Iterable[Task], processes: int) -> None:
    """Train what is wanted, and keep each outcome as it comes."""
    with (
        multiprocessing.get_context("fork").Pool(processes) as pool,
        (FOLDER / f"{name}_rates.jsonl").open("a") as file,
    ):
        for (_, draw, _), one in pool.imap_unordered(train_at, tasks):
            file.write(json.dumps({"draw": draw._asdict(), "outcome": plain(one)}) + "\n")
            file.flush()


def main() -> None:
    """Train what is wanted of the sets that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, help="MNIST, as `python -m benchmarks.labels` takes it")
    parser.add_argument("--only", default="fit,held_out", help="sets, with commas between")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    names = given.only.split(",")
    load(names, given.data)
    for name in names:
        tasks = wanted(name)
        produce(name, tasks, given.processes)
        print(f"{name}: {len(tasks)} trained")


if __name__ == "__main__":
    main()
