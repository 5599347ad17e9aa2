"""Chebyshev series against the functions that they stand for, and the panels that are made for them."""

import numpy as np
import pytest

from actdiag.theory.chebyshev import InterpolatedCurves


class Counted:
    """A function of several q, shape (q, columns), that counts its calls."""

    def __init__(self, *columns):
        self.columns, self.calls = columns, 0

    def __call__(self, *q):
        self.calls += 1
        return np.column_stack([column(np.array(q)) for column in self.columns])


def resolved(last, sizes):
    return last <= 1e-9 * sizes


def smooth(q):
    return 1 / (1 + q)


def steep(q):
    return np.tanh(40 * (np.log(q) - 0.37))


def diverging(q):
    return np.where(q < 3, q, np.inf)


Q = np.exp(np.random.default_rng(0).uniform(-9, 9, 200))


def test_series_are_the_functions():
    panels = InterpolatedCurves(Counted(smooth, np.log), resolved)
    found = panels.at(Q)
    np.testing.assert_allclose(found, np.column_stack([smooth(Q), np.log(Q)]), rtol=0, atol=1e-9)
    np.testing.assert_allclose(panels.at(Q, 1), found[:, :1], rtol=0, atol=1e-15)


def test_panels_are_made_once_and_only_where_they_are_asked_for():
    function = Counted(smooth)
    panels = InterpolatedCurves(function, resolved)
    assert not panels.is_made(0.3)
    panels.at(np.exp([0.3]))
    made = function.calls
    assert panels.is_made(0.3)
    assert not panels.is_made(-7.0)
    panels.at(np.exp([0.3, 0.31]))
    panels.panel(0.3)
    assert function.calls == made


def test_panels_are_narrower_where_a_function_is_steep():
    calm, sharp = InterpolatedCurves(Counted(smooth), resolved), InterpolatedCurves(Counted(steep), resolved)
    assert calm.panel(0.37) == (0.0, 1.0)
    assert sharp.panel(0.37) == (0.25, 0.125)
    assert calm.panel(30.5) == (28, 4)


def test_what_no_panel_resolves_is_computed():
    panels = InterpolatedCurves(Counted(smooth, steep, diverging), resolved)
    q = np.exp(np.random.default_rng(1).uniform(0.25, 0.5, 20))
    assert not panels.series(panels.panel(0.37)).resolved[1]
    np.testing.assert_array_equal(panels.at(q)[:, 1], steep(q))
    beyond = np.array([2.9, 3.1])
    np.testing.assert_array_equal(panels.at(beyond)[:, 2], diverging(beyond))


@pytest.mark.parametrize("place", [-3.3, 0.0, 0.99, 5.7, 12.0])
def test_a_panel_holds_its_place(place):
    start, width = InterpolatedCurves(Counted(smooth), resolved).panel(place)
    assert start <= place < start + width


def test_what_is_not_known_anywhere_in_a_panel_is_not_asked_for_again():
    function = Counted(lambda q: np.full_like(q, np.nan))
    panels = InterpolatedCurves(function, resolved)
    for _ in range(2):
        assert np.isnan(panels.at(np.exp([0.3, 0.31]))).all()
    assert not panels.series(panels.panel(0.3)).known
    assert function.calls == 1
