"""Entries as values: equal by name and functions, hashable, pickled by name or by the functions of a module."""

import copy
import pickle
from dataclasses import replace

import elsewhere
import numpy as np
import pytest

from actdiag.activations import ACTIVATIONS, Activation, resolve
from actdiag.initializers import INITIALIZERS, Initializer
from actdiag.render.terminal.catalogue import example
from actdiag.theory.automatic import resolve_init

SPECS = [*ACTIVATIONS, "swish", "leaky_relu:0.2", "maxout:3", "x*sigmoid(1.7*x)", "autograd.numpy:tanh"]


@pytest.mark.parametrize("spec", SPECS)
def test_activations_pickle_by_name(spec):
    act = resolve(spec)
    written = pickle.dumps(act)
    assert spec.encode() in written
    assert len(written) < 200
    assert pickle.loads(written) == act


@pytest.mark.parametrize("spec", [*INITIALIZERS, "normal:0.3", "uniform:limit=2", "auto"])
def test_initializers_pickle_by_name(spec):
    init = example(spec) if spec in INITIALIZERS else resolve_init(spec)
    written = pickle.dumps(init)
    assert init.name.encode() in written
    assert pickle.loads(written) == init


@pytest.mark.parametrize("name", list(ACTIVATIONS))
def test_entries_of_one_name_are_equal_however_they_were_made(name):
    assert ACTIVATIONS[name]() == resolve(name)
    assert hash(ACTIVATIONS[name]()) == hash(resolve(name))


def test_names_with_parameters_are_one_entry():
    assert resolve("leaky_relu:0.2") == resolve("leaky_relu:slope=0.2") == ACTIVATIONS["leaky_relu"](0.2)
    assert resolve("leaky_relu:0.2") != resolve("leaky_relu:0.3")
    assert resolve("relu") != resolve("leaky_relu")


def test_entries_in_use_outlive_the_caches_of_their_names():
    held = resolve("leaky_relu:0.123")
    text = resolve("x*tanh(0.123*x)")
    for place in range(300):
        resolve(f"leaky_relu:{place}.5")
    from actdiag.activations.expressions import from_text

    from_text.cache_clear()
    assert resolve("leaky_relu:0.123") == held
    assert resolve("x*tanh(0.123*x)") == text


def test_entries_of_ones_own():
    for entry in (elsewhere.RAMP, elsewhere.DRAWN):
        assert pickle.loads(pickle.dumps(entry)) == entry
    assert elsewhere.RAMP == replace(elsewhere.RAMP)
    assert elsewhere.RAMP != replace(elsewhere.RAMP, value=lambda z: elsewhere.ramp(z))
    assert elsewhere.RAMP != replace(elsewhere.RAMP, name="other")
    universal = Activation("of numpy", np.sin, "sin(x)", "here", derivative=np.cos)
    assert pickle.loads(pickle.dumps(universal)) == universal


def test_an_entry_that_borrows_a_name_stays_itself():
    own = replace(elsewhere.RAMP, name="relu")
    assert own != resolve("relu")
    assert pickle.loads(pickle.dumps(own)) == own
    changed = replace(resolve("relu"), formula="mine")
    with pytest.raises(pickle.PicklingError, match=r"the activation 'relu' does not pickle: its value is relu\."):
        pickle.dumps(changed)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (
            Activation("mine", elsewhere.ramp, "", "", derivative=lambda z: z * 0),
            "the activation 'mine' does not pickle: its derivative is <lambda>, which is no function of a module",
        ),
        (
            Activation("pairs", lambda z: z, "", "", backward=elsewhere.draw),
            "the activation 'pairs' does not pickle: its value is <lambda>, which is no function of a module",
        ),
        (
            Initializer("mine", elsewhere.draw, lambda fan_in, fan_out: 1.0, "", ""),
            "the initializer 'mine' does not pickle: its variance is <lambda>, which is no function of a module",
        ),
    ],
)
def test_functions_without_a_name_are_told(entry, said):
    with pytest.raises(pickle.PicklingError) as raised:
        pickle.dumps(entry)
    message = str(raised.value)
    assert message.replace("test_entry.", "") == said
    assert "\n" not in message


def test_copies_are_the_entry_itself():
    act = Activation("mine", lambda z: z, "x", "here", derivative=lambda z: z * 0 + 1)
    assert copy.copy(act) is act
    assert copy.deepcopy({"act": act})["act"] is act
    assert copy.deepcopy(elsewhere.DRAWN) is elsewhere.DRAWN


def test_entries_are_keys_whatever_their_bounds_were_given_as():
    listed = replace(elsewhere.RAMP, bounds=[0.0, 1.0], kinks=[0.0, 1.0])
    assert {elsewhere.RAMP: 1}[listed] == 1
    assert resolve(listed) is listed


def test_fingerprints_are_names_where_these_say_all():
    assert resolve("leaky_relu:0.2").fingerprint() == "leaky_relu:0.2"
    assert resolve("x*tanh(x)").fingerprint() == "x*tanh(x)"
    assert resolve_init("he").fingerprint() == "he"
    assert resolve("autograd.numpy:tanh").fingerprint().startswith("autograd.numpy:tanh ")
    assert elsewhere.RAMP.fingerprint().startswith("ramp ")
