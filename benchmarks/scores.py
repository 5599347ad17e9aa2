"""How well verdicts agree with labels: balanced accuracy, area under the curve, Brier score, with 95 % intervals."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_RESAMPLES = 2000


class Score(NamedTuple):
    """A score and the 95 % interval of it over stacks drawn again."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """Return the score with its interval."""
        return f"{self.value:.4f} ({self.low:.4f} to {self.high:.4f})"


def balanced_accuracy(said: Floats, trains: Floats) -> float:
    """Return the mean of the shares of stacks that train and that do not which were called so.

    Args:
        said: 1 where a stack was called trainable, else 0, shape (stacks,).
        trains: 1 where it trains, else 0.
    """
    return float((said[trains == 1].mean() + (1 - said[trains == 0]).mean()) / 2)


def area_under_curve(odds: Floats, trains: Floats) -> float:
    """Return the chance that a stack that trains has larger odds than one that does not, ties counted half."""
    over, under = odds[trains == 1][:, np.newaxis], odds[trains == 0]
    return float(np.mean(over > under) + np.mean(over == under) / 2)


def brier(probability: Floats, trains: Floats) -> float:
    """Return the mean square of the difference between probability and outcome."""
    return float(np.mean((probability - trains) ** 2))


def scored(score: Callable[[Floats, Floats], float], said: Sequence[float], trains: Sequence[bool]) -> Score:
    """Return a score with its bootstrap interval, drawn within those that train and within those that do not."""
    rng = np.random.default_rng(0)
    said_of, truth = np.asarray(said, dtype=np.float64), np.asarray(trains, dtype=np.float64)
    groups = [np.flatnonzero(truth == label) for label in (0, 1)]
    found = []
    for _ in range(_RESAMPLES):
        rows = np.concatenate([rng.choice(group, len(group)) for group in groups])
        found.append(score(said_of[rows], truth[rows]))
    low, high = (float(end) for end in np.quantile(found, (0.025, 0.975)))
    return Score(score(said_of, truth), low, high)
