"""How evenly features share their scale."""

import numpy as np
import pytest

from actdiag import propagate
from actdiag.measure.features import feature_evenness

RNG = np.random.default_rng(0)


def test_equal_features_are_even_and_one_alone_is_not():
    x = np.where(RNG.random((40, 6)) < 0.5, -1.0, 1.0)
    assert feature_evenness(x) == 1
    assert feature_evenness(x * [1, 0, 0, 0, 0, 0]) == 0
    assert feature_evenness(x * [1, 1, 1, 0, 0, 0]) == pytest.approx(2 / 5)


@pytest.mark.parametrize("scale", [1e-200, 1e-30, 1.0, 1e200])
def test_the_scale_of_all_does_not_matter(scale):
    x = RNG.standard_normal((30, 5)) * [1, 2, 3, 4, 5]
    assert feature_evenness(x * scale) == pytest.approx(feature_evenness(x), rel=1e-12)


def test_a_single_feature_and_zeros_have_none():
    assert feature_evenness(np.ones((5, 1))) is None
    assert feature_evenness(np.zeros((5, 3))) is None


def test_a_column_of_another_unit_is_found_and_standardizing_is_proven():
    x = RNG.standard_normal((200, 20))
    x[:, 3] *= 1e6
    verdict = propagate("relu", "he", input=x, theory=False).verdict
    assert "uneven_features" in [finding.rule for finding in verdict.findings]
    assert dict(verdict.fix.changes) == {"scale": "feature"}
    assert verdict.fix.severity == "healthy"
    standardized = propagate("relu", "he", input=x, standardize=True, theory=False).verdict
    assert "uneven_features" not in [finding.rule for finding in standardized.findings]
    assert standardized.fix is None


def test_drawn_inputs_are_not_asked():
    assert propagate("relu", "he", depth=1, batch=20).input_evenness is None
