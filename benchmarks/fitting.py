"""The fit of the verdict to labelled stacks: writes actdiag/diagnosis/calibration/fitted.py.

Run as `python -m benchmarks.fitting --data mnist.npz`, after `python -m benchmarks.labels` and `python -m
benchmarks.rates --set fit`.
"""

import argparse
from collections import defaultdict
from collections.abc import Mapping, Sequence
from math import log
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

import actdiag
from actdiag.diagnosis.calibration.signals import Signals, signals
from actdiag.diagnosis.calibration.trainability import Features, features
from benchmarks.labels import SETS, Draw, Labelled, Outcome, digest, load, read
from benchmarks.observed import Observed, observed
from benchmarks.rates import HALF_DECADE
from benchmarks.rates import known as known_outcomes
from benchmarks.scores import Floats

FITTED = Path(actdiag.__file__).parent / "diagnosis" / "calibration" / "fitted.py"

LABELS = ("fit", "fit_rates")
"""The files of labels that the fit is made from."""

_THE_SAME = 0.12
"""How near two learning rates are, as ln of their ratio, that one stands for the other."""

_SLOWER = 0.9
"""The power with which iterations grow as a learning rate falls."""

_RIDGE = 0.05
"""Of the sum of squares of the weights of features of std 1: so much that none runs off where classes are separable."""


def target(labelled: Labelled) -> float:
    """Return what the probability should be: 1, 0, or a half in between."""
    return 0.5 if labelled.trains is None else float(labelled.trains)


def fit_odds(rows: Floats, wanted: Floats) -> tuple[float, Floats]:
    """Return intercept and weights of the logistic regression, shape (features,), all weights at most 0."""
    spread = rows.std(axis=0) + 1e-12

    def loss(at: Floats) -> tuple[float, Floats]:
        odds = at[0] + rows / spread @ at[1:]
        probability = 1 / (1 + np.exp(-odds))
        value = float(np.sum(np.logaddexp(0, odds) - wanted * odds) + _RIDGE * np.sum(at[1:] ** 2))
        missed = probability - wanted
        return value, np.append(missed.sum(), (rows / spread).T @ missed + 2 * _RIDGE * at[1:])

    bounds = [(None, None)] + [(None, 0.0)] * rows.shape[1]
    found = minimize(loss, np.zeros(rows.shape[1] + 1), jac=True, method="L-BFGS-B", bounds=bounds)
    return float(found.x[0]), found.x[1:] / spread


def fit_rate(curvatures: Floats, outcomes: Sequence[Mapping[float, Outcome]]) -> tuple[float, float, float]:
    """Return (intercept, slope, most) of the learning rates min(exp(intercept + slope curvature), most).

    They are those that suit the most stacks.

    Args:
        curvatures: ln of the curvature of stacks that train, shape (stacks,).
        outcomes: What became of each at the learning rates that it was trained at.
    """
    best, chosen = -1, (0.0, 0.0, 0.0)
    for most in (0.1, 0.15, 0.2, 0.3):
        for slope in np.arange(-0.6, -0.19, 0.05):
            for intercept in np.arange(-1.4, 0.5, 0.1):
                rates = np.minimum(np.exp(intercept + slope * curvatures), most)
                suited = sum(suits(rate, known) for rate, known in zip(rates, outcomes, strict=True))
                if suited > best:
                    best, chosen = suited, (float(intercept), float(slope), most)
    return chosen


def suits(rate: float, outcomes: Mapping[float, Outcome]) -> bool:
    """Return whether a learning rate is expected to train a stack, by what is known of others.

    Under a rate that trains, the iterations that it takes grow as the rate falls; over the largest that trains, half of
    the half decade to the next is granted.
    """
    nearest = min(outcomes, key=lambda known: abs(log(known / rate)))
    if abs(log(nearest / rate)) < _THE_SAME:
        return outcomes[nearest].trains
    trained = [known for known, one in outcomes.items() if one.trains]
    over = [known for known in trained if known >= rate]
    if over:
        return bool(outcomes[min(over)].iterations * (min(over) / rate) ** _SLOWER <= SETS["fit"].iterations)
    return bool(rate <= max(trained) * HALF_DECADE**0.5)


def main() -> None:
    """Fit, and write the numbers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, help="MNIST, as `python -m benchmarks.labels` takes it")
    load(["fit"], parser.parse_args().data)
    known: list[tuple[Observed, Signals, Features]] = []
    for one in observed("fit"):
        # Both with a backward pass and without: the same numbers serve either.
        for report in (one.measured, one.estimated):
            found = signals(report.measurements)
            if found is not None:
                known.append((one, found, features(found, report.stack.depth)))
    rows = np.array([row for _, _, row in known])
    wanted = np.array([target(one.labelled) for one, _, _ in known])
    intercept, weights = fit_odds(rows, wanted)
    typical = rows[wanted == 1].mean(axis=0)
    outcomes: dict[Draw, dict[float, Outcome]] = defaultdict(dict)
    for (draw, at), outcome in known_outcomes("fit").items():
        outcomes[draw][at] = outcome
    trained = [(found.curvature, outcomes[one.labelled.draw]) for one, found, _ in known if one.labelled.trains]
    rate = fit_rate(np.array([curvature for curvature, _ in trained]), [of for _, of in trained])
    FITTED.write_text(module(intercept, weights, typical, rate))
    print(FITTED.read_text())
    print(f"{len(read('fit'))} stacks, {len(rows)} runs whose signal is not lost")


def module(intercept: float, weights: Floats, typical: Floats, rate: tuple[float, float, float]) -> str:
    """Return the source of fitted.py.

    Args:
        intercept: Of the log odds.
        weights: Of the features.
        typical: The mean features of the stacks that train.
        rate: Intercept, slope and largest value of the recommended learning rate.
    """

    def named(values: Floats) -> str:
        return ", ".join(f'"{name}": {value:.4g}' for name, value in zip(Features._fields, values, strict=True))

    return f'''"""The numbers of the fit, written by `python -m benchmarks.fitting`."""

LABELS_SHA256 = "{digest(*LABELS)}"
"""Of the labels that they were fitted to: {", ".join(f"benchmarks/labels/{name}.jsonl" for name in LABELS)}."""

INTERCEPT = {intercept:.4g}
WEIGHTS = {{{named(weights)}}}
TYPICAL = {{{named(typical)}}}
RATE_INTERCEPT, RATE_SLOPE, RATE_MOST = {rate[0]:.4g}, {rate[1]:.4g}, {rate[2]:.4g}
'''


if __name__ == "__main__":
    main()
