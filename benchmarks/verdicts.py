"""Verdicts at initialization against labels: ours, the rules of other tools, and one number alone.

Run as `python -m benchmarks.verdicts --data mnist.npz`; `--json FILE` keeps the scores.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from itertools import pairwise
from math import inf, log
from pathlib import Path
from typing import NamedTuple

from actdiag.diagnosis.calibration.signals import gradient_rms
from actdiag.engine.losses import Loss
from actdiag.external import JUDGES, judge
from actdiag.report import Report
from benchmarks.labels import SEEN, SETS, data_of, load
from benchmarks.observed import Observed, observed
from benchmarks.rates import grid, known, rounded
from benchmarks.scores import Score, area_under_curve, balanced_accuracy, brier, scored

ONE_NUMBER = 4.75
"""The limit of |ln(rms dL/dz at layer 1 / at the last)| alone."""

BINS = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)


class Row(NamedTuple):
    """What a way to judge scores on the stacks of a set that clearly train or clearly do not."""

    name: str
    accuracy: Score
    area: Score | None
    brier: Score | None


def verdict_row(name: str, stacks: Sequence[Observed], report: Callable[[Observed], Report]) -> Row:
    """Return what our verdict scores."""
    clear = [one for one in stacks if one.labelled.trains is not None]
    trains = [bool(one.labelled.trains) for one in clear]
    verdicts = [report(one).verdict for one in clear]
    probability = [verdict.probability or 0.0 for verdict in verdicts]
    return Row(
        name,
        scored(balanced_accuracy, [bool(verdict.trainable) for verdict in verdicts], trains),
        scored(area_under_curve, probability, trains),
        scored(brier, probability, trains),
    )


def one_number_row(stacks: Sequence[Observed]) -> Row:
    """Return what the ratio of the gradients alone scores."""
    clear = [one for one in stacks if one.labelled.trains is not None]
    trains = [bool(one.labelled.trains) for one in clear]
    number = [-abs(gradient_of(one.measured)) for one in clear]
    return Row(
        f"|ln(rms dL/dz first / last)| < {ONE_NUMBER}",
        scored(balanced_accuracy, [value > -ONE_NUMBER for value in number], trains),
        scored(area_under_curve, number, trains),
        None,
    )


def gradient_of(report: Report) -> float:
    """Return ln of the rms of dL/dz at layer 1 over that at the last layer; inf where there is none."""
    rms = gradient_rms(report.measurements)
    return log(rms[1]) if rms and rms[1] else inf


def judge_rows(set_name: str, stacks: Sequence[Observed]) -> list[Row]:
    """Return what the published rules of other tools score on the same runs."""
    data = data_of(set_name)
    loss = Loss("cross-entropy", data.classes, data.train_labels[:SEEN])
    clear = [one for one in stacks if one.labelled.trains is not None]
    trains = [bool(one.labelled.trains) for one in clear]
    judged = [judge(one.measured.stack, loss, JUDGES, threads=1) for one in clear]
    return [
        Row(name, scored(balanced_accuracy, [of[at].healthy for of in judged], trains), None, None)
        for at, name in enumerate(JUDGES)
    ]


def at_risk_in_between(stacks: Sequence[Observed]) -> tuple[int, int]:
    """Return how many stacks that train slowly are called at risk, and how many there are."""
    slow = [one for one in stacks if one.labelled.trains is None]
    return sum(one.measured.verdict.severity == "at-risk" for one in slow), len(slow)


def calibration(stacks: Sequence[Observed]) -> list[tuple[float, float, int, float]]:
    """Return (low, high, stacks, share that trains) for bins of the probability; slow stacks count half."""
    rows = []
    for low, high in pairwise(BINS):
        held = [
            0.5 if one.labelled.trains is None else float(one.labelled.trains)
            for one in stacks
            if low <= (probability := one.measured.verdict.probability or 0.0) < high or probability == high == 1
        ]
        rows.append((low, high, len(held), sum(held) / len(held) if held else 0.0))
    return rows


def recommended(set_name: str, stacks: Sequence[Observed]) -> tuple[int, int, int]:
    """Return of the stacks called trainable: how many train at the recommended rate, at any of the finer grid; all."""
    outcomes = known(set_name)
    right = possible = called = 0
    for one in stacks:
        rate = one.measured.verdict.learning_rate
        if rate is None:
            continue
        called += 1
        draw = one.labelled.draw
        own = outcomes[draw, rounded(rate)].trains
        rates = {*grid(SETS[set_name]), *SETS[set_name].rates}
        found = [outcomes[draw, other] for other in rates if (draw, other) in outcomes]
        right += own
        possible += own or any(outcome.trains for outcome in found)
    return right, possible, called


def main() -> None:
    """Score, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, help="MNIST, as `python -m benchmarks.labels` takes it")
    parser.add_argument("--only", default=",".join(SETS), help="sets, with commas between")
    parser.add_argument("--json", help="a file for the scores")
    given = parser.parse_args()
    names = given.only.split(",")
    load(names, given.data)
    kept: dict[str, object] = {}
    for name in names:
        stacks = observed(name)
        trains = sum(one.labelled.trains is True for one in stacks)
        clear = sum(one.labelled.trains is not None for one in stacks)
        slow = len(stacks) - clear
        print(f"\n{name}: {len(stacks)} stacks, {trains} train, {clear - trains} do not, {slow} in between")
        kept[name] = None
        if trains in (0, clear):
            right = sum(one.measured.verdict.trainable is one.labelled.trains for one in stacks)
            print(f"all alike, {right} of {clear} called so")
            continue
        rows = [
            verdict_row("actdiag grad-flow", stacks, lambda one: one.measured),
            verdict_row("actdiag propagate (estimated)", stacks, lambda one: one.estimated),
            one_number_row(stacks),
            *(judge_rows(name, stacks) if name in ("fit", "held_out") else []),
        ]
        for row in rows:
            print(f"| {row.name} | {row.accuracy} | {row.area or '-'} | {row.brier or '-'} |")
        at_risk, between = at_risk_in_between(stacks)
        print(f"at risk of those in between: {at_risk} of {between}")
        kept[name] = [row._asdict() for row in rows]
        if name == "held_out":
            for low, high, count, share in calibration(stacks):
                print(f"probability {low:.2f} to {high:.2f}: {count} stacks, {share:.2f} train")
            right, possible, called = recommended(name, stacks)
            print(f"the recommended rate trains {right} of {possible} that any rate trains; {called} called trainable")
    if given.json:
        Path(given.json).write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
