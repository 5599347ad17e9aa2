"""What `auto` stands for: a gain for every layer, biases that go with it, and where there is none."""

from math import sqrt

import numpy as np
import pytest

import actdiag
from actdiag import InvalidField, make_stack
from actdiag.engine.parameters import draw_weights

RAGGED = {"widths": [300, 200, 400], "input_width": 250}


def gains_of(stack):
    """Return sqrt(fan_in) x std of the weights of every layer as they are drawn."""
    return [sqrt(stack.fan_in(layer)) * draw_weights(stack, layer).std() for layer in (1, 2, 3)]


@pytest.mark.parametrize("act", ["relu", "tanh", "gelu", "selu", "sin"])
@pytest.mark.parametrize(
    "options",
    [
        {"init": "auto"},
        {"init": "auto", "gain": "auto"},
        {"init": "he", "gain": "auto"},
        {"init": "std=3", "gain": "auto"},
    ],
)
def test_every_layer_gets_the_gain_that_is_recommended(act, options):
    take = actdiag.gain(act, depth=3).recommended
    stack = make_stack(act, **options, **RAGGED)
    assert stack.target_gain == pytest.approx(take.gain, rel=1e-9)
    assert (stack.bias_mean, stack.bias_std) == (None, take.bias_std)
    assert gains_of(stack) == pytest.approx([take.gain] * 3, rel=0.02)  # of 50,000 weights and more


def test_the_initializer_keeps_its_shape():
    uniform = draw_weights(make_stack("relu", "xavier_uniform", gain="auto", **RAGGED), 1)
    assert np.abs(uniform).max() < 1.001 * sqrt(3) * uniform.std()
    normal = draw_weights(make_stack("relu", "auto", **RAGGED), 1)
    assert np.abs(normal).max() > 3 * normal.std()
    assert make_stack("relu", "auto").init.name == "auto"


@pytest.mark.parametrize("given", [{"bias_std": 0.2}, {"bias_std": 0.0}, {"bias_mean": 0.1}])
def test_biases_that_are_given_stay_and_the_gain_goes_with_them(given):
    stack = make_stack("tanh", "auto", **given)
    assert stack.bias_std == given.get("bias_std", 0.0)
    assert stack.bias_mean == given.get("bias_mean")
    assert stack.target_gain == pytest.approx(actdiag.gain("tanh", stack.bias_std, depth=5).recommended.gain, rel=1e-9)


def test_an_automatic_gain_is_that_of_the_depth():
    shallow, deep = (make_stack("tanh", "auto", depth=depth).target_gain for depth in (10, 60))
    assert (shallow, deep) == (pytest.approx(1.400743, rel=1e-5), pytest.approx(1.171042, rel=1e-5))


def test_biases_change_the_gain():
    assert make_stack("tanh", "auto", bias_std=0.2).target_gain != make_stack("tanh", "auto", bias_std=0.0).target_gain


def test_a_number_is_no_target():
    stack = make_stack("tanh", "he", gain=2.5, bias_std=0.1)
    assert (stack.gain, stack.target_gain, stack.bias_std) == (2.5, None, 0.1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"init": "auto", "gain": 2.0}, "gain must be left out with the initializer auto, got 2"),
        (
            {"init": "lsuv", "gain": "auto"},
            "gain must be a number where weights are fixed, all positive or fitted",
        ),
        ({"init": "constant:0.1", "gain": "auto"}, "gain must be a number where weights are fixed"),
        ({"init": "zeros", "gain": "auto"}, "got auto with zeros"),
    ],
)
def test_where_there_is_none(options, message):
    with pytest.raises(InvalidField, match=message):
        make_stack(**options)


def test_a_gain_of_one_is_the_default_and_says_nothing():
    assert make_stack("tanh", "auto", gain=1.0) == make_stack("tanh", "auto")
