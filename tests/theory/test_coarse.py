"""Spreads that are computed once for all layers that are nearly alike."""

import numpy as np
import pytest

from actdiag.activations import resolve
from actdiag.theory import coarse
from actdiag.theory.batches import Batch
from actdiag.theory.coarse import rows_of, slope_spreads_of_rows, spreads_of_rows
from actdiag.theory.fluctuations import relative_spreads
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
