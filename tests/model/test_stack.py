"""A Stack: what it says of its layers, and what no stack can have."""

import math
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest

from actdiag import InvalidField, make_stack
from actdiag.initializers import resolve as initializer

RAGGED = {"widths": [7, 5, 9], "input_width": 4, "batch": 6}


def test_fans_of_a_ragged_stack():
    stack = make_stack("relu", "he", **RAGGED)
    assert stack.depth == 3
    assert [stack.fan_in(layer) for layer in (1, 2, 3)] == [4, 7, 5]
    assert [stack.columns(layer) for layer in (1, 2, 3)] == [7, 5, 9]


def test_an_activation_in_pieces_has_as_many_columns_a_unit():
    stack = make_stack("maxout:3", "he", **RAGGED)
    assert [stack.columns(layer) for layer in (1, 2, 3)] == [21, 15, 27]
    assert [stack.fan_in(layer) for layer in (1, 2, 3)] == [4, 7, 5]


@pytest.mark.parametrize("gain", [1.0, 0.3])
@pytest.mark.parametrize(
    ("init", "std"),
    [
        ("std=0.2", lambda fan_in, fan_out: 0.2),
        ("he", lambda fan_in, fan_out: math.sqrt(2 / fan_in)),
        ("lecun", lambda fan_in, fan_out: math.sqrt(1 / fan_in)),
        ("xavier", lambda fan_in, fan_out: math.sqrt(2 / (fan_in + fan_out))),
        ("glorot_uniform", lambda fan_in, fan_out: math.sqrt(2 / (fan_in + fan_out))),
    ],
)
def test_the_std_of_weights(init, std, gain):
    stack = make_stack("relu", init, gain=gain, **RAGGED)
    found = [stack.weight_std(layer) for layer in (1, 2, 3)]
    assert found == pytest.approx([gain * std(*fans) for fans in ((4, 7), (7, 5), (5, 9))], rel=1e-12)
    assert stack.layer_gains() == (gain,)


def test_a_target_gain_is_that_of_every_layer():
    stack = replace(make_stack("relu", "std=0.2", **RAGGED), target_gain=1.5)
    assert [math.sqrt(stack.fan_in(layer)) * stack.weight_std(layer) for layer in (1, 2, 3)] == pytest.approx([1.5] * 3)
    assert stack.layer_gains() == pytest.approx([1.5 / (0.2 * math.sqrt(fan_in)) for fan_in in (4, 7, 5)])


def test_one_gain_is_said_once():
    stack = replace(make_stack("relu", "std=0.2", depth=4, width=9), target_gain=1.5)
    assert stack.layer_gains() == pytest.approx([1.5 / (0.2 * 3)])


@pytest.mark.parametrize(
    ("init", "options", "spread"),
    [
        ("he", {}, (0.0, 0.0)),
        ("he", {"bias_mean": -0.5}, (-0.5, 0.0)),
        ("he", {"bias_std": 0.3}, (0.0, 0.3)),
        ("torch_linear", {}, (0.0, 1 / math.sqrt(3 * 4))),  # U(-1/sqrt(fan_in), 1/sqrt(fan_in))
        ("torch_linear", {"bias_std": 0.0}, (0.0, 0.0)),
        ("torch_linear", {"bias_mean": 0.0}, (0.0, 0.0)),
    ],
)
def test_biases_are_those_given_or_the_initializers(init, options, spread):
    assert make_stack("relu", init, **RAGGED, **options).bias_spread(1) == pytest.approx(spread, rel=1e-12)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"widths": ()}, "depth must be at least 1, got 0"),
        ({"widths": (5, 5, 0)}, "widths must be at least 1, got 0"),
        ({"widths": (0, 0)}, "width must be at least 1, got 0"),
        ({"widths": (5.5,)}, "width must be a whole number"),
        ({"widths": (5,) * 1_000_001}, "depth must be at most 1000000, got 1000001"),
        ({"input_width": 0}, "input_width must be at least 1"),
        ({"batch": 0}, "batch must be at least 1"),
        ({"gain": 0.0}, "gain must be above 0"),
        ({"gain": math.nan}, "gain must be a finite number"),
        (
            {"gain": 1e30, "init": initializer("std=1e10")},
            "gain must keep the weights within float32",
        ),
        ({"bias_mean": math.inf}, "bias_mean must be a finite number"),
        ({"bias_std": -1.0}, "bias_std must be at least 0"),
        ({"dtype": "float16"}, "dtype must be one of float32, float64"),
        ({"seed": -1}, "seed must be at least 0"),
        ({"seed": 2**63}, f"seed must be at most {2**63 - 1}"),
        ({"input": "gamma"}, "input must be one of normal, uniform"),
        ({"data": np.ones((6, 5)), "input": "array"}, "input must have shape (6, 4), got (6, 5)"),
        ({"target_gain": 1.0, "init": initializer("zeros")}, "gain must be a number where weights are fixed"),
        ({"target_gain": 1.0, "init": initializer("lsuv")}, "or fitted to the batch, got auto with lsuv"),
        ({"target_gain": -1.0}, "gain must be above 0"),
    ],
)
def test_what_no_stack_can_have(changes, message):
    with pytest.raises(InvalidField) as caught:
        replace(make_stack("relu", "he", **RAGGED), **changes)
    assert message in str(caught.value)


def test_numbers_of_numpy_become_pythons():
    numbers = {"batch": np.int32(5), "gain": np.float32(0.5), "seed": np.uint8(7)}
    stack = make_stack("relu", "he", widths=np.array([3, 4]), **numbers)
    assert [type(value) for value in (*stack.widths, stack.batch, stack.seed, stack.gain)] == [int] * 4 + [float]
    assert (stack.widths, stack.gain, stack.seed) == ((3, 4), 0.5, 7)


def test_a_stack_does_not_change():
    stack = make_stack("relu", "he")
    with pytest.raises(FrozenInstanceError):
        stack.seed = 3
    assert stack == make_stack("relu", "he")
    assert stack != replace(stack, seed=3)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_inputs_are_drawn_from_the_seed_alone(dtype):
    stack = make_stack("relu", "he", width=8, batch=700, dtype=dtype)
    inputs = stack.inputs()
    assert (inputs.shape, inputs.dtype) == ((700, 8), np.dtype(dtype))
    other = replace(stack, widths=(3, 4), act=make_stack("tanh", "he").act, init=initializer("std=1"))
    np.testing.assert_array_equal(other.inputs(), inputs)
    assert not np.array_equal(replace(stack, seed=1).inputs(), inputs)


def test_inputs_that_are_given_come_in_the_stacks_dtype():
    data = np.arange(24.0).reshape(6, 4)
    stack = make_stack("relu", "he", widths=[7], input=data)
    assert (stack.batch, stack.input_width, stack.input) == (6, 4, "array")
    assert stack.inputs().dtype == np.float32
    np.testing.assert_array_equal(stack.inputs(), data)
    with pytest.raises(InvalidField, match=r"input must hold numbers that float32 can hold, got up to 1e\+60"):
        make_stack("relu", "he", widths=[7], input=np.full((6, 4), 1e60)).inputs()


@pytest.mark.parametrize("batch", [1, 511, 512, 513, 5000, 100_000])
@pytest.mark.parametrize("width", [3, 100, 4096])
def test_blocks_of_rows_hold_every_row_once(width, batch):
    stack = make_stack("relu", "he", depth=2, width=width, batch=batch)
    blocks = stack.row_blocks()
    assert [block.start for block in blocks[1:]] == [block.stop for block in blocks[:-1]]
    assert (blocks[0].start, blocks[-1].stop) == (0, batch)
    assert replace(stack, seed=5, gain=2.0).row_blocks() == blocks
