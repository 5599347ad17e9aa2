"""Names with parameters as text: what is read from it, and what is written."""

import inspect

import numpy as np
import pytest

from actdiag.errors import InvalidField
from actdiag.registry.spelling import arguments_of, bare_name, full_name, parts_of, usage


def apple(weight: float = 1.5, count: int = 2, word: str = "red"):
    """With defaults only."""


def plum(stone: float, skin: float = 1.0):
    """With a value that must be given."""


def std(std: float):
    """Named after its parameter."""


def parameters(build):
    return inspect.signature(build, eval_str=True).parameters


@pytest.mark.parametrize(
    ("spec", "name", "values"),
    [
        ("apple", "apple", []),
        (" apple : 3 : word = green ", "apple", ["3", "word = green"]),
        ("std=0.1", "std", ["0.1"]),
        ("std = 0.1:more=2", "std", ["0.1", "more=2"]),
        ("0.1", "std", ["0.1"]),
        ("-.5", "std", ["-.5"]),
        ("+1e3:2", "std", ["+1e3", "2"]),
        ("", "", []),
        ("apple:", "apple", [""]),
    ],
)
def test_a_text_is_a_name_and_values(spec, name, values):
    assert parts_of(spec, "std") == (name, values)


def test_a_bare_number_is_a_name_where_it_stands_for_none():
    assert parts_of("0.1", None) == ("0.1", [])


@pytest.mark.parametrize("name", ["apple", "apple:3", "apple=3", "apple:3:word=green"])
def test_a_bare_name_has_no_parameters(name):
    assert bare_name(name) == "apple"


@pytest.mark.parametrize(
    ("build", "args", "kwargs", "name"),
    [
        (apple, (), {}, "apple"),
        (apple, (1.5, 2), {}, "apple"),
        (apple, (3.0,), {}, "apple:3"),
        (apple, (np.float32(0.5),), {"word": "green"}, "apple:0.5:word=green"),
        (apple, (), {"count": 7}, "apple:count=7"),
        (plum, (1,), {}, "plum:1"),
        (plum, (1e-30, 2.5), {}, "plum:1e-30:skin=2.5"),
        (std, (0.01,), {}, "std=0.01"),
    ],
)
def test_a_full_name_says_what_differs_from_the_defaults(build, args, kwargs, name):
    assert full_name(build.__name__, inspect.signature(build).bind(*args, **kwargs)) == name


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (apple, "apple[:weight=1.5][:count=2][:word=red]"),
        (plum, "plum:stone[:skin=1]"),
        (std, "std=STD"),
        (lambda: None, "<lambda>"),
    ],
)
def test_usage(build, text):
    assert usage(build.__name__, parameters(build)) == text


@pytest.mark.parametrize(
    ("build", "values", "arguments"),
    [
        (apple, [], {}),
        (apple, ["3", "4", "green"], {"weight": 3.0, "count": 4, "word": "green"}),
        (apple, ["word=green", "weight = 1e3"], {"word": "green", "weight": 1000.0}),
        (plum, ["skin=2", "stone=1"], {"skin": 2.0, "stone": 1.0}),
        (std, ["0.1"], {"std": 0.1}),
    ],
)
def test_values_become_arguments_in_their_types(build, values, arguments):
    found = arguments_of("fruit", "spec", build.__name__, values, parameters(build))
    assert found == arguments
    assert [type(value) for value in found.values()] == [type(value) for value in arguments.values()]


@pytest.mark.parametrize(
    ("build", "values", "problem"),
    [
        (plum, [], "'spec': plum needs a value, as in plum:stone[:skin=1]"),
        (plum, ["1", "2", "3"], "'spec': plum takes plum:stone[:skin=1], got '3'"),
        (plum, ["1", "stone=2"], "'spec': plum takes plum:stone[:skin=1], got 'stone=2'"),
        (apple, ["x=1"], "'spec': apple takes apple[:weight=1.5][:count=2][:word=red], got 'x=1'"),
        (apple, [""], "'spec': weight must be a number, got ''"),
        (apple, ["1", "2.5"], "'spec': count must be a whole number, got '2.5'"),
        (lambda: None, ["1"], "'spec': <lambda> takes no parameters, got '1'"),
    ],
)
def test_values_that_are_not_accepted(build, values, problem):
    with pytest.raises(InvalidField) as caught:
        arguments_of("fruit", "spec", build.__name__, values, parameters(build))
    assert (caught.value.field, caught.value.problem) == ("fruit", problem)
