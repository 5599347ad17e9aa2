"""Spreads that are computed once for all layers that are nearly alike."""

import numpy as np
import pytest

from actdiag.activations import resolve
from actdiag.theory import coarse
from actdiag.theory.batches import Batch, Batches
from actdiag.theory.coarse import (
    relative_spreads,
    relative_spreads_of_layers,
    rows_of,
    slope_spreads_of_rows,
    spreads_of_rows,
)
from actdiag.theory.fluctuations import spreads
from actdiag.theory.gaussian import moments
from actdiag.theory.gradient_fluctuations import spread_of_slopes
from actdiag.theory.regions import saturated_intervals, zero_intervals


def rows(act, q, c, widths=(100, 100, 50)):
    return rows_of(act, np.array(q), np.array(c), widths, [1.0] * len(q))


@pytest.mark.parametrize("name", ["relu", "tanh"])
def test_rows_have_the_spreads_of_layers_nearby(name):
    act, q, c = resolve(name), [0.5, 1.3, 1.3], [[0.1, 0.3], [0.5, 0.7], [0.5, 0.7]]
    found = spreads_of_rows(act, "float32", 20, rows(act, q, c))
    intervals = zero_intervals(act, "float32"), saturated_intervals(act)
    for layer, width in enumerate((100, 100, 50)):
        given = Batch(act, np.array(q[layer : layer + 1]), np.ones(1), np.array(c[layer]), width, 20)
        exact = relative_spreads(given, *intervals)
        assert [column[layer] for column in found] == pytest.approx(list(exact), rel=0.1)
    slopes = slope_spreads_of_rows(act, 20, 1.0, rows(act, q, [[0.2], [0.6], [0.6]]))
    exact = spread_of_slopes(Batch(act, np.array([1.3]), np.ones(1), np.array([0.6]), 50, 20), 1.0)
    assert slopes.own[2] == pytest.approx(exact, rel=0.1)


def test_what_is_known_is_not_computed_again(monkeypatch):
    act, computed = resolve("elu:0.77"), []
    original = coarse.relative_spreads_of_layers

    def counted(given, *intervals):
        computed.append(len(given.q))
        return original(given, *intervals)

    monkeypatch.setattr(coarse, "relative_spreads_of_layers", counted)
    asked = rows(act, [0.5, 1.3, 1.3], [[0.1, 0.3], [0.5, 0.7], [0.5, 0.7]], (100, 100, 100))
    first = spreads_of_rows(act, "float32", 20, asked)
    again = spreads_of_rows(act, "float32", 20, [asked[2], asked[0]])
    assert computed == [2]  # of three, two are alike
    for column, other in zip(first, again, strict=True):
        assert other.tolist() == [column[2], column[0]]
    monkeypatch.setattr(coarse, "_MOST_KEPT", 1)
    for column, other in zip(first, spreads_of_rows(act, "float32", 20, asked), strict=True):
        assert other.tolist() == column.tolist()


def test_scale_does_not_matter_where_the_activation_is_linear_on_both_sides():
    act = resolve("relu")
    one, other = (spreads_of_rows(act, "float32", 20, rows(act, [q], [[0.1, 0.2]], (30,))) for q in (1e-9, 1e9))
    assert [column.tolist() for column in one] == [column.tolist() for column in other]


@pytest.mark.parametrize("name", ["relu", "tanh"])
def test_relative_spreads_are_those_over_the_rms(name):
    act, q = resolve(name), 2.3
    given = Batch(act, np.array([q]), np.ones(1), np.array([0.2, 0.4]), 60, 20)
    intervals = zero_intervals(act, "float32"), saturated_intervals(act)
    whole, parts = spreads(given, *intervals), relative_spreads(given, *intervals)
    for field in ("z_mean", "z_rms"):
        assert getattr(parts, field) == pytest.approx(getattr(whole, field) / q**0.5, rel=1e-12)
    for field in ("mean", "std", "rms"):
        assert getattr(parts, field) == pytest.approx(getattr(whole, field) / moments(act, q).second ** 0.5, rel=1e-9)
    for field in ("zero_fraction", "saturated_fraction", "cosine", "kurtosis"):
        assert getattr(parts, field) == getattr(whole, field)


def test_relative_spreads_of_heavy_tails_are_simulated():
    act, q = resolve("exponential"), np.array([[0.1], [1.0]])
    given = Batches(act, q, np.ones((2, 1)), np.full((2, 3), 0.1), np.full(2, 50.0), 20, np.ones(2))
    calm, heavy = (relative_spreads(given.one(layer), (), ()) for layer in (0, 1))
    found = relative_spreads_of_layers(given, (), ())
    for column, *each in zip(found, calm, heavy, strict=True):
        assert column.tolist() == each
    rms = [moments(act, one).second ** 0.5 for one in q[:, 0].tolist()]
    assert calm.rms == pytest.approx(spreads(given.one(0), (), ()).rms / rms[0], rel=1e-9)
    assert heavy.rms > 1.1 * spreads(given.one(1), (), ()).rms / rms[1]
