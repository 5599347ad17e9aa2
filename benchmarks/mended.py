"""Whether the changes that `--fix` proposes heal: stacks that do not train, mended at initialization, then trained.

Run as `python -m benchmarks.mended --data mnist.npz`; what was trained is kept in benchmarks/labels/mended.jsonl.
"""

import argparse
import json
import multiprocessing
import os
from collections import Counter
from math import inf
from typing import NamedTuple

from actdiag.engine.losses import Loss
from actdiag.experiments.fix import find_fix
from actdiag.experiments.run import run_grad_flow, run_settings
from actdiag.model.stack import Stack
from actdiag.options import DEFAULT_BUDGET
from actdiag.report import Report
from benchmarks.labels import FOLDER, SEEN, SETS, Draw, Labelled, Outcome, data_of, load, outcome_of, plain, read

MOST = 100

LONGER = 1000
"""Iterations that a stack which learns slowly is given, four times those of the labels."""


class Healed(NamedTuple):
    """A stack that did not train, what was changed, and what became of it.

    Attributes:
        draw: The stack.
        change: The options that the change sets; None where no change was found.
        outcomes: What the changed stack did at the recommended rate, then at those of the labels until one trains;
            where none does, at the best of them for longer.
    """

    draw: Draw
    change: dict[str, object] | None
    outcomes: tuple[Outcome, ...]


def rerun(stack: Stack) -> Report:
    """Run a stack as `grad-flow` does, over the labels of the held-out set's data."""
    data = data_of("held_out")
    loss = Loss("cross-entropy", data.classes, data.train_labels[:SEEN])
    return run_grad_flow(stack, loss, DEFAULT_BUDGET, run_settings(threads=1, theory=False))


def heal(labelled: Labelled) -> Healed:
    """Mend a stack by its statistics at initialization, and train what came of it."""
    chosen, data = SETS["held_out"], data_of("held_out")
    mended = find_fix(rerun(labelled.draw.stack(data)), rerun)
    if mended is None:
        return Healed(labelled.draw, None, ())
    recommended = mended.report.verdict.learning_rate
    outcomes: list[Outcome] = []
    for rate in (*([recommended] if recommended else []), *chosen.rates):
        outcomes.append(outcome_of(mended.change.stack, data, chosen, rate))
        if outcomes[-1].trains:
            break
    if not outcomes[-1].trains:
        best = min(outcomes, key=lambda one: inf if one.loss is None else one.loss)
        outcomes.append(outcome_of(mended.change.stack, data, chosen._replace(iterations=LONGER), best.rate))
    return Healed(labelled.draw, dict(mended.change.options), tuple(outcomes))


def main() -> None:
    """Mend and train stacks of the held-out set that do not train, then of the other, up to 100."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, help="MNIST, as `python -m benchmarks.labels` takes it")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    load(["held_out"], given.data)
    sick = [labelled for name in ("held_out", "fit") for labelled in read(name) if labelled.trains is False][:MOST]
    with multiprocessing.get_context("fork").Pool(given.processes) as pool:
        healed = list(pool.imap(heal, sick))
    lines = [
        json.dumps({"draw": one.draw._asdict(), "change": one.change, "outcomes": [plain(of) for of in one.outcomes]})
        for one in healed
    ]
    (FOLDER / "mended.jsonl").write_text("".join(line + "\n" for line in lines))
    trained = [one for one in healed if any(of.trains for of in one.outcomes)]
    usual = SETS["held_out"].iterations
    soon = sum(any(of.trains and of.iterations <= usual for of in one.outcomes) for one in trained)
    first = sum(one.outcomes[0].trains for one in trained)
    print(f"{len(trained)} of {len(healed)} train after the change, {soon} of them within {usual} iterations, ", end="")
    print(f"{first} at the recommended learning rate")
    print(Counter(", ".join(sorted(one.change or {"nothing": 0})) for one in healed))
    for one in healed:
        if one not in trained:
            print(one)


if __name__ == "__main__":
    main()
