"""What became of a training run, in a word."""

from math import sqrt
from typing import Literal, NamedTuple, TypeAlias, get_args

import numpy as np

from actdiag.arrays import Counts, Doubles

Outcome = Literal["learned", "slow", "did not learn", "diverged", "memorized"]

OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)

LEARNED, STUCK = 0.434, 0.955
"""Shares of the chance level that the training loss of a run which learned is under and of one which did not is over.

Of ten classes that are equally frequent these are losses of 1.0 and 2.2, between which neither is clear.
"""

_LEVEL, _ONE_SIDED = 0.05, 1.645
"""How often an advantage that is not there is called clear; the standard errors over 0 that a normal one is then."""


Labels: TypeAlias = Counts | Doubles
"""Classes, or the targets of regression, shape (rows,)."""


def is_regression(labels: Labels) -> bool:
    """Return whether labels are the targets of regression."""
    return labels.dtype.kind == "f"


def chance_of(labels: Labels, classes: int, loss: str) -> float:
    """Return the loss of the best prediction that needs no input: the chance level.

    It is the entropy of the labels that are there under cross-entropy, and the variance of the targets, one-hot where
    labels are classes, under mse.
    """
    if is_regression(labels):
        return float(np.var(labels))
    shares = np.bincount(labels, minlength=classes) / len(labels)
    if loss == "mse":
        return float((shares * (1 - shares)).sum() / classes)
    there = shares[shares > 0]
    return float(-(there * np.log(there)).sum())


def best_guess(labels: Labels) -> float:
    """Return what is best predicted without any input: the commonest class, or the mean of the targets."""
    return float(np.mean(labels)) if is_regression(labels) else float(np.bincount(labels).argmax())


class Advantage(NamedTuple):
    """How much better test rows are predicted than by what needs no input.

    That is the commonest class of the training rows, or the mean of their targets.

    Attributes:
        mean: In classification the accuracy beyond that of the commonest class; in regression by how much the mean
            squared error is smaller. None where it is not finite.
        error: The standard error of `mean`, from the rows; None for a single row.
        better: The rows that are right where the commonest class is wrong; None in regression.
        worse: The rows that are wrong where the commonest class is right; None in regression.
    """

    mean: float | None
    error: float | None
    better: int | None = None
    worse: int | None = None

    @property
    def is_clear(self) -> bool:
        """Whether chance alone would give it to fewer than one of twenty sets of as many rows.

        In classification by the exact one-sided sign test on the rows that differ, which holds for few of them; in
        regression by the normal bound on the mean.
        """
        if self.mean is None or self.mean <= 0:
            return False
        if self.better is None or self.worse is None:
            return self.error is not None and self.mean > _ONE_SIDED * self.error
        from scipy.special import betainc

        # The chance of so many heads or more among better + worse tosses of a fair coin.
        return bool(betainc(self.better, self.worse + 1, 0.5) < _LEVEL)


def advantage_of(gains: Doubles, regression: bool) -> Advantage:
    """Return the advantage from that of each test row, shape (rows,): in classification -1, 0 or 1."""
    if not np.isfinite(gains).all():
        return Advantage(None, None)
    error = float(gains.std(ddof=1)) / sqrt(len(gains)) if len(gains) > 1 else None
    mean = float(gains.mean())
    if regression:
        return Advantage(mean, error)
    return Advantage(mean, error, int((gains > 0).sum()), int((gains < 0).sum()))


def outcome_of(final_loss: float | None, chance: float, advantage: Advantage | None = None) -> Outcome:
    """Return what became of a run.

    Args:
        final_loss: The mean of the last losses; None of a run that diverged.
        chance: The loss of a guess by the frequencies of the labels, or of the mean of the targets; over 0.
        advantage: Over what needs no input, on the test rows; None where no row was left to test on.
    """
    if final_loss is None:
        return "diverged"
    share = final_loss / chance
    if share > STUCK:
        return "did not learn"
    if share >= LEARNED:
        return "slow"
    return "learned" if advantage is None or advantage.is_clear else "memorized"
