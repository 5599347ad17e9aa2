"""Units that live, and inputs that reach one: by the largest entry, by every one, and through whole runs."""

from dataclasses import replace

import numpy as np
import pytest

from actdiag import make_stack, propagate
from actdiag.activations import resolve, traits
from actdiag.engine.forward import forward
from actdiag.engine.workers import Workers
from actdiag.measure import slopes as measuring
from actdiag.measure.forward import Axis, ForwardMeasure
from actdiag.measure.slopes import active_units, count_silent


def units_about(edge, dtype, at_edge=False):
    """Pre-activations, shape (40, 90): units on either side of `edge`, at most at it, over it in one late row alone."""
    rng = np.random.default_rng(4)
    z = edge + rng.standard_normal((40, 90)) + np.linspace(-5, 1, 90)
    z[:, :5] = edge - 1
    if at_edge:
        z[7, :2] = edge
    z[30, 3], z[39, 1] = edge + 1, edge + 0.5
    return z.astype(dtype)


FAST = ["relu", "elu", "selu", "softplus", "threshold", "relu_squared", "squareplus:1", "exponential"]
SLOW = ["tanh", "hardtanh", "relu6", "leaky_relu", "gelu", "hardswish"]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("act", FAST + SLOW)
def test_units_are_active_alike_by_the_largest_and_by_every_row(act, dtype):
    entry, found = resolve(act), traits(resolve(act))
    assert (found.active_over is not None) == (act in FAST)
    edge = found.dead_below or 0.0
    z = units_about(edge, dtype, at_edge=edge in entry.kinks)  # elsewhere the slope is the limit there, or rounded
    lives = np.abs(entry.derivative(z)) > found.dead_slope
    assert active_units(entry, z, finite=True).tolist() == lives.any(axis=0).tolist()
    assert active_units(entry, z).tolist() == lives.any(axis=0).tolist()
    assert len(set(lives.any(axis=0))) == (1 if act == "leaky_relu" else 2)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("act", FAST + SLOW)
def test_units_are_active_in_blocks_with_nonfinite_rows(act, dtype):
    stack, found = make_stack(act, depth=1, width=90, batch=40, dtype=dtype), traits(resolve(act))
    z = units_about((found.dead_below or 0.0) - 1e-3, dtype)
    z[5, 10], z[39, 11], z[39, 12], z[:, 13], z[:, 14] = np.nan, np.inf, -np.inf, np.nan, -np.inf
    with np.errstate(all="ignore"):
        active = ForwardMeasure(stack.sites(), Axis()).visit(1, z, stack.act.value(z)).active
        lives = (np.abs(stack.act.derivative(z)) > found.dead_slope) | np.isnan(z)
    assert active.tolist() == lives.any(axis=0).tolist()


@pytest.mark.parametrize("act", FAST)
@pytest.mark.parametrize("options", [{"bias_mean": -14.0, "gain": 3.0}, {"init": "std=1e8", "depth": 6}])
def test_reports_are_the_same_without_the_short_way_to_dead_units(act, options, monkeypatch):
    options = {"act": act, "depth": 3, "width": 30, "batch": 50, **options}
    short = propagate(**options).to_json()
    monkeypatch.setattr(measuring, "traits", lambda entry: replace(traits(entry), active_over=None))
    assert propagate(**options).to_json() == short


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("act", FAST + SLOW)
def test_inputs_are_silent_alike_by_the_largest_and_by_every_entry(act, dtype):
    """Rows in the place of units: some reach a unit among the first, some one further on alone, and some none."""
    entry, found = resolve(act), traits(resolve(act))
    z = np.ascontiguousarray(units_about(found.dead_below or 0.0, dtype).T)
    silent = ~(np.abs(entry.derivative(z)) > found.dead_slope).any(axis=1)
    assert count_silent(entry, z, finite=True) == count_silent(entry, z) == np.count_nonzero(silent)
    if act != "leaky_relu":
        assert 0 < np.count_nonzero(silent) < len(z)


def test_an_input_that_is_not_a_number_is_not_silent():
    z = np.full((6, 20), -1.0)
    z[1, 3], z[2, 15], z[3, 15], z[4, 0] = np.nan, np.nan, np.inf, -np.inf
    with np.errstate(all="ignore"):
        assert count_silent(resolve("relu"), z) == 3  # rows 0, 4 and 5


@pytest.mark.parametrize("width", [1, 8, 9, 40])
def test_the_last_unit_counts(width):
    z = np.full((5, width), -1.0, dtype="f4")
    z[3, -1] = 1
    assert count_silent(resolve("relu"), z, finite=True) == count_silent(resolve("relu"), z) == 4


@pytest.mark.parametrize("act", ["relu", "gelu", "tanh"])
def test_a_run_counts_its_silent_inputs_over_all_blocks(act):
    options = {"init": "he", "depth": 2, "width": 4, "batch": 50_000, "bias_mean": -1.0, "input_width": 4}
    report = propagate(act, theory=False, **options)
    stack, dead_slope = report.stack, traits(resolve(act)).dead_slope

    def visit(number, z, a):
        return np.count_nonzero(~(np.abs(stack.act.derivative(z)) > dead_slope).any(axis=1))

    with Workers(1) as workers:
        counts = [sum(layer.blocks) for layer in forward(stack, workers, visit) if layer.number]
    assert len(stack.row_blocks()) > 1
    assert [stats.silent_fraction * 50_000 for stats in report.layers] == pytest.approx(counts)
    assert (counts[0] > 2500) == (act == "relu")


def test_structured_activations_have_no_silent_inputs():
    assert all(stats.silent_fraction is None for stats in propagate("softmax", depth=2, batch=20).layers)
