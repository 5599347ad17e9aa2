"""--fail-on: an exit code of 3 after the answer, and why on standard error."""

import json
import os
import subprocess
import sys

import builders
import pytest
from command import ENVIRONMENT, POSIX, SMALL

import actdiag
from actdiag.cli.command import run
from actdiag.cli.gate import EXIT_TRIPPED, Gate, taken_from
from actdiag.diagnosis import RULES, rules_from
from actdiag.diagnosis.findings import Finding
from actdiag.errors import InvalidField

SICK = ["--init", "std=0.01"]


def finding(rule, severity, explained=False):
    return Finding(rule, severity, (), 1.0, 0.0, f"{rule} was found", "", explained)


def tripped(verdict, *names, rules=RULES):
    return Gate(names, rules).tripped_by(verdict)


WARNED = builders.verdict("at-risk", [finding("saturation", "warning"), finding("dead_units", "info", explained=True)])
LOST = builders.verdict(
    "untrainable", [finding("nonfinite", "error"), finding("saturation", "warning")], decided_by=("nonfinite",)
)
FINE = builders.verdict("healthy", [finding("flat_weight_gradient", "info"), finding("dead_units", "info")])


@pytest.mark.parametrize(
    ("verdict", "names", "found"),
    [
        (FINE, ["at-risk", "untrainable"], []),
        (WARNED, ["untrainable"], []),
        (WARNED, ["at-risk"], ["saturation"]),
        (LOST, ["at-risk"], ["nonfinite"]),
        (LOST, ["untrainable"], ["nonfinite"]),
        (LOST, ["saturation"], ["saturation"]),
        (LOST, ["saturation", "untrainable"], ["nonfinite", "saturation"]),
        (WARNED, ["nonfinite"], []),
        (WARNED, ["dead_units"], []),  # harmless
        (FINE, ["dead_units"], ["dead_units"]),  # a note trips its rule, whatever the verdict
        (FINE, ["flat_weight_gradient"], ["flat_weight_gradient"]),
        (WARNED, [], []),
    ],
)
def test_what_trips_a_gate(verdict, names, found):
    lines = tripped(verdict, *names)
    assert [line.split()[2].rstrip(":") for line in lines] == found
    assert all(line.startswith(f"{verdict.severity}: ") and line.endswith(" was found") for line in lines)


def test_a_verdict_that_no_finding_explains_trips_all_the_same():
    assert tripped(builders.verdict("untrainable"), "at-risk") == ["untrainable: probability 0.02"]
    assert tripped(builders.verdict("untrainable"), "nonfinite") == []


def test_severities_of_a_file_do_not_change_what_trips():
    for severity in ("info", "warning", "error"):
        rules = rules_from({"dead_units": {"severity": severity}})
        assert tripped(WARNED, "dead_units", rules=rules) == []
        assert len(tripped(FINE, "dead_units", rules=rules)) == 1


def test_a_note_of_a_healthy_run_trips_where_it_is_no_chance(capfd):
    shifted = ["propagate", *SMALL, "--act", "relu", "--init", "he", "--bias-mean", "-0.77", "--fail-on", "dead_units"]
    assert run(shifted) == 3
    assert capfd.readouterr().err.startswith("relu, he: healthy: info dead_units: ")
    assert run(["propagate", *SMALL, "--batch", "1", "--init", "he", "--fail-on", "dead_units"]) == 0


def test_names_are_read_and_judged_with_the_rules(tmp_path):
    path = tmp_path / "rules.toml"
    path.write_text("[saturation]\nhigh = 0.9\n")
    given = {"fail_on": " at-risk, saturation", "rules": str(path), "other": 1}
    gate = taken_from(given)
    assert gate.names == ("at-risk", "saturation")
    assert gate.rules["saturation"].high == 0.9
    assert given == {"rules": gate.rules, "other": 1}
    assert taken_from({"fail_on": None, "rules": None}) == Gate((), RULES)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("at_risk", "must be at-risk, untrainable, unknown or name rules, got 'at_risk'; did you mean at-risk"),
        ("healthy", "got 'healthy'; `actdiag explain` lists the rules"),
        ("nonfinite,dead_unit", "got 'dead_unit'; did you mean dead_units"),
        ("", "got ''"),
        ("at-risk,", "got ''"),
        ("saturation", "must name rules that are applied, got 'saturation', which --rules disables"),
    ],
)
def test_what_nothing_can_trip_is_refused(names, message):
    with pytest.raises(InvalidField) as raised:
        taken_from({"fail_on": names, "rules": {"saturation": {"enabled": False}}})
    assert raised.value.field == "fail_on"
    assert message in raised.value.problem


COMMANDS = {
    "propagate": (["propagate", *SMALL], {"vanishing_gradient"}),
    "grad-flow": (["grad-flow", *SMALL], {"vanishing_gradient"}),
    "compare": (["compare", *SMALL, "--act", "relu,tanh"], {"vanishing_gradient"}),
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", ["at-risk", "untrainable", "vanishing_signal"])
def test_commands_exit_with_3_after_the_answer(capfd, command, name):
    arguments, _ = COMMANDS[command]
    assert run([*arguments, *SICK, "--fail-on", name]) == EXIT_TRIPPED == 3
    answer, why = capfd.readouterr()
    assert run([*arguments, *SICK]) == 0
    assert answer == capfd.readouterr().out
    assert "untrainable" in answer
    lines = why.splitlines()
    assert len(lines) == len(set(lines))
    assert all(line.startswith(("relu, std=0.01: untrainable: ", "tanh, std=0.01: untrainable: ")) for line in lines)
    assert {line.split(", ")[0] for line in lines} == ({"relu", "tanh"} if command == "compare" else {"relu"})
    if name == "vanishing_signal":
        assert all(" vanishing_signal: rms of activations falls" in line for line in lines)


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_exit_with_0_where_nothing_trips(capfd, command):
    assert run([*COMMANDS[command][0], "--init", "he", "--fail-on", "at-risk,dead_units,vanishing_signal"]) == 0
    assert capfd.readouterr().err == ""


def test_the_json_is_whole_when_a_gate_trips(capfd):
    assert run(["propagate", *SMALL, *SICK, "--json", "-", "--fail-on", "untrainable"]) == 3
    assert json.loads(capfd.readouterr().out)["verdict"]["severity"] == "untrainable"


def test_one_stack_of_many_trips(capfd):
    assert run(["compare", *SMALL, "--act", "relu", "--init", "he,std=0.01,std=1e-9", "--fail-on", "untrainable"]) == 3
    stacks = {line.split(":")[0] for line in capfd.readouterr().err.splitlines()}
    assert stacks == {"relu, std=0.01", "relu, std=1e-09"}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--fail-on", "bad"], "--fail-on must be at-risk, untrainable, unknown or name rules, got 'bad'"),
        (["--rules", "nowhere.toml"], "--rules must be a TOML file with a table for each rule, got 'nowhere.toml'"),
        (["--rules", "bad.toml"], "--rules must name rules, got [saturated]; did you mean saturation"),
        (["--rules", "off.toml", "--fail-on", "saturation"], "--fail-on must name rules that are applied"),
    ],
)
def test_bad_gates_and_rules_are_refused_before_anything_is_run(
    capfd, monkeypatch, tmp_path, command, options, message
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.toml").write_text("[saturated]\nhigh = 1\n")
    (tmp_path / "off.toml").write_text("[saturation]\nenabled = false\n")
    for runner in ("run_propagate", "run_grad_flow"):
        monkeypatch.setattr(f"actdiag.experiments.run.{runner}", lambda *arguments: pytest.fail("it ran"))
    assert run([*COMMANDS[command][0], *options]) == 2
    answer, error = capfd.readouterr()
    assert answer == ""
    assert error.startswith(f"Error: {message}")
    assert len(error.splitlines()) == 1


def test_limits_of_a_file_change_what_trips(capfd, tmp_path):
    path = tmp_path / "rules.toml"
    path.write_text("[saturation]\nhigh = 0.99\n")
    saturated = ["propagate", *SMALL, "--act", "tanh", "--init", "std=3", "--fail-on", "saturation"]
    assert run(saturated) == 3
    assert "saturation: up to" in capfd.readouterr().err
    assert run([*saturated, "--rules", str(path)]) == 0


@POSIX
@pytest.mark.parametrize("unbuffered", ["1", ""], ids=["fails when written", "fails when flushed"])
def test_a_closed_pipe_does_not_hide_that_a_gate_tripped(unbuffered):
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "actdiag", "propagate", *SMALL, *SICK, "--fail-on", "untrainable"]
    environment = ENVIRONMENT | {"PYTHONUNBUFFERED": unbuffered}
    done = subprocess.run(command, env=environment, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert "vanishing" in done.stderr


@pytest.mark.parametrize(
    ("words", "at", "offered"),
    [
        ("actdiag propagate --fail-on untrainable,dead", "3", {"untrainable,dead_units"}),
        ("actdiag propagate --fail-on at", "3", {"at-risk"}),
        ("actdiag explain satu", "2", {"saturation"}),
        ("actdiag train --init glorot_n", "3", {"glorot_normal"}),
        ("actdiag propagate --init he,aut", "3", {"he,auto"}),
        ("actdiag propagate --act swi", "3", {"swiglu", "swish"}),
        ("actdiag propagate --judge sagemaker,torch", "3", {"sagemaker,torchmortem"}),
        ("actdiag propagate --input uni", "3", {"uniform", "uni"}),
        ("actdiag grad-flow --labels dig", "3", {"digits", "dig"}),
        ("actdiag train --data syn", "3", {"synthetic", "syn"}),
        ("actdiag propagate --rules li", "3", {"li"}),
        ("actdiag propagate -o pict", "3", {"pict"}),
    ],
)
def test_completion_offers_names_and_leaves_files_to_the_shell(words, at, offered):
    environment = ENVIRONMENT | {"_ACTDIAG_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": at}
    command = [sys.executable, "-c", "from actdiag.__main__ import main; main()"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert {line.split(",", 1)[1] for line in done.stdout.splitlines()} == offered


def test_an_unknown_verdict_trips_its_own_name_alone():
    report = actdiag.propagate("relu", "he", depth=2, width=8, batch=16, iterations=100, theory=False)
    assert report.verdict.severity == "unknown"
    assert tripped(report.verdict, "at-risk", "untrainable") == []
    assert tripped(report.verdict, "unknown") == ["unknown: 100 iterations are fewer than 250"]
    assert tripped(FINE, "unknown") == tripped(LOST, "unknown") == []


@pytest.mark.parametrize(("gate", "code"), [("unknown", EXIT_TRIPPED), ("at-risk", 0), ("untrainable", 0)])
def test_the_exit_code_of_an_unknown_verdict(gate, code, capsys):
    arguments = ["propagate", *SMALL, "--iterations", "100", "--fail-on", gate]
    assert run(arguments) == code
    assert ("unknown: 100 iterations" in capsys.readouterr().err) is bool(code)
