"""The part of a gradient that points along z, against exact sums, through pieces and at the ends of the dtype."""

from math import sqrt

import numpy as np
import pytest

from actdiag import make_stack
from actdiag.engine.backward import BackwardLayer
from actdiag.engine.blocks import REDUCED
from actdiag.measure.gradients import BackwardMeasure, radial_share, radial_squares
from actdiag.ops.dense import Dense

RNG = np.random.default_rng(0)


def normal(*shape, dtype="f8"):
    return RNG.standard_normal(shape).astype(dtype)


def row_by_row(z, d_z):
    """Return the sum over the rows of (z . d_z)^2 / |z|^2, in long doubles."""
    pairs = [(one.astype(np.longdouble), other.astype(np.longdouble)) for one, other in zip(z, d_z, strict=True)]
    return float(sum((one @ other) ** 2 / (one @ one) for one, other in pairs if one.any()))


@pytest.mark.parametrize(("dtype", "rel"), [("f8", 1e-12), ("f4", 1e-5)])
@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (40, 7), (700, 200)])
def test_radial_squares_are_those_of_the_rows(shape, dtype, rel):
    z, d_z = normal(*shape, dtype=dtype), normal(*shape, dtype=dtype) + 0.3
    assert shape != (700, 200) or z.size > 2 * REDUCED
    assert radial_squares(z, d_z) == pytest.approx(row_by_row(z, d_z), rel=rel)


def test_a_gradient_along_z_is_radial_and_one_across_is_not():
    z = normal(30, 6)
    along = z * normal(30, 1)
    across = normal(30, 6)
    across -= z * (np.vecdot(z, across) / np.vecdot(z, z))[:, np.newaxis]
    assert radial_squares(z, along) == pytest.approx(np.square(along).sum(), rel=1e-12)
    assert radial_squares(z, across) == pytest.approx(0, abs=1e-25)
    assert radial_squares(z, along + across) == pytest.approx(np.square(along).sum(), rel=1e-12)


def test_rows_of_zeros_have_no_direction():
    z, d_z = normal(5, 4), normal(5, 4)
    z[[1, 3]] = 0
    assert radial_squares(z, d_z) == pytest.approx(row_by_row(z[[0, 2, 4]], d_z[[0, 2, 4]]), rel=1e-12)
    assert radial_squares(np.zeros((3, 2)), d_z[:3, :2]) == 0


def layer_of(z, d_z, cuts=()):
    """Return a layer as the backward pass yields it, visited in blocks of rows."""
    stack = make_stack("tanh", "he", depth=1, width=z.shape[1], batch=len(z))
    measure = BackwardMeasure(stack.sites())
    blocks = [
        measure.visit(1, *parts)
        for parts in zip(np.split(z, cuts), np.split(d_z, cuts), np.split(d_z, cuts), strict=True)
    ]
    return BackwardLayer(1, Dense(), z, np.eye(z.shape[1]), z, d_z, blocks)


@pytest.mark.parametrize("cuts", [(), (1,), (3, 11, 12)])
def test_the_share_is_of_all_squares(cuts):
    z, d_z = normal(20, 8), normal(20, 8)
    expected = row_by_row(z, d_z) / np.square(d_z).sum()
    assert radial_share(layer_of(z, d_z, cuts)) == pytest.approx(expected, rel=1e-12)


def test_the_share_of_a_random_gradient_is_one_part_in_the_width():
    z, d_z = normal(400, 50), normal(400, 50)
    share = radial_share(layer_of(z, d_z))
    assert share == pytest.approx(1 / 50, abs=4 * sqrt(2 / 400) / 50)  # chi^2 of one of 50 directions, 400 times


@pytest.mark.parametrize(
    ("z", "d_z"),
    [
        (np.zeros((3, 4)), np.ones((3, 4))),
        (np.ones((3, 4)), np.zeros((3, 4))),
        (np.full((3, 4), np.inf), np.ones((3, 4))),
        (np.ones((3, 4)), np.full((3, 4), np.nan)),
        (np.ones((3, 4)), np.full((3, 4), 1e-200)),
        (np.ones((3, 4)), np.full((3, 4), 1e200)),
        (np.full((3, 4), 1e200), np.ones((3, 4))),
    ],
    ids=["zero z", "zero gradient", "inf", "nan", "tiny gradient", "huge gradient", "huge z"],
)
def test_no_share_where_it_is_not_known(z, d_z):
    with np.errstate(all="ignore"):  # as the workers have it
        assert radial_share(layer_of(z, d_z)) == 0


def test_the_share_is_at_most_one():
    z = normal(50, 3, dtype="f4")
    share = radial_share(layer_of(z, z * np.float32(0.1)))
    assert share == 0 or 1 - 1e-6 < share <= 1
