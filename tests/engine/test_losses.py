"""Losses: their values, dL/da by finite differences, and what labels may be."""

import numpy as np
import pytest

from actdiag import grad_flow, make_stack
from actdiag.datasets.inputs import checked_labels
from actdiag.datasets.random_inputs import random_labels
from actdiag.engine.losses import Loss, loss_and_gradient, readout
from actdiag.engine.workers import Workers
from actdiag.errors import InvalidField
from actdiag.streams import Stream, stream

LABELS = np.array([2, 0, 1, 2, 2, 1, 0, 0, 1, 2] * 8)
LOSSES = {
    "random": Loss(),
    "mse": Loss("mse"),
    "mse, labels": Loss("mse", 3, LABELS),
    "cross-entropy": Loss("cross-entropy", 4),
    "cross-entropy, labels": Loss("cross-entropy", 3, LABELS),
    "one class": Loss("mse", 1),
}
each_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)


def stack_of(init="xavier", batch=70, **options):
    return make_stack("tanh", init, depth=2, width=6, batch=batch, **{"dtype": "float64"} | options)


def evaluate(stack, loss, top):
    with Workers(1) as workers:
        return loss_and_gradient(stack, loss, top, workers)


def tops(stack, seed=1):
    return np.random.default_rng(seed).standard_normal((stack.batch, stack.widths[-1])).astype(stack.dtype)


def ends(stack, loss, top):
    """Return the readout and the labels that the loss is defined on."""
    with Workers(1) as workers:
        weights, biases = readout(stack, loss, top, workers)
    labels = random_labels(stack.seed, stack.batch, loss.classes) if loss.labels is None else loss.labels[: stack.batch]
    return top @ weights + (0 if biases is None else biases), labels


@each_loss
@pytest.mark.parametrize("init", ["xavier", "torch_linear"])
def test_gradient_by_finite_differences(loss, init):
    stack = stack_of(init)
    top = tops(stack)
    _, d_top = evaluate(stack, loss, top)
    assert d_top.shape == top.shape
    step = 1e-5  # central: step^2 against 1e-16 / step of rounding
    for row, unit in [(0, 0), (3, 5), (63, 2), (64, 1), (69, 4)]:  # on both sides of the cut between blocks
        nudge = np.zeros_like(top)
        nudge[row, unit] = step
        slope = (evaluate(stack, loss, top + nudge)[0] - evaluate(stack, loss, top - nudge)[0]) / (2 * step)
        assert d_top[row, unit] == pytest.approx(slope, rel=1e-6, abs=1e-9)


def test_random_is_the_mean_projection_on_normal_directions():
    stack = stack_of()
    top = tops(stack)
    value, d_top = evaluate(stack, Loss(), top)
    g = stream(stack.seed, Stream.TARGET).standard_normal(top.shape)
    np.testing.assert_allclose(d_top, g / 70, rtol=1e-15)
    assert value == pytest.approx(np.mean([a @ b for a, b in zip(g, top, strict=True)]), rel=1e-12)


@pytest.mark.parametrize("loss", [Loss("mse", 3, LABELS), Loss("mse")], ids=["labels", "drawn"])
def test_mse_is_the_mean_over_batch_and_classes(loss):
    stack = stack_of("torch_linear")
    top = tops(stack)
    y, labels = ends(stack, loss, top)
    assert evaluate(stack, loss, top)[0] == pytest.approx(np.mean((y - np.eye(loss.classes)[labels]) ** 2), rel=1e-12)


@pytest.mark.parametrize("loss", [Loss("cross-entropy", 3, LABELS), Loss("cross-entropy")], ids=["labels", "drawn"])
def test_cross_entropy_is_the_mean_over_the_batch(loss):
    stack = stack_of("torch_linear")
    top = tops(stack)
    y, labels = ends(stack, loss, top)
    chances = np.exp(y) / np.exp(y).sum(axis=1, keepdims=True)
    expected = -np.mean(np.log(chances[np.arange(70), labels]))
    assert evaluate(stack, loss, top)[0] == pytest.approx(expected, rel=1e-12)


def test_one_class_has_no_cross_entropy():
    with pytest.raises(InvalidField, match="classes must be at least 2, got 1"):
        Loss("cross-entropy", 1)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_cross_entropy_survives_large_logits(dtype):
    stack = stack_of("std=1e4", dtype=dtype)
    value, d_top = evaluate(stack, Loss("cross-entropy"), tops(stack))
    assert np.isfinite(value)
    assert np.isfinite(d_top).all()
    assert value > 1000


@each_loss
def test_gradient_keeps_the_dtype(loss):
    stack = stack_of(dtype="float32")
    assert evaluate(stack, loss, tops(stack))[1].dtype == np.float32


def test_readout_has_no_gain_and_depends_on_the_seed():
    loss = Loss("mse", 5)
    with Workers(1) as workers:
        weights, biases = readout(stack_of("torch_linear", gain=7.0), loss, None, workers)
        again, _ = readout(stack_of("torch_linear"), loss, None, workers)
        other, _ = readout(stack_of("torch_linear", seed=1), loss, None, workers)
    assert (weights.shape, biases.shape) == ((6, 5), (5,))
    assert np.array_equal(weights, again)
    assert not np.array_equal(weights, other)
    assert max(np.abs(weights).max(), np.abs(biases).max()) <= 6**-0.5


def test_drawn_labels_are_even():
    labels = random_labels(0, 100_000, 10)
    assert np.array_equal(labels[:50], random_labels(0, 50, 10))
    # each count is binomial: sd sqrt(n p (1 - p)) = 95
    assert np.bincount(labels, minlength=10) == pytest.approx(np.full(10, 10_000), abs=4 * 95)


@pytest.mark.parametrize("dtype", ["i1", "u1", "i8", "u8", ">i4"])
@pytest.mark.parametrize("shape", [(6,), (6, 1)])
def test_labels_are_taken_from_the_front(dtype, shape):
    labels = np.arange(6, dtype=dtype).reshape(shape)
    used = checked_labels(labels, 4, 4)
    assert (used.tolist(), used.dtype) == ([0, 1, 2, 3], np.int64)


BAD_LABELS = {
    "too large": ([0, 1, 3], r"from 0 to 2.*got 3 in row 2"),
    "negative": ([0, -1, 1], r"from 0 to 2.*got -1 in row 1"),
    "float": ([0.0, 1.0, 2.0], "whole numbers from 0 to 2.*float64"),
    "bool": ([True, False, True], "bool"),
    "text": (["a", "b", "c"], "whole numbers"),
    "too few": ([0, 1], "cover the 3 rows.*got 2"),
    "none": (np.zeros(0, int), "cover the 3 rows.*got 0"),
    "one-hot": (np.eye(3, dtype=int), r"one number a row.*\(3, 3\)"),
    "no axes": (np.array(1), "one number a row"),
}


@pytest.mark.parametrize(("labels", "said"), BAD_LABELS.values(), ids=BAD_LABELS)
def test_bad_labels_are_refused(labels, said):
    with pytest.raises(InvalidField, match=said) as caught:
        checked_labels(np.asarray(labels), 3, 3)
    assert caught.value.field == "labels"


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"name": "hinge"}, "loss"),
        ({"name": "mse", "classes": 0}, "classes"),
        ({"name": "mse", "classes": 10**6 + 1}, "classes"),
        ({"name": "mse", "classes": 2.5}, "classes"),
        ({"name": "random", "labels": LABELS}, "labels"),
    ],
)
def test_losses_are_checked(arguments, field):
    with pytest.raises(InvalidField) as caught:
        Loss(**arguments)
    assert caught.value.field == field


def test_bad_labels_are_refused_before_anything_is_run():
    steps = []
    with pytest.raises(InvalidField, match="labels"):
        grad_flow("relu", "he", loss="mse", labels=[-1, 2] * 300, progress=lambda done, total: steps.append(done))
    assert steps == []
