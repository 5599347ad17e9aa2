"""Several seeds become one report: which means, what spread, and that they are the runs that the seeds name."""

import json
import weakref
from dataclasses import replace
from math import exp, log

import builders
import numpy as np
import pytest

import actdiag
from actdiag import InvalidField
from actdiag.measure.histograms import Histogram
from actdiag.measure.statistics import GradientStats
from actdiag.repeats import AS_LOGS, add_decades, add_histograms, average

SMALL = {"depth": 3, "width": 12, "batch": 40}


def runs(layers, **changes):
    """Reports of one layer each, under the seeds from 0 on."""
    return [builders.report([one], seed=seed, **changes) for seed, one in enumerate(layers)]


def averaged(layers):
    report = average(runs(layers))
    return report.layers[0], report.repeats.sd[0]


@pytest.mark.parametrize("name", ["min", "max", "zero_fraction", "dead_fraction", "cosine"])
def test_most_means_are_arithmetic(name):
    mean, sd = averaged([builders.layer(1, **{name: value}) for value in (0.1, 0.2, 0.6)])
    assert getattr(mean, name) == pytest.approx(0.3)
    assert getattr(sd, name) == pytest.approx(np.std([0.1, 0.2, 0.6], ddof=1))


def test_scales_are_averaged_as_logarithms():
    mean, sd = averaged([builders.layer(1, rms=value) for value in (0.01, 1.0, 10.0)])
    logs = np.log([0.01, 1.0, 10.0])
    assert mean.rms == pytest.approx(exp(logs.mean()))
    assert sd.rms == pytest.approx(exp(logs.mean()) * np.std(logs, ddof=1))


@pytest.mark.parametrize("name", ["mean", "std", "unit_std"])
def test_what_the_rms_bounds_is_averaged_in_its_units(name):
    layers = [builders.layer(1, rms=rms, **{name: share * rms}) for rms, share in ((0.01, 0.5), (1.0, 0.9), (9.0, 0.1))]
    mean, sd = averaged(layers)
    assert getattr(mean, name) == pytest.approx(0.5 * mean.rms)
    values = np.array([0.005, 0.9, 0.9])
    spread = np.std(values, ddof=1) if name == "mean" else exp(np.log(values).mean()) * np.std(np.log(values), ddof=1)
    assert getattr(sd, name) == pytest.approx(spread)


def test_no_mean_exceeds_that_of_what_bounds_it():
    """std^2 + mean^2 = rms^2 and unit_std <= std in every run, and so it stays, whichever runs died."""
    report = actdiag.propagate("relu", "he", width=3, depth=12, batch=50, repeats=10)
    assert report.repeats.died_seeds
    for layer in report.layers:
        assert abs(layer.mean) <= layer.rms * (1 + 1e-12)
        assert layer.unit_std <= layer.std * (1 + 1e-12) <= layer.rms * (1 + 1e-9)


def test_runs_that_died_are_counted_and_lower_the_verdict():
    alone = [actdiag.propagate("relu", "he", width=3, depth=12, seed=seed) for seed in range(8)]
    report = actdiag.propagate("relu", "he", width=3, depth=12, repeats=8)
    died = tuple(seed for seed, one in enumerate(alone) if not one.layers[-1].rms)
    assert 4 < len(died) < 8
    assert report.repeats.died_seeds == died
    assert report.verdict.probability == pytest.approx(np.mean([one.verdict.probability for one in alone]))
    assert report.verdict.severity == "untrainable"
    finding = next(one for one in report.findings if one.rule == "died_runs")
    assert finding.severity == "error"
    assert finding.summary.startswith(f"in {len(died)} of 8 runs the signal is lost")


@pytest.mark.parametrize(
    ("lost", "found"), [(0, []), (2, [("info", True)]), (4, [("warning", False)]), (9, [("warning", False)])]
)
def test_a_few_runs_that_died_are_told_and_do_not_decide(lost, found):
    well, zero = [builders.layer(1)], [builders.layer(1, rms=0.0, std=0.0, mean=0.0, unit_std=0.0)]
    reports = [builders.report(zero if seed < lost else well, seed=seed) for seed in range(20)]
    ended = [replace(one.verdict, probability=float(seed >= lost)) for seed, one in enumerate(reports)]
    report = average([replace(one, verdict=verdict) for one, verdict in zip(reports, ended, strict=True)])
    assert report.layers[0].rms == pytest.approx(0.7)
    assert report.verdict.probability == pytest.approx(1 - lost / 20)
    assert [(one.severity, one.explained) for one in report.findings if one.rule == "died_runs"] == found
    assert (report.verdict.severity, report.verdict.decided_by) == (
        ("healthy", ()) if lost < 4 else ("at-risk", ("died_runs",))
    )


def test_a_rule_is_certain_of_runs_only_where_most_are_untrainable():
    well, lost = [builders.layer(1)], [builders.layer(1, nonfinite_fraction=0.5)]
    for bad, severity in ((1, "at-risk"), (3, "untrainable")):
        reports = []
        for seed in range(5):
            ended = ("untrainable", 0.0) if seed < bad else ("healthy", 1.0)
            report = builders.report(lost if seed < bad else well, seed=seed)
            reports.append(replace(report, verdict=replace(report.verdict, severity=ended[0], probability=ended[1])))
        verdict = average(reports).verdict
        assert verdict.severity == severity
        assert verdict.probability == pytest.approx(1 - bad / 5)
        assert {one.severity for one in verdict.findings if one.rule == "nonfinite"} == {
            "error" if bad == 3 else "warning"
        }


def test_nested_numbers_are_averaged_too():
    layers = [
        builders.gradient(
            builders.layer(1, pre_activation=replace(builders.layer(1).pre_activation, mean=rms, rms=rms)), rms, 1.0
        )
        for rms in (1e-3, 1e-5)
    ]
    mean, sd = averaged(layers)
    assert mean.gradient.rms == pytest.approx(1e-4)
    assert mean.pre_activation.rms == pytest.approx(1e-4)
    assert mean.pre_activation.mean == pytest.approx(1e-4)  # as much as the rms, in both
    assert sd.gradient.rms == pytest.approx(1e-4 * log(100) / np.sqrt(2))
    assert (mean.weight_gradient.norm, sd.weight_gradient.norm) == (pytest.approx(0.02), 0.0)
    assert {"rms", "typical_rms", "ratio", "norm", "weight_ratio"} == AS_LOGS


@pytest.mark.parametrize(
    ("values", "mean", "sd"),
    [
        ((None, 1.0, 4.0), 2.0, 2 * log(4) / np.sqrt(2)),
        ((0.0, 1.0, 4.0), 2.0, 2 * log(4) / np.sqrt(2)),
        ((0.0, None, 0.0), 0.0, 0.0),
        ((0.0, None, 2.0), 2.0, None),
        ((None, None, None), None, None),
    ],
)
def test_zeros_and_missing_numbers_of_a_logarithm_are_left_out(values, mean, sd):
    means, spread = averaged([builders.layer(1, rms=value) for value in values])
    assert means.rms == (None if mean is None else pytest.approx(mean))
    assert spread.rms == (None if sd is None else pytest.approx(sd))


def test_zeros_count_in_an_arithmetic_mean():
    mean, sd = averaged([builders.layer(1, cosine=value) for value in (None, 0.0, 0.4)])
    assert mean.cosine == pytest.approx(0.2)
    assert sd.cosine == pytest.approx(np.std([0.0, 0.4], ddof=1))


def test_histograms_are_summed():
    one = Histogram((0.0, 1.0, 2.0), (3, 4), 1, 2, 5, 6, 7)
    assert add_histograms(one, one) == Histogram((0.0, 1.0, 2.0), (6, 8), 2, 4, 10, 12, 14)
    with pytest.raises(ValueError, match="same edges"):
        add_histograms(one, replace(one, edges=(0.0, 1.0, 3.0)))


def test_decades_are_merged_over_what_either_reaches():
    low = Histogram((-9.0, -8.0, -7.0), (1, 2), 0, 0, 1, 0, 0)
    high = Histogram((-3.0, -2.0), (5,), 0, 0, 2, 0, 1)
    empty = Histogram((0.0, 1.0), (0,), 0, 0, 9, 0, 0)
    both = add_decades(low, high)
    assert both.edges == tuple(float(edge) for edge in range(-9, -1))
    assert both.counts == (1, 2, 0, 0, 0, 0, 5)
    assert (both.zero, both.inf) == (3, 1)
    assert add_decades(empty, high) == replace(high, zero=11)
    assert add_decades(low, empty) == replace(low, zero=10)
    assert add_decades(empty, empty) == replace(empty, zero=18)


def test_verdicts_are_counted_and_the_means_judged():
    vanished = [builders.layer(1), builders.layer(2, rms=1e-9)]
    well = [builders.layer(1), builders.layer(2)]
    reports = [builders.report(well, seed=seed) for seed in range(3)]
    reports.append(builders.report(vanished, (builders.VANISHING,), "untrainable", seed=3))
    report = average(reports)
    assert report.repeats.verdicts == (("healthy", 3), ("untrainable", 1))
    assert (report.repeats.n, report.repeats.seeds) == (4, (0, 1, 2, 3))
    assert "vanishing_signal" in [finding.rule for finding in report.findings]
    assert report.change_per_layer.forward == pytest.approx((1e-9 / 0.7) ** 0.25)


@pytest.mark.parametrize(("n", "needed"), [(2, 2), (20, 2), (39, 2), (40, 3), (100, 6)])
def test_how_many_runs_must_disagree_with_theory(n, needed):
    for straying, counts in ((needed - 1, False), (needed, True)):
        reports = [
            builders.with_theory(
                builders.report(seed=seed), {2: ("std",)} if seed < straying else None, disagrees=seed < straying
            )
            for seed in range(n)
        ]
        report = average(reports)
        assert report.theory.disagrees is counts
        assert [said.flagged for said in report.layer_theory] == [(), ("std",) if counts else (), (), ()]
        assert report.layer_theory[0].predicted == builders.estimates()
        assert not any(report.layer_theory[0].expected[:8])


@pytest.mark.parametrize("act", ["relu", "tanh"])
def test_the_runs_are_those_of_the_seeds(act):
    report = actdiag.grad_flow(act, **SMALL, seed=5, repeats=3)
    alone = [actdiag.grad_flow(act, **SMALL, seed=seed) for seed in (5, 6, 7)]
    assert report.repeats.seeds == (5, 6, 7)
    for number, layer in enumerate(report.layers):
        shares = [one.layers[number].mean / one.layers[number].rms for one in alone]
        assert layer.mean == pytest.approx(np.mean(shares) * layer.rms)
        assert log(layer.rms) == pytest.approx(np.mean([log(one.layers[number].rms) for one in alone]))
        first = alone[0].layers[number].histogram
        assert layer.histogram.edges == first.edges
        entries = (*layer.histogram.counts, layer.histogram.below, layer.histogram.above, layer.histogram.zero)
        assert sum(entries) == 3 * 40 * 12
        assert layer.histogram.zero == sum(one.layers[number].histogram.zero for one in alone)
        assert isinstance(layer.gradient, GradientStats)
    assert report.loss.value == pytest.approx(np.mean([one.loss.value for one in alone]))
    assert report.input_cosine == pytest.approx(np.mean([one.input_cosine for one in alone]))


def test_one_run_is_itself():
    assert actdiag.propagate(**SMALL, repeats=1) == actdiag.propagate(**SMALL)
    assert actdiag.propagate(**SMALL).repeats is None


def test_an_array_is_the_input_of_every_run():
    rows = np.random.default_rng(0).normal(size=(40, 6))
    report = actdiag.propagate("tanh", width=12, depth=2, input=rows, repeats=2)
    alone = [actdiag.propagate("tanh", width=12, depth=2, input=rows, seed=seed) for seed in (0, 1)]
    assert report.layers[1].cosine == pytest.approx(np.mean([one.layers[1].cosine for one in alone]))
    assert report.input_cosine == alone[0].input_cosine == alone[1].input_cosine


def test_progress_covers_all_runs():
    told = []
    actdiag.propagate(**SMALL, repeats=4, progress=lambda *step: told.append(step))
    assert told == [(done, 12) for done in range(1, 13)]
    told.clear()
    actdiag.compare(["relu"], ["he", "xavier"], **SMALL, repeats=2, progress=lambda *step: told.append(step))
    assert told == [(done, 24) for done in range(1, 25)]


def test_a_run_is_gone_before_the_one_after_the_next_is_made():
    class Marker:
        pass

    made = []

    def stream():
        for seed in range(5):
            assert sum(ref() is not None for ref in made) <= 2  # the first, whose recipe is kept, and the last
            marker = Marker()
            made.append(weakref.ref(marker))
            yield replace(builders.report(seed=seed), command=marker)
            del marker

    average(stream())


@pytest.mark.parametrize("command", [actdiag.propagate, actdiag.grad_flow, actdiag.compare])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"repeats": 0}, "repeats must be at least 1, got 0"),
        ({"repeats": 10_001}, "repeats must be at most 10000, got 10001"),
        ({"repeats": 2.0}, "repeats must be a whole number"),
        ({"repeats": 2, "seed": 2**63 - 1}, f"seed must be at most {2**63 - 2} for 2 repeats, got {2**63 - 1}"),
    ],
)
def test_refusals(command, options, message):
    with pytest.raises(InvalidField) as caught:
        command(**options)
    assert message in str(caught.value)


def test_json_and_rows_of_repeats():
    report = builders.repeated(builders.with_gradient())
    document = json.loads(report.to_json())
    repeats = document["repeats"]
    assert list(repeats) == ["n", "seeds", "sd", "verdicts", "died", "died_seeds", "probability"]
    assert repeats["n"] == 20
    assert repeats["seeds"] == list(range(20))
    assert repeats["verdicts"] == {"healthy": 19, "at-risk": 1}
    no_numbers = ("path", "op", "width", "histogram", "magnitude")
    measured = [key for key in document["layers"][0] if key not in no_numbers]
    assert list(repeats["sd"][0]) == measured
    assert repeats["sd"][0]["std"] == 0.094
    entries = ["rms", "ratio", "zero_fraction", "nonfinite_fraction", "typical_rms", "along_z_fraction"]
    assert list(repeats["sd"][0]["gradient"]) == entries
    row = report.rows()[0]
    assert row["sd_std"] == 0.094
    assert row["sd_gradient_rms"] == report.layers[0].gradient.rms / 8
    assert "repeats" not in builders.report().to_dict()
    assert not [key for key in builders.report().rows()[0] if key.startswith("sd_")]
    assert "gradient" not in builders.repeated().to_dict()["repeats"]["sd"][0]
