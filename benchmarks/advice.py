"""Whether advice holds: random stacks that are at risk or untrainable are changed as they are advised, then trained.

Run as `python -m benchmarks.advice --data mnist.npz`: each stack is kept as a line of benchmarks/labels/advice.jsonl,
and what is there already is not run again. The stacks are those of no other file of labels.
"""

import argparse
import json
import multiprocessing
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

import actdiag
from actdiag.diagnosis import Verdict
from actdiag.diagnosis.findings import Value
from benchmarks.cases import (
    FOLDER,
    MEASURED_ROWS,
    STANDARDIZED,
    STUCK,
    TRAINS,
    Case,
    Group,
    Outcome,
    chance_of,
    data_of,
    drawn,
    hours_each,
    is_learnable,
    load_mnist,
    outcome_of,
    outcomes_of,
)

STACKS = 200

COMMANDS = ("propagate", "grad-flow")
"""What a stack is run with, by turns."""

PRINTED, SEARCHED = "printed", "fix"
"""Where a change comes from: what an ordinary run printed, or else what `--fix` found."""

RISES, TRAINS_AFTER = 0.99, 0.95
"""Targets: the share of changes that raise the probability, and of those called healthy after it that train."""

_PLAIN = {"loss": "cross-entropy", "optimizer": "sgd", "iterations": 250, "batch": 128}

_AHEAD = 8
"""How many stacks a process has waiting: a large one that all wait for leaves none idle."""


def _is_plain(case: Case) -> bool:
    return all(getattr(case, name) == value for name, value in _PLAIN.items())


GROUP = Group(301, STACKS, only=_is_plain)


class Judged(NamedTuple):
    """What a verdict says.

    Attributes:
        severity: Its severity.
        probability: The probability that plain SGD trains the stack; None where it is not known.
        rate: The recommended learning rate; None where there is none.
    """

    severity: str
    probability: float | None
    rate: float | None


class Advised(NamedTuple):
    """A stack, the change that it is advised, and what became of it after the change.

    Attributes:
        case: The stack and how it is trained.
        command: What it was run with.
        before: The verdict on it.
        source: `printed` or `fix`; None where no change was found, and all that follows is empty.
        change: The options of the change, None for one that goes back to its default.
        promised: What was said of the stack after the change.
        after: The verdict of the same command after the change, on all rows.
        chance: The loss of guessing by the frequencies of the labels.
        outcomes: Of training after the change, at learning rates from the highest downwards until one trains.
        recommended: That at the recommended rate; None where there is none.
    """

    case: Case
    command: str
    before: Judged
    source: str | None = None
    change: Mapping[str, Value] | None = None
    promised: Judged | None = None
    after: Judged | None = None
    chance: float | None = None
    outcomes: tuple[Outcome, ...] = ()
    recommended: Outcome | None = None

    @property
    def rises(self) -> bool:
        """Whether the probability is higher after the change."""
        return self.after is not None and (self.after.probability or 0.0) > (self.before.probability or 0.0)

    @property
    def is_healthy(self) -> bool:
        """Whether the stack is called healthy after the change."""
        return self.after is not None and self.after.severity == "healthy"

    @property
    def best(self) -> float:
        """The least loss after the change as a share of chance; inf where there is none."""
        every = (*self.outcomes, *([self.recommended] if self.recommended else []))
        losses = [outcome.loss for outcome in every if outcome.loss is not None]
        return min(losses) / self.chance if losses and self.chance else float("inf")

    @property
    def trains(self) -> bool:
        """Whether it clearly trains after the change, at one of the rates."""
        return self.best < TRAINS

    @property
    def trains_as_recommended(self) -> bool:
        """Whether it clearly trains after the change at the recommended rate."""
        loss = self.recommended.loss if self.recommended else None
        return loss is not None and self.chance is not None and loss < TRAINS * self.chance


def options_of(case: Case, change: Mapping[str, Value] | None = None) -> dict[str, Any]:
    """Return the options of a stack over the first rows of its data, with those of a change in their place."""
    named = ("act", "init", "gain", "bias_std", "depth", "width", "seed")
    own = {name: getattr(case, name) for name in named} | {"input": data_of(case.data).train_inputs[:MEASURED_ROWS]}
    return {name: value for name, value in (own | dict(change or {})).items() if value is not None}


def advise(case: Case) -> Advised | None:
    """Run a stack, change it as advised and train it; None where it is not sick, or where its data do not count."""
    command = COMMANDS[case.seed % len(COMMANDS)]
    run = actdiag.propagate if command == "propagate" else actdiag.grad_flow
    report = run(**options_of(case), threads=1)
    if report.verdict.severity not in ("at-risk", "untrainable"):
        return None
    if not is_learnable(case.data, case.loss, case.optimizer, case.iterations, case.batch):
        return None
    before = judged(report.verdict)
    if report.verdict.fix is not None:
        fix = report.verdict.fix
        source, change, promised = PRINTED, fix.changes, Judged(fix.severity, _rounded(fix.probability), None)
    else:
        found = actdiag.fix(**options_of(case), threads=1, backward=command != "propagate", report=report)
        if found is None:
            return Advised(case, command, before)
        source, change, promised = SEARCHED, found.change.options, judged(found.report.verdict)
    after = judged(run(**options_of(case, change), threads=1).verdict)
    return trained(Advised(case, command, before, source, dict(change), promised, after))


def judged(verdict: Verdict) -> Judged:
    """Return what is kept of a verdict."""
    return Judged(verdict.severity, _rounded(verdict.probability), verdict.learning_rate)


def _rounded(probability: float | None) -> float | None:
    return None if probability is None else float(f"{probability:.4g}")


def trained(advised: Advised) -> Advised:
    """Return it with what training came to after its change."""
    case, change = advised.case, advised.change or {}
    if change.get("scale") == "feature":
        case = case._replace(data=case.data + STANDARDIZED)
    stack = actdiag.make_stack(**options_of(advised.case, change))
    chance = chance_of(data_of(case.data), case.loss)
    outcomes = outcomes_of(stack, case, chance)
    rate = advised.after.rate if advised.after else None
    known = {outcome.rate: outcome for outcome in outcomes}
    recommended = None if rate is None else known.get(rate) or outcome_of(stack, case, rate, chance)
    return advised._replace(chance=float(f"{chance:.6g}"), outcomes=outcomes, recommended=recommended)


def read() -> list[Advised]:
    """Return what is kept, in the order in which the stacks are drawn."""
    path = FOLDER / "advice.jsonl"
    lines = path.read_text().splitlines() if path.exists() else ()
    return sorted((_parsed(json.loads(line)) for line in lines), key=lambda advised: advised.case.seed)


def _parsed(line: dict[str, Any]) -> Advised:
    for name, kind in {"before": Judged, "promised": Judged, "after": Judged, "recommended": Outcome}.items():
        line[name] = None if line[name] is None else kind(*line[name])
    line["outcomes"] = tuple(Outcome(*one) for one in line["outcomes"])
    return Advised(**line | {"case": Case(**line["case"])})


def written(advised: Advised) -> str:
    """Return the line that is kept."""
    return json.dumps(advised._asdict() | {"case": advised.case._asdict()}) + "\n"


def produce(stacks: int, processes: int) -> Iterator[list[Advised]]:
    """Run what is missing of so many sick stacks, in order, keep each as it comes, and yield all that is known."""
    known = read()
    last = known[-1].case.seed if known else -1
    missing = (case for case in drawn(GROUP) if case.seed > last)
    with multiprocessing.get_context("fork").Pool(processes) as pool, (FOLDER / "advice.jsonl").open("a") as file:
        pending = [pool.apply_async(advise, (case,)) for case in islice(missing, _AHEAD * processes)]
        while len(known) < stacks:
            found = pending.pop(0).get()
            pending.append(pool.apply_async(advise, (next(missing),)))
            if found is not None:
                known.append(found)
                file.write(written(found))
                file.flush()
                yield known
        pool.terminate()


def summary(stacks: Sequence[Advised]) -> str:
    """Return how often advice holds: of all changes, of those that were printed, and of those that `--fix` found."""
    changed = [one for one in stacks if one.change is not None]
    lines = [f"{len(stacks)} stacks at risk or untrainable, {len(stacks) - len(changed)} of them without advice"]
    for name, source in (("all advice", None), ("printed", PRINTED), ("--fix", SEARCHED)):
        given = [one for one in changed if source in (None, one.source)]
        healthy = [one for one in given if one.is_healthy]
        stuck = sum(one.best > STUCK for one in healthy)
        lines += [
            f"{name}: {len(given)}",
            f"  higher probability: {_share(sum(one.rises for one in given), len(given))} (target {RISES:.0%})",
            f"  called healthy after it: {_share(len(healthy), len(given))}; of these",
            f"    train: {_share(sum(one.trains for one in healthy), len(healthy))} (target {TRAINS_AFTER:.0%}); "
            f"{stuck} do not",
            f"    at the recommended rate: {_share(sum(one.trains_as_recommended for one in healthy), len(healthy))}",
        ]
    return "\n".join(lines)


def _share(part: int, whole: int) -> str:
    return f"{part} of {whole}" + (f", {part / whole:.1%}" if whole else "")


def main() -> None:
    """Run the stacks, and print how often advice holds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, help="MNIST: a .npz file or IDX files, as `actdiag train` takes it")
    parser.add_argument("--stacks", type=int, default=STACKS, help="how many, those that are kept already included")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    os.nice(19)
    load_mnist(given.data)
    left = given.stacks - len(read())
    print(f"about {60 * hours_each(GROUP) * max(left, 0) / given.processes:.0f} minutes", flush=True)
    start = time.perf_counter()
    for done, known in enumerate(produce(given.stacks, given.processes), 1):
        minutes = (time.perf_counter() - start) / done * (given.stacks - len(known)) / 60
        print(f"\r{len(known)} of {given.stacks}, {minutes:.0f} minutes left ", end="", flush=True)
    print(f"\n{summary(read())}")


if __name__ == "__main__":
    main()
