"""Words that are offered are accepted in any case, from Python and on the command line."""

import json
from dataclasses import replace

import numpy as np
import pytest
from command import SMALL, succeed

import actdiag
from actdiag.cli.command import run

TINY = {"depth": 2, "width": 8, "batch": 20}


@pytest.mark.parametrize(
    ("plain", "shouted"),
    [
        ({"dtype": "float64"}, {"dtype": "Float64"}),
        ({"input": "uniform"}, {"input": "UNIFORM"}),
        ({"input": "normal"}, {"input": "Normal"}),
        ({"gain": "auto"}, {"gain": "AUTO"}),
        ({"init": "auto"}, {"init": "Auto"}),
        ({"loss": "cross-entropy"}, {"loss": "Cross-Entropy"}),
        ({"loss": "random"}, {"loss": "RANDOM"}),
        ({"init": "variance_scaling:mode=fan_avg:distribution=uniform"},
         {"init": "Variance_Scaling:mode=FAN_AVG:distribution=Uniform"}),
    ],
)  # fmt: skip
def test_a_report_is_the_same(plain, shouted):
    one, other = (actdiag.grad_flow(**TINY, **options) for options in (plain, shouted))
    assert one.layers == other.layers
    assert (one.stack.dtype, one.stack.input) == (other.stack.dtype, other.stack.input)
    assert one.loss == other.loss
    if "variance_scaling" not in plain.get("init", ""):
        assert one.to_json() == other.to_json()


def test_a_training_run_is_the_same():
    options = {"depth": 2, "width": 8, "iterations": 3, "batch": 16, "data": "synthetic:rows=200", "init": "he"}
    (one,) = actdiag.train(**options, optimizer="adam", scale="unit", lr="auto")
    (other,) = actdiag.train(**options, optimizer="Adam", scale="UNIT", lr="AUTO")
    assert (one.recipe, one.learning_rate, one.loss) == (other.recipe, other.learning_rate, other.loss)
    assert one.data == other.data


def test_judges_and_rules():
    judged = actdiag.judge("relu", "std=0.01", judges=["SageMaker", "TorchMortem"], **TINY)
    assert [one.judge for one in judged] == ["sagemaker", "torchmortem"]
    assert actdiag.explain("Saturation") == actdiag.explain("saturation")


@pytest.mark.parametrize(
    ("command", "plain", "shouted"),
    [
        ("propagate", "--gain auto", "--gain AUTO"),
        ("propagate", "--init auto", "--init AUTO"),
        ("propagate", "--input uniform", "--input Uniform"),
        ("propagate", "--dtype float64", "--dtype FLOAT64"),
        ("propagate", "--judge sagemaker,autotrainer", "--judge SageMaker,AUTOTRAINER"),
        ("grad-flow", "--loss mse", "--loss MSE"),
        ("train", "--lr auto --iterations 2 --init he", "--lr Auto --iterations 2 --init HE"),
        ("train", "--optimizer adam --iterations 2 --init he", "--optimizer Adam --iterations 2 --init he"),
        ("train", "--scale raw --iterations 2 --init he", "--scale RAW --iterations 2 --init he"),
    ],
)
def test_an_answer_is_the_same(capsys, command, plain, shouted):
    small = SMALL if command != "train" else ["--depth", "2", "--width", "8", "--data", "synthetic:rows=400"]
    answers = [
        json.loads(succeed(capsys, command, *small, *options.split(), "--json", "-")) for options in (plain, shouted)
    ]
    assert answers[0] == answers[1]


def test_layers_and_gates(capsys):
    assert succeed(capsys, "propagate", *SMALL, "--layers", "ALL") == succeed(capsys, "propagate", *SMALL)
    sick = ["propagate", *SMALL, "--init", "std=0.01"]
    for names in ("Untrainable", "AT-RISK", "Vanishing_Signal"):
        assert run([*sick, "--fail-on", names]) == 3
    capsys.readouterr()
    assert succeed(capsys, "explain", "SATURATION") == succeed(capsys, "explain", "saturation")


def test_help_spells_auto_as_it_is_documented(capsys):
    assert "--gain X|auto" in succeed(capsys, "propagate", "--help")
    assert "--lr X,...|auto" in succeed(capsys, "train", "--help")


def test_a_stack_made_directly_spells_its_words_as_offered():
    stack = actdiag.make_stack(**TINY)
    assert replace(stack, dtype="FLOAT32", input="NORMAL") == stack
    np.testing.assert_array_equal(replace(stack, input="NORMAL").inputs(), stack.inputs())
