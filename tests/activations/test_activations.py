import contextlib
import inspect
import math

import numpy as np
import pytest
from mpmath import mp

from actdiag.activations import ACTIVATIONS, Activation, resolve, traits
from actdiag.activations.probing import check
from actdiag.errors import InvalidField

# Parameters away from their defaults, tested along with every registered name.
VARIANTS = [
    "leaky_relu:0.2",
    "leaky_relu:-0.5",
    "prelu:0.1",
    "rrelu:lower=0.1:upper=0.5",
    "elu:0.5",
    "celu:0.7",
    "squareplus:1",
    "softshrink:1.5",
    "hardshrink:1.5",
    "threshold:-0.5:value=2",
    "maxout:3",
    "relu:6",
    "relu:max_value=6:threshold=1",
    "relu:threshold=0.5",
    "relu:negative_slope=0.1",
    "relu:4:threshold=0.5:negative_slope=0.1",
    "hardtanh:min=-2:max=2",
    "hardtanh:-0.5:max=3",
    "softplus:beta=2",
    "softplus:0.5",
]
SPECS = [*ACTIVATIONS, *VARIANTS]
ELEMENTWISE = [spec for spec in SPECS if resolve(spec).derivative]
STRUCTURED = [spec for spec in SPECS if resolve(spec).backward]
LEARNED = [spec for spec in ELEMENTWISE if resolve(spec).slope_derivative]
SATURATING = [spec for spec in ELEMENTWISE if resolve(spec).saturates != "none"]


def away_from_kinks(entry, x, clearance):
    return x[np.all(np.abs(x[:, np.newaxis] - np.array(entry.kinks)) > clearance, axis=1)]


def wide_grid(entry):
    far = np.geomspace(50, 1e6, 2001)
    beside_kinks = [np.nextafter(entry.kinks, side) for side in (-np.inf, np.inf)]
    return np.concatenate([-far, np.linspace(-50, 50, 200_001), far, *beside_kinks])


def same_as(expected):
    return pytest.approx(expected, rel=1e-12, abs=1e-12)


# Derivatives


@pytest.mark.parametrize("spec", ELEMENTWISE)
def test_the_derivative_is_that_of_the_value(spec):
    entry = resolve(spec)
    h = 1e-5
    # Random points keep clear of the round numbers where a second derivative may jump.
    x = away_from_kinks(entry, np.random.default_rng(1).uniform(-10, 10, 4000), 2 * h)
    value = entry.value(x)
    difference = (entry.value(x + h) - entry.value(x - h)) / (2 * h)
    # h^2 |f'''| / 6 from the step, with |f'''| up to 50 (1 + |f|), and eps |f| / h = 2e-11 |f| from rounding.
    np.testing.assert_array_less(np.abs(entry.derivative(x) - difference), 1e-9 * (1 + np.abs(value)))


@pytest.mark.parametrize("spec", ELEMENTWISE)
def test_the_derivative_jumps_at_the_kinks_and_nowhere_else(spec):
    entry = resolve(spec)
    kinks = np.array(entry.kinks)
    below, above = (entry.derivative(kinks + side * 1e-9) for side in (-1, 1))
    assert (np.abs(above - below) > 0.01).all()
    x = np.linspace(-50, 50, 200_001)
    slope = entry.derivative(x)
    between = ~np.any((x[:-1, np.newaxis] <= kinks) & (kinks <= x[1:, np.newaxis]), axis=1)
    # Over 5e-4 a slope changes by 5e-4 |f''|, with |f''| up to 20 (1 + |f'|).
    assert np.all((np.abs(np.diff(slope)) < 0.01 * (1 + np.abs(slope[1:])))[between])


@pytest.mark.parametrize("spec", LEARNED)
def test_the_slope_derivative_is_that_of_the_value_in_the_slope(spec):
    name = spec.split(":")[0]
    entry, x, h = resolve(spec), np.linspace(-10, 10, 401), 0.5
    more, less = (resolve(f"{name}:{0.25 + step}") for step in (h, -h))
    # The value is linear in the slope, so a long step costs nothing and only rounding is left.
    difference = (more.value(x) - less.value(x)) / (2 * h)
    np.testing.assert_allclose(entry.slope_derivative(x), difference, rtol=0, atol=1e-14)


def test_something_learns_its_slope():
    assert [spec.split(":")[0] for spec in LEARNED] == ["prelu", "prelu"]


def test_relu_lets_no_gradient_through_at_zero():
    assert resolve("relu").derivative(np.array([-1.0, 0.0, 1.0])).tolist() == [0, 0, 1]


@pytest.mark.parametrize("spec", ELEMENTWISE)
def test_pull_back_multiplies_by_the_derivative(spec):
    entry = resolve(spec)
    z, d_a = np.random.default_rng(2).standard_normal((2, 5, 7))
    np.testing.assert_array_equal(entry.pull_back(z, d_a), d_a * entry.derivative(z))


@pytest.mark.parametrize("spec", STRUCTURED)
def test_backward_is_that_of_the_value(spec):
    entry, h = resolve(spec), 1e-6
    rng = np.random.default_rng(8)
    z, d_a = rng.standard_normal((5, 4 * entry.pieces)), rng.standard_normal((5, 4))
    d_z = entry.backward(z, d_a)
    steps = h * np.eye(z.shape[1])
    for row in range(len(z)):
        difference = ((entry.value(z[row] + steps) - entry.value(z[row] - steps)) / (2 * h)) @ d_a[row]
        # From rounding eps |f| / h = 2e-10 |f|, and less from the step.
        np.testing.assert_allclose(d_z[row], difference, rtol=0, atol=3e-9)


def test_an_entry_has_a_derivative_or_a_backward():
    with pytest.raises(ValueError, match="activation odd: give derivative"):
        Activation(name="odd", value=np.copy, formula="x", source="none")
    with pytest.raises(ValueError, match="activation odd: give derivative"):
        Activation("odd", np.copy, "x", "none", derivative=np.ones_like, backward=lambda z, d_a: d_a)


# Numbers: range and dtype


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("spec", ELEMENTWISE)
def test_large_inputs_stay_finite_and_in_their_dtype(spec, dtype):
    entry = resolve(spec)
    x = np.concatenate([np.linspace(-1e4, 1e4, 2001), np.linspace(-110, 110, 2001), entry.kinks, [-0.0]]).astype(dtype)
    before = x.copy()
    for function in filter(None, (entry.value, entry.derivative, entry.slope_derivative)):
        result = function(x)
        assert result.dtype == dtype
        assert result.shape == x.shape
        assert not np.shares_memory(result, x)
        assert not np.isnan(result).any()
        assert np.isfinite(result).all() or entry.name == "exponential"
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("spec", ELEMENTWISE)
def test_exploded_inputs_give_what_float64_says(spec):
    entry = resolve(spec)
    far = np.geomspace(1e5, 3e38, 101).astype("float32")
    x = np.concatenate([-far, far])
    for function in (entry.value, entry.derivative):
        with np.errstate(over="ignore"):  # inf is right where the value itself leaves float32, NaN never is
            np.testing.assert_allclose(function(x), function(x.astype(float)).astype("float32"), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("spec", ELEMENTWISE)
def test_float32_agrees_with_float64(spec):
    entry = resolve(spec)
    x = away_from_kinks(entry, np.linspace(-30, 30, 2001), 1e-4).astype("float32")
    for function in (entry.value, entry.derivative):
        exact = function(x.astype(float))
        # exp(x) in float32 has relative error |x| eps at best: 30 * 6e-8.
        np.testing.assert_allclose(function(x), exact, rtol=5e-6, atol=5e-6)


def with_a_parameter_of(values):
    """Every registered activation with one of its real parameters at each of these values, where it takes it."""
    found = []
    for name in ACTIVATIONS:
        for key, parameter in inspect.signature(ACTIVATIONS[name], eval_str=True).parameters.items():
            for value in values if parameter.annotation is float else ():
                with contextlib.suppress(InvalidField):
                    found.append(resolve(f"{name}:{key}={value}"))
    return found


EXTREME = with_a_parameter_of(["1e-300", "1e-45", "1e-38", "1e-30", "1e-6", "1e6", "1e38"])


def test_a_parameter_that_float32_rounds_to_zero_is_taken_or_refused():
    taken = {entry.name for entry in EXTREME}
    assert {"leaky_relu:1e-300", "celu:1e-30", "squareplus:1e-30", "softplus:1e-06", "hardtanh:1e-300"} <= taken
    for name in ("celu", "elu", "squareplus", "softplus", "relu"):
        for value in ("1e-300", "1e-45", "1e-38", "1e38"):
            with pytest.raises(InvalidField, match=r"must be at least 1e-(30|06) and at most 1e\+06, got"):
                resolve(f"{name}:{value}")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("entry", EXTREME, ids=lambda entry: entry.name)
def test_extreme_parameters_give_no_nan(entry, dtype):
    limits = np.finfo(dtype)
    sizes = [0, limits.smallest_subnormal, limits.smallest_normal, 1e-30, 1e-15, 1e-7, 1, 1e6, 1e15, 1e30, limits.max]
    x = np.array([*sizes, *np.negative(sizes)], dtype=dtype)
    with np.errstate(over="ignore"):
        value, slope = entry.value(x), entry.derivative(x)
    assert not np.isnan(value).any()
    assert not np.isnan(slope).any()
    assert np.isfinite(slope).all()
    # Every f here grows at most as |x|, so within the largest parameter it is no more than that.
    near = np.abs(x) <= 1e6
    assert np.abs(value[near]).max() <= 1e12
    check(entry)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("spec", ELEMENTWISE)
def test_nan_is_handed_on(spec, dtype):
    entry = resolve(spec)
    x = np.array([np.nan, 0.7], dtype=dtype)
    value, slope = entry.value(x), entry.derivative(x)
    assert np.isnan(value).tolist() == [True, False]
    assert value.dtype == slope.dtype == dtype
    # A slope that follows from comparisons alone is one of its few; the gradient that comes down is NaN by then.
    wide = entry.derivative(np.linspace(-20, 20, 4001, dtype=dtype))
    assert np.isnan(slope[0]) or slope[0] in set(wide.tolist())
    assert np.isnan(slope[0]) or len(set(wide.tolist())) <= 2
    assert np.isnan(entry.pull_back(x, np.array([np.nan, 1], dtype=dtype))).tolist() == [True, False]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("spec", STRUCTURED)
def test_structured_ones_hand_nan_on(spec, dtype):
    entry = resolve(spec)
    rows, units = 2, 4
    whole_layer = (
        entry.value(np.zeros((1, units * entry.pieces)) + np.eye(1, units * entry.pieces))[0, 1]
        != (entry.value(np.zeros((1, units * entry.pieces)))[0, 1])
    )
    for column in range(units * entry.pieces):
        z = np.random.default_rng(4).standard_normal((rows, units * entry.pieces)).astype(dtype)
        clean = entry.value(z)
        z[0, column] = np.nan
        value = entry.value(z)
        assert value.dtype == dtype
        assert np.isnan(value[0]).sum() == (units if whole_layer else 1)
        np.testing.assert_array_equal(value[1], clean[1])
        with np.errstate(invalid="ignore"):
            d_z = entry.pull_back(z, np.where(np.isnan(value), value, 1))
        assert np.isnan(d_z[0]).any()
        assert not np.isnan(d_z[1]).any()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("spec", STRUCTURED)
def test_structured_ones_stay_finite_in_their_dtype_and_shape(spec, dtype):
    entry = resolve(spec)
    rng = np.random.default_rng(3)
    for scale in (1, 1e4):
        z = rng.uniform(-scale, scale, (50, 6 * entry.pieces)).astype(dtype)
        before = z.copy()
        a = entry.value(z)
        d_a = rng.standard_normal(a.shape).astype(dtype)
        d_z = entry.backward(z, d_a)
        assert a.shape == (50, 6)
        assert d_z.shape == z.shape
        assert a.dtype == d_z.dtype == dtype
        assert np.isfinite(a).all()
        assert np.isfinite(d_z).all()
        np.testing.assert_array_equal(z, before)
        low, high = entry.bounds
        assert low <= a.min()
        assert a.max() <= high


# Against PyTorch


TORCH = {
    "identity": lambda t, x: t.nn.Identity()(x),
    "relu": lambda t, x: t.relu(x),
    "relu:6": lambda t, x: t.nn.functional.relu6(x),
    "relu:max_value=6:threshold=1": lambda t, x: t.nn.functional.hardtanh(t.threshold(x, 1, 0), -1, 6),
    "relu:threshold=0.5": lambda t, x: t.threshold(x, 0.5, 0),
    "leaky_relu": lambda t, x: t.nn.functional.leaky_relu(x),
    "leaky_relu:0.2": lambda t, x: t.nn.functional.leaky_relu(x, 0.2),
    "leaky_relu:-0.5": lambda t, x: t.nn.functional.leaky_relu(x, -0.5),
    "prelu": lambda t, x: t.nn.PReLU(dtype=t.float64)(x),
    "prelu:0.1": lambda t, x: t.nn.PReLU(init=0.1, dtype=t.float64)(x),
    "rrelu": lambda t, x: t.nn.functional.rrelu(x, training=False),
    "rrelu:lower=0.1:upper=0.5": lambda t, x: t.nn.functional.rrelu(x, 0.1, 0.5, training=False),
    "elu": lambda t, x: t.nn.functional.elu(x),
    "elu:0.5": lambda t, x: t.nn.functional.elu(x, 0.5),
    "celu": lambda t, x: t.celu(x),
    "celu:0.7": lambda t, x: t.celu(x, 0.7),
    "selu": lambda t, x: t.selu(x),
    "relu6": lambda t, x: t.nn.functional.relu6(x),
    "relu_squared": lambda t, x: t.relu(x) ** 2,
    "threshold": lambda t, x: t.threshold(x, 1, 0),
    "threshold:-0.5:value=2": lambda t, x: t.threshold(x, -0.5, 2),
    "sigmoid": lambda t, x: t.sigmoid(x),
    "tanh": lambda t, x: t.tanh(x),
    "lecun_tanh": lambda t, x: 1.7159 * t.tanh(2 * x / 3),
    "erf": lambda t, x: t.special.erf(x),
    "arctan": lambda t, x: t.arctan(x),
    "softsign": lambda t, x: t.nn.functional.softsign(x),
    "hardtanh": lambda t, x: t.nn.functional.hardtanh(x),
    "hardtanh:min=-2:max=2": lambda t, x: t.nn.functional.hardtanh(x, -2, 2),
    "hardtanh:-0.5:max=3": lambda t, x: t.nn.functional.hardtanh(x, -0.5, 3),
    "hardsigmoid": lambda t, x: t.nn.functional.hardsigmoid(x),
    "sin": lambda t, x: t.sin(x),
    "gelu": lambda t, x: t.nn.functional.gelu(x),
    "gelu_tanh": lambda t, x: t.nn.functional.gelu(x, approximate="tanh"),
    "silu": lambda t, x: t.nn.functional.silu(x),
    "mish": lambda t, x: t.nn.functional.mish(x),
    # PyTorch's softplus turns linear at its threshold, 20 by default: beyond the points compared here.
    "softplus": lambda t, x: t.nn.functional.softplus(x),
    "softplus:beta=2": lambda t, x: t.nn.functional.softplus(x, 2, threshold=100),
    "softplus:0.5": lambda t, x: t.nn.functional.softplus(x, 0.5),
    "log_sigmoid": lambda t, x: t.nn.functional.logsigmoid(x),
    "exponential": lambda t, x: t.exp(x),
    "tanhshrink": lambda t, x: t.nn.functional.tanhshrink(x),
    "softshrink": lambda t, x: t.nn.functional.softshrink(x),
    "softshrink:1.5": lambda t, x: t.nn.functional.softshrink(x, 1.5),
    "hardshrink": lambda t, x: t.nn.functional.hardshrink(x),
    "hardshrink:1.5": lambda t, x: t.nn.functional.hardshrink(x, 1.5),
    "hardswish": lambda t, x: t.nn.functional.hardswish(x),
    "softmax": lambda t, z: t.softmax(z, dim=1),
    "softmin": lambda t, z: t.nn.functional.softmin(z, dim=1),
    "log_softmax": lambda t, z: t.log_softmax(z, dim=1),
    "maxout": lambda t, z: z.reshape(len(z), -1, 2).max(dim=2).values,
    "maxout:3": lambda t, z: z.reshape(len(z), -1, 3).max(dim=2).values,
    "glu": lambda t, z: t.nn.functional.glu(z, dim=1),
    "swiglu": lambda t, z: z.chunk(2, dim=1)[0] * t.nn.functional.silu(z.chunk(2, dim=1)[1]),
    "geglu": lambda t, z: z.chunk(2, dim=1)[0] * t.nn.functional.gelu(z.chunk(2, dim=1)[1]),
}


# PyTorch keeps these slopes' factor (1/6, 1/alpha) in float32 even in float64; mpmath holds ours to 1e-12 below.
COARSE_SLOPES = {"hardsigmoid", "celu:0.7"}


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch")


def torch_value_and_pull_back(torch, spec, z, d_a):
    leaf = torch.tensor(z, dtype=torch.float64, requires_grad=True)
    a = TORCH[spec](torch, leaf)
    (d_z,) = torch.autograd.grad(a, leaf, torch.from_numpy(d_a))
    return a.detach().numpy(), d_z.numpy()


@pytest.mark.torch
@pytest.mark.parametrize("spec", [spec for spec in ELEMENTWISE if spec in TORCH])
def test_pytorch_agrees(spec, torch):
    entry = resolve(spec)
    x = np.concatenate([np.linspace(-10, 10, 4001), entry.kinks])
    value, slope = torch_value_and_pull_back(torch, spec, x, np.ones_like(x))
    np.testing.assert_allclose(entry.value(x), value, rtol=1e-12, atol=1e-12)
    # At a kink too the slope is PyTorch's.
    tolerance = 1e-6 if spec in COARSE_SLOPES else 1e-12
    np.testing.assert_allclose(entry.derivative(x), slope, rtol=tolerance, atol=tolerance)


@pytest.mark.torch
@pytest.mark.parametrize("spec", [spec for spec in STRUCTURED if spec in TORCH])
@pytest.mark.parametrize("scale", [1, 10])
def test_pytorch_agrees_on_structured_ones(spec, scale, torch):
    entry = resolve(spec)
    rng = np.random.default_rng(5)
    z, d_a = scale * rng.standard_normal((40, 12 * entry.pieces)), rng.standard_normal((40, 12))
    value, d_z = torch_value_and_pull_back(torch, spec, z, d_a)
    np.testing.assert_allclose(entry.value(z), value, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(entry.backward(z, d_a), d_z, rtol=1e-12, atol=1e-12)


@pytest.mark.torch
@pytest.mark.parametrize("spec", [spec for spec in SPECS if spec in TORCH])
def test_pytorch_hands_nan_on_alike(spec, torch):
    z = np.random.default_rng(4).standard_normal((3, 4 * resolve(spec).pieces))
    z[0, 1] = np.nan
    theirs = TORCH[spec](torch, torch.from_numpy(z)).detach().numpy()
    np.testing.assert_array_equal(np.isnan(resolve(spec).value(z)), np.isnan(theirs))


@pytest.mark.torch
@pytest.mark.parametrize("spec", LEARNED)
def test_pytorch_agrees_on_the_learned_slope(spec, torch):
    x = np.linspace(-10, 10, 401)
    slope = torch.full((1,), 0.25, dtype=torch.float64, requires_grad=True)
    torch.nn.functional.prelu(torch.from_numpy(x), slope).sum().backward()
    assert resolve(spec).slope_derivative(x).sum() == pytest.approx(slope.grad.item(), rel=1e-12)


def test_sparsemax_is_the_nearest_point_of_the_simplex():
    rng = np.random.default_rng(7)
    z = 2 * rng.standard_normal((40, 9))
    a = resolve("sparsemax").value(z)
    np.testing.assert_allclose(a.sum(axis=1), 1, rtol=1e-14)
    assert a.min() == 0 < (a > 0).sum(axis=1).min() < (a > 0).sum(axis=1).max()
    # No step towards a corner of the simplex comes nearer, which for a convex set says that nothing does.
    towards = np.eye(9) - a[:, np.newaxis]
    assert (np.einsum("ij,ikj->ik", z - a, towards) <= 1e-14).all()
    np.testing.assert_allclose(resolve("sparsemax").value(z + 100), a, rtol=0, atol=1e-13)
    # Of two units it is the sparse sigmoid of their difference.
    x = np.linspace(-3, 3, 61)
    pair = resolve("sparsemax").value(np.stack([x, 0 * x], axis=1))
    np.testing.assert_allclose(pair[:, 0], resolve("sparse_sigmoid").value(x), rtol=0, atol=1e-15)


def test_the_two_hard_sigmoids_differ():
    x = np.array([-2.6, -1.0, 1.0, 2.6])
    assert resolve("keras2_hard_sigmoid").value(x).tolist() == pytest.approx([0, 0.3, 0.7, 1])
    assert resolve("hard_sigmoid").value(x).tolist() == pytest.approx([0.4 / 6, 2 / 6, 4 / 6, 5.6 / 6])


def test_maxout_gives_a_tie_to_the_first_piece():
    d_z = resolve("maxout").backward(np.array([[1.0, 1.0, 0.0, 2.0]]), np.array([[5.0, 7.0]]))
    assert d_z.tolist() == [[5, 0, 0, 7]]


# Against mpmath, the formulas written once more with as many digits as one likes


def selu_formula(x):
    # The fixed point of the paper's mean and variance map at (0, 1), in closed form.
    half = mp.erfc(1 / mp.sqrt(2)) * mp.sqrt(mp.e)
    alpha = mp.sqrt(2 / mp.pi) / (1 - half)
    moments = 2 * mp.erfc(mp.sqrt(2)) * mp.e**2 + mp.pi * half**2 - 2 * (2 + mp.pi) * half + mp.pi + 2
    scale = (1 - half) * mp.sqrt(2 * mp.pi / moments)
    return scale * (x if x > 0 else alpha * mp.expm1(x))


MPMATH = {
    "identity": lambda x: x,
    "relu": lambda x: max(x, 0),
    "leaky_relu": lambda x: x if x > 0 else 0.01 * x,
    "leaky_relu:0.2": lambda x: x if x > 0 else 0.2 * x,
    "prelu": lambda x: x if x > 0 else 0.25 * x,
    "rrelu": lambda x: x if x > 0 else (mp.mpf(1) / 8 + mp.mpf(1) / 3) / 2 * x,
    "elu": lambda x: x if x > 0 else mp.expm1(x),
    "elu:0.5": lambda x: x if x > 0 else mp.expm1(x) / 2,
    "celu": lambda x: x if x > 0 else mp.expm1(x),
    "celu:0.7": lambda x: x if x > 0 else 0.7 * mp.expm1(x / 0.7),
    "selu": selu_formula,
    "relu6": lambda x: min(max(x, 0), 6),
    "relu:max_value=6:threshold=1": lambda x: min(x, 6) if x > 1 else 0,
    "keras_leaky_relu": lambda x: x if x > 0 else 0.2 * x,
    "relu:negative_slope=0.1": lambda x: x if x > 0 else 0.1 * x,
    "relu:4:threshold=0.5:negative_slope=0.1": lambda x: min(x, 4) if x > 0.5 else 0.1 * (x - 0.5),
    "relu_squared": lambda x: max(x, 0) ** 2,
    "threshold": lambda x: x if x > 1 else 0,
    "sigmoid": lambda x: 1 / (1 + mp.exp(-x)),
    "tanh": mp.tanh,
    "lecun_tanh": lambda x: 1.7159 * mp.tanh(2 * x / 3),
    "erf": mp.erf,
    "arctan": mp.atan,
    "softsign": lambda x: x / (1 + abs(x)),
    "hardtanh": lambda x: min(max(x, -1), 1),
    "hardtanh:-0.5:max=3": lambda x: min(max(x, -0.5), 3),
    "hardsigmoid": lambda x: min(max(x / 6 + 0.5, 0), 1),
    "keras2_hard_sigmoid": lambda x: min(max(x / 5 + 0.5, 0), 1),
    "sparse_sigmoid": lambda x: min(max((x + 1) / 2, 0), 1),
    "sin": mp.sin,
    "gelu": lambda x: x * mp.erfc(-x / mp.sqrt(2)) / 2,
    "gelu_tanh": lambda x: x / (1 + mp.exp(-2 * mp.sqrt(2 / mp.pi) * (x + mp.mpf("0.044715") * x**3))),
    "silu": lambda x: x / (1 + mp.exp(-x)),
    "mish": lambda x: x * mp.tanh(mp.log1p(mp.exp(x))),
    "softplus": lambda x: mp.log1p(mp.exp(x)),
    "softplus:beta=2": lambda x: mp.log1p(mp.exp(2 * x)) / 2,
    "softplus:0.5": lambda x: 2 * mp.log1p(mp.exp(x / 2)),
    "log_sigmoid": lambda x: -mp.log1p(mp.exp(-x)),
    "squareplus": lambda x: (x + mp.sqrt(x**2 + 4)) / 2,
    "squareplus:1": lambda x: (x + mp.sqrt(x**2 + 1)) / 2,
    "sparse_plus": lambda x: 0 if x <= -1 else x if x >= 1 else (x + 1) ** 2 / 4,
    "exponential": mp.exp,
    "tanhshrink": lambda x: x - mp.tanh(x),
    "softshrink": lambda x: mp.sign(x) * max(abs(x) - 0.5, 0),
    "hardshrink": lambda x: x if abs(x) > 0.5 else 0,
    "hardswish": lambda x: x * min(max(x + 3, 0), 6) / 6,
}


def exact(formula, x):
    return np.array([float(formula(mp.mpf(point))) for point in x.tolist()])


def exact_slope(formula, x):
    return np.array([float(mp.diff(formula, mp.mpf(point))) for point in x.tolist()])


@pytest.mark.parametrize("spec", [spec for spec in ELEMENTWISE if spec in MPMATH])
def test_mpmath_agrees(spec):
    entry = resolve(spec)
    rng = np.random.default_rng(6)
    x = np.concatenate([rng.uniform(-8, 8, 60), np.linspace(-700, 700, 57), entry.kinks])
    inside = away_from_kinks(entry, x, 1e-9)
    with mp.workdps(50):
        np.testing.assert_allclose(entry.value(x), exact(MPMATH[spec], x), rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(entry.derivative(inside), exact_slope(MPMATH[spec], inside), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("spec", [spec for spec in ELEMENTWISE if spec in MPMATH])
def test_the_tails_keep_their_relative_precision(spec):
    entry = resolve(spec)
    x = np.array([-700.0, -30.0, -20.0, 20.0, 30.0, 700.0])
    # gelu_tanh's exponent is -600 at -20, where an error of eps becomes 600 eps = 1e-13; below 1e-300 zero will do.
    with mp.workdps(400):
        np.testing.assert_allclose(entry.value(x), exact(MPMATH[spec], x), rtol=1e-11, atol=1e-300)
        np.testing.assert_allclose(entry.derivative(x), exact_slope(MPMATH[spec], x), rtol=1e-11, atol=1e-300)


# Bounds and traits


@pytest.mark.parametrize("spec", ELEMENTWISE)
def test_bounds_are_the_hull_of_the_range(spec):
    entry = resolve(spec)
    # Algebraic plateaus are approached like 1/x: the points at +-1000 come within 1e-2 of them where 50 does not.
    value = entry.value(np.concatenate([[-1e3], np.linspace(-50, 50, 200_001), [1e3]]))
    low, high = entry.bounds
    # A minimum computed at the very point may fall an ulp short of it.
    assert low - 1e-15 <= value.min()
    assert value.max() <= high + 1e-15
    assert value.min() < (low + 1e-2 if math.isfinite(low) else -5)
    assert value.max() > (high - 1e-2 if math.isfinite(high) else 5)


@pytest.mark.parametrize("spec", ELEMENTWISE)
def test_slope_supremum_is_the_largest_slope(spec):
    entry = resolve(spec)
    largest = np.abs(entry.derivative(wide_grid(entry))).max()
    supremum = traits(entry).slope_supremum
    if math.isinf(supremum):
        assert largest > 1e6
    else:
        # Between points 5e-4 apart a curved peak hides at most (2.5e-4)^2 |f'''| / 2 of its height.
        assert largest <= supremum * (1 + 1e-12)
        assert largest == pytest.approx(supremum, rel=1e-6)


def beyond(edge, side):
    """Points from just past `edge` outward, on the side -1 or +1."""
    return edge + side * max(1, abs(edge)) * np.concatenate([[1e-9], np.geomspace(1e-6, 1e3, 1000)])


def assert_settles_at(entry, edge, side, limit):
    inside = edge - side * 1e-9 * max(1, abs(edge))
    # At the edge f' equals the limit, so a step of 1e-9 moves it by little more than its rounding: no slack inside.
    assert abs(entry.derivative(np.array([inside]))[0]) > limit
    assert np.abs(entry.derivative(beyond(edge, side))).max() <= limit


@pytest.mark.parametrize("spec", SATURATING)
def test_saturation_starts_at_a_hundredth_of_the_largest_slope(spec):
    entry = resolve(spec)
    found = traits(entry)
    limit = 0.01 * found.slope_supremum
    for side, name, edge in ((-1, "below", found.saturated_below), (1, "above", found.saturated_above)):
        if entry.saturates in (name, "both"):
            assert_settles_at(entry, edge, side, limit)
        else:
            assert edge is None


@pytest.mark.parametrize("spec", [spec for spec in ELEMENTWISE if spec not in SATURATING])
def test_no_saturation_where_none_is_named(spec):
    found = traits(resolve(spec))
    assert (found.saturated_below, found.saturated_above) == (None, None)


@pytest.mark.parametrize("spec", ELEMENTWISE)
def test_dead_sides_are_where_no_slope_is_left(spec):
    entry = resolve(spec)
    found = traits(entry)
    assert found.dead_slope == 1e-6 * min(1, found.slope_supremum)
    for side, edge in ((-1, found.dead_below), (1, found.dead_above)):
        if edge is not None:
            assert_settles_at(entry, edge, side, found.dead_slope)
        else:
            with np.errstate(over="ignore"):
                assert np.abs(entry.derivative(side * np.linspace(1e5, 1e6, 1001))).max() > found.dead_slope


AWAKE_OVER = {
    "softplus": math.log(1e-6 / (1 - 1e-6)),
    "squareplus": -999.9985,
    "squareplus:1": -499.99925,
    "sparse_plus": -1 + 2e-6,
    "exponential": math.log(1e-6),
    "relu": 0,
    "relu:threshold=0.5": 0.5,
    "softplus:beta=2": math.log(1e-6 / (1 - 1e-6)) / 2,
    "softplus:0.5": math.log(1e-6 / (1 - 1e-6)) * 2,
    "elu": math.log(1e-6),
    "elu:0.5": math.log(2e-6),
    "celu:0.7": 0.7 * math.log(1e-6),
    "celu": math.log(1e-6),
    "selu": math.log(1e-6 / (1.0507009873554805 * 1.6732632423543772)),
    "relu_squared": 5e-7,
    "threshold": 1,
    "threshold:-0.5:value=2": -0.5,
}


@pytest.mark.parametrize("spec", ELEMENTWISE)
def test_known_points_over_which_all_are_awake(spec):
    found = traits(resolve(spec)).active_over
    assert found == (pytest.approx(AWAKE_OVER[spec], rel=1e-9, abs=1e-15) if spec in AWAKE_OVER else None)


@pytest.mark.parametrize("spec", AWAKE_OVER)
def test_units_are_active_over_that_point_and_nowhere_else(spec):
    entry, found = resolve(spec), traits(resolve(spec))
    rng, size = np.random.default_rng(2), max(1, abs(found.active_over))
    # At the edge f' equals the limit, and its rounding hides what lies closer than 1e-9.
    far = np.concatenate([size * 10 ** rng.uniform(-9, 8, 100_000), rng.uniform(1e-9 * size, 50, 200_000)])
    with np.errstate(over="ignore"):
        assert np.abs(entry.derivative(found.active_over + far)).min() > found.dead_slope
        assert np.abs(entry.derivative(found.active_over - far)).max() <= found.dead_slope
        assert abs(entry.derivative(np.array([found.active_over]))[0]) <= found.dead_slope * (1 + 1e-9)


def dead_below_zero(slope):
    return Activation(
        "made up", value=abs, derivative=lambda x: np.where(x > 0, slope(x), 0), formula="", source="", kinks=[0.0]
    )


def dipping_at(point, to=0.0):
    return dead_below_zero(lambda x: to + (x - point) ** 2 / (1 + (x - point) ** 2))


def test_a_slope_that_never_falls_to_the_limit_leaves_all_awake():
    for slope in (dead_below_zero(np.ones_like), dipping_at(2.003, to=1e-4), dipping_at(1000.5, to=2e-6)):
        assert traits(slope).active_over == 0


@pytest.mark.parametrize("point", [0.02, 2.003, math.pi, 19.99, 21.2, 1000.5, 12345678.9])
def test_a_slope_that_touches_zero_between_points_of_the_grid_leaves_none_awake(point):
    assert traits(dipping_at(point)).dead_below == 0
    assert traits(dipping_at(point)).active_over is None
    assert traits(dipping_at(point, to=5e-7)).active_over is None


@pytest.mark.parametrize("point", [2 + 1 / 128, 5 - 1 / 128, 20.2, 0.005])
def test_a_slope_that_touches_zero_where_the_grid_is_even_leaves_none_awake(point):
    assert traits(dipping_at(point)).active_over is None


@pytest.mark.parametrize(
    "slope",
    [
        lambda x: 1 + np.cos(x),
        lambda x: 1 + np.cos(x - 0.3),
        lambda x: x - 2.003,
        lambda x: x - 2 - 1 / 128,
        lambda x: np.cos(x) * np.exp(-x),
        lambda x: np.minimum(1, 1 / x),
        lambda x: (x < 3) + 0.5 * (x > 3.0001),
    ],
)
def test_a_slope_that_falls_to_zero_again_leaves_none_awake(slope):
    assert traits(dead_below_zero(slope)).active_over is None


def test_without_a_dead_side_there_is_no_such_point():
    wavy = Activation("x + sin x", lambda x: x + np.sin(x), "", "", derivative=lambda x: 1 + np.cos(x))
    assert (traits(wavy).dead_below, traits(wavy).active_over) == (None, None)


# s(1 - s) = 0.0025, a hundredth of the largest slope, and tanh(x) = 2 s(2x) - 1.
SIGMOID_EDGE = math.log((1 + math.sqrt(0.99)) / (1 - math.sqrt(0.99)))


@pytest.mark.parametrize(
    ("spec", "below", "above"),
    [
        ("sigmoid", -SIGMOID_EDGE, SIGMOID_EDGE),
        ("tanh", -SIGMOID_EDGE / 2, SIGMOID_EDGE / 2),
        ("lecun_tanh", -SIGMOID_EDGE * 0.75, SIGMOID_EDGE * 0.75),
        ("erf", -math.sqrt(math.log(100)), math.sqrt(math.log(100))),
        ("arctan", -math.sqrt(99), math.sqrt(99)),
        ("softsign", -9, 9),
        ("hardtanh", -1, 1),
        ("hardtanh:-0.5:max=3", -0.5, 3),
        ("keras2_hard_sigmoid", -2.5, 2.5),
        ("relu:max_value=6:threshold=1", None, 6),
        ("hardsigmoid", -3, 3),
        ("sparse_sigmoid", -1, 1),
        ("relu6", None, 6),
        ("elu", -math.log(100), None),
        ("elu:0.5", -math.log(50), None),
        ("celu:0.7", -0.7 * math.log(100), None),
        ("selu", -math.log(100), None),
        ("sin", None, None),
        ("relu", None, None),
    ],
)
def test_known_saturation(spec, below, above):
    found = traits(resolve(spec))
    assert found.saturated_below == (None if below is None else same_as(below))
    assert found.saturated_above == (None if above is None else same_as(above))


def test_saturation_of_the_sigmoid_and_tanh_in_figures():
    assert pytest.approx(5.9864456922527625, rel=1e-14) == SIGMOID_EDGE
    assert traits(resolve("sigmoid")).saturated_above == pytest.approx(5.9864456922527625, rel=1e-14)
    assert traits(resolve("tanh")).saturated_above == pytest.approx(2.9932228461263812, rel=1e-14)


@pytest.mark.parametrize(
    ("spec", "zero_centred", "monotonic", "smooth"),
    [
        ("tanh", True, True, True),
        ("sigmoid", False, True, True),
        ("relu", False, True, False),
        ("leaky_relu:-0.5", False, False, False),
        ("gelu", False, False, True),
        ("selu", False, True, False),
        ("elu", False, True, True),
        ("elu:0.5", False, True, False),
        ("celu:0.7", False, True, True),
        ("sin", True, False, True),
        ("hardtanh", True, True, False),
        ("identity", True, True, True),
    ],
)
def test_known_traits(spec, zero_centred, monotonic, smooth):
    found = traits(resolve(spec))
    assert (found.zero_centred, found.monotonic, found.smooth) == (zero_centred, monotonic, smooth)


@pytest.mark.parametrize(
    ("spec", "left", "right"), [("relu", 0, 1), ("prelu:0.1", 0.1, 1), ("tanh", 1, 1), ("sigmoid", 0.25, 0.25)]
)
def test_known_slopes_beside_zero(spec, left, right):
    assert traits(resolve(spec)).slope_at_zero == (left, right)


@pytest.mark.parametrize("spec", STRUCTURED)
def test_structured_ones_have_no_traits_of_a_derivative(spec):
    found = traits(resolve(spec))
    assert {getattr(found, name) for name in type(found).__slots__} == {None}


# Names


@pytest.mark.parametrize("spec", SPECS)
def test_a_name_resolves_to_its_own_entry(spec):
    entry = resolve(spec)
    again = resolve(entry.name)
    assert again.name == entry.name
    assert again.formula == entry.formula
    assert (again.kinks, again.bounds, again.pieces) == (entry.kinks, entry.bounds, entry.pieces)
    assert resolve(entry) is entry


@pytest.mark.parametrize("name", list(ACTIVATIONS))
def test_every_entry_says_what_it_is(name):
    entry = resolve(name)
    assert entry.name == name
    assert entry.formula
    assert entry.source


@pytest.mark.parametrize(
    ("name", "alias"), [(name, alias) for name in ACTIVATIONS for alias in ACTIVATIONS.aliases(name)]
)
def test_an_alias_is_the_same_function_under_its_own_name(name, alias):
    x = np.linspace(-3, 3, 32).reshape(2, 16)
    assert resolve(alias).name == alias
    np.testing.assert_array_equal(resolve(alias).value(x), resolve(name).value(x))


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("swish", "silu"),
        ("linear", "identity"),
        ("hard_sigmoid", "hardsigmoid"),
        ("hard_silu", "hardswish"),
        ("hard_tanh", "hardtanh"),
        ("hard_shrink", "hardshrink"),
        ("soft_shrink", "softshrink"),
        ("tanh_shrink", "tanhshrink"),
        ("soft_sign", "softsign"),
        ("logsigmoid", "log_sigmoid"),
        ("logsoftmax", "log_softmax"),
    ],
)
def test_the_frameworks_other_names(alias, name):
    assert alias in ACTIVATIONS.aliases(name)
    assert resolve(alias).name == alias
    assert resolve(alias).formula == resolve(name).formula


@pytest.mark.parametrize(
    ("spec", "name", "at_minus_one"),
    [
        ("leaky_relu:0.2", "leaky_relu:0.2", -0.2),
        ("leaky_relu:slope=0.2", "leaky_relu:0.2", -0.2),
        (" Leaky_ReLU : 0.20 ", "leaky_relu:0.2", -0.2),
        ("leaky_relu:0.01", "leaky_relu", -0.01),
        ("leaky_relu:0", "leaky_relu:0", 0),
        ("elu:2", "elu:2", 2 * math.expm1(-1)),
        ("threshold:0:3", "threshold:0:value=3", 3),
        ("threshold:value=3", "threshold:value=3", 3),
        ("threshold:0:value=3", "threshold:0:value=3", 3),
        ("rrelu:upper=0.2:lower=0.1", "rrelu:0.1:upper=0.2", -0.15),
        ("relu:inf", "relu", 0),
        ("relu:max_value=6:threshold=1", "relu:6:threshold=1", 0),
        ("hardtanh:-1:max=1", "hardtanh", -1),
        ("hard_tanh:min=-0.5", "hard_tanh:-0.5", -0.5),
        ("softplus:beta=2", "softplus:2", math.log1p(math.exp(-2)) / 2),
        ("linear", "linear", -1),
        ("LeakyReLU:negative_slope=0.2", "leaky_relu:0.2", -0.2),
        ("leaky_relu:negative_slope=0.2", "leaky_relu:0.2", -0.2),
        ("Hardtanh:min_val=-0.5:max_val=2", "hardtanh:-0.5:max=2", -0.5),
        ("Softshrink:lambd=0.25", "softshrink:0.25", -0.75),
        ("hard_shrink:threshold=2", "hard_shrink:2", 0),
        ("threshold:threshold=0:default_value=3", "threshold:0:value=3", 3),
        ("relu:negative_slope=0.25", "relu:negative_slope=0.25", -0.25),
        ("LogSoftmax", "logsoftmax", 0),
        ("GELU", "gelu", -0.15865525393145707),
    ],
)
def test_parameters_by_position_and_by_key(spec, name, at_minus_one):
    entry = resolve(spec)
    assert entry.name == name
    z = np.array([[-1.0]]) if entry.derivative is None else np.array([-1.0])
    assert entry.value(z).ravel()[0] == same_as(at_minus_one)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("", ["must name an activation", "''", "actdiag activations"]),
        ("rleu", ["must name an activation", "'rleu'", "did you mean", "relu"]),
        ("sigmiod", ["'sigmiod'", "sigmoid"]),
        ("leaky_relu:abc", ["'leaky_relu:abc'", "slope must be a number", "'abc'"]),
        ("leaky_relu:", ["slope must be a number", "''"]),
        ("leaky_relu:inf", ["slope must be a finite number", "got inf"]),
        ("leaky_relu:1e7", ["slope must be at least -1e+06 and at most 1e+06", "got 1e+07"]),
        ("maxout:0", ["'maxout:0'", "pieces must be at least 1", "got 0"]),
        ("maxout:1025", ["pieces must be at most 1024", "got 1025"]),
        ("maxout:2.5", ["pieces must be a whole number", "'2.5'"]),
        ("tanh:3", ["'tanh:3'", "tanh takes no parameters", "got '3'"]),
        ("tanh=3", ["'tanh=3'", "tanh takes no parameters", "got '3'"]),
        ("relu:0", ["max_value must be at least 1e-30 and at most 1e+06", "got 0"]),
        ("relu:nan", ["max_value must be a finite number", "got nan"]),
        ("relu:negative_slope=-1", ["negative_slope must be at least 0", "got -1"]),
        ("relu:threshold=-1", ["threshold must be at least 0", "got -1"]),
        ("relu:1:threshold=2", ["max_value must be above threshold (2) in float32", "got 1"]),
        ("hardtanh:1:max=-1", ["max must be above min (1) in float32", "got -1"]),
        ("hardtanh:-1e-300:max=1e-300", ["max must be above min (-1e-300) in float32", "got 1e-300"]),
        ("hardtanh:min=nan", ["min must be a finite number", "got nan"]),
        ("softplus:beta=0", ["beta must be at least 1e-06", "got 0"]),
        ("celu:1e-50", ["'celu:1e-50'", "alpha must be at least 1e-30 and at most 1e+06", "got 1e-50"]),
        ("elu:alpha=nan", ["alpha must be a finite number at least 1e-30", "got nan"]),
        ("elu:0", ["alpha must be at least 1e-30", "got 0"]),
        ("elu:1:alpha=2", ["elu takes elu[:alpha=1]", "got 'alpha=2'"]),
        ("elu:beta=2", ["elu takes elu[:alpha=1]", "got 'beta=2'"]),
        ("squareplus:-1", ["b must be at least 1e-30", "got -1"]),
        ("softshrink:-1", ["half_width must be at least 0", "got -1"]),
        ("rrelu:0.5:0.1", ["upper must be at least lower (0.5)", "got 0.1"]),
    ],
)
def test_what_is_said_of_a_bad_name(spec, said):
    with pytest.raises(InvalidField) as caught:
        resolve(spec)
    assert isinstance(caught.value, ValueError)
    assert caught.value.field == "act"
    message = str(caught.value)
    assert message.startswith("act ")
    for words in said:
        assert words in message
