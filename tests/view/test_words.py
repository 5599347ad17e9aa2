"""Stacks in words, alone and several at once."""

from dataclasses import replace

import builders
import pytest
import training_runs

import actdiag
from actdiag.initializers import resolve as initializer
from actdiag.view import training, words


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, ""),
        ({"bias_std": 0.0}, "no biases"),
        ({"bias_mean": 0.5}, "biases 0.5"),
        ({"bias_mean": 0.5, "bias_std": 0.1}, "biases N(0.5, 0.1^2)"),
        ({"init": initializer("torch_linear")}, "biases of torch_linear"),
        ({"init": initializer("torch_linear"), "bias_std": 0.1}, "biases N(0, 0.1^2)"),
    ],
)
def test_biases(changes, text):
    assert words.biases(builders.stack(**changes)) == text


@pytest.mark.parametrize(
    ("inits", "options", "text"),
    [
        (["he", "xavier"], {}, ""),
        (["he", "xavier"], {"bias_std": 0.3}, "biases N(0, 0.3^2)"),
        (["torch_linear", "torch_linear"], {}, "biases of torch_linear"),
        (["torch_linear", "he"], {}, "each initializer's own biases"),
        (["he", "torch_linear"], {}, "each initializer's own biases"),
        (["torch_linear", "he"], {"bias_mean": 0.1}, "biases 0.1"),
        (["auto"], {}, "biases (b) that go with each gain"),
        (["auto", "he"], {}, "biases (b) that go with each gain"),
    ],
)
def test_biases_of_several_stacks(inits, options, text):
    stacks = [actdiag.make_stack("tanh", init, width=20, **options) for init in inits]
    assert words.common_biases(stacks, mark=" (b)") == text


@pytest.mark.parametrize(
    ("inits", "said"),
    [
        (["torch_linear", "he"], "each initializer's own biases, "),
        (["he", "torch_linear"], "each initializer's own biases, "),
        (["torch_linear"], "biases of torch_linear, "),
        (["he", "xavier"], ""),
    ],
)
def test_headings_of_training_state_no_stacks_biases_for_all(inits, said):
    runs = [training_runs.run(init=init) for init in inits]
    assert training.heading(runs)[1].startswith(f"4 layers of 10, {said}float32")


def test_headings_of_training_leave_out_biases_that_are_told_elsewhere():
    automatic = actdiag.make_stack("tanh", "auto", width=20)
    runs = [replace(training_runs.run(), stack=automatic), training_runs.run(init="torch_linear")]
    assert "biases of torch_linear" in training.heading(runs)[1]
    assert "biases" not in training.heading(runs[:1])[1]
    assert "bias std" in training.fitted_gains(runs)


def test_shapes():
    assert words.shape(builders.stack(1)) == "1 layer of 10"
    assert words.shape(replace(builders.stack(), widths=(5, 4, 3))) == "3 layers of 5-4-3"
    assert words.shape(replace(builders.stack(), widths=tuple(range(1, 12)))) == "11 layers of 1-2-3-4-...-10-11"


def test_value_at():
    layer = builders.layer(1)
    assert words.value_at(layer, "pre_activation.rms") == 1.0
    assert words.value_at(layer, "gradient.rms") is None
    assert words.value_at(None, "rms") is None
