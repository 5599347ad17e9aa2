"""fix, judge, explain and verify: what the command line says, from Python."""

import json

import pytest
from command import SMALL, succeed

import actdiag
import actdiag.experiments.run
from actdiag import InvalidField
from actdiag.documents.extras import judgements_to_dict
from actdiag.documents.plain import as_plain
from actdiag.external import JUDGES

SICK = {"act": "gelu", "init": "xavier", "depth": 30, "width": 40, "batch": 100, "theory": False}
SICK_LINE = "--act gelu --init xavier --depth 30 --width 40 --batch 100 --no-theory".split()


def test_a_fix_is_that_of_the_command_line(capsys):
    for command, options in (("propagate", {}), ("grad-flow", {"backward": True, "loss": "cross-entropy"})):
        loss = ["--loss", "cross-entropy"] if options else []
        said = json.loads(succeed(capsys, command, *SICK_LINE, *loss, "--fix", "--json", "-"))["fix"]
        found = actdiag.fix(**SICK, **options)
        assert (found.change.what, dict(found.change.options), found.tried) == (
            said["what"], said["options"], said["tried"],
        )  # fmt: skip
        assert found.report.command == command
        assert json.loads(found.report.to_json()) == said["after"]


def test_a_report_that_is_there_is_not_made_again(monkeypatch):
    report = actdiag.propagate(**SICK)
    expected = actdiag.fix(**SICK)
    ran = []
    original = actdiag.experiments.run.run_propagate
    monkeypatch.setattr(
        "actdiag.experiments.run.run_propagate", lambda stack, *rest: ran.append(stack) or original(stack, *rest)
    )
    found = actdiag.fix(**SICK, report=report)
    assert found.change == expected.change
    assert len(ran) == found.tried
    assert report.stack not in ran


def test_nothing_to_fix_and_no_fix():
    assert actdiag.fix("relu", "he", depth=3, batch=100) is None
    assert actdiag.fix("relu", "he", width=1, depth=30, theory=False) is None


def test_a_fix_tells_its_progress():
    told = []
    found = actdiag.fix(**SICK, progress=lambda *step: told.append(step))
    assert told == [(done, 30) for done in range(1, 31)] * (found.tried + 1)


def test_a_fix_is_found_over_all_repeats():
    found = actdiag.fix(**SICK, repeats=2, seed=3)
    assert found.report.repeats.seeds == (3, 4)


def test_judgements_are_those_of_the_command_line(capsys):
    line = ["--init", "std=0.01", "--no-theory", "--judge", "torchmortem,sagemaker", "--json", "-"]
    small = {"batch": 50, "width": 20, "depth": 3}
    said = json.loads(succeed(capsys, "propagate", *SMALL, *line))["judgements"]
    names = ["torchmortem", "sagemaker"]
    assert judgements_to_dict(actdiag.judge(init="std=0.01", judges=names, **small)) == said
    line += ["--loss", "mse", "--classes", "4"]
    said = json.loads(succeed(capsys, "grad-flow", *SMALL, *line))["judgements"]
    judged = actdiag.judge(init="std=0.01", judges=names, loss="mse", classes=4, **small)
    assert judgements_to_dict(judged) == said


def test_all_judges_are_asked_by_default():
    assert tuple(one.judge for one in actdiag.judge(depth=2, width=8, batch=20)) == JUDGES
    assert actdiag.judge(depth=2, width=8, batch=20, judges=[]) == ()
    with pytest.raises(
        InvalidField, match=r"judge must be one of sagemaker, .* got 'sagemker'; did you mean sagemaker"
    ):
        actdiag.judge(judges=["sagemker"])


def test_a_rule_is_explained():
    rule = actdiag.explain("vanishing_gradient")
    assert rule is actdiag.RULES["vanishing_gradient"]
    assert actdiag.explain("saturation", {"saturation": {"high": 0.9}}).high == 0.9
    with pytest.raises(InvalidField, match="rule must name a rule, got 'saturate'; did you mean saturation"):
        actdiag.explain("saturate")
    with pytest.raises(InvalidField, match="rule must name a rule, got 3; `actdiag explain` lists them"):
        actdiag.explain(3)


def test_a_verification_is_that_of_the_command_line(capsys):
    line = ["gain", "tanh", "--bias-std", "0.2", "--verify", "--depth", "4", "--width", "32", "--seed", "7"]
    (said,) = json.loads(succeed(capsys, *line, "--json", "-"))["activations"]
    told = []
    found = actdiag.verify("tanh", 0.2, depth=4, width=32, seed=7, progress=lambda *step: told.append(step))
    assert as_plain(found) == said["verify"]
    assert told == [(done, 40 + 250) for done in range(1, 40 + 250 + 1)]
    one, two = (actdiag.verify("tanh", 0.2, depth=4, width=32, seed=7, threads=threads) for threads in (1, 2))
    assert one == two == found
