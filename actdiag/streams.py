"""Streams of random numbers: one for each purpose and part, all set by the seed."""

from enum import IntEnum

import numpy as np


class Stream(IntEnum):
    """What a stream of random numbers is for; one of each for a layer, so that none depends on another."""

    INPUT = 0
    WEIGHTS = 1
    BIASES = 2
    READOUT = 3
    LABELS = 4
    TARGET = 5
    ORDER = 6
    SLOPES = 7
    SPLIT = 8
    TEACHER = 9


def stream(seed: int, purpose: Stream, part: int = 0) -> np.random.Generator:
    """Return the random numbers of (seed, purpose, part), the same whatever else is drawn.

    A part is a layer, by its number, or a group of rows.
    """
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence((seed, int(purpose), part))))
