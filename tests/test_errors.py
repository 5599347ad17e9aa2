"""What is accepted of a value, and what is said of one that is not."""

import math
import pickle
from fractions import Fraction

import numpy as np
import pytest

from actdiag.errors import InvalidField, check_choice, check_integer, check_real, did_you_mean


def refusal(check, *arguments, **options):
    with pytest.raises(InvalidField) as caught:
        check("size", *arguments, **options)
    assert caught.value.field == "size"
    assert str(caught.value) == f"size {caught.value.problem}"
    return caught.value.problem


def test_an_invalid_field_is_a_value_error_that_names_it():
    error = InvalidField("bias_std", "must be at least 0, got -1")
    assert isinstance(error, ValueError)
    assert (error.field, error.problem, str(error)) == (
        "bias_std", "must be at least 0, got -1", "bias_std must be at least 0, got -1",
    )  # fmt: skip


def test_what_would_move_the_cursor_of_a_terminal_is_escaped():
    problem = InvalidField("act", "got \x1b[2J\x00\r\nand \u202eé\udc80").problem
    assert problem == "got \\x1b[2J\\x00 and \\u202eé\\udc80"


@pytest.mark.parametrize("value", [2, np.int8(2), np.uint64(2)])
def test_whole_numbers_become_ints(value):
    found = check_integer("size", value, 2, 2)
    assert (found, type(found)) == (2, int)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (1, "must be at least 2, got 1"),
        (10, "must be at most 9, got 10"),
        (10**30, f"must be at most 9, got {10**30}"),
        (2.0, "must be a whole number from 2 to 9, got 2.0"),
        (True, "must be a whole number from 2 to 9, got True"),
        ("2", "must be a whole number from 2 to 9, got '2'"),
        (None, "must be a whole number from 2 to 9, got None"),
        (np.float32(3), f"must be a whole number from 2 to 9, got {np.float32(3)!r}"),
    ],
)
def test_other_values_are_no_whole_numbers(value, problem):
    assert refusal(check_integer, value, 2, 9) == problem


@pytest.mark.parametrize("value", [0, 0.5, 1, np.float32(0.5), np.int64(1), Fraction(1, 4)])
def test_real_numbers_become_floats(value):
    found = check_real("size", value, 0.0, 1.0)
    assert (found, type(found)) == (float(value), float)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (-1e-9, "must be at least 0 and at most 1, got -1e-09"),
        (1.5, "must be at least 0 and at most 1, got 1.5"),
        (math.nan, "must be a finite number at least 0 and at most 1, got nan"),
        (math.inf, "must be a finite number at least 0 and at most 1, got inf"),
        (np.float64(-math.inf), "must be a finite number at least 0 and at most 1, got -inf"),
        (False, "must be a finite number at least 0 and at most 1, got False"),
        ("0.5", "must be a finite number at least 0 and at most 1, got 0.5"),
        (0.5j, "must be a finite number at least 0 and at most 1, got 0.5j"),
        (None, "must be a finite number at least 0 and at most 1, got None"),
    ],
)
def test_other_values_are_no_real_numbers(value, problem):
    assert refusal(check_real, value, 0.0, 1.0) == problem


def test_an_open_end_is_refused_itself():
    assert refusal(check_real, 0, 0.0, 1.0, open_below=True) == "must be above 0 and at most 1, got 0"
    assert check_real("size", 5e-324, 0.0, 1.0, open_below=True) == 5e-324


def test_what_came_is_kept_to_one_line_of_moderate_length():
    with pytest.raises(InvalidField) as caught:
        check_integer("depth", "\n  ".join(["row"] * 1000), 1, 9)
    text = str(caught.value)
    assert "\n" not in text
    assert text.startswith("depth must be a whole number from 1 to 9, got 'row")
    assert text.endswith("row'")
    assert len(text) < 700


def test_an_error_goes_from_process_to_process():
    again = pickle.loads(pickle.dumps(InvalidField("depth", "must be at least 1, got 0")))
    assert (str(again), again.field, again.problem) == ("depth must be at least 1, got 0", "depth", again.problem)


def test_a_choice_is_one_of_the_names():
    assert check_choice("size", "tanh", ["relu", "tanh"]) == "tanh"
    assert refusal(check_choice, "Tan", ["relu", "tanh"]) == "must be one of relu, tanh, got 'Tan'; did you mean tanh?"
    assert refusal(check_choice, 3, ["relu", "tanh"]) == "must be one of relu, tanh, got 3"


@pytest.mark.parametrize(
    ("value", "offered"),
    [
        ("xaviar", "; did you mean xavier?"),
        ("XAVIER", "; did you mean xavier?"),
        ("lecum_normal", "; did you mean lecun_normal or he_normal?"),
        ("zzz", ""),
        (None, ""),
    ],
)
def test_near_names_are_offered(value, offered):
    assert did_you_mean(value, ["xavier", "he_normal", "lecun_normal"]) == offered
