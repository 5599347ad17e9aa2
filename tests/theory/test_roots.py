"""The search for roots and minima."""

from math import cos, exp, log, pi, sqrt

import pytest

from actdiag.theory.roots import find_minimum, find_root


@pytest.mark.parametrize(
    ("function", "low", "high", "root"),
    [
        (lambda x: x * x - 2, 0.0, 2.0, sqrt(2)),
        (lambda x: 2 - x * x, 2.0, 0.0, sqrt(2)),
        (lambda x: x**9, -1.0, 1.5, 0.0),
        (lambda x: exp(x) - 1e-6, -30.0, 10.0, log(1e-6)),
        (cos, 1.0, 2.0, pi / 2),
        (lambda x: (x > 0.3) - 0.5, 0.0, 1.0, 0.3),
    ],
)
def test_a_root_is_found(function, low, high, root):
    within = 1e-2 if function(1.5) == 1.5**9 else 1e-12  # of x^9 all that is near is zero to rounding
    assert find_root(function, low, high, function(low), function(high)) == pytest.approx(root, abs=within)


def test_what_is_small_counts_as_zero():
    calls = []

    def line(x):
        calls.append(x)
        return x - 0.25

    found = find_root(line, 0.0, 1.0, -0.25, 0.75, least=0.1)
    assert abs(line(found)) <= 0.1
    assert len(calls) == 2


def test_a_minimum_is_found():
    assert find_minimum(lambda x: (x - 0.7) ** 2, -3.0, 5.0, 1e-6) == pytest.approx(0.7, abs=1e-6)
    assert find_minimum(abs, -1.0, 1.0, 1e-3) == pytest.approx(0, abs=1e-3)
