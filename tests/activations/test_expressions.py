import contextlib
import math
import sys
import tracemalloc
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mp

import actdiag
from actdiag import propagate
from actdiag.activations import ACTIVATIONS, Activation, resolve, searching, traits
from actdiag.activations.dual import Dual, Function
from actdiag.activations.expressions import parse
from actdiag.activations.probing import check
from actdiag.activations.steps import Steps, X
from actdiag.errors import InvalidField

ELEMENTWISE = [name for name in ACTIVATIONS if resolve(name).derivative]
JUMPING = ["threshold", "hardshrink"]

# The registered ones that are known here, written out; every one is tested as name(x) besides.
WRITTEN_OUT = {
    "identity": "x",
    "relu": "maximum(x, 0)",
    "leaky_relu": "where(x > 0, x, 0.01*x)",
    "prelu": "maximum(x, x/4)",
    "rrelu": "where(x > 0, x, x*(1/8 + 1/3)/2)",
    "elu": "where(x > 0, x, expm1(x))",
    "celu": "max(x, 0) + min(0, exp(min(x, 0)) - 1)",
    "selu": "1.0507009873554805*where(x > 0, x, 1.6732632423543772*expm1(x))",
    "relu6": "min(max(x, 0), 6)",
    "relu_squared": "maximum(x, 0)**2",
    "sigmoid": "1/(1 + exp(-x))",
    "tanh": "sinh(x)/cosh(x)",
    "lecun_tanh": "1.7159*(exp(2*x/3) - exp(-2*x/3))/(exp(2*x/3) + exp(-2*x/3))",
    "erf": "2*Phi(2**0.5*x) - 1",
    "arctan": "arcsin(x/sqrt(1 + x**2))",
    "softsign": "x/(1 + abs(x))",
    "hardtanh": "clip(x, -1, 1)",
    "hardsigmoid": "clip(x/6 + 1/2, 0, 1)",
    "sparse_sigmoid": "minimum(maximum((x + 1)/2, 0), 1)",
    "sin": "cos(x - pi/2)",
    "gelu": "x*Phi(x)",
    "gelu_tanh": "x/2*(1 + tanh((2/pi)**0.5*(x + 0.044715*x**3)))",
    "silu": "x/(1 + exp(-x))",
    "mish": "x*tanh(log1p(exp(x)))",
    "softplus": "log(1 + exp(x))",
    "log_sigmoid": "-logaddexp(0, -x)",
    "squareplus": "(x + hypot(x, 2))/2",
    "sparse_plus": "where(x <= -1, 0, where(x < 1, (x + 1)**2/4, x))",
    "exponential": "e**x",
    "tanhshrink": "x - tanh(x)",
    "softshrink": "sign(x)*maximum(abs(x) - 0.5, 0)",
    "hardshrink": "where(abs(x) > 0.5, x, 0)",
    "hardswish": "x*min(max(x + 3, 0), 6)/6",
    "threshold": "x*(x > 1)",
}
CASES = [(name, f"{name}(x)") for name in ELEMENTWISE] + [
    (name, text) for name, text in WRITTEN_OUT.items() if name in ELEMENTWISE
]


def refusal(spec):
    with pytest.raises(InvalidField) as caught:
        resolve(spec)
    assert caught.value.field == "act"
    return caught.value.problem


# The registered ones as expressions


@pytest.mark.parametrize(("name", "text"), [case for case in CASES if case[0] not in JUMPING])
def test_a_registered_activation_written_out_is_its_entry(name, text):
    entry, written = resolve(name), resolve(text)
    beside = np.add.outer([-1e-6, 0, 1e-6], entry.kinks).ravel()
    x = np.concatenate([np.linspace(-8, 8, 2001), beside])
    np.testing.assert_allclose(written.value(x), entry.value(x), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(written.derivative(x), entry.derivative(x), rtol=1e-10, atol=1e-10)
    assert written.kinks == entry.kinks
    assert written.bounds == pytest.approx(entry.bounds, rel=1e-12, abs=1e-12)
    assert written.saturates == entry.saturates
    assert (written.name, written.formula, written.source) == (text, text, "an expression")


@pytest.mark.parametrize(("name", "text"), [case for case in CASES if case[0] in JUMPING])
def test_one_that_jumps_is_refused_as_an_expression(name, text):
    assert "jumps at x = " in refusal(text)
    assert "an activation must be continuous" in refusal(text)


def test_parameters_are_given_by_name():
    x = np.linspace(-3, 3, 61)
    for text, spec in (("elu(x, alpha=1 + 1)", "elu:2"), ("leaky_relu(x, slope=-0.2)", "leaky_relu:-0.2")):
        np.testing.assert_array_equal(resolve(text).value(x), resolve(spec).value(x))
        assert resolve(text).kinks == resolve(spec).kinks


# Values and derivatives


SMOOTH = {
    "x*sigmoid(1.7*x)": lambda x: x / (1 + mp.exp(-mp.mpf("1.7") * x)),
    "exp2(x)/3": lambda x: mp.mpf(2) ** x / 3,
    "log1p(x**2)": lambda x: mp.log(1 + x**2),
    "log2(2 + cos(x)) - log10(3 + sin(x))": lambda x: mp.log(2 + mp.cos(x), 2) - mp.log(3 + mp.sin(x), 10),
    "sqrt(1 + square(x))": lambda x: mp.sqrt(1 + x**2),
    "cbrt(2 + tanh(x))": lambda x: mp.cbrt(2 + mp.tanh(x)),
    "reciprocal(1 + x**2)": lambda x: 1 / (1 + x**2),
    "tan(tanh(x))": lambda x: mp.tan(mp.tanh(x)),
    "sinh(x/4) + cosh(x/3)": lambda x: mp.sinh(x / 4) + mp.cosh(x / 3),
    "arcsin(sin(x)/2) - arccos(cos(x)/2)": lambda x: mp.asin(mp.sin(x) / 2) - mp.acos(mp.cos(x) / 2),
    "arcsinh(x) + arccosh(2 + x**2)": lambda x: mp.asinh(x) + mp.acosh(2 + x**2),
    "arctanh(tanh(x)/2)": lambda x: mp.atanh(mp.tanh(x) / 2),
    "logaddexp(x, 1 - 2*x)": lambda x: mp.log(mp.exp(x) + mp.exp(1 - 2 * x)),
    "hypot(x, exp(x/4))": lambda x: mp.sqrt(x**2 + mp.exp(x / 2)),
    "(1 + x**2)**(x/8)": lambda x: (1 + x**2) ** (x / 8),
    "power(2 + sin(x), -1.5)": lambda x: (2 + mp.sin(x)) ** mp.mpf("-1.5"),
    "2**-x": lambda x: mp.mpf(2) ** -x,
    "-x**3 + 2*x - 1": lambda x: -(x**3) + 2 * x - 1,
    "+(x/(3 + x**2) - (1 - x)/7)": lambda x: x / (3 + x**2) - (1 - x) / 7,
}


@pytest.mark.parametrize("text", SMOOTH)
def test_mpmath_agrees(text):
    entry, x = resolve(text), np.random.default_rng(0).uniform(-6, 6, 40)
    with mp.workdps(40):
        value = [float(SMOOTH[text](mp.mpf(point))) for point in x.tolist()]
        slope = [float(mp.diff(SMOOTH[text], mp.mpf(point))) for point in x.tolist()]
    np.testing.assert_allclose(entry.value(x), value, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(entry.derivative(x), slope, rtol=1e-11, atol=1e-12)
    assert entry.kinks == ()


leaves = st.sampled_from(["x", "x", "0.5", "2", "pi"])
expressions = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*"), inner).map(lambda parts: "({} {} {})".format(*parts)),
        st.tuples(st.sampled_from(["tanh", "sigmoid", "sin", "softplus", "arctan", "-"]), inner).map(
            lambda parts: "{}({})".format(*parts)
        ),
    ),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(expressions)
def test_the_derivative_is_that_of_the_value(text):
    program = parse(f"{text} + x**2/8")
    x, h = np.random.default_rng(1).uniform(-2, 2, 50), 1e-5
    value, slope = program.value(x), program.slope(x)
    ahead, behind = (program.value(x + side * h) for side in (1, -1))
    # Products of eight factors: derivatives up to the third of 1e5 at most.
    allowed = 1e-4 * (1 + np.abs(slope) + np.abs(value))
    assert np.all(np.abs(slope - (ahead - behind) / (2 * h)) < allowed)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "text",
    [
        *(text for name, text in WRITTEN_OUT.items() if name not in JUMPING),
        *SMOOTH,
        "(1 - x)*2**x/3",
        "where(x > 0, 1 + x, 1)",
    ],
)
def test_the_dtype_and_the_shape_stay(text, dtype):
    entry = resolve(text)
    z = np.random.default_rng(2).standard_normal((6, 8)).astype(dtype)
    before = z.copy()
    for function in (entry.value, entry.derivative):
        for part in (z, z[::2, 1::3], z[:0], z[0, 0:1]):
            found = function(part)
            assert (found.dtype, found.shape) == (part.dtype, part.shape)
            assert not np.shares_memory(found, z)
    np.testing.assert_array_equal(z, before)
    np.testing.assert_allclose(entry.value(z[::2]), entry.value(z)[::2], rtol=1e-6)


@pytest.mark.parametrize("text", ["1/(1 + exp(-x))", "x/(1 + exp(-x))", "x*exp(-x**2)", "exp(x)"])
def test_exploded_inputs_give_no_warning_and_no_slope_that_is_missing(text):
    x = np.array([-1e30, -1e4, -100, 100], dtype="float32")
    entry = resolve(text)
    assert np.isfinite(entry.derivative(x[:3])).all()
    assert np.isfinite(entry.value(x[:3])).all()
    assert np.isnan(entry.value(np.array([np.nan]))).all()


SINC_AT_4 = [math.sin(4) / 4, 1, math.sin(4) / 4]
SINC_SLOPE_AT_4 = (4 * math.cos(4) - math.sin(4)) / 16


@pytest.mark.parametrize(
    ("text", "value", "slope"),
    [
        ("where(x > 0, sqrt(x), 0)", [0, 0, 2], [0, 0, 0.25]),
        ("where(x > 0, x*log(x), 0)", [0, 0, 4 * math.log(4)], [0, 0, 1 + math.log(4)]),
        ("where(x > 1, log(x), where(x > -1, 0, -log(-x)))", [-math.log(4), 0, math.log(4)], [0.25, 0, 0.25]),
        ("where(x == 0, 1, sin(x)/x)", SINC_AT_4, [-SINC_SLOPE_AT_4, 0, SINC_SLOPE_AT_4]),
        ("where((x < 0) | (x < -9), 0, x**1.5)", [0, 0, 8], [0, 0, 3]),
    ],
)
def test_a_branch_that_is_not_taken_spoils_nothing(text, value, slope):
    x = np.array([-4.0, 0, 4])
    entry = resolve(text)
    np.testing.assert_allclose(entry.value(x), value, rtol=1e-14)
    np.testing.assert_allclose(entry.derivative(x), slope, rtol=1e-14)
    assert np.isfinite(entry.derivative(np.linspace(-8, 8, 4001))).all()


@pytest.mark.parametrize(
    ("text", "at", "slope"),
    [
        ("maximum(x, 0)", 0, 0),
        ("maximum(0, x)", 0, 0),
        ("minimum(x, 6)", 6, 0),
        ("maximum(x, 0.1*x)", 0, 0.1),
        ("minimum(x, 2*x)", 0, 1),
        ("abs(x)", 0, 0),
        ("clip(x, -1, 1)", -1, 0),
        ("where(x > 0, x, 0.3*x)", 0, 0.3),
        ("where(x >= 0, x, 0.3*x)", 0, 1),
        ("x**2", 0, 0),
        ("x**1", 0, 1),
        ("x + x**0", 0, 1),
        ("sqrt(x**2)", 0, 0),
        ("relu(x) - relu(-x)", 0, 1),
        ("max(x - 1, 0) + min(x - 1, 0)", 1, 1),
    ],
)
def test_conventions_at_a_point(text, at, slope):
    assert resolve(text).derivative(np.array([at], dtype=float)) == pytest.approx([slope], abs=1e-10)


# Kinks, jumps, plateaus


@pytest.mark.parametrize(
    ("text", "kinks"),
    [
        ("maximum(x, 0)", [0]),
        ("abs(x)", [0]),
        ("abs(x**2)", []),
        ("abs(x**3)", []),
        ("maximum(x, 0)**2", []),
        ("maximum(x - 0.3, 0)", [0.3]),
        ("maximum(0.1*x - 0.05, 0)", [0.5]),
        ("abs(x - 0.1) - abs(x - 0.1001)", [0.1, 0.1001]),
        ("maximum(x - 700.7, 0) + x", [700.7]),
        ("where(x > 1/3, x, 1/3)", [1 / 3]),
        ("maximum(x**2 - 2, 0)", [-math.sqrt(2), math.sqrt(2)]),
        ("x*(x > 0)", [0]),
        ("where(-1 < x < 1, x, where(x > 0, 1, -1))", [-1, 1]),
        ("hypot(x, 0)", [0]),
        ("sqrt((x - 0.3)**2)", [0.3]),
        ("relu(x) + relu(-x)", [0]),
        ("relu(x) - relu(-x)", []),
        ("relu6(2*x + 1)", [-0.5, 2.5]),
        ("where(x > 0, x, elu(x))", []),
        ("tanh(1e3*x)", []),
    ],
)
def test_kinks_are_found_to_the_last_bit(text, kinks):
    found = resolve(text).kinks
    if "sqrt" in text or "**2 - 2" in text:
        assert found == pytest.approx(kinks, rel=1e-15)  # where rounding makes a root of its own
    else:
        assert list(found) == kinks


@pytest.mark.parametrize(
    ("text", "point"),
    [
        ("sign(x)", "0"),
        ("where(x > 1, x, 0.999)", "1"),
        ("(x > 0)*(x < 1)*x", "1"),
        ("where(x == 0, 5, x)", "0"),
        ("where(x > 0, log(x), 0)", "0"),
        ("tan(x)", "1.570796327"),
        ("1/(x - 0.3)", "0.3"),
        ("x + 1e-3*sign(x - 900.5)", "900.5"),
        ("threshold(x, theta=2)", "2"),
    ],
)
def test_jumps_are_refused_at_their_point(text, point):
    assert refusal(text) == f"{text!r}: jumps at x = {point}, an activation must be continuous"


def test_what_is_continuous_but_steep_does_not_jump():
    for text in ("tanh(1e5*x)", "sqrt(abs(x))", "where(x > 0, sqrt(x), 0)", "clip(1e6*x, -1, 1)"):
        assert resolve(text).name == text


@pytest.mark.parametrize(
    ("text", "bounds", "saturates"),
    [
        ("exp(-x**2)", (0, 1), "both"),
        ("x*sin(x)", (-math.inf, math.inf), "none"),
        ("sin(x) + 2", (1, 3), "none"),
        ("log1p(abs(x))", (0, math.inf), "none"),
        ("x/sqrt(1 + x**2)", (-1, 1), "both"),
        ("exp(x)/(1 + exp(x))", (0, 1), "both"),
        ("x**2 - 2*x", (-1, math.inf), "none"),
        ("maximum(tanh(x), x)", (-1, math.inf), "below"),
        ("min(x, 3)", (-math.inf, 3), "above"),
        ("1 - relu(x)", (-math.inf, 1), "below"),
        ("sign(x)*log1p(abs(x))", (-math.inf, math.inf), "none"),
    ],
)
def test_bounds_and_plateaus(text, bounds, saturates):
    entry = resolve(text)
    assert entry.bounds == pytest.approx(bounds, rel=1e-12, abs=1e-12)
    assert entry.saturates == saturates


# What is refused


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("log(x)", "must be finite wherever a stack evaluates it, got -inf at x = 0"),
        ("sqrt(x - 4)", "must be finite wherever a stack evaluates it, got nan at x = 0"),
        ("log(x + 2)", "must be finite wherever a stack evaluates it, got -inf at x = -2"),
        ("1/x", "got inf at x = 0"),
        ("cbrt(x)", "the derivative must be finite wherever a stack evaluates it, got inf at x = 0"),
        ("x/1e-60", "(float32)"),
        ("3 + 4", "must depend on x, got the constant 7"),
        ("where(1 > 2, 3, 4)", "must depend on x, got the constant 4"),
        ("x**0", "must depend on x, got a constant"),
        ("0*tanh(x)", "must depend on x, got a constant"),
        ("softmax(x)", "a unit of softmax looks at more than its own pre-activation"),
        ("maxout(x, pieces=3)", "looks at more than its own"),
        ("tahn(x)", "the function tahn is not accepted; did you mean tan or tanh"),
        ("swich(x) + 1", "did you mean swish"),
        ("y + 1", "the name y is not accepted"),
        ("tanh + 1", "a function is called, as in tanh(x)"),
        ("x^2", "a power is written **"),
        ("x & 1", "join comparisons in parentheses"),
        ("elu(x, alpha=0)", "elu: alpha must be at least 1e-30 and at most 1e+06, got 0"),
        ("elu(x, beta=1)", "elu takes one argument, alpha=1"),
        ("elu(x, alpha=x)", "x in alpha is not accepted"),
        ("elu(x, 2)", "elu takes one argument, alpha=1"),
        ("tanh()", "tanh takes one argument"),
        ("clip(x, 0)", "clip takes 3 arguments"),
        ("exp(x, x)", "exp takes 1 argument and no keywords"),
        ("where(x > 0, x)", "where takes 3 arguments"),
        ("x/0", "a division by zero is not accepted"),
        ("x + log(0)", "a constant that is not finite is not accepted"),
        ("x**65", "must have exponents from -64 to 64, got 65"),
        ("power(x, 1e9)", "must have exponents from -64 to 64, got 1e+09"),
        ("2*(x", "is not complete or not in order"),
    ],
)
def test_what_is_said_of_an_expression_that_is_not_accepted(text, said):
    problem = refusal(text)
    assert said in problem
    assert problem.startswith(repr(text))
    assert "\n" not in problem


HOSTILE = [
    "", " ", "()", "x.real", "x.__class__", "().__class__", "(1).__class__.__bases__", "x.real + 1",
    "tanh.__globals__", "(x).tofile('f')", "open('f')", "exec('1')", "eval(x)", "__import__('os')",
    "__import__('os').system('true')", "lambda: x", "(lambda x: x)(x)", "[x for x in x]", "(x for x in x)", "{x}",
    "{x: x}", "{**x}", "(y := x)", "(x := 1)", "9**9**9", "9**9**9**9*x", "x**9**9", "x*9**9**9", "2**-9**9 + x",
    "1e999*x", "x + " + "9" * 900, "9" * 5000 + "+x", "(" * 190 + "x" + ")" * 190 + "+", "(" * 499 + "x" + ")" * 499,
    "-" * 900 + "x", "-" * 10**6 + "x", "tanh(" * 150 + "x" + ")" * 150, "x+" * 499 + "x", "x+" * 500_000 + "x",
    "x*" * 499 + "x", "x" * 10**6, "(" * 10**6, "x\0", "x+1\0", "(x\n+ 1)\n+ (", "x + 1 # comment", "x + 1; x",
    "x;import os", "import os", "x = 1 + x", "\uff58 + 1", "x \u2212 1", "\u0445 + 1", "tanh(x)\u202e", "x\u00b2",
    "\U0001d431 + 1", "x + \u0663", "\u212fxp(x)", "x\u00a0+ 1", "'x'", "'x' + x", "f'{x}' + x", "b'x' + x",
    "x['0'] + 1", "x[0] + 1", "x[:] + 1", "(x)[0]", "tanh(*x)", "tanh(**x)", "tanh(x, **x)", "tanh(*(x,))",
    "elu(x, **{'alpha': 1})", "elu(x, alpha=1, alpha=2)", "elu(x, alpha=elu)", "tanh(x)(x)", "tanh(tanh)(x)",
    "(tanh)(x)(x)", "where(x)(x)", "x(x)", "x()", "x if x else 1", "(x if x > 0 else 1)", "x and 1", "(x and 1)",
    "(not x)", "(x in x)", "(x is x)", "x // 2 + x", "x % 2", "x @ x + 1", "~x + (x)", "x << 2 + x", "(x, x)", "[x]",
    "(x,)", "(await x)", "(yield x)", "(yield)", "(...)", "... + x", "None + x", "True + x", "(True)", "1j + x",
    "x + 1j*x", "0x10*x + y", "x\\\n+1", "globals()", "vars()(x)", "breakpoint()", "print(x)", "type(x)",
    "getattr(x, x)", "numpy.tanh(x)", "np.exp(x)", "sum(x)", "cumsum(x)", "mean(x)", "sort(x)", "x - mean(x)",
    "elu(alpha=2)", "elu(x=x)", "x > 0", "(x > 0)", "x == x", "x != x", "1if x else 2 + x", "1or x + (x)", "x + 0_",
    "x + 012",
]  # fmt: skip


@contextlib.contextmanager
def counted_steps():
    """Give a list that holds an entry for each line of actdiag that runs."""
    steps, package, before = [], str(Path(actdiag.__file__).parent), sys.gettrace()

    def trace(frame, event, argument):
        if not frame.f_code.co_filename.startswith(package):
            return None
        steps.append(event)
        return trace

    sys.settrace(trace)
    try:
        yield steps
    finally:
        sys.settrace(before)


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:40]))
def test_hostile_text_is_refused_quickly(text):
    with warnings.catch_warnings(), counted_steps() as steps:
        warnings.simplefilter("error")
        assert len(refusal(text)) < 500
    assert 0 < len(steps) < 100_000


@settings(max_examples=150, deadline=None)
@given(st.text("x0123456789.()+-*/<>=!&|, _tanhexplogwere", max_size=40))
def test_any_text_is_an_activation_or_refused(text):
    with contextlib.suppress(InvalidField):
        assert resolve(text + "+x").derivative


# Names


def test_one_text_gives_one_entry():
    assert resolve("x*tanh(x)") is resolve(" x*tanh(x) ")
    assert traits(resolve("x*tanh(x)")).monotonic is False
    assert resolve(resolve("x*tanh(x)")) is resolve("x*tanh(x)")


@pytest.mark.parametrize(
    "spec", ["leaky_relu:-0.2", "leaky_relu=-0.2", " Leaky_ReLU : slope = -0.2 ", "threshold:-0.5:value=2"]
)
def test_what_begins_with_a_registered_name_is_that_entry(spec):
    assert resolve(spec).source != "an expression"


@pytest.mark.parametrize("spec", ["leaky-relu", "Leaky-ReLU:0.3", "hard-tanh"])
def test_hyphens_inside_a_registered_name_do_not_count(spec):
    assert resolve(spec).source != "an expression"


def test_a_misspelt_name_is_offered_its_neighbour():
    assert "did you mean leaky_relu" in refusal("leaky-rlu")
    assert "did you mean relu" in refusal("rleu:3")
    assert refusal("-relu").startswith("'-relu': ")


def test_a_stack_runs_with_an_expression():
    options = {"batch": 50, "width": 20, "depth": 3}
    written, registered = propagate("maximum(x, 0)", **options), propagate("relu", **options)
    assert [layer.rms for layer in written.layers] == [layer.rms for layer in registered.layers]
    assert written.stack.act.name == "maximum(x, 0)"


# An Activation of one's own


def own(value, derivative, **attributes):
    return Activation("mine", value=value, derivative=derivative, formula="", source="", **attributes)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (own(lambda x: x.sum(axis=-1), np.ones_like), "must give an array of shape (257,)"),
        (own(lambda x: 1.0, np.ones_like), "got a float"),
        (own(lambda x: x - x.mean(), np.ones_like), "must be elementwise, got"),
        (own(np.sort, np.ones_like), "must be elementwise, got"),
        (own(lambda x: np.cumsum(x).reshape(x.shape), np.ones_like), "must be elementwise, got"),
        (own(lambda x: x.astype("float64"), np.ones_like), "must keep the dtype float32, got float64"),
        (
            own(lambda x: np.log(np.abs(x)), lambda x: 1 / x),
            "must be finite wherever a stack evaluates it, got -inf at x = 0",
        ),
        (
            own(np.copy, lambda x: 1 / x),
            "the derivative must be finite wherever a stack evaluates it, got inf at x = 0",
        ),
        (
            own(np.copy, lambda x: 2 * np.ones_like(x)),
            "the derivative must be that of the value, got 2 against 1 at x = ",
        ),
        (own(np.tanh, lambda x: 1 - np.tanh(x)), "the derivative must be that of the value"),
        (own(lambda x: x.nonsense, np.ones_like), "must take an array, got AttributeError"),
        (own(lambda x: np.negative(x, out=x), np.ones_like), "must leave what it takes as it is"),
        (own(np.copy, np.ones), "the derivative must"),
    ],
)
def test_an_activation_that_no_stack_can_use_is_refused(entry, said):
    with pytest.raises(InvalidField) as caught:
        propagate(entry)
    assert caught.value.field == "act"
    assert caught.value.problem.startswith("'mine': ")
    assert said in caught.value.problem


@pytest.mark.parametrize(
    ("value", "backward", "pieces"),
    [
        (lambda z: z[:, :3], lambda z, d_a: z, 1),
        (lambda z: z.copy(), lambda z, d_a: d_a[:, :2], 1),
        (lambda z: z.copy(), lambda z, d_a: d_a, 2),
        (lambda z: z.nonsense, lambda z, d_a: d_a, 1),
    ],
)
def test_a_structured_activation_must_keep_its_shapes(value, backward, pieces):
    entry = Activation("mine", value, formula="", source="", backward=backward, pieces=pieces)
    with pytest.raises(InvalidField, match="'mine': must"):
        resolve(entry)


@pytest.mark.parametrize("name", list(ACTIVATIONS))
def test_every_registered_activation_passes_the_check(name):
    check(resolve(name))


def test_an_own_activation_with_a_kink_passes():
    entry = own(lambda x: np.abs(x - x.dtype.type(0.1)), lambda x: np.sign(x - x.dtype.type(0.1)), kinks=(0.1,))
    assert resolve(entry) is entry


# What an expression costs


def points_worked_out(depth):
    """Return at how many points the functions of a nested expression are worked out to find where it bends."""
    points = []

    def rule(argument):
        points.append(argument.value.size)
        return Dual(np.maximum(argument.value, 0), None)

    steps, place = Steps(), X
    function = Function(rule, 1, (np.copy,))
    for _ in range(depth):
        place = steps.apply(function, [place])
    searching.roots(steps.program().switches, np.linspace(-1, 1, 1000), 10)
    return sum(points)


def test_what_nesting_costs_grows_with_its_depth_alone():
    assert points_worked_out(90) == pytest.approx(9 * points_worked_out(10), rel=0.2)


def test_equal_operations_are_worked_out_once():
    assert parse("tanh(x)*tanh(x) + exp(2*x)/exp(x*1 + x*1)").operations == 9
    assert parse("gelu(x - 1) + gelu(x - 1)**2 + relu(x, )").operations == 6
    negative = parse("(x*0 - x*-0.0) + x")
    assert negative.operations == 4
    np.testing.assert_array_equal(negative.value(np.array([-2.0, 3.0])), [-2, 3])


def test_what_steps_hold_is_let_go():
    text = "+".join(f"sin({number}*x)" for number in range(1, 60))
    x = np.linspace(-1, 1, 1 << 18)
    tracemalloc.start()
    parse(text).value(x)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 2.5 * x.nbytes


def test_too_many_operations_are_refused():
    text = "+".join(f"relu(x-{number})" for number in range(1, 72))
    assert "must have at most 200 different operations, got 212" in refusal(text)


def test_too_many_bends_are_counted_not_narrowed_down(monkeypatch):
    def narrowed(function, low, high):
        raise AssertionError

    monkeypatch.setattr(searching, "_narrowed", narrowed)
    problem = (
        "must bend, jump or oscillate at 10922 places at most from -1000 to 1000, with its 3 operations, got 12732"
    )
    assert refusal("abs(sin(20*x))") == f"'abs(sin(20*x))': {problem}"
    with pytest.raises(searching.TooMany):
        searching.steps(lambda x: np.sign(np.sin(20 * x)), searching.grid(), 12_000)


def test_kinks_by_the_thousand_are_found():
    kinks = np.array(resolve("abs(sin(5*x))").kinks)
    np.testing.assert_allclose(kinks, np.arange(-1591, 1592) * np.pi / 5, rtol=1e-15, atol=1e-15)


def test_distinct_points_are_the_first_of_those_near_each_other():
    rng = np.random.default_rng(3)
    points = np.concatenate([rng.uniform(-3, 3, 300), rng.uniform(0, 1e-5, 500), rng.uniform(700, 700.01, 400), [-0.0]])
    points = rng.permutation(np.concatenate([points, points[:50] + 5e-8]))
    kept = []
    for point in points.tolist():
        if all(abs(point - other) > 1e-7 * max(1, abs(point)) for other in kept):
            kept.append(point)
    assert searching.distinct(points).tolist() == sorted(kept)


def test_distinct_looks_at_the_neighbours_alone():
    with counted_steps() as steps:
        searching.distinct(np.arange(2000.0))
    assert len(steps) < 30_000


def test_slopes_at_points_that_only_look_like_kinks_are_those_beside():
    entry = resolve("relu(sin(2*x)) - relu(-sin(2*x))")
    assert entry.kinks == ()
    x = np.arange(-1000, 1001) * np.pi / 4
    np.testing.assert_allclose(entry.derivative(x), 2 * np.cos(2 * x), atol=1e-9)
    with counted_steps() as steps:
        entry.derivative(x)
    assert len(steps) < 1000
