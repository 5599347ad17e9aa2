"""The statistics of layers against plain numpy, written from their definitions."""

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest

from actdiag import grad_flow, make_stack, propagate
from actdiag.datasets.random_inputs import random_rows
from actdiag.engine.forward import forward
from actdiag.engine.parameters import draw_biases, draw_weights
from actdiag.engine.workers import Workers
from actdiag.streams import Stream


def layers_of(stack):
    """Return (z, a) of every layer, in float64 and as the engine computed them."""
    with Workers(1) as workers:
        return [
            tuple(np.concatenate(parts).astype(np.float64) for parts in zip(*layer.blocks, strict=True))
            for layer in forward(stack, workers, lambda layer, z, a: (z.copy(), a.copy()))
            if layer.number
        ]


def sech2(z):
    return 1 / np.cosh(np.clip(z, -300, 300)) ** 2


def sigmoid_slope(z):
    return sech2(z / 2) / 4


# f', its supremum, and the sides whose plateaus count
SLOPES = {
    "relu": (lambda z: z > 0, 1, ""),
    "leaky_relu": (lambda z: np.where(z > 0, 1, 0.01), 1, ""),
    "tanh": (sech2, 1, "below above"),
    "sigmoid": (sigmoid_slope, 0.25, "below above"),
    "lecun_tanh": (lambda z: 1.7159 * 2 / 3 * sech2(2 * z / 3), 1.7159 * 2 / 3, "below above"),
    "softsign": (lambda z: (1 + abs(z)) ** -2.0, 1, "below above"),
    "hardtanh": (lambda z: abs(z) < 1, 1, "below above"),
    "elu": (lambda z: np.exp(np.minimum(z, 0)), 1, "below"),
    "relu6": (lambda z: (z > 0) & (z < 6), 1, "above"),
    "hardsigmoid": (lambda z: (abs(z) < 3) / 6, 1 / 6, "below above"),
    "softmax": (None, None, ""),
}


def moments(x):
    kept = x[np.isfinite(x)]
    if not kept.size:
        return (None,) * 5
    scale = np.abs(kept).max() or 1.0  # squares of 1e-200 and of 1e200 fit no float64
    kept = kept / scale
    return [scale * value for value in (kept.mean(), kept.std(), np.sqrt(np.mean(kept**2)), kept.min(), kept.max())]


def unit_std(a):
    stds = [moments(column)[1] for column in a.T if np.isfinite(column).sum() > 1]
    return np.mean(stds) if stds else None


def cosine(a):
    rows = [row / np.abs(row).max() for row in a if np.isfinite(row).all() and row.any()]
    pairs = [x @ y / np.sqrt((x @ x) * (y @ y)) for x, y in permutations(rows, 2)]
    return np.mean(pairs) if pairs else None


def expected(act, dtype, z, a):
    slope, supremum, sides = SLOPES[act]
    share = {"dead_fraction": None, "saturated_fraction": None}
    if slope:
        steepness = np.abs(slope(z))
        lives = (steepness > 1e-6 * min(1, supremum)) | np.isnan(z)
        share["dead_fraction"] = np.mean(~lives.any(axis=0))
        flat = steepness < 0.01 * supremum
        over = ("below" in sides) & (z < 0) | ("above" in sides) & (z > 0)
        share["saturated_fraction"] = np.mean(flat & over) if sides else None
    return {
        **dict(zip(("mean", "std", "rms", "min", "max"), moments(a), strict=True)),
        "unit_std": unit_std(a),
        "zero_fraction": np.mean(a == 0),
        "nonfinite_fraction": np.mean(~np.isfinite(a)),
        "subnormal_fraction": np.mean((a != 0) & (np.abs(a) < np.finfo(dtype).tiny)),
        "cosine": cosine(a),
        **share,
    }


def near(value, scale):
    """Within 1e-6; a mean or std that cancels is held to the rounding at the size of the entries."""
    return value if value is None else pytest.approx(value, rel=1e-6, abs=1e-12 * (scale or 0))


STACKS = [
    *[{"act": act, "init": "he", "dtype": dtype} for act in SLOPES for dtype in ("float32", "float64")],
    *[{"act": act, "init": "std=1", "depth": 3} for act in ("tanh", "sigmoid", "elu", "relu6", "hardtanh")],
    *[{"act": act, "bias_mean": -5.0, "bias_std": 1.0} for act in ("relu", "elu", "tanh", "hardsigmoid")],
    {"act": "leaky_relu", "bias_mean": -5.0, "gain": 0.01},
    *[{"act": act, "batch": 1} for act in ("relu", "tanh", "softmax")],
    {"act": "relu", "batch": 2},
    {"act": "relu", "widths": [3, 17, 1, 8], "input_width": 5},
    {"act": "relu", "init": "torch_linear", "batch": 130, "input": "uniform"},
    {"act": "relu", "init": "zeros"},
    {"act": "relu", "init": "constant:-1"},
    {"act": "relu", "init": "std=1e-9", "depth": 6},
    {"act": "relu", "init": "std=1e6", "depth": 8},
    {"act": "leaky_relu", "init": "std=1e-25", "depth": 14, "dtype": "float64"},
    {"act": "leaky_relu", "init": "std=1e25", "depth": 14, "dtype": "float64"},
    {"act": "softmax", "init": "std=1e30", "depth": 3},
]


def named(options):
    return "-".join(str(value).replace(" ", "") for value in options.values())


@pytest.mark.parametrize("options", STACKS, ids=named)
def test_layers_are_measured_as_defined(options):
    options = {"depth": 4, "width": 20, "batch": 70, **options}
    if "widths" in options:
        del options["depth"], options["width"]
    stack = make_stack(**options)
    report = propagate(**options)
    with np.errstate(all="ignore"):
        for (z, a), stats in zip(layers_of(stack), report.layers, strict=True):
            for name, value in expected(stack.act.name, stack.dtype, z, a).items():
                scale = stats.rms if name in ("mean", "std", "unit_std") else 1 if name == "cosine" else 0
                assert getattr(stats, name) == near(value, scale), (stats.layer, name)
            for name, value in zip(("mean", "std", "rms", "min", "max"), moments(z), strict=True):
                assert getattr(stats.pre_activation, name) == near(value, stats.pre_activation.rms), name
            assert stats.pre_activation.nonfinite_fraction == np.mean(~np.isfinite(z))
            counted = [a.size, stats.histogram.zero, stats.histogram.nan, stats.histogram.inf]
            assert counted == [z.shape[0] * stats.width, (a == 0).sum(), np.isnan(a).sum(), np.isinf(a).sum()]
            outside = stats.histogram.below + stats.histogram.above
            assert sum(stats.histogram.counts) + outside + sum(counted[1:]) == a.size
            assert sum(stats.magnitude.counts) + sum(counted[1:]) == a.size


def test_overflow_and_underflow_are_reached():
    """The extreme stacks above really lose entries, so that the comparison says something."""
    over = propagate("relu", "std=1e6", depth=8, width=20, batch=70).layers
    under = propagate("relu", "std=1e-9", depth=6, width=20, batch=70).layers
    assert over[-1].nonfinite_fraction > 0
    assert over[-1].pre_activation.nonfinite_fraction > 0
    assert any(stats.subnormal_fraction > 0 for stats in under)
    assert under[-1].zero_fraction == 1


@pytest.mark.parametrize("act", ["relu", "tanh"])
def test_a_single_input_has_no_spread_over_inputs(act):
    report = grad_flow(act, "he", depth=3, width=8, batch=1)
    assert [(stats.unit_std, stats.cosine) for stats in report.layers] == [(None, None)] * 3
    assert all(stats.std > 0 for stats in report.layers)


@pytest.mark.parametrize("rows", [[[1e300] * 4, [-1e300, 1e300, 0, 0]], [[1.7e308] * 4, [1.7e308, -1.7e308, 0, 0]]])
@pytest.mark.parametrize("init", ["identity", "std=1e20"])
@pytest.mark.parametrize("act", ["identity", "relu", "tanh"])
def test_overflow_is_data_and_never_a_warning(act, init, rows):
    report = grad_flow(act, init, input=np.array(rows), depth=3, width=4, dtype="float64")
    assert [stats.layer for stats in report.layers] == [1, 2, 3]
    assert '"layers"' in report.to_json()


def test_the_axis_is_shared_and_may_be_chosen():
    layers = propagate("relu", "std=1", depth=3, bins=7).layers
    assert {stats.histogram.edges for stats in layers} == {layers[0].histogram.edges}
    chosen = propagate("relu", "std=1", depth=3, bins=7, range=(-1, 2)).layers
    assert {(len(h.counts), h.edges[0], h.edges[-1]) for h in (s.histogram for s in chosen)} == {(7, -1.0, 2.0)}


@pytest.mark.parametrize(
    ("act", "init", "options"),
    [
        ("relu", "he", {"batch": 3000}),
        ("tanh", "lsuv", {"batch": 2777, "bias_std": 0.3}),
        ("prelu", "torch_linear", {"widths": [50, 300, 20], "batch": 2600}),
        ("swiglu", "xavier", {"batch": 2733}),
        ("relu", "std=1e6", {"depth": 9, "batch": 2900}),
    ],
)
def test_threads_do_not_change_a_bit(act, init, options):
    reports = [grad_flow(act, init, loss="mse", threads=threads, **options) for threads in (1, 2, 4)]
    texts = {report.to_json() for report in reports}
    assert len(make_stack(act, init, **options).row_blocks()) > 1
    assert len(texts) == 1


@pytest.mark.parametrize("init", ["he", "xavier_uniform", "orthogonal", "torch_linear", "sparse", "truncated_normal"])
def test_weights_depend_on_seed_and_layer_alone(init):
    short = make_stack("relu", init, depth=3, width=12, batch=10, bias_std=0.5)
    deep = make_stack("tanh", init, depth=9, width=12, batch=70, bias_std=0.5)
    for layer in (1, 2, 3):
        assert np.array_equal(draw_weights(short, layer), draw_weights(deep, layer))
        assert np.array_equal(draw_biases(short, layer), draw_biases(deep, layer))
        assert not np.array_equal(draw_biases(short, layer), draw_biases(deep, layer + 1))
        assert not np.array_equal(draw_biases(short, layer), draw_biases(replace(short, seed=1), layer))
    assert not np.array_equal(draw_weights(deep, 4), draw_weights(deep, 5))
    assert not np.array_equal(draw_weights(deep, 4), draw_weights(replace(deep, seed=1), 4))


@pytest.mark.parametrize("init", ["he", "lsuv"])
def test_the_first_layers_of_a_deeper_stack_are_the_same(init):
    options = {"width": 30, "batch": 200, "bias_std": 0.1}
    short, deep = (propagate("relu", init, depth=depth, **options) for depth in (4, 11))
    assert short.layers == deep.layers[:4]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", ["normal", "uniform"])
def test_a_larger_batch_begins_with_the_smaller(kind, dtype):
    small, large = (random_rows(Stream.INPUT, kind, 5, (batch, 13), dtype) for batch in (300, 700))
    assert small.dtype == dtype
    assert np.array_equal(small, large[:300])
    assert large.mean() == pytest.approx(0, abs=4 / 9100**0.5)
    assert large.var() == pytest.approx(1, abs=4 * (2 / 9100) ** 0.5)
    assert (np.abs(large).max() <= 3**0.5 * (1 + 1e-6)) == (kind == "uniform")
    assert not np.array_equal(small, random_rows(Stream.INPUT, kind, 6, (300, 13), dtype))
