"""Whether a gain does what theory promises: the runs that are made, how they are averaged, what is predicted."""

import json
from math import exp, log, sqrt

import numpy as np
import pytest

import actdiag
from actdiag import InvalidField
from actdiag.activations import resolve
from actdiag.documents.gains import gains_to_dict
from actdiag.experiments.verify import SEEDS, predicted, verify

TANH = {"act": resolve("tanh"), "gain": 1.3, "bias_std": 0.2, "depth": 3, "width": 30}


def test_measured_is_the_geometric_mean_over_runs_of_lecun_stacks():
    checked = verify(**TANH, seed=4)
    assert (checked.depth, checked.width, checked.seeds) == (3, 30, tuple(range(4, 4 + SEEDS)))
    runs = [
        actdiag.grad_flow("tanh", "lecun", gain=1.3, bias_std=0.2, depth=3, width=30, batch=256, seed=seed).layers
        for seed in checked.seeds
    ]
    for at, layer in enumerate(checked.layers):
        rms = [log(layers[at].pre_activation.rms) for layers in runs]
        ratio = [log(layers[at].gradient.ratio) for layers in runs]
        assert layer.layer == at + 1
        assert layer.measured_rms == pytest.approx(exp(np.mean(rms)), rel=1e-12)
        assert layer.rms_spread == pytest.approx(exp(np.std(rms, ddof=1)), rel=1e-12)
        assert layer.measured_ratio == pytest.approx(exp(np.mean(ratio)), rel=1e-12)
        assert layer.ratio_spread == pytest.approx(exp(np.std(ratio, ddof=1)), rel=1e-12)


def test_relu_under_its_gain_keeps_all():
    """q = 2 E[relu(sqrt(q) z)^2] = q, and chi1 = 2/2."""
    rms, ratio = predicted(resolve("relu"), sqrt(2), 0.0, 6)
    assert rms == pytest.approx([sqrt(2)] * 6, rel=1e-12)
    assert ratio == pytest.approx([1] * 6, rel=1e-12)


def test_a_linear_stack_follows_its_gain():
    """q of layer l is g^(2l) and b^2 (1 + g^2 + ...) besides; a gradient grows by g a layer."""
    rms, ratio = predicted(resolve("identity"), 0.5, 0.3, 4)
    q = [0.25 + 0.09]
    for _ in range(3):
        q.append(0.25 * q[-1] + 0.09)
    assert rms == pytest.approx(np.sqrt(q), rel=1e-12)
    assert ratio == pytest.approx([0.125, 0.25, 0.5, 1], rel=1e-12)


def test_a_gradient_takes_the_slopes_of_its_own_layer_and_of_those_above():
    """E sin(sqrt(q) u)^2 = (1 - e^(-2q)) / 2, of cos the rest; the last layer's gradient is the one that is known."""
    gain, q = 1.7, [1.7**2]
    for _ in range(3):
        q.append(gain**2 * (1 - exp(-2 * q[-1])) / 2)
    growth = [gain**2 * (1 + exp(-2 * one)) / 2 for one in q]
    rms, ratio = predicted(resolve("sin"), gain, 0.0, 4)
    assert rms == pytest.approx(np.sqrt(q), rel=1e-9)
    assert ratio == pytest.approx([sqrt(np.prod(growth[layer:3])) for layer in range(4)], rel=1e-9)


def test_what_is_beyond_all_numbers_is_none():
    checked = verify(resolve("relu_squared"), 50.0, 0.0, depth=12, width=20)
    first, last = checked.layers[0], checked.layers[-1]
    assert first.predicted_rms == 50
    assert first.measured_rms == pytest.approx(50, rel=0.1)
    assert first.predicted_ratio is first.measured_ratio is first.ratio_spread is None
    assert last.predicted_rms is last.measured_rms is last.rms_spread is None


def test_progress_counts_the_layers_of_all_runs_up_and_down():
    told = []
    verify(**TANH, progress=lambda *step: told.append(step))
    assert told == [(done, 6 * SEEDS) for done in range(1, 6 * SEEDS + 1)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"depth": 0}, "depth must be at least 1, got 0"),
        ({"width": 0}, "width must be at least 1, got 0"),
        ({"seed": -1}, "seed must be at least 0, got -1"),
        ({"seed": 2**63 - 1}, f"seed must be at most {2**63 - 1 - SEEDS}"),
        ({"gain": 0.0}, "gain must be above 0"),
        ({"threads": 0}, "threads must be at least 1"),
    ],
)
def test_what_is_refused(changes, message):
    with pytest.raises(InvalidField, match=message):
        verify(**TANH | changes)


def test_the_document_holds_what_was_checked_beside_the_gains():
    checked = verify(**TANH)
    document = json.loads(json.dumps(gains_to_dict([actdiag.gain("tanh"), actdiag.gain("gelu")], [checked, None])))
    tanh, gelu = document["activations"]
    assert (tanh["name"], gelu["name"]) == ("tanh", "gelu")
    assert "verify" not in gelu
    assert tanh["verify"]["seeds"] == list(range(SEEDS))
    assert [layer["measured_rms"] for layer in tanh["verify"]["layers"]] == [one.measured_rms for one in checked.layers]
