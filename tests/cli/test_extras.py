"""What --judge and --fix add to the answers of propagate and grad-flow."""

import json
import shlex

import numpy as np
import pytest

from actdiag.cli.command import run


def answer(capsys, line):
    """Return exit code, standard output and standard error of a command line."""
    code = run(shlex.split(line.replace("\\\n", " ")))
    out, err = capsys.readouterr()
    return code, out, err


def document(capsys, line):
    code, out, err = answer(capsys, f"{line} --json -")
    assert (code, err) == (0, "")
    return json.loads(out)


SICK = "propagate --act gelu --init xavier --depth 30 --no-theory"


def test_fix_shows_before_and_after_and_the_command(capsys):
    code, out, _ = answer(capsys, f"{SICK} --fix")
    assert code == 0
    _, after = out.split("fix: initializer (--init auto; 1 change tried)")
    assert [line.split() for line in after.splitlines() if line.startswith("verdict")] == [
        ["verdict", "untrainable", "healthy"]
    ]
    assert "actdiag propagate --act gelu --init auto --depth 30 --no-theory" in " ".join(
        after.replace("\\\n", "").split()
    )


@pytest.mark.parametrize(
    "line",
    [
        SICK,
        f"{SICK} --bias-std 0.1 --batch 200",
        "grad-flow --act 'x*sigmoid(1.7*x)' --init std=0.01 --depth 10 --loss cross-entropy --classes 4 --no-theory",
        "propagate --act tanh --init constant:0.1 --depth 4 --widths 20,30 --range -1 1".replace(" --depth 4", ""),
    ],
)
def test_the_command_repeats_the_mended_run(capsys, line):
    fix = document(capsys, f"{line} --fix")["fix"]
    assert fix["after"]["verdict"]["severity"] == "healthy"
    again = document(capsys, fix["command"].removeprefix("actdiag "))
    assert again == fix["after"]


def test_fix_has_nothing_to_do(capsys):
    assert document(capsys, "propagate --fix")["fix"] is None
    assert "fix: none needed" in answer(capsys, "propagate --fix")[1]


def test_fix_says_when_nothing_helps(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("zeros.npy", np.zeros((5, 1)))
    line = "propagate --init zeros --width 1 --depth 30 --input zeros.npy --fix --no-theory"
    assert document(capsys, line)["fix"] is None
    assert "fix: none\n" in answer(capsys, line)[1]


def test_a_long_command_goes_on_in_the_next_line(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    _, out, _ = answer(capsys, f"{SICK} --seed 3 --batch 200 --dtype float64 --bias-mean 0 --fix")
    command = out[out.index("  actdiag propagate") :].partition("\n\n")[0]
    assert "\\\n" in command
    assert all(len(part) <= 80 for part in command.splitlines())
    code, again, _ = answer(capsys, command.strip().removeprefix("actdiag "))
    assert code == 0
    assert "verdict: healthy" in again


@pytest.mark.parametrize(
    "line",
    [
        SICK,
        "grad-flow --act tanh --init constant:0.01 --depth 6 --batch 100 --no-theory",
        "propagate --act relu --init he --bias-mean -5 --widths 20,30,20 --seed 4",
        "grad-flow --act relu --init std=0.01 --depth 6 --input 'rows.npy' --labels labels.npy --loss mse --classes 3",
    ],
)
def test_the_command_of_a_verdict_runs_to_what_it_promises(capsys, line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("rows.npy", np.random.default_rng(0).normal(size=(90, 12)))
    np.save("labels.npy", np.arange(90) % 3)
    verdict = document(capsys, line)["verdict"]
    fix = verdict["fix"]
    assert verdict["severity"] == "untrainable"
    assert fix["command"].startswith("actdiag ")
    assert set(fix) == {"changes", "command", "severity", "probability", "tried"}
    again = document(capsys, fix["command"].removeprefix("actdiag "))["verdict"]
    assert again["severity"] == fix["severity"] == "healthy"
    if "--batch" in line or "rows.npy" in line:  # no more rows than advice is tried on
        assert again["probability"] == fix["probability"]
    assert [one["advice"] != "" for one in verdict["findings"]] == [
        one["rule"] == verdict["decided_by"][0] for one in verdict["findings"]
    ]


def test_fix_and_verdict_say_the_same(capsys):
    said = document(capsys, f"{SICK} --fix")
    fix, proven = said["fix"], said["verdict"]["fix"]
    assert fix["options"] == proven["changes"]
    assert {name: fix[name] for name in ("command", "severity", "probability", "tried")} == {
        name: proven[name] for name in ("command", "severity", "probability", "tried")
    }
    assert (fix["severity"], fix["probability"]) == tuple(
        fix["after"]["verdict"][name] for name in ("severity", "probability")
    )
    assert said["verdict"]["findings"][0]["advice"].startswith("--init auto: healthy, ")
    assert document(capsys, "propagate")["verdict"]["fix"] is None


@pytest.mark.parametrize("command", ["propagate", "grad-flow"])
def test_judges_say_what_other_tools_would(capsys, command):
    line = f"{command} --init std=0.01 --no-theory --judge sagemaker,torchmortem"
    said = document(capsys, line)["judgements"]
    assert [one["judge"] for one in said] == ["sagemaker", "torchmortem"]
    assert not any(one["healthy"] for one in said)
    assert all(
        charge.keys() == {"rule", "layers", "value", "limit", "said"} for one in said for charge in one["charges"]
    )
    out = answer(capsys, line)[1]
    assert "sagemaker   unhealthy" in out
    assert "torchmortem unhealthy" in out


def test_a_judge_that_finds_nothing(capsys):
    assert "autotrainer nothing wrong" in answer(capsys, "grad-flow --judge autotrainer")[1]


@pytest.mark.parametrize("names", ["sagemker", "sagemaker,", ""])
def test_unknown_judges_are_refused(capsys, names):
    code, out, err = answer(capsys, f"propagate --judge '{names}'")
    assert (code, out) == (2, "")
    assert err.startswith("Error: --judge must be one of sagemaker, deepdiagnosis, autotrainer, torchmortem, got ")
    assert err.count("\n") == 1
