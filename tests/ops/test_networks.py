"""Networks of ops from Python: what every function takes, what is predicted, flagged, judged and written of them."""

import json
from itertools import pairwise
from math import log

import numpy as np
import pytest

import actdiag
from actdiag import Report, ops
from actdiag.initializers import resolve as initializer

BLOCK = ops.residual([ops.dense(), ops.activation(), ops.dense()])
ARCH = [ops.dense(40), ops.activation(), *3 * [BLOCK]]
SMALL = {"arch": ARCH, "batch": 60}


@pytest.mark.parametrize("run", [actdiag.propagate, actdiag.grad_flow])
def test_every_node_is_a_row(run):
    report = run("relu", "he", **SMALL)
    document = report.to_dict()
    assert [layer["path"] for layer in document["layers"]] == [
        "1",
        *[f"{block}{part}" for block in (2, 3, 4) for part in (".branch.1", ".branch.2", "")],
    ]
    assert [layer["op"] for layer in document["layers"]] == ["dense", *3 * ["dense", "dense", "residual"]]
    assert [layer["layer"] for layer in document["layers"]] == list(range(1, 11))
    assert Report.from_json(report.to_json()).to_dict() == json.loads(report.to_json())
    assert Report.from_json(report.to_json()) == report
    assert report.stack.input_width == 40


def test_statistics_are_of_the_arrays():
    """The sum of a residual of the identity and of a branch of zeros is its input."""
    silent = initializer("zeros")
    report = actdiag.propagate("tanh", silent, arch=[ops.residual([ops.dense(), ops.activation()])], input_width=30)
    stats, inputs = report.layers[1], report.stack.inputs().astype(float)
    assert stats.rms == pytest.approx(np.sqrt(np.mean(inputs**2)), rel=1e-6)
    assert stats.pre_activation.rms == pytest.approx(stats.rms, rel=1e-6)
    assert stats.dead_fraction is None
    assert stats.weight_gradient is None


def test_histograms_hold_what_layers_without_an_activation_show():
    report = actdiag.propagate("relu", "he", arch=[ops.dense(40), ops.activation(), ops.dense()], batch=60)
    first, last = (stats.histogram for stats in report.layers)
    assert first.edges == last.edges
    assert last.edges[0] == -last.edges[-1] < 0
    assert last.below < 0.02 * 40 * 60


def test_a_branch_of_zeros_loses_nothing():
    """As SkipInit and Fixup start: the signal goes past the branch."""
    report = actdiag.propagate("relu", "zeros", arch=[ops.residual([ops.dense(), ops.activation()])], input_width=30)
    assert report.layers[0].rms == 0
    assert not {"zero_signal", "born_dead"} & {finding.rule for finding in report.findings}
    plain = actdiag.propagate("relu", "zeros", arch=[ops.dense(), ops.activation()], input_width=30)
    assert "zero_signal" in {finding.rule for finding in plain.findings}


def test_a_plain_stack_spelled_as_ops_is_predicted_alike():
    options = {"batch": 300, "seed": 4}
    spelled = actdiag.grad_flow("tanh", "xavier", arch=3 * [ops.dense(50), ops.activation()], **options)
    plain = actdiag.grad_flow("tanh", "xavier", depth=3, width=50, **options)
    assert [stats.rms for stats in spelled.layers] == [stats.rms for stats in plain.layers]
    for ours, theirs in zip(spelled.layer_theory, plain.layer_theory, strict=True):
        assert ours.predicted.rms.value == pytest.approx(theirs.predicted.rms.value, rel=1e-6)
        assert ours.predicted.rms.sd == pytest.approx(theirs.predicted.rms.sd, rel=0.3)
        assert ours.predicted.gradient.rms.value == pytest.approx(theirs.predicted.gradient.rms.value, rel=0.02)
        assert ours.predicted.gradient.rms.sd == pytest.approx(theirs.predicted.gradient.rms.sd, rel=0.3)


def test_only_ops_with_weights_have_a_gradient_of_them():
    report = actdiag.grad_flow("relu", "he", **SMALL)
    kinds = [site.kind for site in report.measurements.sites]
    assert [stats.weight_gradient is None for stats in report.layers] == [kind == "residual" for kind in kinds]
    assert all(stats.gradient is not None for stats in report.layers)


def test_compare_and_make_stack_take_ops():
    reports = actdiag.compare(["relu", "tanh"], ["he", "lsuv"], **SMALL)
    assert [(report.stack.act.name, report.stack.init.name) for report in reports] == [
        ("relu", "he"),
        ("relu", "lsuv"),
        ("tanh", "he"),
        ("tanh", "lsuv"),
    ]
    assert actdiag.make_stack("relu", "he", **SMALL).arch == tuple(ARCH)


def test_a_residual_network_trains():
    (run,) = actdiag.train("tanh", "xavier", arch=ARCH, lr=0.05, iterations=150, data="synthetic:rows=2000")
    assert run.final_loss < 0.6 * log(10)
    assert run.before.layers[0].layer == 1
    assert len(run.first_update) == len(run.before.layers)
    assert [update is None for update in run.first_update] == [site.kind == "residual" for site in run.stack.sites()]


@pytest.mark.parametrize("name", ["depth", "width", "widths"])
def test_the_ops_say_depth_and_widths(name):
    with pytest.raises(actdiag.InvalidField, match=f"{name} must be left out where arch is given"):
        actdiag.propagate(arch=ARCH, **{name: [3] if name == "widths" else 3})


@pytest.mark.parametrize("arch", ["dense", 3, [ops.dense(), "relu"]])
def test_what_is_no_op_is_refused(arch):
    with pytest.raises(actdiag.InvalidField, match="arch must be a sequence of ops, got"):
        actdiag.propagate(arch=arch)


PUBLISHED = {
    # q_L/q_0 and G_0/G_L over 10 residuals under he: x + W relu(x) doubles both, x + W relu(W x) triples them.
    "one layer": ([ops.dense(256), *10 * [ops.residual([ops.activation(), ops.dense()])]], 2.0),
    "two layers": ([ops.dense(256), *10 * [ops.residual([ops.dense(), ops.activation(), ops.dense()])]], 3.0),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_predictions_grow_as_residuals_are_known_to(name):
    arch, factor = PUBLISHED[name]
    report = actdiag.grad_flow("relu", "he", arch=arch, batch=16)
    sums = [
        said for said, site in zip(report.layer_theory, report.measurements.sites, strict=True) if site.path.isdigit()
    ]
    q = [said.predicted.pre_activation.rms.value**2 for said in sums]
    assert [after / before for before, after in pairwise(q)] == pytest.approx([factor] * 10, rel=1e-9)
    ratios = [said.predicted.gradient.ratio.value**2 for said in sums[1:]]
    assert [before / after for before, after in pairwise(ratios)] == pytest.approx([factor] * 9, rel=1e-9)


def test_a_branch_that_adds_a_mean_is_predicted_forward_alone():
    """x + relu(W x): m' = m + sqrt(q/pi), q' = 2 q + 2 m sqrt(q/pi), and the gradients of branches are correlated."""
    arch = 5 * [ops.residual([ops.dense(), ops.activation()])]
    report = actdiag.grad_flow("relu", "he", arch=arch, input_width=256, batch=16)
    start = report.layer_theory[0].predicted.pre_activation.rms.value ** 2 / 2
    q, m, expected = start, float(report.stack.inputs().mean(dtype=float)), []
    for _ in range(5):
        grown = m + np.sqrt(q / np.pi), 2 * q + 2 * m * np.sqrt(q / np.pi)
        m, q = grown
        expected.append(q)
    found = [said.predicted.rms.value**2 for said in report.layer_theory[1::2]]
    assert found == pytest.approx(expected, rel=1e-6)
    assert report.layer_theory[0].predicted.gradient.rms is None
    assert "adds a mean" in report.theory.note


TWO = ops.residual([ops.dense(), ops.activation(), ops.dense()])
FIRST = ops.residual([ops.activation(), ops.dense(256), ops.activation(), ops.dense(128)])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("act", "init", "arch"),
    [
        ("relu", "he", [ops.dense(128), *8 * [TWO]]),
        ("gelu", "lecun", [ops.dense(128), *8 * [FIRST]]),
        ("tanh", "xavier", [ops.dense(128), ops.activation(), *6 * [TWO]]),
    ],
)
def test_runs_lie_within_what_is_predicted(act, init, arch):
    """Over seeds, the mean logarithm is where it is predicted and the spread is what it is said to be."""
    reports = [actdiag.grad_flow(act, init, arch=arch, batch=32, seed=seed) for seed in range(30)]
    for at in range(len(reports[0].layers)):
        said = reports[0].layer_theory[at].predicted
        for estimate, measured in (
            (said.rms, [report.layers[at].rms for report in reports]),
            (said.gradient.rms, [report.layers[at].gradient.rms for report in reports]),
        ):
            logs, relative = np.log(measured), estimate.sd / estimate.value
            assert abs(logs.mean() - log(estimate.value)) < 4 * relative / np.sqrt(30) + 0.03
            assert 0.4 * relative < logs.std(ddof=1) < 2.5 * relative + 0.005


@pytest.mark.slow
def test_few_nodes_of_healthy_networks_are_flagged():
    flagged = nodes = 0
    for seed in range(40):
        act, init = [("relu", "he"), ("tanh", "xavier"), ("gelu", "lecun"), ("selu", "lecun")][seed % 4]
        width = (64, 100, 256)[seed % 3]
        arch = [ops.dense(width), ops.activation(), *6 * [TWO]]
        report = actdiag.grad_flow(act, init, arch=arch, batch=200, seed=seed)
        flagged += sum(bool(said.flagged) for said in report.layer_theory)
        nodes += len(report.layers)
    assert flagged <= 0.01 * nodes


def test_weights_that_are_not_the_recipes_are_flagged_where_they_are():
    wrong = initializer("he")
    claimed = actdiag.Initializer(
        "mine",
        sample=lambda rng, i, o, dtype: 1.3 * wrong.sample(rng, i, o, dtype),
        variance=wrong.variance,
        distribution="normal",
        source="none",
        family="normal",
    )
    report = actdiag.propagate("tanh", claimed, **SMALL)
    dense = [
        stats.layer
        for stats, site in zip(report.layers, report.measurements.sites, strict=True)
        if site.kind == "dense"
    ]
    assert {number for number, said in enumerate(report.layer_theory, 1) if said.flagged} == set(dense)
    assert report.theory.disagrees


def test_a_network_that_explodes_is_found_to():
    """Networks that branch were not among those trained: there is no probability, but what is measured is said."""
    report = actdiag.grad_flow("relu", "he", gain=3, arch=[ops.dense(64), *12 * [BLOCK]], batch=60)
    assert report.verdict.severity == "unknown"
    assert "exploding_gradient" in {finding.rule for finding in report.findings}
    estimated = actdiag.propagate("relu", "he", gain=3, arch=[ops.dense(64), *12 * [BLOCK]], batch=60)
    assert "exploding_gradient" in {finding.rule for finding in estimated.findings}
