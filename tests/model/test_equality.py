"""Stacks as values: what makes two of them equal, and their fingerprints."""

from dataclasses import fields, replace

import builders
import elsewhere
import numpy as np
import pytest

from actdiag import ops
from actdiag.activations import resolve as activation
from actdiag.initializers import resolve as initializer
from actdiag.model.weights import weights_of

ROWS = np.random.default_rng(0).normal(size=(10, 20))
CHANGES = {
    "act": activation("tanh"),
    "init": initializer("xavier"),
    "widths": (10, 10, 10, 11),
    "input": "uniform",
    "input_width": 21,
    "batch": 11,
    "gain": 2.0,
    "bias_mean": 0.1,
    "bias_std": 0.1,
    "dtype": "float64",
    "seed": 1,
    "data": ROWS,
    "target_gain": 1.5,
    "weights": weights_of("w", [(np.ones(shape), np.zeros(10)) for shape in ((20, 10), *[(10, 10)] * 3)]),
    "arch": (ops.dense(10), ops.activation(), ops.residual([ops.dense(), ops.activation("tanh")])),
}


def test_every_field_is_compared():
    assert set(CHANGES) == {field.name for field in fields(builders.stack()) if field.init}


@pytest.mark.parametrize("name", list(CHANGES))
def test_stacks_differ_where_a_field_does(name):
    base, other = builders.stack(), replace(builders.stack(), **{name: CHANGES[name]})
    assert base != other
    assert other == replace(base, **{name: CHANGES[name]})
    assert hash(other) == hash(replace(base, **{name: CHANGES[name]}))
    assert len({base, other, replace(other)}) == 2
    assert base.fingerprint() != other.fingerprint()


@pytest.mark.parametrize(
    "rows",
    [ROWS + 1e-9, ROWS.astype(np.float32), ROWS[::-1], np.ascontiguousarray(ROWS[:, ::-1])],
    ids=["values", "dtype", "order", "columns"],
)
def test_stacks_on_other_data_differ(rows):
    base, other = (replace(builders.stack(), data=data) for data in (ROWS, rows))
    assert base != other
    assert hash(base) != hash(other)
    assert base.fingerprint() != other.fingerprint()


@pytest.mark.parametrize(
    "rows",
    [ROWS.copy(), np.asfortranarray(ROWS), np.repeat(ROWS, 2, axis=0)[::2], ROWS.astype(">f8")],
    ids=["copy", "columns first", "every other row", "other bytes first"],
)
def test_stacks_on_the_same_data_are_equal_however_they_lie(rows):
    base, other = (replace(builders.stack(), data=data) for data in (ROWS, rows))
    assert base == other
    assert hash(base) == hash(other)
    assert base.fingerprint() == other.fingerprint()


def test_a_stack_is_no_other_thing():
    assert builders.stack() != "relu"
    assert builders.stack() != None  # noqa: E711


def test_zeros_of_either_sign_are_one():
    plus, minus = (builders.stack(bias_mean=zero) for zero in (0.0, -0.0))
    assert plus == minus
    assert plus.fingerprint() == minus.fingerprint()


def test_numbers_of_other_kinds_are_the_same():
    assert builders.stack(gain=2).fingerprint() == builders.stack(gain=np.float64(2)).fingerprint()
    assert builders.stack(gain=2) == builders.stack(gain=np.float32(2))


def test_entries_of_ones_own_count_by_what_they_do():
    own = elsewhere.RAMP
    steeper = replace(own, value=lambda z: np.clip(2 * z, 0, 1), derivative=lambda z: 2 * elsewhere.ramp_slope(2 * z))
    marked = replace(own, saturates="both")
    stacks = [builders.stack(act=act) for act in (own, steeper, marked)]
    assert len({stack.fingerprint() for stack in stacks}) == 3
    same = replace(own, value=lambda z: np.minimum(np.maximum(z, 0), 1))
    assert builders.stack(act=same).fingerprint() == stacks[0].fingerprint()
    wider = replace(elsewhere.DRAWN, variance=lambda fan_in, fan_out: 2 / fan_in)
    assert len({builders.stack(init=init).fingerprint() for init in (elsewhere.DRAWN, wider)}) == 2


def test_a_name_borrowed_from_the_catalogue_does_not_count():
    own = replace(elsewhere.RAMP, name="relu")
    assert builders.stack(act=own) != builders.stack()
    assert builders.stack(act=own).fingerprint() != builders.stack().fingerprint()
