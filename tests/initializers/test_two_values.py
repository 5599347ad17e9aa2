"""Initializers of one value or two: a std or a mean and a std, a limit or both ends."""

import numpy as np
import pytest

from actdiag import InvalidField
from actdiag.initializers import resolve

SHAPE = 300, 200


def weights(name):
    return resolve(name).sample(np.random.default_rng(0), *SHAPE, "float64")


@pytest.mark.parametrize("name", ["uniform:-0.1:0.3", "random_uniform:-0.1:0.3", "uniform:limit=-0.1:high=0.3"])
def test_both_ends_of_a_uniform(name):
    found = weights(name)
    assert -0.1 <= found.min() < -0.0999
    assert 0.2999 < found.max() <= 0.3
    assert found.mean() == pytest.approx(0.1, abs=0.002)
    assert resolve(name).std(*SHAPE) == pytest.approx(found.std(), rel=0.01)
    assert not resolve(name).mean_field


@pytest.mark.parametrize("name", ["normal:0.5:0.1", "random_normal:0.5:0.1"])
def test_mean_and_std_of_a_normal(name):
    found = weights(name)
    assert found.mean() == pytest.approx(0.5, abs=0.002)
    assert resolve(name).std(*SHAPE) == pytest.approx(found.std(), rel=0.01)
    assert not resolve(name).mean_field


@pytest.mark.parametrize(
    ("name", "same"),
    [
        ("normal:0.1", "std=0.1"),
        ("random_normal:0.1", "std=0.1"),
        ("normal:0:0.1", "std=0.1"),
        ("random_uniform:0.1", "uniform:0.1"),
        ("uniform:-0.1:0.1", "uniform:0.1"),
        ("random_normal", "std=0.05"),
        ("tf_truncated_normal:0.1", "keras_truncated_normal:0.1"),
    ],
)
def test_one_value_is_what_it_was(name, same):
    np.testing.assert_allclose(weights(name), weights(same), rtol=1e-12, atol=1e-17)
    assert resolve(name).mean_field


def test_a_normal_cut_at_two_std():
    found = weights("tf_truncated_normal:0.1")
    assert 0.199 < np.abs(found).max() <= 0.2
    assert found.std() == pytest.approx(0.088, rel=0.01)


@pytest.mark.parametrize("name", ["uniform:0.3:0.1", "uniform:0.1:0.1", "normal:0:0", "normal:0.1:-1", "uniform:0:inf"])
def test_values_that_are_refused(name):
    with pytest.raises(InvalidField):
        resolve(name)
