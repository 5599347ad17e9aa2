"""A Report: what its dict, its JSON and its rows hold, down to numbers that are not there."""

import json
from dataclasses import FrozenInstanceError
from math import inf, nan

import builders
import pytest

import actdiag
from actdiag.report import LossValue

BUILT = {
    "plain": builders.report,
    "sick": builders.sick,
    "gradient": builders.with_gradient,
    "theory": builders.with_theory,
    "repeated": builders.repeated,
    "all": lambda: builders.repeated(builders.surprising_gradient()),
}


@pytest.mark.parametrize("name", BUILT)
def test_json_is_the_dict(name):
    report = BUILT[name]()
    document = report.to_dict()
    assert json.loads(report.to_json()) == document
    assert report.to_json() == BUILT[name]().to_json()
    assert report.to_json().endswith("}\n")
    assert list(document)[:3] == ["schema", "command", "versions"]
    assert document["schema"] == "actdiag/2"
    assert document["versions"]["actdiag"] == actdiag.__version__


@pytest.mark.parametrize("name", BUILT)
def test_every_layer_is_there_under_its_number(name):
    report = BUILT[name]()
    document = report.to_dict()
    assert [layer["layer"] for layer in document["layers"]] == [1, 2, 3, 4]
    assert [row["layer"] for row in report.rows()] == [1, 2, 3, 4]
    for layer, stats in zip(document["layers"], report.layers, strict=True):
        for field in ("mean", "std", "rms", "unit_std", "zero_fraction", "dead_fraction", "cosine"):
            assert layer[field] == getattr(stats, field)
        assert layer["pre_activation"]["rms"] == stats.pre_activation.rms
        assert layer["histogram"]["counts"] == list(stats.histogram.counts)


def test_keys_of_the_backward_pass_are_there_with_a_loss_alone():
    with_loss, without = builders.with_gradient().to_dict(), builders.report().to_dict()
    backward = {"gradient", "weight_gradient", "bias_gradient", "slope_gradient"}
    assert set(with_loss["layers"][0]) - set(without["layers"][0]) == backward
    assert with_loss["loss"] == {"name": "mse", "classes": 10, "value": 0.123}
    assert "loss" not in without
    assert with_loss["layers"][1]["gradient"]["rms"] == 1e-7


@pytest.mark.parametrize("value", [nan, inf, -inf])
def test_what_is_no_number_is_null(value):
    report = builders.report([builders.layer(1, mean=value)])
    assert report.to_dict()["layers"][0]["mean"] is None
    assert "NaN" not in report.to_json()
    assert "Infinity" not in report.to_json()
    layers = [builders.gradient(builders.layer(1), 1e-3, 1.0)]
    lost = builders.report(layers, loss=LossValue("mse", 10, value)).to_dict()
    assert lost["loss"] == {"name": "mse", "classes": 10, "value": None}


def test_the_verdict_and_its_findings():
    document = builders.sick().to_dict()["verdict"]
    assert (document["severity"], document["trainable"]) == ("untrainable", False)
    assert [finding["rule"] for finding in document["findings"]] == [
        "vanishing_signal", "aligned_inputs", "flat_weight_gradient",
    ]  # fmt: skip
    assert document["findings"][0]["layers"] == [3, 4]
    assert builders.sick().findings == builders.sick().verdict.findings


def test_a_stack_by_its_names():
    report = builders.report(gain=2.0, bias_std=0.5, seed=9)
    said = report.to_dict()["stack"]
    assert (said["act"], said["init"], said["widths"], said["input_width"]) == ("relu", "he", [10] * 4, 20)
    assert (said["gain"], said["bias_mean"], said["bias_std"], said["seed"]) == (2.0, 0.0, 0.5, 9)


def test_biases_of_the_initializer_are_null():
    own = actdiag.propagate("relu", "torch_linear", depth=2, width=5, batch=4).to_dict()["stack"]
    none = actdiag.propagate("relu", "he", depth=2, width=5, batch=4).to_dict()["stack"]
    assert (own["bias_mean"], own["bias_std"]) == (None, None)
    assert (none["bias_mean"], none["bias_std"]) == (0.0, 0.0)


def test_rows_are_flat():
    for name, build in BUILT.items():
        rows = build().rows()
        assert len({tuple(row) for row in rows}) == 1, name
        for row in rows:
            assert not [key for key, value in row.items() if isinstance(value, dict | list | tuple)], name
            assert not [key for key in row if "histogram" in key or "magnitude" in key], name
    row = builders.with_gradient().rows()[0]
    assert (row["pre_activation_rms"], row["gradient_rms"], row["weight_gradient_norm"]) == (1.0, 1e-9, 0.02)


def test_the_spread_of_repeats():
    report = builders.repeated(builders.with_gradient())
    said = report.to_dict()["repeats"]
    assert (said["n"], said["seeds"], said["verdicts"]) == (20, list(range(20)), {"healthy": 19, "at-risk": 1})
    assert [one["layer"] for one in said["sd"]] == [1, 2, 3, 4]
    assert said["sd"][0]["mean"] == report.rows()[0]["sd_mean"] == 0.031
    assert said["sd"][0]["gradient"]["rms"] == report.rows()[0]["sd_gradient_rms"] == pytest.approx(1e-9 / 8)
    assert not {"histogram", "magnitude", "width"} & set(said["sd"][0])


def test_reports_do_not_change():
    report = builders.report()
    with pytest.raises(FrozenInstanceError):
        report.command = "compare"
    assert report == builders.report()
