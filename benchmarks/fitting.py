"""The fit of the verdict to labelled stacks: writes actdiag/diagnosis/fitted.py.

Run as `python -m benchmarks.fitting --data mnist.npz`, after `python -m benchmarks.labels` and `python -m
benchmarks.rates --set fit`.
"""

import argparse
from math import log
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

import actdiag
from actdiag.diagnosis.signals import Signals, signals
from actdiag.diagnosis.trainability import Features, features
from benchmarks.labels import Labelled, load, read
from benchmarks.observed import Observed, observed, run_of
from benchmarks.rates import largest_that_trains
from benchmarks.scores import Floats

FITTED = Path(actdiag.__file__).parent / "diagnosis" / "fitted.py"

_NOT_TOO_SMALL = 8.0
"""How far a learning rate may be under the largest that trains."""

_PRICE_OF_DIVERGING = 2.0
"""How much worse a learning rate over the largest that trains is than one too far under it: one diverges, one waits."""

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


def fit_rate(curvatures: Floats, largest: Floats) -> tuple[float, float, float]:
    """Return (intercept, slope, most) of the learning rates min(exp(intercept + slope curvature), most).

    They are those that suit the most stacks: under the largest rate that trains a stack, but not so far under that its
    steps do too little.

    Args:
        curvatures: ln of the curvature of stacks that train, shape (stacks,).
        largest: The largest learning rate of the finer grid that trains each.
    """
    best, chosen = -np.inf, (0.0, 0.0, 0.0)
    for most in np.log((0.1, 0.15, 0.2, 0.3)):
        for slope in np.arange(-0.8, -0.19, 0.05):
            for bend in np.arange(2.0, 12.1, 0.25):  # the curvature over which rates fall
                rates = most + np.minimum(slope * (curvatures - bend), 0.0)
                room = np.log(largest) - rates
                over = room < -1e-9
                suited = np.mean(~over & (room <= log(_NOT_TOO_SMALL))) - _PRICE_OF_DIVERGING * np.mean(over)
                if suited > best:
                    best, chosen = suited, (float(most - slope * bend), float(slope), float(np.exp(most)))
    return chosen


def main() -> None:
    """Fit, and write the numbers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, help="MNIST, as `python -m benchmarks.labels` takes it")
    load(["fit"], parser.parse_args().data)
    known: list[tuple[Observed, Signals, Features]] = []
    for one in observed("fit"):
        # Both with a backward pass and without: the same numbers serve either.
        for report in (one.measured, one.estimated):
            found = signals(run_of(report))
            if found is not None:
                known.append((one, found, features(found, report.stack.depth)))
    rows = np.array([row for _, _, row in known])
    wanted = np.array([target(one.labelled) for one, _, _ in known])
    intercept, weights = fit_odds(rows, wanted)
    typical = rows[wanted == 1].mean(axis=0)
    largest = largest_that_trains("fit")
    trained = [(found, largest[one.labelled.draw]) for one, found, _ in known if one.labelled.draw in largest]
    rate = fit_rate(np.array([found.curvature for found, _ in trained]), np.array([rate for _, rate in trained]))
    FITTED.write_text(_module(intercept, weights, typical, rate))
    print(FITTED.read_text())
    print(f"{len(read('fit'))} stacks, {len(rows)} runs whose signal arrives")


def _module(intercept: float, weights: Floats, typical: Floats, rate: tuple[float, float, float]) -> str:
    def named(values: Floats) -> str:
        return ", ".join(f'"{name}": {value:.4g}' for name, value in zip(Features._fields, values, strict=True))

    return f'''"""The numbers of the fit, written by `python -m benchmarks.fitting`."""

INTERCEPT = {intercept:.4g}
WEIGHTS = {{{named(weights)}}}
TYPICAL = {{{named(typical)}}}
RATE_INTERCEPT, RATE_SLOPE, RATE_MOST = {rate[0]:.4g}, {rate[1]:.4g}, {rate[2]:.4g}
'''


if __name__ == "__main__":
    main()
