"""Activations and initializers of one's own that raise amid a call."""

import functools
from dataclasses import replace

import numpy as np
import pytest

import actdiag
from actdiag import InvalidField, ops
from actdiag.activations import ACTIVATIONS, Activation
from actdiag.api.own_entries import Blamed
from actdiag.initializers import INITIALIZERS

WIDTH = 7
SIZE = {"depth": 3, "width": WIDTH, "batch": 20}
CALLS = {
    "propagate": lambda act, init: actdiag.propagate(act, init, **SIZE),
    "propagate on threads": lambda act, init: actdiag.propagate(act, init, **SIZE, threads=2),
    "grad_flow": lambda act, init: actdiag.grad_flow(act, init, **SIZE),
    "compare": lambda act, init: actdiag.compare(["relu", act], ["he", init], **SIZE),
    "train": lambda act, init: actdiag.train(act, init, **SIZE, iterations=2),
    "fix": lambda act, init: actdiag.fix(act, init, **SIZE),
    "judge": lambda act, init: actdiag.judge(act, init, **SIZE),
}
RAISED = [
    SystemExit(0),
    SystemExit("bye"),
    RuntimeError("two\nlines"),
    GeneratorExit(),
    StopIteration(),
    BaseException(),
]


def raises(error, function, late=True):
    """Return a function that does what another does until it is asked for the width of a stack."""

    def own(x, *more):
        if not late or WIDTH in (np.shape(x)[-1:] or more):
            raise error
        return function(x, *more)

    return own


def act_of(value=np.tanh, derivative=lambda x: 1 - np.tanh(x) ** 2):
    return Activation(name="mine", value=value, formula="tanh(x)", source="me", derivative=derivative)


def init_of(error):
    he = INITIALIZERS.resolve("he")
    return replace(he, name="ours", sample=raises(error, he.sample))


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("error", RAISED, ids=repr)
def test_an_activation_that_raises_late_is_one_error(call, error):
    with pytest.raises(InvalidField, match=r"^act 'mine': must not raise, got [^\n]+$") as caught:
        CALLS[call](act_of(raises(error, np.tanh)), "he")
    assert caught.value.field == "act"
    assert error in (caught.value.__cause__, caught.value.__cause__.__cause__)  # StopIteration leaves a generator


@pytest.mark.parametrize("call", ["grad_flow", "train"])
def test_a_derivative_that_raises_late_is_one_error(call):
    act = act_of(derivative=raises(SystemExit(3), lambda x: 1 - np.tanh(x) ** 2))
    with pytest.raises(InvalidField, match=r"^act 'mine': must not raise, got SystemExit: 3$"):
        CALLS[call](act, "he")


@pytest.mark.parametrize("call", CALLS)
def test_an_initializer_that_raises_is_one_error(call):
    with pytest.raises(InvalidField, match=r"^init 'ours': must not raise, got SystemExit: 4$"):
        CALLS[call]("relu", init_of(SystemExit(4)))


class Callable:
    def __init__(self, function):
        self.function = function

    def __call__(self, x):
        return self.function(x)


@pytest.mark.parametrize("wrap", [Callable, functools.partial, lambda f: functools.wraps(f)(lambda x: f(x))])
def test_functions_of_any_kind_are_known_again(wrap):
    function = wrap(raises(SystemExit(0), np.tanh))
    with pytest.raises(InvalidField, match=r"^act 'mine': must not raise"):
        CALLS["propagate"](act_of(function), "he")


def test_activations_within_blocks_are_known_again():
    arch = [ops.dense(WIDTH), ops.residual([ops.activation(act_of(raises(SystemExit(0), np.tanh))), ops.dense()])]
    with pytest.raises(InvalidField, match=r"^act 'mine': must not raise"):
        actdiag.propagate(arch=arch, batch=20)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), MemoryError(), InvalidField("seed", "is mine")], ids=repr)
def test_interrupts_lack_of_memory_and_own_errors_pass(error):
    with pytest.raises(type(error)) as caught:
        CALLS["propagate"](act_of(raises(error, np.tanh)), "he")
    assert caught.value is error


def test_what_others_raise_passes():
    """Nobody is blamed for a callback, or an entry of the catalogue for a fault of its own."""

    def stop(done, total):
        raise SystemExit(5)

    with pytest.raises(SystemExit) as caught:
        actdiag.propagate(act_of(), "he", **SIZE, progress=stop)
    assert caught.value.code == 5


def test_an_entry_of_the_catalogue_is_not_blamed():
    act = ACTIVATIONS.resolve("gelu")
    with pytest.raises(TypeError), Blamed([act]):
        act.value("text")
    with pytest.raises(InvalidField), Blamed([replace(act, name="mine")]):
        act.value("text")
