"""A run: what changes its numbers and what does not, in which order it goes, and what it refuses first."""

from dataclasses import replace

import numpy as np
import pytest

import actdiag
from actdiag import InvalidField

SMALL = {"depth": 4, "width": 20, "batch": 30}
RUNS = [actdiag.propagate, actdiag.grad_flow]


@pytest.mark.parametrize("run", RUNS)
def test_threads_and_progress_change_no_number(run):
    told = []
    alone = run("tanh", "he", **SMALL, threads=1)
    assert run("tanh", "he", **SMALL, threads=3, progress=lambda *step: told.append(step)).to_json() == alone.to_json()
    steps = 4 if run is actdiag.propagate else 8
    assert told == [(done, steps) for done in range(1, steps + 1)]


def test_the_forward_half_of_grad_flow_is_propagate():
    up, both = (run("gelu", "he", **SMALL) for run in RUNS)
    backward = {"gradient": None, "weight_gradient": None, "bias_gradient": None, "slope_gradient": None}
    assert tuple(replace(stats, **backward) for stats in both.layers) == up.layers
    assert both.change_per_layer.forward == up.change_per_layer.forward
    assert (up.loss, up.change_per_layer.backward) == (None, None)
    assert (up.input_rms, up.input_cosine) == (both.input_rms, both.input_cosine)


def test_the_memory_for_the_way_down_changes_no_number():
    whole = actdiag.grad_flow("tanh", "he", depth=30, width=64, batch=64)
    assert actdiag.grad_flow("tanh", "he", depth=30, width=64, batch=64, memory="200KiB").to_json() == whole.to_json()


@pytest.mark.parametrize("run", RUNS)
def test_theory_and_bins_change_nothing_that_is_measured(run):
    with_theory, without = (run("tanh", "he", **SMALL, theory=theory) for theory in (True, False))
    assert with_theory.layers == without.layers
    assert with_theory.theory.applies
    assert (without.theory, without.layer_theory) == (None, ())
    few = run("tanh", "he", **SMALL, bins=3, range=(-1, 1))
    for stats, other in zip(few.layers, without.layers, strict=True):
        assert stats.histogram.edges == pytest.approx((-1, -1 / 3, 1 / 3, 1))
        assert replace(stats, histogram=other.histogram) == other


def test_inputs_are_measured_as_they_are():
    data = np.random.default_rng(1).normal(3, 2, (40, 6))
    report = actdiag.propagate("relu", "he", width=5, depth=2, input=data, dtype="float64")
    assert report.input_rms == pytest.approx(np.sqrt(np.square(data).mean()), rel=1e-12)
    rows = data / np.linalg.norm(data, axis=1, keepdims=True)
    cosines = (rows @ rows.T)[~np.eye(40, dtype=bool)]
    assert report.input_cosine == pytest.approx(cosines.mean(), rel=1e-9)
    assert actdiag.propagate("relu", "he", width=5, depth=2, input=data[:1]).input_cosine is None


@pytest.mark.parametrize("loss", ["random", "mse", "cross-entropy"])
def test_the_loss_is_named_with_its_classes(loss):
    options = {} if loss == "random" else {"classes": 7}
    found = actdiag.grad_flow("relu", "he", **SMALL, loss=loss, **options).loss
    assert (found.name, found.classes) == (loss, options.get("classes"))
    assert np.isfinite(found.value)


def test_a_loss_beyond_all_numbers_is_none():
    found = actdiag.grad_flow("relu", "std=1e6", depth=10, width=50, batch=20, loss="mse")
    assert found.loss.value is None
    assert found.layers[-1].nonfinite_fraction > 0


@pytest.mark.parametrize("run", RUNS)
def test_repeats_are_runs_under_the_seeds_that_follow(run):
    told = []
    report = run("tanh", "he", **SMALL, seed=5, repeats=3, progress=lambda *step: told.append(step))
    steps = 3 * (4 if run is actdiag.propagate else 8)
    assert told == [(done, steps) for done in range(1, steps + 1)]
    assert (report.repeats.n, report.repeats.seeds) == (3, (5, 6, 7))
    alone = [run("tanh", "he", **SMALL, seed=seed).layers for seed in (5, 6, 7)]
    for at, stats in enumerate(report.layers):
        rms, cosines = (np.array([getattr(layers[at], name) for layers in alone]) for name in ("rms", "cosine"))
        assert stats.rms == pytest.approx(np.exp(np.log(rms).mean()), rel=1e-12)
        assert stats.cosine == pytest.approx(cosines.mean(), rel=1e-9)
        assert report.repeats.sd[at].cosine == pytest.approx(cosines.std(ddof=1), rel=1e-6)


@pytest.mark.parametrize("run", RUNS)
def test_counts_of_repeats_add_up_on_the_axis_of_the_first_run(run):
    report = run("relu", "he", **SMALL, seed=5, repeats=3)
    edges = run("relu", "he", **SMALL, seed=5).layers[0].histogram.edges
    assert edges != run("relu", "he", **SMALL, seed=6).layers[0].histogram.edges
    alone = [run("relu", "he", **SMALL, seed=seed, range=(edges[0], edges[-1])).layers for seed in (5, 6, 7)]
    for at, stats in enumerate(report.layers):
        assert stats.histogram.edges == edges
        counts = np.sum([layers[at].histogram.counts for layers in alone], axis=0)
        np.testing.assert_array_equal(stats.histogram.counts, counts)
        assert stats.histogram.above == sum(layers[at].histogram.above for layers in alone)


def test_one_repeat_is_one_run():
    assert actdiag.propagate(**SMALL, repeats=1).to_json() == actdiag.propagate(**SMALL).to_json()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bins": 0}, "bins must be at least 1, got 0"),
        ({"bins": 10_001}, "bins must be at most 10000"),
        ({"range": (1, 1)}, "range must have LO under HI, got 1 1"),
        ({"range": (0, float("nan"))}, "range must be a finite number"),
        ({"threads": 0}, "threads must be at least 1"),
        ({"repeats": 0}, "repeats must be at least 1"),
        ({"repeats": 3, "seed": 2**63 - 2}, f"seed must be at most {2**63 - 3} for 3 repeats"),
        ({"rules": {"nonsense": {}}}, "rules must"),
    ],
)
@pytest.mark.parametrize("run", RUNS)
def test_settings_are_refused_before_anything_is_run(run, options, message):
    told = []
    with pytest.raises(InvalidField) as caught:
        run(**SMALL, **options, progress=lambda *step: told.append(step))
    assert message in str(caught.value)
    assert told == []


def test_labels_are_refused_before_anything_is_run():
    told = []
    labels = np.full(30, 9)
    with pytest.raises(InvalidField, match=r"labels must .*, got 9 in row 0"):
        actdiag.grad_flow(**SMALL, loss="mse", classes=4, labels=labels, progress=lambda *step: told.append(step))
    assert told == []
