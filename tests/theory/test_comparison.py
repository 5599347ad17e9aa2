"""Theory that goes along with a run: what it leaves alone, what it says, and that a run that is tampered with shows."""

import json
from dataclasses import replace

import numpy as np
import pytest

from actdiag import grad_flow, make_stack, propagate
from actdiag.activations import ACTIVATIONS, resolve
from actdiag.engine import backward, forward, parameters
from actdiag.initializers import INITIALIZERS
from actdiag.initializers import resolve as initializer
from actdiag.ops.dense import Dense
from actdiag.theory.comparison import disagrees
from actdiag.theory.recipe import why_not
from actdiag.theory.types import Estimate, StackTheory

FORWARD = ("mean", "std", "rms", "zero_fraction", "cosine", "pre_activation.mean", "pre_activation.std",
           "pre_activation.rms")  # fmt: skip


@pytest.mark.parametrize(
    ("numbers", "depth", "expected"),
    [
        ([], 10, False),
        ([4], 1, False),
        ([4, 5], 10, False),
        ([4, 5, 6], 1000, True),
        ([1, 2, 3], 3, True),
        ([2, 4, 6], 1000, False),
        ([2, 4, 6], 59, True),  # 3 are over 5 % of 59, not of 60
        ([2, 4, 6], 60, False),
        ([2, 4, 6, 8], 79, True),
        ([2, 4, 6, 8], 80, False),
        ([1, 2, 4, 5, 7, 8], 1000, False),
        ([1, 3, 4, 5], 1000, True),
        ([1, 3], 3, False),  # under three are chance
    ],
)
def test_three_in_a_row_or_a_twentieth_are_no_chance(numbers, depth, expected):
    assert disagrees(numbers, depth) is expected


THEORY = {"theory", "predicted", "expected", "flagged"}


def without_theory(document):
    if isinstance(document, dict):
        return {key: without_theory(value) for key, value in document.items() if key not in THEORY}
    return [without_theory(item) for item in document] if isinstance(document, list) else document


RUNS = {
    "relu": {"act": "relu", "init": "he", "depth": 7},
    "tanh": {"act": "tanh", "init": "lsuv", "depth": 4, "bias_std": 0.2, "dtype": "float64"},
    "varying": {"act": "selu", "init": "orthogonal", "widths": [30, 9, 40], "bias_mean": 0.3},
    "softmax": {"act": "softmax", "init": "he", "depth": 3},
    "ones": {"act": "tanh", "init": "ones", "depth": 3},
    "overflow": {"act": "relu", "init": "std=1e20", "depth": 6},
    "one input": {"act": "gelu", "init": "xavier", "depth": 3, "batch": 1},
}


@pytest.mark.parametrize("function", [propagate, grad_flow])
@pytest.mark.parametrize("case", RUNS)
def test_theory_does_not_touch_the_run(case, function):
    options = {"batch": 40, **RUNS[case]}
    if "widths" not in options:
        options["width"] = 30
    with_it, without = function(**options), function(**options, theory=False)
    assert (without.theory, without.layer_theory) == (None, ())
    assert without_theory(json.loads(with_it.to_json())) == json.loads(without.to_json())
    assert not THEORY & set(json.loads(without.to_json()))


UNLIKE_THEORY = ["constant:0.1", "ones", "zeros", "identity", "jax_uniform"]
STRUCTURED = [name for name in ACTIVATIONS if resolve(name).derivative is None]


@pytest.mark.parametrize(
    ("act", "init"), [*[("relu", init) for init in UNLIKE_THEORY], *[(act, "he") for act in STRUCTURED]]
)
def test_theory_says_where_it_does_not_apply(act, init):
    report = grad_flow(act, init, depth=3, width=10, batch=20)
    name = resolve(act).name if init == "he" else initializer(init).name
    assert report.theory == StackTheory(applies=False, note=why_not(report.stack))
    assert name in report.theory.note
    assert report.layer_theory == ()
    layers = json.loads(report.to_json())["layers"]
    assert all(layer["flagged"] == [] and layer["predicted"]["std"] is None for layer in layers)


def test_every_initializer_that_theory_knows_nothing_of_is_named_here():
    needs = {"std": "std=1", "uniform": "uniform:1", "constant": "constant:0.1", "normal": "normal:1"}
    specs = [needs.get(name, name) for name in INITIALIZERS]
    assert sorted(spec for spec in specs if not initializer(spec).mean_field) == sorted(UNLIKE_THEORY)


def test_an_input_whose_squares_overflow():
    report = propagate("relu", "he", input=np.full((4, 10), 1e200), dtype="float64", depth=2)
    assert not report.theory.applies
    assert "too large" in report.theory.note


def test_the_json_has_what_theory_says():
    report = grad_flow("tanh", "he", depth=3, width=20, batch=30)
    document = json.loads(report.to_json())
    assert document["theory"]["applies"] is True
    assert document["theory"]["phase"] == "chaotic"
    assert set(document["theory"]["horizon"]) == set(report.theory.horizon._fields)
    assert document["theory"]["disagrees"] is False
    for layer, said in zip(document["layers"], report.layer_theory, strict=True):
        predicted = layer["predicted"]
        assert predicted["std"] == {"value": said.predicted.std.value, "sd": said.predicted.std.sd}
        assert predicted["pre_activation"]["rms"]["value"] == said.predicted.pre_activation.rms.value
        assert predicted["gradient"]["ratio"]["value"] == said.predicted.gradient.ratio.value
        assert predicted["chi1"] == said.predicted.chi1
        assert layer["flagged"] == []
        assert "std" in layer["expected"]
        assert "chi1" not in layer["expected"]
    forward = json.loads(propagate("tanh", "he", depth=3, width=20, batch=30).to_json())["layers"][0]
    assert "gradient" not in forward["predicted"]


HEALTHY = {"depth": 8, "width": 100, "batch": 60, "seed": 1}
TAMPERED = 4


def get(of, name):
    for part in name.split("."):
        of = None if of is None else getattr(of, part)
    return of


def flags_of(report):
    return {number: said.flagged for number, said in enumerate(report.layer_theory, 1) if said.flagged}


@pytest.fixture
def tamper(monkeypatch):
    """Multiply what is drawn for the weights of one layer, on the way up and on the way down."""

    def tamper(up=1.0, down=1.0):
        sample, draw = parameters.sample_weights, parameters.draw_weights
        factors = {"up": up, "down": down}

        def weights(kind, drawn):
            def changed(stack, layer, *scale):
                found = drawn(stack, layer, *scale)
                return found * found.dtype.type(factors[kind] if layer == TAMPERED else 1)

            return changed

        monkeypatch.setattr(forward, "sample_weights", weights("up", sample))
        monkeypatch.setattr(backward, "draw_weights", weights("down", draw))

    return tamper


@pytest.mark.parametrize(("act", "init"), [("relu", "he"), ("tanh", "xavier"), ("gelu", "he"), ("selu", "lecun")])
def test_nothing_is_flagged_that_is_not_tampered_with(act, init):
    report = grad_flow(act, init, **HEALTHY)
    assert flags_of(report) == {}
    assert not report.theory.disagrees
    assert all(said.expected == type(said.expected)() for said in report.layer_theory)


@pytest.mark.parametrize("factor", [0.7, 1.3])
@pytest.mark.parametrize(("act", "init"), [("relu", "he"), ("tanh", "xavier"), ("gelu", "he"), ("selu", "lecun")])
def test_weights_of_one_layer_that_are_not_the_recipes_show_there_alone(act, init, factor, tamper):
    tamper(up=factor)
    report = propagate(act, init, **HEALTHY)
    flags = flags_of(report)
    assert set(flags) == {TAMPERED}
    assert {"std", "pre_activation.std", "pre_activation.rms"} <= set(flags[TAMPERED])
    assert not {"cosine", "zero_fraction", "pre_activation.mean"} & set(flags[TAMPERED]) or act != "relu"
    assert not report.theory.disagrees  # one layer may be chance
    stats, said = report.layers[TAMPERED - 1], report.layer_theory[TAMPERED - 1].expected
    for name in flags[TAMPERED]:  # what was expected is kept, and 4 sd away
        one = get(said, name)
        assert isinstance(one, Estimate)
        assert abs(get(stats, name) - one.value) > 4 * one.sd
    assert get(stats, "pre_activation.rms") / said.pre_activation.rms.value == pytest.approx(factor, rel=0.08)


def test_small_deviations_are_within_what_a_width_leaves(tamper):
    tamper(up=1.01)
    assert flags_of(propagate("relu", "he", **HEALTHY)) == {}


def test_weights_of_all_layers_that_are_not_the_recipes_disagree():
    """A run of one stack, with theory of another beside it."""
    claimed = initializer("he")
    wrong = replace(claimed, variance=lambda fan_in, fan_out: 1.3 * 2 / fan_in)
    report = grad_flow("tanh", wrong, **HEALTHY)
    assert report.theory.disagrees
    assert {number for number, names in flags_of(report).items() if "pre_activation.rms" in names} == set(range(1, 9))


def test_biases_that_are_not_the_recipes_show(monkeypatch):
    drawn = forward.draw_biases

    def shifted(stack, layer):
        biases = drawn(stack, layer)
        return biases + np.float32(0.5) if layer == TAMPERED else biases

    monkeypatch.setattr(forward, "draw_biases", shifted)
    flags = flags_of(propagate("tanh", "he", bias_std=0.1, **HEALTHY))
    assert TAMPERED in flags
    assert {"mean", "pre_activation.mean", "cosine"} <= set(flags[TAMPERED])
    assert set(flags) == {TAMPERED}


def test_inputs_of_a_layer_that_are_not_what_was_seen_show(monkeypatch):
    """The signs of what a layer is given are lost; theory has seen them."""
    run, calls = Dense.forward, []

    def changed(op, inputs, parameters, z):
        calls.append(len(inputs[0]))
        run(op, [np.abs(inputs[0])] if len(calls) == TAMPERED else inputs, parameters, z)

    monkeypatch.setattr(Dense, "forward", changed)
    flags = flags_of(propagate("tanh", "he", threads=1, **HEALTHY))
    assert len(calls) == HEALTHY["depth"]  # one block a layer
    assert set(flags) == {TAMPERED}
    assert "cosine" in flags[TAMPERED]


@pytest.mark.parametrize("loss", ["random", "mse", "cross-entropy"])
@pytest.mark.parametrize(("act", "init"), [("relu", "he"), ("tanh", "xavier"), ("selu", "lecun")])
def test_a_gradient_that_is_not_the_weights_shows_where_it_arrives(act, init, loss, tamper):
    """Layer 4's weights bring dL/dz of layer 4 down to layer 3."""
    tamper(down=1.5)
    flags = flags_of(grad_flow(act, init, loss=loss, memory=HEALTHY["depth"] * 4 * 100 * 60 - 1, **HEALTHY))
    tampered_forward = {number for number, names in flags.items() if set(names) - {"gradient.rms"}}
    assert not tampered_forward
    assert flags == {TAMPERED - 1: ("gradient.rms",)}


def test_a_slope_that_is_not_the_values_shows_in_every_gradient(monkeypatch):
    pull_back = backward.pull_back

    def with_other_slope(act, z, d_a, d_z):
        pull_back(replace(act, derivative=np.ones_like), z, d_a, d_z)

    monkeypatch.setattr(backward, "pull_back", with_other_slope)
    report = grad_flow("tanh", "he", **HEALTHY)
    assert {number for number, names in flags_of(report).items() if names == ("gradient.rms",)} == set(range(1, 8))
    assert report.theory.disagrees


def test_a_gradient_that_follows_the_signal_is_no_surprise():
    """hardshrink: its slope is 1 where its value is not 0, so what points along the signal comes down whole."""
    options = {"depth": 20, "width": 144, "batch": 3, "seed": 592665}
    report = grad_flow("hardshrink", "flax_dense", **options)
    assert not any("gradient.rms" in names for names in flags_of(report).values())
    assert not report.theory.disagrees


def test_gradients_come_down_by_the_fit_of_the_layer_above():
    """Inputs of 10 are fitted by .01 in variance, those of layer 2 by over 1."""
    inputs = 10 * np.random.default_rng(0).standard_normal((60, 100))
    report = grad_flow("tanh", "lsuv", input=inputs, depth=4, width=100)
    assert flags_of(report) == {}


def test_a_layer_beyond_the_dtype_is_not_compared():
    report = grad_flow("relu", "std=0.01", depth=45, width=100, batch=60)
    assert report.layers[-1].rms == 0
    assert not report.theory.disagrees
    up = propagate("relu", "std=1", depth=36, width=500, batch=60)
    assert up.layers[-1].nonfinite_fraction > 0
    assert not up.theory.disagrees
    assert not any(said.flagged for said in up.layer_theory[-4:])


@pytest.mark.parametrize(("bias_std", "applies"), [(None, True), (0.5, True), (1.0, False), (3.0, False)])
def test_lsuv_under_biases(bias_std, applies):
    report = grad_flow("softsign", "lsuv", bias_std=bias_std, depth=8, width=77, batch=100, seed=376021)
    assert report.theory.applies is applies
    assert not report.theory.disagrees
    assert applies or "biases" in report.theory.note


def test_an_activation_that_is_zero_all_but_never():
    """q shrinks until all of relu6(x - .2) within 8 sd is zero."""
    options = {"widths": [72] * 10, "batch": 123, "seed": 284144, "bias_mean": -0.2, "dtype": "float64"}
    assert propagate("relu6", "orthogonal", **options).theory.applies


def test_slopes_that_change_faster_than_any_number():
    options = {"width": 396, "depth": 42, "batch": 21, "seed": 770595}
    assert propagate("threshold", "keras_lecun_normal", **options).theory.applies


def test_make_stack_is_what_is_run():
    assert propagate("relu", "he", **HEALTHY).stack == make_stack("relu", "he", **HEALTHY)


def test_a_loss_with_a_readout_says_where_its_gradients_start():
    """Of the random loss it is known beforehand; of others the rms of the last dL/dz is taken as it was measured."""
    for loss in ("mse", "cross-entropy"):
        report = grad_flow("tanh", "he", loss=loss, **HEALTHY)
        assert report.layer_theory[-1].predicted.gradient.rms == (report.layers[-1].gradient.rms, 0.0)
    report = grad_flow("tanh", "he", **HEALTHY)
    said = report.layer_theory[-1].predicted.gradient.rms
    assert said.value != report.layers[-1].gradient.rms
    assert abs(said.value - report.layers[-1].gradient.rms) < 5 * said.sd


@pytest.mark.parametrize(("gain", "depth", "c"), [(100, 1, 81 / 82), (300, 2, 0.9)])
def test_sin_under_huge_weights_and_biases_forgets_its_inputs(gain, depth, c):
    """E sin(u1) sin(u2) = e^-q sinh(q c), which is nothing: inputs have the biases alone in common."""
    report = propagate("sin", "he", gain=gain, bias_std=900, depth=depth, batch=100)
    assert report.theory.c == pytest.approx(c, rel=1e-6)
    for said in report.layer_theory:
        assert said.predicted.cosine.value == pytest.approx(0, abs=1e-9)
        assert said.flagged == ()


@pytest.mark.parametrize("act", ["relu", "tanh", "gelu_tanh", "hardtanh"])
def test_a_run_predicts_the_same_bits_whatever_was_run_before(act):
    options = {"depth": 5, "width": 30, "batch": 50}
    before = grad_flow(act, "he", seed=3, **options)
    for seed in range(3):
        grad_flow(act, "he", seed=seed, **options | {"depth": 9})
    after = grad_flow(act, "he", seed=3, **options)
    assert after.theory == before.theory
    assert after.layer_theory == before.layer_theory


@pytest.mark.parametrize("act", ["relu", "tanh", "sigmoid", "gelu", "sin"])
def test_a_row_of_zeros_among_the_inputs_is_no_disagreement(act):
    inputs = np.random.default_rng(0).standard_normal((100, 50))
    inputs[3] = 0
    for bias_std in (None, 0.3):
        report = propagate(act, "he", input=inputs, depth=6, bias_std=bias_std)
        assert [said.flagged for said in report.layer_theory] == [()] * 6


@pytest.mark.parametrize("act", ["tanh", "sin", "erf", "softshrink"])
def test_the_mean_of_an_odd_activation_is_predicted_to_be_nothing(act):
    report = propagate(act, "he", gain=3, depth=5)
    assert [said.predicted.mean.value for said in report.layer_theory] == [0.0] * 5
