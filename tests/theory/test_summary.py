"""What is said of a stack as a whole: its fixed point, and how far it reaches, against explicit iteration and runs."""

from math import acos, log, pi, sin, sqrt

import numpy as np
import pytest
from pair_moments import pair_moment

from actdiag import make_stack, propagate
from actdiag.activations import resolve
from actdiag.theory.flow import follow
from actdiag.theory.gaussian import moments
from actdiag.theory.recipe import layers_of
from actdiag.theory.sampling import InputSample
from actdiag.theory.summary import FARTHEST, FOLD, extended, summarize
from actdiag.theory.types import Horizon, LayerEstimates


def summary(act, init, width=100, cosines=(-0.1, 0.1), second=1.0, **options):
    """Return the theory of a stack whose input has rows of one second moment."""
    stack = make_stack(act, init, width=width, **options)
    cosines = np.array(cosines, dtype=float)
    lengths = np.full(len(cosines), second)
    one = np.ones(1)
    sample = InputSample(second * one, one, lengths, lengths, cosines, float(cosines.mean()) if len(cosines) else 0.0)
    recipe = extended(layers_of(stack))
    with np.errstate(all="ignore"):  # as beside a run
        return summarize(recipe, follow(recipe, sample), (LayerEstimates(),))


# tanh, sigma_b^2 = .05: q*, chi1, chiq, c*, xi_q, xi_c
MAPS = [
    (1.3, 0.3153164775, 0.8801635099, 0.5711234846, 1.0, 1.785237, 7.834069, "ordered"),
    (2.5, 1.0639583774, 1.1335156987, 0.4284638509, 0.4468042323, 1.179873, 11.795598, "chaotic"),
    (4.0, 2.1954939280, 1.3424024144, 0.3181950994, 0.1650649620, 0.873293, 6.980274, "chaotic"),
]


@pytest.mark.parametrize("depth", [1, 5, 130])
@pytest.mark.parametrize(("weight", "q", "chi1", "chiq", "c", "xi_q", "xi_c", "phase"), MAPS)
def test_maps_of_tanh(weight, q, chi1, chiq, c, xi_q, xi_c, phase, depth):
    found = summary("tanh", "lecun", gain=sqrt(weight), bias_std=sqrt(0.05), depth=depth)
    assert found.applies
    assert (found.phase, found.stable) == (phase, "stable")
    assert found.q == pytest.approx(q, abs=1e-9)
    assert found.chi1 == pytest.approx(chi1, abs=1e-9)
    assert found.chiq == pytest.approx(chiq, abs=1e-9)
    assert found.c == pytest.approx(c, abs=1e-7)
    assert found.xi_q == pytest.approx(xi_q, abs=1e-6)
    assert found.xi_c == pytest.approx(xi_c, abs=1e-5)
    assert found.note == f"the signal settles at rms z {sqrt(q):.4g}"
    assert not found.disagrees


def test_relu_he_keeps_every_scale():
    found = summary("relu", "he", depth=50)
    assert (found.phase, found.stable, found.q, found.c) == ("critical", "marginal", None, 1.0)
    assert (found.chi1, found.chiq) == pytest.approx((1, 1), abs=1e-12)
    assert (found.xi_q, found.xi_c) == (None, None)
    assert found.note == "the signal keeps the scale that it comes with"
    assert found.horizon._replace(inputs=None) == Horizon()


def test_relu_he_with_biases_grows_without_bound():
    found = summary("relu", "he", bias_std=0.3)
    assert found.q is None
    assert "without bound" in found.note


def test_small_weights_vanish():
    found = summary("tanh", "std=0.01")
    assert (found.q, found.phase, found.stable) == (0.0, "ordered", "stable")
    assert found.chi1 == pytest.approx(0.01, rel=1e-9)
    assert found.xi_q == pytest.approx(-1 / log(0.01), rel=1e-9)
    assert "vanishes" in found.note


def test_sigma_w_of_two_leaves_gelu_unstable():
    """q = 0 is critical and unstable; above sigma_w = 1.98 gelu runs away from what lies over its other fixed point."""
    found = summary("gelu", "lecun", gain=1.5335304412 * 1.001)
    assert (found.q, found.phase, found.stable) == (None, None, None)
    assert "without bound" in found.note
    below = summary("gelu", "lecun", gain=1.5335304412 * 1.001, second=0.1)
    assert below.q == 0.0
    assert "unstable fixed point" in below.note
    q = float(below.note.rsplit("q = ")[-1].split()[0])
    assert (1.5335304412 * 1.001) ** 2 * moments(resolve("gelu"), q).second == pytest.approx(q, rel=2e-3)


def test_lsuv_holds_q_at_one():
    found = summary("tanh", "lsuv", bias_std=0.5)
    known = moments(resolve("tanh"), 1.0)
    assert (found.q, found.chiq, found.stable, found.xi_q) == (1.0, 0.0, "stable", 0.0)
    assert found.chi1 == pytest.approx(0.75 * known.slope / known.second, rel=1e-9)
    assert found.phase == ("ordered" if found.chi1 < 1 else "chaotic")


def test_a_dead_input_goes_nowhere():
    found = summary("relu", "he", second=0.0, cosines=())
    assert found.q == 0.0
    assert (found.phase, found.stable, found.chi1) == (None, None, None)
    assert (found.horizon.signal, found.horizon.gradient, found.horizon.inputs) == (None, None, None)


def test_a_signal_that_leaves_float64_at_once():
    found = summary("exponential", "std=1e20")
    assert (found.q, found.phase, found.chi1, found.horizon) == (None, None, None, Horizon())
    assert "without bound" in found.note


@pytest.mark.parametrize("depth", [2, 30, 150])
def test_the_typical_layer_goes_on(depth):
    """Of varying widths: the geometric mean of what the layers above the first multiply with."""
    widths = ([60, 30, 90, 45] * depth)[:depth]
    stack = make_stack("relu", "std=0.1", widths=widths, input_width=10)
    recipe = layers_of(stack)
    more = extended(recipe)
    assert more.weight[:depth] == recipe.weight
    assert len(more.weight) == len(more.back) == len(more.bias) == max(depth, 100)
    if depth < 100:
        assert more.weight[-1] == pytest.approx(np.exp(np.mean(np.log(recipe.weight[1:]))), rel=1e-12)
        assert more.back[-1] == more.weight[-1]


def first(values, holds):
    return next(number for number, value in enumerate(values, 1) if holds(value))


def iterated(act, weight, bias):
    """Return ln rms of a, and the growth of that of dL/dz, layer by layer, from rows of second moment 1."""
    rms, growth, total = [], [], 0.0
    q = weight + bias
    while len(rms) < 500 and 1e-100 < q < 1e100:
        known = moments(resolve(act), q)
        rms.append(log(known.second) / 2)
        total += log(weight * known.slope) / 2
        growth.append(total)
        q = weight * known.second + bias
    return np.array(rms), np.array(growth)


@pytest.mark.parametrize(
    ("act", "init", "weight", "bias_std"),
    [
        ("relu", "std=0.01", 0.01, 0.0),
        ("relu", "std=0.12", 1.44, 0.0),
        ("relu", "std=0.15", 2.25, 0.0),
        ("tanh", "std=0.08", 0.64, 0.0),
        ("tanh", "std=0.08", 0.64, 0.3),
        ("tanh", "std=0.3", 9.0, 0.2),
        ("elu", "std=0.2", 4.0, 0.1),
    ],
)
def test_horizons_of_signal_and_gradient(act, init, weight, bias_std):
    """Layers until a thousandfold change, counted one by one."""
    found = summary(act, init, depth=5, bias_std=bias_std).horizon
    rms, growth = iterated(act, weight, bias_std**2)
    changed = np.abs(rms - rms[0]) > log(FOLD)
    assert found.signal == (int(changed.argmax()) + 1 if changed.any() else None)
    lost = np.abs(growth) > log(FOLD)
    assert found.gradient == (int(lost.argmax()) + 1 if lost.any() else None)


def test_a_slow_loss_is_reckoned_beyond_the_layers_looked_at():
    """relu, sigma_w^2 = 1.999: a factor of sqrt(.9995) a layer, and a thousandfold in 27625."""
    found = summary("relu", "std=0.1", gain=sqrt(1.999), depth=5).horizon
    assert found.signal == pytest.approx(1 + log(1000) / -log(sqrt(0.9995)), abs=2)
    assert found.gradient == pytest.approx(log(1000) / -log(sqrt(0.9995)), abs=2)
    assert log(1000) / 2.5e-7 > FARTHEST
    assert summary("relu", "std=0.1", gain=sqrt(2 - 1e-6)).horizon.signal is None


def he_relu(c):
    return (sin(acos(c)) + (pi - acos(c)) * c) / pi


def test_the_inputs_of_relu_he_are_alike_at_199():
    """1 - c falls with the square of the depth: iterated in its closed form."""
    c = [0.0]
    while 1 - c[-1] > 1e-3:
        c.append(he_relu(c[-1]))
    assert len(c) - 1 == 199
    # a width of ten million scatters nothing
    found = [summary("relu", "he", width=10_000_000, cosines=(0.0, 0.0), depth=depth) for depth in (5, 50, 300)]
    assert [one.horizon.inputs for one in found[2:]] == [199]
    assert [one.horizon.inputs for one in found[:2]] == pytest.approx([199, 199], abs=4)  # reckoned from 100 layers


def test_inputs_align_exponentially_in_an_ordered_stack():
    """tanh, sigma_w^2 = 1.3: 1 - c shrinks by chi1 a layer; each step by quadrature."""
    act, weight, bias = resolve("tanh"), 1.3, 0.05
    found = summary("tanh", "lecun", width=10_000_000, gain=sqrt(weight), bias_std=sqrt(bias), cosines=(0.0, 0.0))
    q, cosine, apart = weight + bias, 0.0, []
    share = weight / q
    while not apart or apart[-1] > 1e-3:
        c = share * cosine + 1 - share
        second = moments(act, q).second
        cosine = pair_moment(act, q, c) / second
        apart.append(1 - cosine)
        q = weight * second + bias
        share = weight * second / q
    assert found.horizon.inputs == len(apart)


def test_inputs_stay_apart_in_a_chaotic_stack():
    assert summary("tanh", "lecun", gain=2.0, bias_std=0.2).horizon.inputs is None


def test_one_input_is_never_alike():
    assert summary("relu", "he", cosines=()).horizon.inputs is None


def lasting(stack_depth, init, width, dtype):
    """Return the layer at which a relu stack has lost its numbers in a dtype, of a few seeds, from plain numpy."""
    ends = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        a = rng.standard_normal((100, width)).astype(dtype)
        number = 0
        with np.errstate(all="ignore"):
            while number < stack_depth and a.any() and np.isfinite(a).all():
                number += 1
                w = (float(init) * rng.standard_normal((width, width))).astype(np.float32)
                a = np.maximum(a.astype(np.float32) @ w, 0).astype(dtype)
        ends.append(number)
    return ends


@pytest.mark.slow
@pytest.mark.parametrize(
    ("init", "width", "float32", "float16"),
    [("0.01", 100, 40, 8), ("1", 500, 32, None)],
)
def test_where_the_dtype_gives_out(init, width, float32, float16):
    """relu: numpy's own float32 loses everything within a layer or two of what is said."""
    found = summary("relu", f"std={init}", width=width).horizon
    assert found.float32 == pytest.approx(float32, abs=1)
    assert np.median(lasting(60, init, width, np.float32)) == pytest.approx(found.float32, abs=1)
    assert np.median(lasting(60, init, width, np.float16)) == pytest.approx(found.float16, abs=1)
    if float16:
        assert found.float16 == float16
    assert found.bfloat16 == pytest.approx(found.float32, abs=5)


@pytest.mark.parametrize(("init", "width"), [("std=0.01", 100), ("std=1", 500)])
def test_a_run_gives_out_where_it_is_said(init, width):
    report = propagate("relu", init, width=width, depth=45, batch=100)
    lost = [stats.zero_fraction == 1 or stats.nonfinite_fraction > 0 for stats in report.layers]
    assert lost.index(True) + 1 == pytest.approx(report.theory.horizon.float32, abs=2)


def test_a_vanishing_erf_is_linear_and_aligns_nothing():
    assert summary("erf", "std=0.01").horizon.inputs is None


def test_a_vanishing_relu6_is_a_relu():
    """At q = 1e-160: it goes on aligning its inputs."""
    assert summary("relu6", "std=0.01").horizon.inputs == summary("relu", "std=0.01").horizon.inputs
