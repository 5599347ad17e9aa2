"""The length of each input's gradient and of its part along z, against long doubles and at the ends of the formats."""

import warnings
from math import sqrt

import numpy as np
import pytest

from actdiag import grad_flow
from actdiag.engine.blocks import REDUCED
from actdiag.measure.rows import RowGradients, along_fraction, row_gradients, typical_rms

RNG = np.random.default_rng(0)


def normal(*shape, dtype="f8"):
    return RNG.standard_normal(shape).astype(dtype)


def exact(z, d_z):
    """Return lengths, parts along z and lengths of the rest of each row, in long doubles."""
    z, d_z = z.astype(np.longdouble), d_z.astype(np.longdouble)
    of_z = (z * z).sum(axis=1)
    shares = np.divide((z * d_z).sum(axis=1), of_z, out=np.zeros_like(of_z), where=of_z > 0)
    along = z * shares[:, np.newaxis]
    return tuple(np.sqrt((one * one).sum(axis=1)) for one in (d_z, along, d_z - along))


def share_of(z, d_z):
    lengths, along, _ = exact(z, d_z)
    return float((along**2).sum() / (lengths**2).sum())


def typical_of(z, d_z):
    return float(np.median(exact(z, d_z)[2]) / np.sqrt(np.longdouble(z.shape[1])))


def cut_at(z, d_z, cuts=()):
    return [row_gradients(*parts) for parts in zip(np.split(z, cuts), np.split(d_z, cuts), strict=True)]


def close(found, expected, rel):
    assert found.tolist() == pytest.approx([float(one) for one in expected], rel=rel, abs=0)


@pytest.mark.parametrize(("dtype", "rel"), [("f8", 1e-12), ("f4", 1e-5)])
@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (40, 7), (700, 200)])
def test_lengths_are_those_of_the_rows(shape, dtype, rel):
    z, d_z = normal(*shape, dtype=dtype), normal(*shape, dtype=dtype) + np.asarray(0.3, dtype)
    assert shape != (700, 200) or z.size > 2 * REDUCED
    found, (lengths, along, _) = row_gradients(z, d_z), exact(z, d_z)
    close(found.lengths, lengths, rel)
    assert found.along.tolist() == pytest.approx(along.astype(float).tolist(), rel=rel, abs=rel * float(lengths.max()))


@pytest.mark.parametrize(
    ("dtype", "of_z", "of_d_z"),
    [
        ("f4", 1.0, 1e-30),  # squares under the least float32
        ("f4", 1.0, 1e-41),  # subnormal themselves
        ("f4", 1.0, 1e37),
        ("f4", 1e-30, 1.0),
        ("f4", 1e37, 1e-37),
        ("f4", 1e-37, 1e37),
        ("f8", 1.0, 1e-200),
        ("f8", 1.0, 1e-300),
        ("f8", 1.0, 1e300),
        ("f8", 1e300, 1e-300),
        ("f8", 1e-300, 1e300),
    ],
)
def test_the_ends_of_the_formats_are_measured_too(dtype, of_z, of_d_z):
    z, d_z = ((one * normal(31, 20)).astype(dtype) for one in (of_z, of_d_z))
    with np.errstate(all="ignore"):  # as the workers have it
        found = row_gradients(z, d_z)
    lengths, along, _ = exact(z, d_z)
    close(found.lengths, lengths, 1e-12)
    close(found.along, along, 1e-9)
    assert along_fraction([found]) == pytest.approx(share_of(z, d_z), rel=1e-9)
    assert typical_rms([found], 20) == pytest.approx(typical_of(z, d_z), rel=1e-9, abs=0)


@pytest.mark.parametrize(("dtype", "least"), [("f4", 1e-45), ("f8", 5e-324)])
def test_the_least_number_is_no_zero(dtype, least):
    z, d_z = np.ones((3, 2), dtype), np.full((3, 2), [least, 0], dtype)
    found = row_gradients(z, d_z)
    assert found.lengths.tolist() == [float(d_z[0, 0])] * 3
    assert (found.along > 0).all()
    assert typical_rms(cut_at(z.astype("f8"), d_z.astype("f8") * 2**10), 2) > 0


def test_rows_of_all_sizes_do_not_disturb_each_other():
    sizes = np.ldexp(1.0, np.arange(-140, 120, 10))[:, np.newaxis]
    z, d_z = normal(26, 9, dtype="f4"), (sizes * normal(26, 9)).astype("f4")
    with np.errstate(all="ignore"):
        close(row_gradients(z, d_z).lengths, exact(z, d_z)[0], 1e-5)


@pytest.mark.parametrize("cuts", [(), (1,), (3, 11, 12)])
def test_share_and_median_are_over_all_blocks(cuts):
    z, d_z = normal(21, 8), normal(21, 8) * np.linspace(0.1, 9, 21)[:, np.newaxis]
    parts = cut_at(z, d_z, cuts)
    assert along_fraction(parts) == pytest.approx(share_of(z, d_z), rel=1e-12)
    assert typical_rms(parts, 8) == pytest.approx(typical_of(z, d_z), rel=1e-12)


def test_a_gradient_along_z_is_so_and_one_across_is_not():
    z = normal(30, 6)
    along = z * normal(30, 1)
    across = normal(30, 6)
    across -= z * (np.vecdot(z, across) / np.vecdot(z, z))[:, np.newaxis]
    assert along_fraction(cut_at(z, along)) == pytest.approx(1, abs=1e-12)
    assert along_fraction(cut_at(z, across)) == pytest.approx(0, abs=1e-25)
    assert typical_rms(cut_at(z, across), 6) == pytest.approx(sqrt(np.median(np.square(across).mean(axis=1))), rel=0.02)
    assert typical_rms(cut_at(z, along + across), 6) == pytest.approx(typical_rms(cut_at(z, across), 6), rel=1e-12)
    assert typical_rms(cut_at(z, along), 6) < 1e-7 * np.abs(along).max()


def test_a_few_inputs_with_all_of_the_gradient_are_not_typical():
    z, d_z = normal(101, 10), 1e-6 * normal(101, 10)
    alone = typical_rms(cut_at(z, d_z), 10)
    d_z[:3] *= 1e6
    assert typical_rms(cut_at(z, d_z), 10) == pytest.approx(alone, rel=0.2)
    assert sqrt(np.square(d_z).mean()) > 1e4 * alone


def test_the_share_of_a_random_gradient_is_one_part_in_the_width():
    share = along_fraction(cut_at(normal(400, 50), normal(400, 50)))
    assert share == pytest.approx(1 / 50, abs=4 * sqrt(2 / 400) / 50)  # chi^2 of one of 50 directions, 400 times


def test_rows_of_zeros_have_no_direction():
    z, d_z = normal(5, 4), normal(5, 4)
    z[[1, 3]] = 0
    found = row_gradients(z, d_z)
    assert found.along[[1, 3]].tolist() == [0, 0]
    close(found.lengths, exact(z, d_z)[0], 1e-12)
    zeros = row_gradients(z, np.zeros_like(d_z))
    assert zeros.lengths.tolist() == zeros.along.tolist() == [0] * 5
    assert (along_fraction([zeros]), typical_rms([zeros], 4)) == (0, 0)


def test_nothing_is_known_of_no_rows():
    nothing = RowGradients(np.empty(0), np.empty(0))
    assert (along_fraction([nothing]), typical_rms([nothing], 4)) == (0, None)


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_what_is_not_finite_is_not_known(bad, dtype):
    z, d_z = normal(9, 4, dtype=dtype), normal(9, 4, dtype=dtype)
    d_z[:, 1] = bad
    with np.errstate(all="ignore"):  # as the workers have it
        parts = cut_at(z, d_z)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert along_fraction(parts) == 0
        assert typical_rms(parts, 4) is None


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_run_tells_both_of_each_layer(dtype):
    report = grad_flow("gelu", "he", depth=40, batch=200, dtype=dtype, theory=False)
    gradients = [stats.gradient for stats in report.layers]
    assert all(0 < one.typical_rms for one in gradients)
    assert all(0 < one.along_z_fraction <= 1 for one in gradients)
    assert gradients[0].typical_rms < gradients[0].rms / 100
    assert gradients[-1].typical_rms == pytest.approx(gradients[-1].rms, rel=0.1)


def test_the_tiny_gradients_of_a_run_are_no_zeros():
    """rms dL/dz is 1e-36 at layer 1, whose squares float32 does not have."""
    report = grad_flow("tanh", "std=0.02", depth=45, batch=50, theory=False)
    first = report.layers[0].gradient
    assert 0 < first.rms < 1e-30
    assert first.typical_rms == pytest.approx(first.rms, rel=0.2)
