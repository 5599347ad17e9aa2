"""Lines to paste: what they draw is what the stack draws."""

import re
from math import sqrt

import pytest

from actdiag import make_stack
from actdiag.view.code import JAX, KERAS, PYTORCH, code_of


def scale_in(lines):
    return float(re.search(r"([0-9.]+),? *(?:mode=)?\"fan", " ".join(lines).replace("scale=", ""))[1])


@pytest.mark.parametrize(
    ("init", "options"),
    [("he", {}), ("lecun", {"gain": 1.25}), ("auto", {}), ("he", {"gain": "auto"}), ("xavier", {"gain": 0.5})],
)
def test_the_variance_is_that_of_the_stack(init, options):
    stack = make_stack("gelu", init, depth=3, width=40, input_width=90, batch=5, **options)
    code = code_of(stack)
    fan_in, fan_out = 90, 40
    fan = (fan_in + fan_out) / 2 if init == "xavier" else fan_in
    for framework in (KERAS, JAX):
        assert sqrt(scale_in(code[framework]) / fan) == pytest.approx(stack.weight_std(1), rel=1e-12)
    found = re.search(r"(?:std|gain)=([0-9.]+)", " ".join(code[PYTORCH]))
    assert float(found[1]) ** 2 == pytest.approx(scale_in(code[JAX]), rel=1e-12)


def test_biases_are_those_of_the_stack():
    code = code_of(make_stack("gelu", "auto", batch=5))
    std = repr(make_stack("gelu", "auto", batch=5).bias_std)
    assert all(std in " ".join(lines) for lines in code.values())
    assert "torch.nn.init.zeros_(layer.bias)" in code_of(make_stack("relu", "he", batch=5))[PYTORCH]


def test_pytorch_draws_what_the_lines_say():
    torch = pytest.importorskip("torch")
    for init in ("he", "orthogonal", "xavier"):
        stack = make_stack("relu", init, width=300, batch=5, gain=1.1)
        layer = torch.nn.Linear(300, 300)
        exec("\n".join(code_of(stack)[PYTORCH]), {"torch": torch, "layer": layer})
        assert float(layer.weight.detach().std()) == pytest.approx(stack.weight_std(1), rel=0.01)
        assert not layer.bias.detach().any()


@pytest.mark.parametrize("options", [{"init": "lsuv"}, {"init": "std=0.1"}, {"init": "he", "bias_mean": 1.0}])
def test_what_no_function_draws_has_no_lines(options):
    assert code_of(make_stack("relu", **options, batch=5)) == {}
