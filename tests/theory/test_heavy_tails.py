"""Spreads that are simulated, against runs of many draws."""

from math import sqrt

import numpy as np
import pytest

from actdiag.activations import resolve
from actdiag.theory.batches import Batch, Batches
from actdiag.theory.fluctuations import spreads, spreads_of_layers
from actdiag.theory.gaussian import moments
from actdiag.theory.heavy_tails import heavy_tailed, simulate

WIDTH = 50


def test_heavy_tails_reach_farther_than_their_sd():
    act = resolve("exponential")
    given = Batch(act, np.array([4.0]), np.ones(1), np.zeros(5), WIDTH, 20)
    sd = spreads(given, (), ())
    heavy = heavy_tailed(given, sd, sqrt(moments(act, 4.0).second))
    assert heavy.rms >= sd.rms
    assert heavy.std >= sd.std
    assert heavy.mean >= sd.mean
    assert heavy[:2] == sd[:2]


@pytest.mark.parametrize("name", ["exponential", "relu_squared", "relu"])
def test_four_sd_hold_all_of_many_draws(name):
    """Each of one input, whose units are independent."""
    act, q = resolve(name), 1.0
    given = Batch(act, np.array([q]), np.ones(1), np.empty(0), WIDTH, 1)
    rms = sqrt(moments(act, q).second)
    found = heavy_tailed(given, spreads(given, (), ()), rms)
    f = act.value(sqrt(q) * np.random.default_rng(3).standard_normal((2000, WIDTH)))
    off = np.abs(np.sqrt(np.square(f).mean(axis=1)) - rms).max()
    assert off < 4 * found.rms < 2 * off
    assert np.abs(f.mean(axis=1) - moments(act, q).mean).max() < 4 * found.mean


def test_layers_without_heavy_tails_keep_their_spreads():
    act, q = resolve("exponential"), np.array([[0.1], [4.0], [0.2]])
    given = Batches(act, q, np.ones((3, 1)), np.full((3, 2), 0.1), np.full(3, float(WIDTH)), 20, np.ones(3))
    second = np.array([moments(act, one).second for one in q[:, 0].tolist()])
    before, found = spreads_of_layers(given, (), ()), spreads_of_layers(given, (), ())
    simulate(np.array([False, True, False]), given, found, second)
    own = spreads_of_layers(given.of(slice(1, 2)), (), ())
    drawn = heavy_tailed(given.one(1), type(own)(*(float(column[0]) for column in own)), sqrt(second[1]))
    for column, other, one in zip(found, before, drawn, strict=True):
        assert column.tolist() == [other[0], one, other[2]]
