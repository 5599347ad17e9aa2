"""The fit of the verdict to trained networks: writes actdiag/diagnosis/calibration/fitted.py.

Run as `python -m benchmarks.fitting --data mnist.npz`, after `python -m benchmarks.cases --only fit`.
"""

import argparse
import warnings
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from math import log
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

import actdiag
from actdiag.diagnosis.calibration.domain import task_of
from actdiag.diagnosis.calibration.features import Features, features, tolerated
from actdiag.diagnosis.calibration.signals import signals
from actdiag.report import Report
from benchmarks import cases, rates
from benchmarks.cases import Outcome
from benchmarks.observed import Observed, observed
from benchmarks.scores import Floats, Score, area_under_curve, balanced_accuracy, scored

FITTED = Path(actdiag.__file__).parent / "diagnosis" / "calibration" / "fitted.py"

GROUPS = ("stacks", "fit", "fit_deep")
"""The groups of cases that the fit is made from."""

_KINDS = ("cases", "rates")
_THE_SAME = 0.12
"""How near two learning rates are, as ln of their ratio, that one stands for the other."""

_SLOWER = 0.9
"""The power with which iterations grow as a learning rate falls."""

_HALF_DECADE = 10**0.5

_RIDGE = 0.05
"""Of the sum of squares of the weights of features of std 1: so much that none runs off where classes are separable."""


def labels() -> list[Path]:
    """Return the files that the fit is made from."""
    paths = [*map(cases.path_of, GROUPS), *map(rates.path_of, GROUPS)]
    return [path for path in paths if path.exists()]


class Row(NamedTuple):
    """A network that was trained, as the fit sees it.

    Attributes:
        optimizer: What trained it.
        features: The features of a run with a backward pass and of one without, those that are known.
        steep: ln of the curvature over the tolerated one; None where it is not known.
        depth: The number of layers.
        target: What the probability should be: 1, 0, or a half in between.
        outcomes: By learning rate, whether it trained, and after how many iterations.
        iterations: How many it was allowed.
    """

    optimizer: str
    features: tuple[Features, ...]
    steep: float | None
    depth: int
    target: float
    outcomes: Mapping[float, tuple[bool, int]]
    iterations: int


def row_of(one: Observed, trained: Sequence[Outcome] = ()) -> Row:
    """Return an observed network as the fit sees it.

    Args:
        one: The network.
        trained: What became of it at learning rates beyond those of its labels.
    """
    labelled = one.labelled
    outcomes = (*labelled.outcomes, *trained)
    alike = labelled.case.loss == "cross-entropy"  # which a run without a backward pass takes it to be
    reports = (one.measured, one.estimated) if alike else (one.measured,)
    found = [pair for pair in map(_features, reports) if pair is not None]
    return Row(
        optimizer=task_of(one.measured.measurements).optimizer,
        features=tuple(of for of, _ in found),
        steep=found[0][1] if found else None,
        depth=labelled.case.depth,
        target=0.5 if labelled.trains is None else float(labelled.trains),
        outcomes={outcome.rate: (labelled.trains_with(outcome), outcome.iterations) for outcome in outcomes},
        iterations=labelled.case.iterations,
    )


def _features(report: Report) -> tuple[Features, float] | None:
    found, task = signals(report.measurements), task_of(report.measurements)
    if found is None or found.curvature is None:
        return None
    return features(found, task), found.curvature - log(tolerated(task))


def fit_odds(found: Floats, wanted: Floats) -> tuple[float, Floats]:
    """Return intercept and weights of the logistic regression, shape (features,), all weights at most 0."""
    spread = found.std(axis=0) + 1e-12

    def loss(at: Floats) -> tuple[float, Floats]:
        odds = at[0] + found / spread @ at[1:]
        probability = expit(odds)
        value = float(np.sum(np.logaddexp(0, odds) - wanted * odds) + _RIDGE * np.sum(at[1:] ** 2))
        missed = probability - wanted
        return value, np.append(missed.sum(), (found / spread).T @ missed + 2 * _RIDGE * at[1:])

    bounds = [(None, None)] + [(None, 0.0)] * found.shape[1]
    best = minimize(loss, np.zeros(found.shape[1] + 1), jac=True, method="L-BFGS-B", bounds=bounds)
    return float(best.x[0]), best.x[1:] / spread


def fit_rate(trained: Sequence[Row]) -> tuple[float, float, float, float]:
    """Return (intercept, slope, most, steepest) of the learning rates that suit the most networks that train.

    They are min(exp(intercept + slope steep), most, steepest / depth).
    """
    steep = np.array([row.steep for row in trained])
    depth = np.array([row.depth for row in trained])
    grid = np.arange(-14.0, 1.5, 0.02)
    suited = np.array([[suits(rate, row) for rate in np.exp(grid)] for row in trained])
    which = np.arange(len(trained))
    best, chosen = -1, (0.0, 0.0, 0.0, 0.0)
    tops = (1e-3, 3e-3, 0.01, 0.03, 0.1, 0.2, 0.3, 1.0)
    for most, slope, steepest in product(tops, np.arange(-0.8, 0.01, 0.1), (0.01, 0.03, 0.1, 0.3, 1.0, 2.0, 5.0)):
        highest = np.log(np.minimum(most, steepest / depth))
        for intercept in np.arange(-8.0, 0.5, 0.25):
            rates = np.minimum(intercept + slope * steep, highest)
            count = int(suited[which, np.searchsorted(grid, rates).clip(0, len(grid) - 1)].sum())
            if count > best:
                best, chosen = count, (float(intercept), float(slope), most, steepest)
    return chosen


def suits(rate: float, row: Row) -> bool:
    """Return whether a learning rate is expected to train a network, by what is known of others.

    Under a rate that trains, the iterations that it takes grow as the rate falls; over the largest that trains, half of
    the half decade to the next is granted.
    """
    nearest = min(row.outcomes, key=lambda known: abs(log(known / rate)))
    if abs(log(nearest / rate)) < _THE_SAME:
        return row.outcomes[nearest][0]
    trained = [known for known, (trains, _) in row.outcomes.items() if trains]
    over = [known for known in trained if known >= rate]
    if over:
        return bool(row.outcomes[min(over)][1] * (min(over) / rate) ** _SLOWER <= row.iterations)
    return bool(rate <= max(trained) * _HALF_DECADE**0.5)


class Fit(NamedTuple):
    """The numbers of one optimizer: of the odds, of the features of what trains, and of the learning rate."""

    intercept: float
    weights: Floats
    typical: Floats
    rate: tuple[float, float, float, float]


def fit(of_optimizer: Sequence[Row]) -> Fit:
    """Return the fit to the networks that one optimizer trained."""
    pairs = [(one, row.target) for row in of_optimizer for one in row.features]
    found = np.array([one for one, _ in pairs], dtype=np.float64)
    wanted = np.array([target for _, target in pairs])
    intercept, weights = fit_odds(found, wanted)
    trained = [row for row in of_optimizer if row.target == 1 and row.steep is not None]
    return Fit(intercept, weights, found[wanted == 1].mean(axis=0), fit_rate(trained))


_FOLDS = 10


def crossed(of_optimizer: Sequence[Row]) -> tuple[Score, Score] | None:
    """Return balanced accuracy and area under the curve, each network judged by a fit to nine tenths without it.

    The features are those of a run with a backward pass. None without networks of both kinds.
    """
    order = np.random.default_rng(0).permutation(len(of_optimizer))
    probability = np.zeros(len(of_optimizer))
    for fold in np.array_split(order, _FOLDS):
        others = np.setdiff1d(order, fold)
        pairs = [(one, of_optimizer[at].target) for at in others for one in of_optimizer[at].features]
        intercept, weights = fit_odds(np.array([one for one, _ in pairs]), np.array([target for _, target in pairs]))
        for at in fold:
            known = of_optimizer[at].features
            probability[at] = expit(intercept + np.array(known[0]) @ weights) if known else 0.0
    clear = [at for at, row in enumerate(of_optimizer) if row.target != 0.5]
    trains = [of_optimizer[at].target == 1 for at in clear]
    if len(set(trains)) < 2:
        return None
    said = probability[clear]
    return scored(balanced_accuracy, list(said >= 0.5), trains), scored(area_under_curve, list(said), trains)


def module(fits: Mapping[str, Fit]) -> str:
    """Return the source of fitted.py."""
    kinds = {
        kind: [path.stem.removeprefix(f"{kind}_") for path in labels() if path.stem.startswith(kind)] for kind in _KINDS
    }
    files = " and\n".join(f"{kind}_* of {', '.join(names)}" for kind, names in kinds.items() if names)
    odds = {name: {"intercept": one.intercept, **_named(one.weights)} for name, one in fits.items()}
    typical = {name: _named(one.typical) for name, one in fits.items()}
    of_rates = "\n".join(
        f'    "{name}": {tuple(float(f"{value:.4g}") for value in one.rate)},' for name, one in fits.items()
    )
    ranges = {
        "depth": cases.DEPTHS,
        "width": cases.WIDTHS,
        "features": cases.FEATURES,
        "classes": cases.CLASSES,
        "iterations": cases.ITERATIONS,
    }
    drawn = "\n".join(f'    "{name}": {ends},' for name, ends in ranges.items())
    return f'''"""The numbers of the fit, written by `python -m benchmarks.fitting`."""

from collections.abc import Mapping

LABELS_SHA256 = "{cases.digest(*labels())}"
"""Of the labels that they were fitted to, in benchmarks/labels: {files}."""

RANGES: Mapping[str, tuple[int, int]] = {{
{drawn}
}}
"""The ranges that the networks were drawn from."""

FITS: Mapping[str, Mapping[str, float]] = {{
{_lines(odds)}
}}
"""The log odds of training by each optimizer: an intercept, and a weight for each feature."""

TYPICAL: Mapping[str, Mapping[str, float]] = {{
{_lines(typical)}
}}
"""The mean features of the networks that train."""

RATES: Mapping[str, tuple[float, float, float, float]] = {{
{of_rates}
}}
"""Of the recommended learning rates: intercept and slope of their logarithm in that of the curvature, the largest, and
the largest product with the depth."""
'''


def _rows(name: str) -> Iterator[Row]:
    """Yield the networks of a group as the fit sees them, with what they did at the rates that were recommended."""
    trained = rates.trained(name)
    for one in observed(name):
        yield row_of(one, trained.get(one.labelled.case, ()))


def _named(values: Floats) -> dict[str, float]:
    return dict(zip(Features._fields, map(float, values), strict=True))


def _lines(numbers: Mapping[str, Mapping[str, float]]) -> str:
    """Return mappings as lines of source, a number each."""
    found = []
    for name, values in numbers.items():
        found += [f'    "{name}": {{', *(f'        "{key}": {value:.4g},' for key, value in values.items()), "    },"]
    return "\n".join(found)


def main() -> None:
    """Fit, and write the numbers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, help="MNIST, as `python -m benchmarks.cases` takes it")
    given = parser.parse_args()
    cases.load_mnist(given.data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of networks that overflow
        found = [row for name in GROUPS for row in _rows(name)]
    fits = {name: fit([row for row in found if row.optimizer == name]) for name in cases.OPTIMIZERS}
    FITTED.write_text(module(fits))
    print(FITTED.read_text())
    for name in cases.OPTIMIZERS:
        own = [row for row in found if row.optimizer == name]
        scores = crossed(own)
        print(f"{name}: {len(own)} networks, {sum(row.target == 1 for row in own)} train", end="")
        print("" if scores is None else f"; ten-fold: balanced accuracy {scores[0]}, area under the curve {scores[1]}")


if __name__ == "__main__":
    main()
