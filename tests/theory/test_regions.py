"""Where activations are zero or saturated, and the chance of being there."""

from math import inf, log

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from actdiag.activations import ACTIVATIONS, resolve, traits
from actdiag.measure.slopes import count_saturated
from actdiag.theory.regions import chance_within, saturated_intervals, zero_intervals

VARIANTS = ["leaky_relu:0", "softshrink:1.5", "hardshrink:0.25", "threshold:-0.5", "threshold:1:value=2", "elu:0.5"]
SPECS = [*(name for name in ACTIVATIONS if resolve(name).derivative), *VARIANTS]

# exp(x) is under half the smallest subnormal, 2^-150 and 2^-1075
UNDERFLOWS = {"float32": -150 * log(2), "float64": -1075 * log(2)}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("relu", [(-inf, 0)]),
        ("relu6", [(-inf, 0)]),
        ("relu_squared", [(-inf, 0)]),
        ("leaky_relu:0", [(-inf, 0)]),
        ("sparse_plus", [(-inf, -1)]),
        ("sparse_sigmoid", [(-inf, -1)]),
        ("hardsigmoid", [(-inf, -3)]),
        ("hardswish", [(-inf, -3)]),
        ("softshrink", [(-0.5, 0.5)]),
        ("softshrink:1.5", [(-1.5, 1.5)]),
        ("hardshrink", [(-0.5, 0.5)]),
        ("threshold", [(-inf, 1)]),
        ("threshold:-0.5", [(-inf, -0.5)]),
        ("threshold:1:value=2", []),
        ("hardtanh", []),
        ("tanh", []),
        ("identity", []),
        ("leaky_relu", []),
        ("elu", []),
        ("arctan", []),
        ("softsign", []),
        ("squareplus", []),
    ],
)
def test_zero_intervals(spec, expected, dtype):
    found = zero_intervals(resolve(spec), dtype)
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        # relu squared underflows in a root of the dtype's smallest numbers
        assert one == pytest.approx(other, rel=1e-7, abs=1e-22)


@pytest.mark.parametrize("dtype", UNDERFLOWS)
@pytest.mark.parametrize("spec", ["exponential", "sigmoid"])
def test_what_underflows_is_zero(spec, dtype):
    ((low, high),) = zero_intervals(resolve(spec), dtype)
    assert low == -inf
    assert high == pytest.approx(UNDERFLOWS[dtype], rel=1e-4)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("spec", SPECS)
def test_values_are_zero_there_and_nowhere_else(spec, dtype):
    act, rng = resolve(spec), np.random.default_rng(3)
    x = np.concatenate([rng.normal(0, scale, 2000) for scale in (0.3, 2.0, 60.0)]).astype(dtype)
    found = zero_intervals(act, dtype)
    with np.errstate(all="ignore"):
        zero = act.value(x) == 0
    within = np.zeros(len(x), bool)
    for low, high in found:
        assert low < high
        within |= (x >= low) & (x <= high)
    assert np.array_equal(zero, within)


@pytest.mark.parametrize("spec", SPECS)
def test_saturated_intervals_are_what_is_counted(spec):
    act = resolve(spec)
    z = np.random.default_rng(4).normal(0, 5, (100, 50))
    found = saturated_intervals(act)
    counted = count_saturated(act, z)
    assert bool(found) == (counted is not None)
    within = sum(int(((z >= low) & (z <= high)).sum()) for low, high in found)
    assert within == (counted or 0)


@pytest.mark.parametrize(
    ("spec", "sides"), [("tanh", 2), ("hardtanh", 2), ("relu6", 1), ("elu", 1), ("relu", 0), ("gelu", 0)]
)
def test_saturated_sides(spec, sides):
    act = resolve(spec)
    found = saturated_intervals(act)
    assert len(found) == sides
    if spec == "hardtanh":
        assert found == pytest.approx(np.array([(-inf, -1), (1, inf)]))
    if spec == "relu6":
        assert found[0] == (pytest.approx(6), inf)
    if spec == "elu":  # e^x = .01
        assert found[0] == (-inf, pytest.approx(log(0.01)))
    if spec == "tanh":
        assert found[1][0] == traits(act).saturated_above == -found[0][1]


ends = st.floats(-30, 30) | st.sampled_from([-inf, inf, 0.0])


@settings(deadline=None, database=None, max_examples=150)
@given(st.tuples(ends, ends).filter(lambda pair: pair[0] < pair[1]), st.floats(-2, 4))
def test_chances_are_scipys(interval, exponent):
    low, high = interval
    assume(high - low > 1e-3)  # of less, the difference keeps no digits, here or there
    q = 10.0**exponent
    if low > 0:  # where scipy's own difference keeps its digits
        expected = norm.sf(low, scale=q**0.5) - norm.sf(high, scale=q**0.5)
    else:
        expected = norm.cdf(high, scale=q**0.5) - norm.cdf(low, scale=q**0.5)
    (found,) = chance_within([interval], np.array([q]))
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-15 if low <= 0 <= high else 1e-300)


def test_chances_far_out_keep_their_digits():
    q = np.array([1.0, 0.25])
    expected = [norm.sf(10), norm.sf(20)]
    assert chance_within([(10.0, inf)], q) == pytest.approx(expected, rel=1e-12)
    assert chance_within([(-inf, -10.0)], q) == pytest.approx(expected, rel=1e-12)
    assert chance_within([(-inf, -10.0), (10.0, inf)], q) == pytest.approx(2 * np.array(expected), rel=1e-12)


def test_chances_of_what_does_not_move():
    q = np.array([0.0, 1.0])
    assert chance_within([(-inf, 0.0)], q).tolist() == [1, 0.5]
    assert chance_within([(-inf, -1.0)], q)[0] == 0
    assert chance_within([(-0.5, 0.5)], q)[0] == 1
    assert chance_within([(0.5, 2.0)], q)[0] == 0
    assert chance_within([], q).tolist() == [0, 0]
