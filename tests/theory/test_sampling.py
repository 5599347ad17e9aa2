"""What theory takes from the activations of a layer: groups of second moments, and cosines of some pairs."""

import numpy as np
import pytest

from actdiag.theory.sampling import GROUPS, PAIRS, sample_inputs


def sample_of(activations, cosine):
    with np.errstate(over="ignore", invalid="ignore"):
        squares = np.square(activations.astype(float)).sum(axis=1)
    return sample_inputs(activations, squares, cosine)


def unit_rows(batch, width=8):
    return np.random.default_rng(batch).standard_normal((batch, width)).astype("f4")


@pytest.mark.parametrize("batch", [1, 2, 3, 4, 5, 8, 22, 23, 24, 64, 1000, 1001])
def test_pairs_are_different_and_as_many_as_there_are(batch):
    a = unit_rows(batch).astype(float)
    sample = sample_of(a, 0.1 if batch > 1 else None)
    a /= np.linalg.norm(a, axis=1, keepdims=True)
    everyone = (a @ a.T)[np.triu_indices(batch, 1)]
    assert len(sample.cosines) == len(sample.first) == len(sample.second) == min(PAIRS, len(everyone))
    found = np.sort(sample.cosines)
    assert np.all(np.diff(found) > 0)  # a pair of random inputs has a cosine of its own
    nearest = np.abs(np.sort(everyone)[np.searchsorted(np.sort(everyone), found - 1e-12)] - found)
    assert np.all(nearest < 1e-9)


@pytest.mark.parametrize("batch", [1, 2, 31, 1000])
def test_groups_hold_the_whole(batch):
    a = unit_rows(batch) * np.geomspace(1e-3, 1e3, batch)[:, np.newaxis]
    squares = np.square(a.astype(float)).sum(axis=1)
    sample = sample_inputs(a, squares, 0.0 if batch > 1 else None)
    assert 1 <= len(sample.seconds) <= min(GROUPS, batch)
    assert sample.shares.sum() == pytest.approx(1, rel=1e-12)
    assert sample.shares @ sample.seconds == pytest.approx(squares.mean() / 8, rel=1e-12)
    assert np.all(np.diff(sample.seconds) > 0)
    steps_of_log = np.log(1.01 * squares.max() / squares.min()) / GROUPS
    for second in squares / 8:
        assert np.abs(np.log(sample.seconds / second)).min() < steps_of_log + 1e-9


def test_rows_of_zeros_are_a_group_and_no_pair():
    a = unit_rows(6)
    a[[1, 4]] = 0
    sample = sample_of(a, 0.2)
    assert sample.seconds[0] == 0
    assert sample.shares[0] == pytest.approx(2 / 6)
    assert len(sample.cosines) == 6
    assert np.all(sample.first > 0)
    assert np.all(sample.second > 0)
    a[:] = 0
    sample = sample_of(a, None)
    assert (sample.seconds.tolist(), sample.shares.tolist(), sample.cosines.tolist()) == ([0], [1], [])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nothing_is_taken_of_what_is_not_finite(value):
    a = unit_rows(4)
    a[2, 3] = value
    assert sample_of(a, 0.1) is None


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_pairs_have_the_cosines_and_second_moments_of_their_rows(dtype):
    a = unit_rows(2).astype(dtype) * np.array([[1.0], [3.0]], dtype)
    sample = sample_of(a, 0.3)
    first, second = np.square(a.astype(float)).mean(axis=1)
    assert sample.first.tolist() == [pytest.approx(first)]
    assert sample.second.tolist() == [pytest.approx(second)]
    expected = np.dot(a[0].astype(float), a[1].astype(float)) / 8 / np.sqrt(first * second)
    assert sample.cosines.tolist() == [pytest.approx(expected, rel=1e-12)]
    assert sample.cosine == 0.3


@pytest.mark.parametrize("width", [1, 8, 100, 3000])
def test_the_width_of_a_layer_does_not_matter_to_a_pair(width):
    """Rows are read a few at a time, the fewer the wider they are."""
    a = np.tile(unit_rows(40, 1), (1, width))
    sample = sample_of(a, 0.0)
    one = sample_of(a[:, :1], 0.0)
    np.testing.assert_allclose(sample.cosines, one.cosines, rtol=1e-12)
    np.testing.assert_allclose(sample.first, one.first, rtol=1e-12)


def test_squares_that_underflow_are_not_sampled():
    assert sample_inputs(np.full((3, 4), 1e-150), np.array([1e-300, 1e-300, 1e-280]), 0.1) is None
    assert sample_inputs(np.full((3, 4), 1e-100), np.full(3, 4e-200), 0.1) is not None
