"""Verdicts at initialization against labels: ours, the rules of other tools, and one number alone.

Run as `python -m benchmarks.verdicts --data mnist.npz`; `--json FILE` keeps the scores.
"""

import argparse
import json
import warnings
from collections.abc import Callable, Sequence
from itertools import pairwise
from math import inf, log
from pathlib import Path
from typing import NamedTuple

from actdiag.diagnosis.calibration.signals import gradient_rms
from actdiag.engine.losses import Loss
from actdiag.external import JUDGES, judge
from actdiag.report import Report
from benchmarks.cases import HELD_OUT, MEASURED_ROWS, TRAINS, data_of, load_mnist
from benchmarks.observed import Observed, observed
from benchmarks.rates import known
from benchmarks.scores import Score, area_under_curve, balanced_accuracy, brier, scored

ONE_NUMBER = 4.75
"""The limit of |ln(rms dL/dz at layer 1 / at the last)| alone."""

BINS = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)


class Row(NamedTuple):
    """What a way to judge scores on the networks of a group that clearly train or clearly do not."""

    name: str
    accuracy: Score
    area: Score | None
    brier: Score | None


def clear_of(networks: Sequence[Observed]) -> list[Observed]:
    """Return those that clearly train or clearly do not, and of which there is a verdict."""
    return [one for one in networks if one.labelled.trains is not None and one.measured.verdict.severity != "unknown"]


def verdict_row(name: str, networks: Sequence[Observed], report: Callable[[Observed], Report]) -> Row:
    """Return what our verdict scores."""
    clear = clear_of(networks)
    trains = [bool(one.labelled.trains) for one in clear]
    verdicts = [report(one).verdict for one in clear]
    probability = [verdict.probability or 0.0 for verdict in verdicts]
    return Row(
        name,
        scored(balanced_accuracy, [bool(verdict.trainable) for verdict in verdicts], trains),
        scored(area_under_curve, probability, trains),
        scored(brier, probability, trains),
    )


def one_number_row(networks: Sequence[Observed]) -> Row:
    """Return what the ratio of the gradients alone scores."""
    clear = clear_of(networks)
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


def judge_rows(networks: Sequence[Observed]) -> list[Row]:
    """Return what the published rules of other tools score on the same runs."""
    clear = clear_of(networks)
    trains = [bool(one.labelled.trains) for one in clear]
    judged = []
    for one in clear:
        case, data = one.labelled.case, data_of(one.labelled.case.data)
        loss = Loss(case.loss, data.classes, data.train_labels[:MEASURED_ROWS])
        judged.append(judge(one.measured.stack, loss, JUDGES, threads=1))
    return [
        Row(name, scored(balanced_accuracy, [of[at].healthy for of in judged], trains), None, None)
        for at, name in enumerate(JUDGES)
    ]


def at_risk_in_between(networks: Sequence[Observed]) -> tuple[int, int]:
    """Return how many networks that train slowly are called at risk, and how many there are."""
    slow = [one for one in networks if one.labelled.trains is None]
    return sum(one.measured.verdict.severity == "at-risk" for one in slow), len(slow)


def calibration(networks: Sequence[Observed]) -> list[tuple[float, float, int, float]]:
    """Return (low, high, networks, share that trains) for bins of the probability; slow networks count half."""
    rows = []
    for low, high in pairwise(BINS):
        held = [
            0.5 if one.labelled.trains is None else float(one.labelled.trains)
            for one in networks
            if low <= (probability := one.measured.verdict.probability or 0.0) < high or probability == high == 1
        ]
        rows.append((low, high, len(held), sum(held) / len(held) if held else 0.0))
    return rows


def recommended(name: str, networks: Sequence[Observed]) -> tuple[int, int, int]:
    """Return how many networks train at their recommended rate, how many of them at any, and how many have one.

    Those whose recommended rate `benchmarks.rates` has not trained yet are left out.
    """
    outcomes = known(name)
    right = possible = called = 0
    for one in networks:
        rate, labelled = one.measured.verdict.learning_rate, one.labelled
        if rate is None or (labelled.case, rate) not in outcomes:
            continue
        loss = outcomes[labelled.case, rate].loss
        trains = loss is not None and loss < TRAINS * labelled.chance
        called += 1
        right += trains
        possible += trains or labelled.trains is True
    return right, possible, called


def main() -> None:
    """Score, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, help="MNIST, as `python -m benchmarks.cases` takes it")
    parser.add_argument("--only", default=",".join(HELD_OUT), help="groups, with commas between")
    parser.add_argument("--json", help="a file for the scores")
    given = parser.parse_args()
    load_mnist(given.data)
    kept: dict[str, object] = {}
    for name in given.only.split(","):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # of networks that overflow
            networks = list(observed(name))
        kept[name] = _show(name, networks)
    if given.json:
        Path(given.json).write_text(json.dumps(kept, indent=1) + "\n")


def _show(name: str, networks: Sequence[Observed]) -> list[dict[str, object]] | None:
    """Print the scores of a group and return them; None where it has networks of one kind only."""
    clear = clear_of(networks)
    trains = sum(one.labelled.trains is True for one in clear)
    slow = sum(one.labelled.trains is None for one in networks)
    unknown = len(networks) - len(clear) - slow
    counts = f"{trains} train, {len(clear) - trains} do not, {slow} in between, {unknown} without a verdict"
    print(f"\n{name}: {len(networks)} networks, {counts}")
    if trains in (0, len(clear)):
        return None
    rows = [
        verdict_row("actdiag grad-flow", networks, lambda one: one.measured),
        verdict_row("actdiag propagate (estimated)", networks, lambda one: one.estimated),
        one_number_row(networks),
        *(judge_rows(networks) if name in ("earlier", "plain") else []),
    ]
    for row in rows:
        print(f"| {row.name} | {row.accuracy} | {row.area or '-'} | {row.brier or '-'} |")
    at_risk, between = at_risk_in_between(networks)
    print(f"at risk of those in between: {at_risk} of {between}")
    for low, high, count, share in calibration(networks):
        print(f"probability {low:.2f} to {high:.2f}: {count} networks, {share:.2f} train")
    right, possible, called = recommended(name, networks)
    print(f"the recommended rate trains {right} of {possible} that any rate trains; {called} called trainable")
    return [row._asdict() for row in rows]


if __name__ == "__main__":
    main()
