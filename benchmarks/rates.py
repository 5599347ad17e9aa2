"""Whether the recommended learning rate trains the networks that are called trainable.

Run as `python -m benchmarks.rates --data mnist.npz`, after the fit; what was trained is kept in
benchmarks/labels/rates_GROUP.jsonl, and is not trained again at the same rate.
"""

import argparse
import json
import multiprocessing
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.cases import FOLDER, HELD_OUT, Case, Outcome, data_of, load_mnist, outcome_of, read
from benchmarks.observed import observe


class Trial(NamedTuple):
    """A case at its recommended learning rate, and the loss of guessing."""

    case: Case
    rate: float
    chance: float


def path_of(name: str) -> Path:
    """Return where the outcomes of a group are kept."""
    return FOLDER / f"rates_{name}.jsonl"


def known(name: str) -> Mapping[tuple[Case, float], Outcome]:
    """Return the outcomes that are stored of a group, and those of its labels."""
    found = {(labelled.case, one.rate): one for labelled in read(name) for one in labelled.outcomes}
    return found | {(case, one.rate): one for case, outcomes in trained(name).items() for one in outcomes}


def trained(name: str) -> Mapping[Case, Sequence[Outcome]]:
    """Return the outcomes of each case of a group beyond those of its labels."""
    found: dict[Case, list[Outcome]] = {}
    lines = path_of(name).read_text().splitlines() if path_of(name).exists() else ()
    for line in map(json.loads, lines):
        found.setdefault(Case(**line["case"]), []).append(Outcome(*line["outcome"]))
    return found


def wanted(name: str) -> Iterator[Trial]:
    """Yield the cases of a group that are called trainable, each at its recommended rate."""
    for labelled in read(name):
        rate = observe(labelled).measured.verdict.learning_rate if labelled.outcomes else None
        if rate is not None:
            yield Trial(labelled.case, rate, labelled.chance)


def train(trial: Trial) -> tuple[Trial, Outcome]:
    """Train a case at its recommended rate."""
    case, rate, chance = trial
    return trial, outcome_of(case.stack(data_of(case.data)), case, rate, chance)


def produce(name: str, processes: int) -> int:
    """Train what is missing of a group, keep each outcome as it comes, and return how many there were."""
    done = known(name)
    missing = [trial for trial in wanted(name) if (trial.case, trial.rate) not in done]
    with multiprocessing.get_context("fork").Pool(processes) as pool, path_of(name).open("a") as file:
        for trial, one in pool.imap_unordered(train, missing):
            file.write(json.dumps({"case": trial.case._asdict(), "outcome": one}) + "\n")
            file.flush()
    return len(missing)


def main() -> None:
    """Train what is wanted of the groups that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, help="MNIST, as `python -m benchmarks.cases` takes it")
    parser.add_argument("--only", default=",".join(HELD_OUT), help="groups")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    load_mnist(given.data)
    for name in given.only.split(","):
        print(f"{name}: {produce(name, given.processes)} trained", flush=True)


if __name__ == "__main__":
    main()
