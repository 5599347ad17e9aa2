"""The even grid of a standard normal."""

import numpy as np
import pytest

from actdiag.theory.grids import REACH, normal_grid


@pytest.mark.parametrize("points", [41, 97, 300, 321])
def test_moments_of_a_normal(points):
    z, weights = normal_grid(points)
    assert len(z) == len(weights) == points
    assert (z[0], z[-1]) == (-REACH, REACH)
    assert [weights @ z**n for n in range(7)] == pytest.approx([1, 0, 1, 0, 3, 0, 15], abs=1e-8)
    assert (0.0 in z) == bool(points % 2)
    np.testing.assert_array_equal(normal_grid(points)[0], z)
