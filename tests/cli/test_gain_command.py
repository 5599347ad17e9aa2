"""`actdiag gain`, and `auto` as a gain and as an initializer."""

import json
import math
import subprocess
import sys

import numpy as np
import pytest

import actdiag
from actdiag import make_stack
from actdiag.cli.command import run
from actdiag.engine.parameters import draw_weights
from actdiag.render.terminal.gain import snippets
from actdiag.theory.gains import gains

GELU = (1.4177899182, 0.4158393809586423)
"""Of 30 layers; those of a few have the gain of 10."""
SHALLOW = (1.4216391241, 0.4158393809586423)


@pytest.fixture(autouse=True)
def columns(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")


def succeed(capsys, *arguments):
    assert run([str(argument) for argument in arguments]) == 0, capsys.readouterr().err
    return capsys.readouterr().out


def refused(capsys, *arguments):
    assert run([str(argument) for argument in arguments]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error.strip()


def said(text):
    return " ".join(text.split())


def test_the_view_says_all(capsys):
    text = said(succeed(capsys, "gain", "gelu"))
    for part in (
        "forward gain 1.53353: keeps a signal of second moment 1",
        "backward gain 1.48111: keeps the gradient",
        "gap 3.5 %: under the forward gain the gradient's rms changes by x1.04 per layer",
        "chi1 1.072: what the second moment of the gradient is multiplied by per layer",
        "chiq 1.144 (above 1: the signal does not stay): what a small deviation",
        "critical gain (sigma_w) 2, bias std (sigma_b) 0, second moment of z (q) falling to 0: unstable;",
        "half-stable gain (sigma_w) 1.40821, bias std (sigma_b) 0.415839, second moment of z (q) 3.562;",
        "take gain 1.41779, biases N(0, 0.415839^2)",
        "because the gradient is as large at layer 1 as at layer 30, and the rms of the activations changes by x1.2",
        "std=1.41778991",
        "/ layer.in_features**0.5",
        "torch.nn.init.normal_(layer.bias, std=0.415839380958",
        'mode="fan_in", distribution="untruncated_normal"',
        "jax.nn.initializers.variance_scaling( 2.01012825",
    ):
        assert part in text


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (
            ["relu"],
            "critical gain (sigma_w) 1.41421, bias std (sigma_b) 0, second moment of z (q) any: marginally stable",
        ),
        (["relu"], "gap none"),
        (["relu"], "calculate_gain 1.41421 is what torch.nn.init has: signal and gradient keep"),
        (
            ["relu", "--bias-std", "0.2"],
            "critical no point with biases of std 0.2: where the gradient keeps, the biases",
        ),
        (["relu"], "scale=2.0,"),
        (["tanh"], "rms of 1.09, and the gradient's rms changes by x1.1 per layer"),
        (["selu"], "and the gradient's rms changes by x1.002 per layer"),
        (["tanh", "--bias-std", "0.2"], "(q) 0.5121: stable (chiq 0.5426); there the gradient keeps"),
        (["gelu", "--bias-std", "0.2"], "(q) 0.5756: unstable (chiq 1.095)"),
        (["sigmoid"], "take gain 10.3025, biases 0 because none is good"),
        (["tanh"], "take gain 1.2356, biases 0 because the gradient is as large at layer 1 as at layer 30"),
        (
            ["tanh", "--depth", "60"],
            "take gain 1.17104, biases 0 because the gradient is as large",
        ),
        (["tanh", "--depth", "1"], "take gain 1.40074, biases 0 because"),
        (["maxout"], "backward gain 1: keeps the gradient"),
        (["maxout"], "gap none simulated all gains, over N(0, 1) pre-activations; standard error of the forward gain"),
        (["maxout"], "critical no point: theory has none for units that look at several pre-activations"),
        (["glu"], "biases 0 because none is good: by simulation, this gain preserves N(0, 1) inputs"),
        (["softmax"], "forward gain none: keeps"),
        (["softmax"], "take gain 1, biases 0 because none is good: a unit of softmax looks at the whole layer"),
        (["softplus"], "critical no point: where the gradient keeps (chi1 = 1), the signal grows at every scale"),
        (["x*sigmoid(1.702*x)"], "take gain 1.42417, biases N(0, 0.437767^2)"),
    ],
)
def test_the_view_of_others(capsys, arguments, part):
    assert part in said(succeed(capsys, "gain", *arguments))


@pytest.mark.parametrize("width", [80, 120])
def test_the_view_fits_and_is_ascii_where_it_must_be(capsys, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("LC_ALL", "C")
    text = succeed(capsys, "gain", "gelu", "sigmoid", "tanh", "--verify", "--depth", "3", "--width", "20")
    assert text.isascii()
    lines = text.splitlines()
    assert max(map(len, lines)) <= width
    assert all(line == line.rstrip() for line in lines)
    assert [line for line in lines if line in ("gelu", "sigmoid", "tanh")] == ["gelu", "sigmoid", "tanh"]


def test_json(capsys):
    document = json.loads(succeed(capsys, "gain", "relu", "tanh", "gelu", "softplus", "--bias-std", 0.0, "--json", "-"))
    assert list(document) == ["schema", "versions", "activations"]
    assert document["schema"] == "actdiag/2"
    relu, tanh, gelu, softplus = document["activations"]
    assert [one["name"] for one in document["activations"]] == ["relu", "tanh", "gelu", "softplus"]
    for one in document["activations"]:
        assert list(one) == [
            "name", "forward_gain", "backward_gain", "gap", "gain_reason", "chi1", "chiq", "bias_std", "critical",
            "critical_count", "reason", "half_stable", "torch_gain", "recommended", "standard_error",
        ]  # fmt: skip
        assert list(one["recommended"]) == ["gain", "bias_std", "reason", "good", "depth"]
        assert one["recommended"]["depth"] == 30
        assert one["standard_error"] is None
    assert relu["critical"] == {
        "sigma_w": pytest.approx(math.sqrt(2)), "sigma_b": 0.0, "q": None, "chi1": 1.0, "chiq": 1.0, "stable": True,
    }  # fmt: skip
    assert (tanh["critical"]["q"], tanh["critical"]["sigma_w"]) == (0.0, 1.0)
    assert tanh["gap"] == pytest.approx(1.5925374197 / 1.4674135916 - 1, rel=1e-9)
    assert (gelu["recommended"]["gain"], gelu["recommended"]["bias_std"]) == pytest.approx(GELU, rel=1e-9)
    assert gelu["half_stable"]["q"] == pytest.approx((3 + math.sqrt(17)) / 2)
    assert gelu["torch_gain"] is None
    assert tanh["torch_gain"]["gain"] == pytest.approx(5 / 3)
    assert (softplus["critical"], softplus["reason"]) == (None, gains(actdiag.activations.resolve("softplus")).reason)
    assert actdiag.gain("gelu").recommended.gain == gelu["recommended"]["gain"]


def test_json_to_a_file_beside_the_view(capsys, tmp_path):
    assert "forward gain" in succeed(capsys, "gain", "relu", "--json", tmp_path / "gain.json")
    assert json.loads((tmp_path / "gain.json").read_text())["activations"][0]["name"] == "relu"


def test_verify_shows_predicted_beside_measured(capsys):
    options = ("--verify", "--depth", 12, "--width", 64)
    text = succeed(capsys, "gain", "tanh", "--bias-std", 0.2, *options)
    assert "5 stacks of 12 layers of 64, seeds 0 to 4" in text
    assert [line.split()[0] for line in text.splitlines() if line[:5].strip().isdigit()] == [
        "1", "2", "3", "5", "6", "7", "8", "10", "11", "12",
    ]  # fmt: skip
    (tanh,) = json.loads(succeed(capsys, "gain", "tanh", "--bias-std", 0.2, *options, "--json", "-"))["activations"]
    verified = tanh["verify"]
    assert (verified["depth"], verified["width"], verified["seeds"]) == (12, 64, [0, 1, 2, 3, 4])
    first = verified["layers"][0]
    take = tanh["recommended"]
    assert first["predicted_rms"] == pytest.approx(math.hypot(take["gain"], take["bias_std"]))
    assert first["measured_rms"] == pytest.approx(first["predicted_rms"], rel=0.05)
    assert list(verified["trained"]) == ["loss", "chance", "learning_rate", "iterations"]
    assert verified["trained"]["chance"] == pytest.approx(math.log(10))
    assert verified["trained"]["loss"] < 1.2
    line = f"12 layers of 100, 250 iterations of SGD at {verified['trained']['learning_rate']:.2g}: "
    assert line + f"loss {verified['trained']['loss']:.2f} (chance 2.30)" in text
    other = json.loads(succeed(capsys, "gain", "tanh", *options, "--seed", 5, "--json", "-"))["activations"][0]
    assert other["verify"]["seeds"] == [5, 6, 7, 8, 9]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gain", "reluu"], "ACT must name an activation, got 'reluu'; did you mean relu"),
        (["gain", "relu", "--bias-std", "-1"], "--bias-std must be at least 0 and at most 1000, got -1"),
        (["gain", "relu", "--verify", "--depth", "0"], "--depth must be at least 1, got 0"),
        (["gain", "relu", "--verify", "--width", "0"], "--width must be at least 1, got 0"),
        (["gain", "relu", "--json", "no/such.json"], "--json must be a file in a folder that can be written to"),
        (["propagate", "--gain", "automatic"], "--gain must be a number or auto, got 'automatic'"),
        (["propagate", "--init", "auto", "--gain", "2"], "--gain must be left out with the initializer auto, got 2.0"),
        (["compare", "--init", "he,auto", "--gain", "2"], "--gain must be left out with the initializer auto, got 2.0"),
        (["grad-flow", "--gain", "auto", "--bias-std", "-1"], "--bias-std must be at least 0"),
    ],
)  # fmt: skip
def test_bad_input_gets_one_line(capsys, arguments, message):
    assert message in refused(capsys, *arguments)


@pytest.mark.parametrize("init", ["zeros", "constant:0.1", "ones", "identity", "lsuv", "sparse:1", "jax_uniform"])
def test_weights_without_a_scale_of_their_own_have_no_automatic_gain(capsys, init):
    message = "--gain must be a number where weights are fixed, all positive or fitted to the batch, got auto with "
    assert message + init in refused(capsys, "propagate", "--init", init, "--gain", "auto")


WIDTHS = {"widths": [300, 500, 200], "input_width": 400}


@pytest.mark.parametrize(
    "init",
    ["he", "lecun", "std=0.01", "uniform:0.3", "orthogonal", "torch_linear", "sparse", "haiku_linear", "he:fan_out"],
)
@pytest.mark.parametrize("act", ["relu", "gelu"])
def test_every_layer_is_brought_to_the_gain(act, init):
    stack = make_stack(act, init, gain="auto", **WIDTHS)
    target = actdiag.gain(act, depth=3).recommended.gain
    for layer in (1, 2, 3):
        fan_in = stack.fan_in(layer)
        assert math.sqrt(fan_in) * stack.weight_std(layer) == pytest.approx(target, rel=1e-12)
        assert math.sqrt(fan_in) * draw_weights(stack, layer).std() == pytest.approx(target, rel=0.02)


@pytest.mark.parametrize("init", ["xavier", "xavier_uniform", "keras_dense", "variance_scaling:scale=3:mode=fan_avg"])
def test_initializers_for_the_mean_of_both_fans_stay_so(init):
    stack = make_stack("gelu", init, gain="auto", **WIDTHS)
    for layer, fans in enumerate([(400, 300), (300, 500), (500, 200)], 1):
        assert math.sqrt(sum(fans) / 2) * stack.weight_std(layer) == pytest.approx(SHALLOW[0], rel=1e-9)
        assert math.sqrt(sum(fans) / 2) * draw_weights(stack, layer).std() == pytest.approx(SHALLOW[0], rel=0.02)


def test_init_auto_is_lecun_with_gain_auto():
    auto, lecun = make_stack("selu", "auto", width=50), make_stack("selu", "lecun", width=50, gain="auto")
    both = make_stack("selu", "auto", width=50, gain="auto")
    assert auto.target_gain == lecun.target_gain == both.target_gain == actdiag.gain("selu", depth=5).recommended.gain
    np.testing.assert_array_equal(draw_weights(auto, 2), draw_weights(lecun, 2))
    assert (auto.init.name, auto.init.distribution) == ("auto", "normal")


def test_biases_go_with_the_gain_unless_given():
    assert make_stack("gelu", "he", gain="auto").bias_std == pytest.approx(GELU[1])
    assert make_stack("relu", "torch_linear", gain="auto").bias_spread(1) == (0.0, 0.0)
    given = make_stack("tanh", "he", gain="auto", bias_std=0.2)
    assert (given.bias_std, given.target_gain) == (0.2, pytest.approx(1.4565778746, rel=1e-9))
    shifted = make_stack("gelu", "he", gain="auto", bias_mean=0.1)
    assert shifted.bias_spread(1) == (0.1, 0.0)
    assert make_stack("gelu", "he").bias_std is None


def test_what_a_stack_with_an_automatic_gain_says_of_itself(capsys):
    text = succeed(capsys, "propagate", "--act", "gelu", "--gain", "auto", "--batch", 50)
    assert "gelu, he (std 0.142, gain auto 1.42)" in text
    assert "biases N(0, 0.415839^2)" in text
    small = ("--batch", 50, "--gain", "auto", "--json", "-")
    equal = json.loads(succeed(capsys, "propagate", "--act", "tanh", "--init", "he", "--width", 20, *small))
    tanh = actdiag.gain("tanh", depth=5).recommended.gain
    assert equal["stack"]["gain"] == pytest.approx(tanh / math.sqrt(2), rel=1e-12)
    spread = json.loads(
        succeed(capsys, "propagate", "--act", "tanh", "--init", "std=0.1", "--widths", "20,80,30", *small)
    )
    # input_width is 20 as well: three fans of 20, 20 and 80.
    assert spread["stack"]["gain"] == pytest.approx(
        [10 * tanh / math.sqrt(fan_in) for fan_in in (20, 20, 80)], rel=1e-12
    )


@pytest.mark.parametrize("options", [("--init", "auto"), ("--gain", "auto")])
def test_an_automatic_gain_of_units_that_look_at_several_pre_activations(capsys, options):
    text = succeed(capsys, "propagate", "--act", "glu", "--batch", 50, *options)
    assert "gain auto 1.73" in text.splitlines()[0]
    stack = make_stack("maxout:3", "lecun", gain="auto", **WIDTHS)
    assert stack.target_gain == pytest.approx((1 + math.sqrt(3) / (2 * math.pi)) ** -0.5, rel=3e-4)
    for layer in (1, 2, 3):
        assert math.sqrt(stack.fan_in(layer)) * draw_weights(stack, layer).std() == pytest.approx(0.8854, rel=0.02)
    assert make_stack("softmax", "auto", bias_std=0.1).bias_std == 0.1


def test_comparing_with_an_automatic_gain(capsys):
    arguments = ("compare", "--act", "gelu,tanh", "--init", "auto,he", "--batch", 50, "--depth", 3)
    text = succeed(capsys, *arguments)
    assert "biases (b) that go with each gain" in said(text)
    assert "gain 1.42, b 0.416" in text
    assert "gain 1.4, b 0" in text
    runs = json.loads(succeed(capsys, *arguments, "--json", "-"))["runs"]
    assert [(one["stack"]["act"], one["stack"]["init"]) for one in runs] == [
        ("gelu", "auto"), ("gelu", "he"), ("tanh", "auto"), ("tanh", "he"),
    ]  # fmt: skip
    assert [one["stack"]["gain"] for one in runs] == pytest.approx(
        [SHALLOW[0], 1, actdiag.gain("tanh", depth=3).recommended.gain, 1]
    )
    assert [one["stack"]["bias_std"] for one in runs] == pytest.approx([SHALLOW[1], 0, 0, 0])
    assert "biases (b)" not in succeed(capsys, "compare", "--act", "tanh", "--init", "he", "--batch", 50, "--depth", 3)


def test_a_gain_in_figures_costs_no_theory_of_gains():
    code = "import sys; from actdiag.cli.command import run; run(sys.argv[1:]); "
    code += "print('actdiag.theory.gains' in sys.modules)"
    for extra, loaded in ([], "False"), (["--gain", "2"], "False"), (["--gain", "auto"], "True"):
        arguments = [sys.executable, "-c", code, "propagate", "--batch", "20", *extra]
        done = subprocess.run(arguments, capture_output=True, text=True, check=True)
        assert done.stdout.split()[-1] == loaded


@pytest.mark.torch
@pytest.mark.parametrize("act", ["gelu", "relu"])
def test_the_lines_for_pytorch_give_exactly_that_std(act):
    torch = pytest.importorskip("torch")
    torch.manual_seed(3)
    take = actdiag.gain(act).recommended
    layer = torch.nn.Linear(900, 4000).requires_grad_(False)
    exec("\n".join(snippets(take.gain, take.bias_std)["PyTorch, of every layer"]), {"torch": torch, "layer": layer})
    # 3.6 million weights: their std is known to 4e-4 of itself, that of 4000 biases to 1.1e-2 (one standard error).
    assert float(layer.weight.std()) * 30 == pytest.approx(take.gain, rel=1.5e-3)
    assert float(layer.weight.abs().max()) * 30 > 4.5 * take.gain  # not cut
    assert float(layer.bias.std()) == pytest.approx(take.bias_std, rel=0.04)


def test_the_lines_for_keras_and_jax():
    keras, jax = list(snippets(1.3, 0.2).values())[1:]
    calls = []

    class Recorder:
        def __getattr__(self, name):
            return self

        def __call__(self, *arguments, **options):
            calls.append((arguments, options))

    recorder = Recorder()
    for lines in (keras, jax):
        eval(f"dict({' '.join(lines)})", {"keras": recorder, "jax": recorder, "dict": dict})
    variance = {"scale": 1.69, "mode": "fan_in", "distribution": "untruncated_normal"}
    assert calls == [((), variance), ((), {"stddev": 0.2}), ((1.69, "fan_in", "normal"), {}), ((0.2,), {})]
    assert not any("bias" in line for lines in list(snippets(1.3, 0.0).values())[1:] for line in lines)
