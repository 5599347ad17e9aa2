"""The spread of the mean cosine against draws of units."""

import numpy as np
import pytest

from actdiag.activations import resolve
from actdiag.measure.directions import directions, mean_cosine
from actdiag.theory.batches import Batches, mean_powers
from actdiag.theory.cosine_fluctuations import spreads_of_cosine

WIDTH, BATCH, DRAWS = 60, 60, 400


def given(act, q, *c):
    ones = np.ones((1, 1))
    return Batches(act, ones * q, ones, np.array([c]), np.full(1, float(WIDTH)), BATCH, np.ones(1))


def spread(act, q, *c):
    of = given(act, q, *c)
    with np.errstate(all="ignore"):
        return float(spreads_of_cosine(of, mean_powers(of.c))[0])


@pytest.mark.parametrize("name", ["relu", "leaky_relu:0.2", "tanh", "gelu", "sigmoid"])
@pytest.mark.parametrize("c", [0.3, 0.8])
def test_spreads_are_those_of_draws(name, c):
    """Independent units, each with one normal that the inputs share and one of each input's own.

    Those of sigmoid, whose inputs are nearly parallel, are on the safe side. The error of 400 draws is 3.5 %.
    """
    act, q, rng = resolve(name), 1.7, np.random.default_rng(1)
    shared, own = rng.standard_normal((DRAWS, 1, WIDTH)), rng.standard_normal((DRAWS, BATCH, WIDTH))
    a = act.value(np.sqrt(q) * (np.sqrt(c) * shared + np.sqrt(1 - c) * own))
    drawn = [mean_cosine([directions(one)]) for one in a]
    assert (0.55 if name == "sigmoid" else 0.8) < np.std(drawn) / spread(act, q, c, c) < 1.1


def test_there_is_none_without_pairs_or_signal():
    assert spread(resolve("tanh"), 1.0, np.nan) == 0
    assert spread(resolve("tanh"), 0.0, 0.5) == 0
    assert spread(resolve("tanh"), 1.0, 0.5) > 0
