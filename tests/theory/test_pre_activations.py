"""The second moments and correlations of pre-activations, against those of drawn layers."""

import numpy as np
import pytest

from actdiag import make_stack
from actdiag.theory.pre_activations import pre_activations
from actdiag.theory.recipe import layers_of
from actdiag.theory.sampling import sample_inputs

RNG = np.random.default_rng(0)
A = RNG.standard_normal((6, 40)) * np.geomspace(0.5, 2, 6)[:, np.newaxis] + 0.3


def sample_of(activations):
    return sample_inputs(activations, np.square(activations).sum(axis=1), 0.2 if len(activations) > 1 else None)


def theory_of(init, activations=A, **options):
    recipe = layers_of(make_stack("tanh", init, widths=[40, 40, 30], input_width=40, batch=6, **options))
    return pre_activations(recipe, [2], [sample_of(activations)])


@pytest.mark.parametrize("options", [{}, {"bias_std": 0.7}, {"bias_mean": 0.5, "bias_std": 0.2}])
def test_moments_are_those_of_drawn_layers(options):
    z = theory_of("lecun", **options)
    weights = RNG.standard_normal((4000, 40)) / np.sqrt(40)
    drawn = A @ weights.T + options.get("bias_std", 0) * RNG.standard_normal(4000)  # about the mean of the biases
    seconds = np.square(drawn).mean(axis=1)
    assert z.centre == options.get("bias_mean", 0)
    assert z.average(z.q)[0] == pytest.approx(seconds.mean(), rel=0.03)
    cosines = np.corrcoef(drawn)[np.triu_indices(6, 1)]
    np.testing.assert_allclose(np.sort(z.c[0]), np.sort(cosines), atol=0.06)


def test_fitted_weights_give_a_std_of_one():
    z = theory_of("lsuv", bias_std=0.6)
    assert z.average(z.q)[0] == pytest.approx(1, rel=1e-12)
    assert z.fit[0] > 0
    assert theory_of("lecun").fit.tolist() == [1]


def test_layers_with_fewer_groups_and_pairs_are_filled_up():
    recipe = layers_of(make_stack("tanh", "lecun", widths=[40, 40, 30], input_width=40, batch=6))
    alike = np.tile(A[0], (6, 1))
    few = alike.copy()
    few[1:5] = 0
    z = pre_activations(recipe, [1, 2, 3], [sample_of(A), sample_of(alike), sample_of(few)])
    assert z.q.shape == z.shares.shape == (3, (z.shares[0] > 0).sum())
    np.testing.assert_allclose(z.shares.sum(axis=1), 1, rtol=1e-12)
    assert (np.isnan(z.c).sum(axis=1) == [0, 0, 14]).all()
    for layer, activations in enumerate((A, alike, few)):
        alone = pre_activations(recipe, [layer + 1], [sample_of(activations)])
        np.testing.assert_array_equal(z.average(z.q)[layer], alone.average(alone.q)[0])
        np.testing.assert_array_equal(z.c[layer][~np.isnan(z.c[layer])], alone.c[0])


def test_spreads_are_asked_for_the_same_layers():
    z = theory_of("lecun", bias_std=0.1)
    given = z.batches()
    assert (given.act, given.batch) == (z.act, 6)
    assert given.q is z.q
    assert given.width.tolist() == [40]
