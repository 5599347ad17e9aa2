"""The changes to try on a network that is not healthy: their order, and that their options make their stacks."""

from dataclasses import replace

import numpy as np
import pytest

import actdiag
from actdiag.diagnosis.advice import changes
from actdiag.experiments.run import run_propagate, run_settings

ROWS = np.random.default_rng(0).normal(size=(40, 12))
ORDER = ["inputs", "initializer", "gain", "biases", "gain and biases", "activation", "depth"]


def measured(act="relu", init="he", **options):
    return run_propagate(actdiag.make_stack(act, init, **options), run_settings(theory=False)).measurements


def whats(*names, **options):
    return [change.what for change in changes(measured(*names, **options))]


BUSY = {"act": "gelu", "init": "xavier", "depth": 20, "bias_std": 0.3, "input": 5 + ROWS, "width": 10}
STACKS = {
    "busy": BUSY,
    "gain of its own": {"act": "relu", "init": "xavier", "gain": 1.3, "depth": 6},
    "an automatic gain": {"act": "tanh", "init": "xavier", "gain": "auto", "depth": 6, "bias_mean": 0.2},
    "an automatic gain with biases": {"act": "gelu", "init": "he", "gain": "auto", "depth": 6},
    "automatic": {"act": "gelu", "init": "auto", "depth": 6},
    "automatic, with a mean": {"act": "gelu", "init": "auto", "depth": 6, "bias_mean": 0.1},
    "a mean of biases": {"act": "relu", "init": "xavier", "depth": 20, "bias_mean": -1.0},
    "both of biases": {"act": "tanh", "init": "std=0.3", "gain": 0.5, "depth": 9, "bias_mean": -1.0, "bias_std": 0.4},
    "widths": {"act": "selu", "init": "he", "widths": [9, 8, 7]},
    "one layer": {"act": "tanh", "init": "std=0.01", "depth": 1},
    "structured": {"act": "softmax", "init": "lecun", "depth": 5},
    "fitted": {"act": "tanh", "init": "lsuv", "depth": 4},
    "biases drawn": {"act": "relu", "init": "torch_linear", "depth": 4},
}


def test_the_data_come_first_and_other_activations_and_fewer_layers_last():
    found = whats(**BUSY)
    assert found[:4] == ["inputs", "initializer", "gain", "gain"]
    assert set(found) == {*ORDER, "activation and initializer"}
    first = {what: found.index(what) for what in ORDER}
    last = {what: len(found) - 1 - found[::-1].index(what) for what in ORDER}
    assert list(first) == sorted(first, key=first.get)
    assert last["gain and biases"] < first["activation"]
    assert last["initializer"] < first["activation"]
    assert last["activation"] < first["depth"]
    assert found[-3:] == ["depth"] * 3


@pytest.mark.parametrize(
    ("act", "init"),
    [
        ("relu", "he"),
        ("leaky_relu:0.2", "he"),
        ("tanh", "xavier"),
        ("selu", "lecun"),
        ("gelu", "auto"),
        ("silu", "auto"),
    ],
)
def test_the_initializer_that_people_know_is_tried_first(act, init):
    first = next(changes(measured(act, "std=0.01", depth=5)))
    assert (first.what, first.options) == ("initializer", {"init": init})


@pytest.mark.parametrize("options", STACKS.values(), ids=STACKS)
def test_the_stack_of_a_change_is_what_its_options_make(options):
    run = measured(**options)
    found = list(changes(run))
    assert found
    for change in found:
        # What takes the place of a depth is no depth beside it.
        given = {key: value for key, value in options.items() if (key, "widths") != ("depth", *change.options)}
        kept = {name: value for name, value in (given | dict(change.options)).items() if value is not None}
        stack, said = actdiag.make_stack(**kept), (change.what, change.options)
        if stack.data is not None:  # standardized before and after its numbers are rounded to float32
            assert np.allclose(stack.data, change.stack.data, atol=1e-6), said
        assert stack.bias_spread(1) == change.stack.bias_spread(1), said
        bare = {"data": change.stack.data, "bias_mean": None, "bias_std": None}
        assert replace(stack, **bare) == replace(change.stack, **bare), said
        assert change.stack != run.recipe


@pytest.mark.parametrize("options", STACKS.values(), ids=STACKS)
def test_each_is_tried_once(options):
    stacks = [change.stack for change in changes(measured(**options))]
    assert all(one != other for at, one in enumerate(stacks) for other in stacks[:at])


def test_inputs_are_standardized_where_they_are_given_and_are_not():
    def offered(data):
        return "inputs" in whats("relu", "std=0.01", depth=3, input=data)

    standard = (ROWS - ROWS.mean(axis=0)) / ROWS.std(axis=0)
    assert [offered(data) for data in (ROWS + 5, ROWS * 2, standard * [*[1.0] * 11, 1.3])] == [True] * 3
    assert [offered(data) for data in (standard, standard * 1.2, standard + 0.09, ROWS[:1] + 5)] == [False] * 4
    assert not offered(np.ones((5, 4)))  # nothing varies
    assert "inputs" not in whats("relu", "std=0.01", depth=3)
    assert "inputs" not in whats("relu", "std=0.01", depth=3, input=ROWS + 5, standardize=True)
    huge = list(changes(measured("relu", "std=0.01", depth=3, input=ROWS * 1e300, dtype="float64")))
    assert huge[0].what == "inputs"  # whose squares leave float64
    assert huge[0].stack.data.std() == pytest.approx(1)


def test_gains_undo_what_was_measured():
    run = measured("relu", "std=0.05", depth=10)
    gains = [change.options["gain"] for change in changes(run) if change.what == "gain"]
    assert gains[0] == pytest.approx(np.sqrt(2 / 100) / 0.05, rel=0.01)
    assert gains[1] == pytest.approx(1 / run.change.forward, rel=0.01)


def test_without_a_recipe_there_is_nothing_to_change():
    assert list(changes(replace(measured("relu", "std=0.01", depth=3), recipe=None))) == []


def test_an_activation_of_no_gain_gets_another():
    assert set(whats("softmax", "lecun", depth=5)) >= {"initializer", "activation"}


def test_fewer_layers_are_a_half_a_quarter_and_an_eighth():
    found = [change for change in changes(measured("relu", "std=0.01", depth=20)) if change.what == "depth"]
    assert [change.options for change in found] == [{"depth": 10}, {"depth": 5}, {"depth": 2}]
    assert [change.stack.depth for change in found] == [10, 5, 2]
    uneven = [change for change in changes(measured("selu", "he", widths=[9, 8, 7])) if change.what == "depth"]
    assert [change.options for change in uneven] == [{"widths": (9,)}]
    assert "depth" not in whats("relu", "he", depth=1)
