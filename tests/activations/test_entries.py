"""What an Activation of one's own takes, and what it refuses."""

import math

import numpy as np
import pytest

import actdiag
from actdiag import Activation, InvalidField


def clipped(**fields):
    return Activation(
        "clipped",
        value=lambda z: np.clip(z, -1, 1),
        derivative=lambda z: (np.abs(z) < 1).astype(z.dtype),
        formula="clip(x, -1, 1)",
        source="here",
        **fields,
    )


@pytest.mark.parametrize("bounds", [[-1, 1], np.array([-1, 1]), (np.float32(-1), 1), range(-1, 2, 2)])
def test_bounds_are_any_two_numbers(bounds):
    act = clipped(kinks=[-1, 1], bounds=bounds)
    assert act.bounds == (-1.0, 1.0)
    assert all(type(end) is float for end in act.bounds)
    report = actdiag.propagate(act, depth=2, width=8, batch=20)
    assert report.layers[0].histogram.edges[0] == -1


@pytest.mark.parametrize("kinks", [[-1, 1], np.array([-1, 1]), (end for end in (-1, 1))])
def test_kinks_are_any_numbers(kinks):
    act = clipped(kinks=kinks)
    assert act.kinks == (-1.0, 1.0)
    assert all(type(kink) is float for kink in act.kinks)
    assert hash(act) == hash(act)


def test_a_slope_range_is_any_two_numbers():
    assert clipped(slope_range=[0, np.float32(0.5)]).slope_range == (0.0, 0.5)
    assert clipped(slope_range=(0.2, 0.2)).slope_range == (0.2, 0.2)
    assert clipped().slope_range is None


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"bounds": (1, -1)}, "bounds must be two numbers, the low one first, got (1, -1)"),
        ({"bounds": (1, 1)}, "bounds must be two numbers, the low one first, got (1, 1)"),
        ({"bounds": [-1]}, "bounds must be two numbers, the low one first, got [-1]"),
        ({"bounds": (-1, 0, 1)}, "bounds must be two numbers, the low one first, got (-1, 0, 1)"),
        ({"bounds": (math.nan, 1)}, "bounds must be two numbers, the low one first, got (nan, 1)"),
        ({"bounds": 1}, "bounds must be two numbers, the low one first, got 1"),
        ({"bounds": None}, "bounds must be two numbers, the low one first, got None"),
        ({"bounds": "01"}, "bounds must be two numbers, the low one first, got '01'"),
        ({"bounds": (True, 2)}, "bounds must be two numbers, the low one first, got (True, 2)"),
        ({"kinks": 0}, "kinks must be finite numbers, got 0"),
        ({"kinks": "0"}, "kinks must be finite numbers, got '0'"),
        ({"kinks": [0, math.inf]}, "kinks must be finite numbers, got [0, inf]"),
        ({"kinks": [None]}, "kinks must be finite numbers, got [None]"),
        ({"slope_range": (0.5, 0.1)}, "slope_range must be two finite numbers, the low one first, got (0.5, 0.1)"),
        ({"slope_range": (0, math.inf)}, "slope_range must be two finite numbers, the low one first, got (0, inf)"),
        ({"slope_range": 0.3}, "slope_range must be two finite numbers, the low one first, got 0.3"),
    ],
)
def test_nonsense_is_refused_in_one_line(fields, message):
    with pytest.raises(InvalidField) as refused:
        clipped(**fields)
    assert str(refused.value) == message.replace(" must", " of activation clipped must")
    assert refused.value.field == next(iter(fields))
