"""What an op must say of itself, on a network that has one of each kind."""

from dataclasses import dataclass
from math import log
from typing import ClassVar

import numpy as np
import pytest

from actdiag import grad_flow, make_stack, ops, propagate
from actdiag.ops.entry import Op

ARCH = [ops.activation("tanh"), ops.dense(12), ops.activation(), ops.residual([ops.dense()]), ops.activation()]
NODES = make_stack("relu", "he", arch=ARCH, input_width=12).nodes
WITHOUT_WEIGHTS = {node.op: len(node.reads) for node in NODES if node.draw is None}


def test_the_network_has_a_node_of_every_op_without_weights():
    ops_that_run = [op for op in Op.__subclasses__() if op.backward is not Op.backward and not op.draws]
    defined = {op.__name__ for op in ops_that_run if op.__module__.startswith("actdiag.")}
    assert {type(op).__name__ for op in WITHOUT_WEIGHTS} == defined == {"Copy", "Sum"}


@pytest.mark.parametrize(("op", "read"), WITHOUT_WEIGHTS.items(), ids=[type(op).__name__ for op in WITHOUT_WEIGHTS])
def test_the_factor_of_the_gradient_is_that_of_the_backward_pass(op, read):
    rng = np.random.default_rng(0)
    d_out = rng.standard_normal((50, 12))
    inputs = [rng.standard_normal((50, 12)) for _ in range(read)]
    for which in range(read):
        out = np.empty((50, 12))
        op.backward(which, d_out, inputs, None, out)
        assert np.square(out).mean() == pytest.approx(op.gradient_factor(which) * np.square(d_out).mean(), rel=1e-12)


@dataclass(frozen=True, slots=True)
class Halved(Op):
    """Half of its input. It does not say what becomes of the gradient."""

    kind: ClassVar[str] = "halved"

    def lay(self, layout):
        layout.append(self, layout.units, path=layout.next_path())

    def forward(self, inputs, parameters, out):
        np.multiply(inputs[0], 0.5, out=out)

    def backward(self, which, d_out, inputs, parameters, out):
        np.multiply(d_out, 0.5, out=out)


@dataclass(frozen=True, slots=True)
class Said(Halved):
    """Half of its input, and it says so."""

    def gradient_factor(self, which):
        return 0.25


@pytest.mark.parametrize("run", [propagate, grad_flow])
def test_an_op_without_weights_that_does_not_say_its_factor_is_not_judged_as_if_it_did(run):
    arch = [ops.dense(20), Halved(), ops.activation(), ops.dense()]
    with pytest.raises(NotImplementedError):
        run("tanh", "xavier", arch=arch, batch=30)


def test_the_verdict_estimates_the_gradient_by_the_factor():
    """Of 30 ops that halve the signal the gradient of layer 1 is 2^-30 of that above them."""
    arch = [ops.dense(200), *30 * [Said()], ops.dense()]
    run = {"arch": arch, "batch": 100, "input_width": 200}
    judged = propagate("identity", "lecun", **run).measurements.derived["estimated gradients"]
    measured = grad_flow("identity", "lecun", **run).layers
    assert judged[1] == pytest.approx(log(measured[0].gradient.rms / measured[-1].gradient.rms), abs=0.1)
    assert judged[1] == pytest.approx(-30 * log(2), abs=0.1)
