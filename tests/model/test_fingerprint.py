"""Fingerprints of fields by name: equal for what is equal, in every process."""

import subprocess
import sys

import pytest

from actdiag import ops
from actdiag.activations import resolve as activation
from actdiag.initializers import resolve as initializer
from actdiag.model.fingerprint import fingerprint

HELD = {
    "act": activation("leaky_relu:0.2"),
    "init": initializer("he"),
    "widths": (3, 4),
    "gain": 1.0,
    "bias_std": None,
    "arch": (ops.dense(3), ops.residual([ops.dense(), ops.activation("tanh")])),
}
CHANGES = {
    "act": activation("leaky_relu:0.3"),
    "init": initializer("lecun"),
    "widths": (4, 3),
    "gain": 1.0 + 2**-52,
    "bias_std": 0.0,
    "arch": (ops.dense(3), ops.residual([ops.dense(), ops.activation("relu")])),
}


def test_the_order_of_fields_does_not_matter():
    assert fingerprint(dict(reversed(HELD.items()))) == fingerprint(HELD)


@pytest.mark.parametrize("name", HELD)
def test_every_field_counts_by_name_and_value(name):
    assert fingerprint({**HELD, name: CHANGES[name]}) != fingerprint(HELD)
    assert fingerprint({(key if key != name else f"{key}s"): value for key, value in HELD.items()}) != fingerprint(HELD)


def test_zeros_of_either_sign_are_one():
    assert fingerprint({"gain": 0.0}) == fingerprint({"gain": -0.0})
    assert fingerprint({"gain": (0.0, 1.0)}) == fingerprint({"gain": (-0.0, 1.0)})


def test_an_op_counts_by_its_kind():
    one, other = ops.dense(), ops.activation()
    assert [getattr(op, field) for op, field in ((one, "width"), (other, "act"))] == [None, None]
    assert fingerprint({"arch": (one,)}) != fingerprint({"arch": (other,)})


def test_other_processes_find_the_same():
    code = (
        "from actdiag.activations import resolve; from actdiag.model.fingerprint import fingerprint;"
        "print(fingerprint({'act': resolve('gelu'), 'widths': (3, 4), 'gain': 0.1}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == fingerprint({"gain": 0.1, "widths": (3, 4), "act": activation("gelu")})
