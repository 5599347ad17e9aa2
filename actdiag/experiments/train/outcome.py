"""What became of a training run, in a word."""

from math import log
from typing import Literal

Outcome = Literal["learned", "slow", "did not learn", "diverged"]

LEARNED, STUCK = 1.0 / log(10), 2.2 / log(10)
"""Shares of the loss of a guess, ln(classes), that a run which learned is under and one which did not is over.

Of ten classes these are losses of 1.0 and 2.2, between which neither is clear.
"""


def outcome_of(final_loss: float | None, classes: int) -> Outcome:
    """Return what the mean of the last losses says of a run; None is one that diverged."""
    if final_loss is None:
        return "diverged"
    share = final_loss / log(classes)
    return "learned" if share < LEARNED else "slow" if share <= STUCK else "did not learn"
