"""The physical numbers of a run: against Jacobians computed one output at a time."""

from dataclasses import replace
from math import exp, inf, log

import numpy as np
import pytest
from altering import altered

import actdiag
from actdiag.diagnosis.calibration.signals import gradient_rms, signals
from actdiag.engine.workers import Workers
from actdiag.experiments.train.network import backward, draw_network, forward

CLASSES = 10
WIDE = {"depth": 6, "width": 256, "batch": 200, "seed": 3}


def network_of(stack):
    with Workers(1) as workers:
        return draw_network(stack, CLASSES, workers)


def kernel(stack):
    """Return the mean over inputs and outputs of |dy/dparameters|^2, and the part that weights have over inputs."""
    network = network_of(stack)
    passed = forward(network, stack.inputs())
    whole, differing = [], []
    for output in range(CLASSES):
        d_logits = np.zeros_like(passed.logits)
        d_logits[:, output] = 1
        for number, _, d_z, _ in backward(network, passed, d_logits):
            below = passed.values[number - 1 if number else len(network.layers)]
            # Of one input dy/dW is the outer product of its activations and its gradient.
            squares = (d_z.astype(float) ** 2).sum(axis=1)
            whole.append(np.mean(squares * ((below.astype(float) ** 2).sum(axis=1) + 1)))
            about = below.astype(float) - below.astype(float).mean(axis=0)
            differing.append(np.mean(squares * (about**2).sum(axis=1)))
    return sum(whole) / CLASSES, sum(differing) / CLASSES


@pytest.mark.parametrize(
    ("act", "init"),
    [("relu", "he"), ("tanh", "xavier"), ("gelu", "lecun"), ("sigmoid", "std=0.1"), ("selu", "lecun")],
)
@pytest.mark.parametrize("backward", [True, False])
def test_curvature_is_the_trace_of_the_kernel(act, init, backward):
    run = actdiag.grad_flow if backward else actdiag.propagate
    report = run(act, init, theory=False, **WIDE, **({"loss": "cross-entropy"} if backward else {}))
    found = signals(report.measurements)
    whole, differing = kernel(report.stack)
    # A readout of ten classes and layers of 256 units leave some 10 %.
    assert found.curvature == pytest.approx(log(whole), abs=0.25)
    assert found.learning == pytest.approx(log(differing), abs=0.25)
    assert found.estimated is not backward


@pytest.mark.parametrize(
    ("act", "init"), [("relu", "he"), ("sigmoid", "xavier"), ("softplus", "torch_linear"), ("tanh", "lsuv")]
)
def test_output_is_what_the_readout_says(act, init):
    report = actdiag.propagate(act, init, theory=False, **WIDE)
    found = signals(report.measurements)
    network = network_of(report.stack)
    logits = forward(network, report.stack.inputs()).logits.astype(float)
    assert exp(found.output) == pytest.approx(logits.std(axis=0).mean(), rel=0.25)


@pytest.mark.parametrize("bias", [None, pytest.param(0.3, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("act", "init"),
    [(act, init) for act in ("relu", "tanh", "sigmoid", "maxout", "glu") for init in ("lecun", "lsuv")]
    + [("softmax", "lecun")],  # fitted, what all its units share outgrows what tells them apart
)
def test_estimated_gradients_are_near_the_measured(act, init, bias):
    options = {"depth": 10, "width": 256, "seed": 1, "theory": False, "bias_std": bias}
    measured = gradient_rms(actdiag.grad_flow(act, init, **options).measurements)
    estimated = gradient_rms(actdiag.propagate(act, init, **options).measurements)
    assert list(measured) == list(estimated) == list(range(10, 0, -1))
    assert estimated[10] == measured[10] == 1
    for layer in range(1, 10):
        assert log(estimated[layer]) == pytest.approx(log(measured[layer]), abs=0.15)


def test_the_median_input_is_told_apart_from_the_few_that_have_the_gradient():
    report = actdiag.grad_flow("gelu", "he", depth=31, width=114, seed=1187, loss="cross-entropy", theory=False)
    found, (first, *_, last) = signals(report.measurements), report.layers
    assert found.typical < found.gradient - 1
    assert found.gradient == pytest.approx(log(first.gradient.rms / last.gradient.rms))
    assert found.typical == pytest.approx(log(first.gradient.typical_rms / last.gradient.typical_rms))


def test_without_a_backward_pass_there_is_no_median_input():
    assert signals(actdiag.propagate("gelu", "he", theory=False).measurements).typical is None


@pytest.mark.parametrize(("first", "last", "expected"), [(0.0, 1.0, -inf), (1.0, 0.0, None), (None, 1.0, None)])
def test_a_median_input_without_gradient(runs, first, last, expected):
    run = altered(runs["relu"], gradient__typical_rms=lambda layer: first if layer == 1 else last)
    assert signals(run).typical == expected
    assert signals(replace(run, recipe=None)).typical == expected


def test_information_is_what_the_last_layer_tells_of_the_input():
    report = actdiag.propagate("sigmoid", "std=0.01", theory=False)
    last = report.layers[-1]
    assert signals(report.measurements).information == pytest.approx(log(last.unit_std / last.rms))


@pytest.mark.parametrize(
    "options",
    [
        {"act": "relu", "init": "std=1e-30", "depth": 3},
        {"act": "relu", "init": "std=1e30", "depth": 3},
        {"act": "relu", "init": "he", "bias_mean": -1000.0},
    ],
)
def test_a_lost_signal_has_no_numbers(options):
    assert signals(actdiag.propagate(theory=False, **options).measurements) is None
    assert signals(actdiag.grad_flow(theory=False, **options).measurements) is None


def test_a_single_input_differs_from_nothing_but_is_judged():
    found = signals(actdiag.propagate("tanh", "xavier", batch=1, theory=False).measurements)
    assert found.information == 0
