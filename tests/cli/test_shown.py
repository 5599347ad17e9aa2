"""How much of an answer is shown: --theory, --summary and --quiet; and rules by their former names."""

import json

import pytest

from actdiag.cli.command import run
from actdiag.diagnosis import FORMER_NAMES, RULES, rule_name, rules_from

SICK = ["propagate", "--init", "std=0.01", "--depth", "3", "--width", "20", "--batch", "50"]
VERDICT = "verdict: untrainable"


def shown(capsys, *arguments, code=0):
    assert run(list(arguments)) == code
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


def of_theory(text):
    """Return the lines of the summary that theory has."""
    _, _, after = text.partition("\n  theory")
    lines = f"  theory{after}".splitlines() if after else []
    return [lines[0], *[line for line in lines[1:] if line.startswith("    ")][:9]] if lines else []


@pytest.mark.parametrize(
    ("arguments", "lines", "columns"),
    [
        ([], ["vanishes, x"], True),
        (["--theory"], ["vanishes, x"], True),
        (["--theory", "Line"], ["vanishes, x"], True),
        (["--theory", "full"], ["ordered, stable: q* 0", "signal changes 1000-fold", "the signal vanishes"], True),
        (["--theory", "none"], [], False),
        (["--no-theory"], [], False),
        (["--no-theory", "--theory", "full"], [], False),
    ],
)
def test_theory_is_a_line_unless_more_or_none_of_it_is_asked_for(capsys, arguments, lines, columns):
    text = shown(capsys, *SICK, *arguments)
    found = " ".join(of_theory(text))
    for line in lines:
        assert line in found
    assert bool(lines) == bool(found)
    assert ("q*" in text) == (len(lines) > 1)
    assert ("measured|predicted" in text) == columns


def test_only_words_that_theory_has_are_accepted(capsys):
    assert run([*SICK, "--theory", "long"]) == 2
    assert capsys.readouterr().err == "Error: --theory must be one of none, line, full, got 'long'\n"


@pytest.mark.parametrize("command", [SICK, ["grad-flow", *SICK[1:]]])
def test_a_summary_is_the_verdict_alone(capsys, command):
    whole = shown(capsys, *command)
    alone = shown(capsys, *command, "--summary")
    assert alone.startswith(VERDICT)
    assert whole.endswith(alone)
    assert "histogram" in whole
    assert "histogram" not in alone


def test_quiet_leaves_the_exit_status_and_the_files(capsys, tmp_path):
    out = tmp_path / "out.json"
    assert shown(capsys, *SICK, "--quiet", "--json", str(out), "--fail-on", "untrainable", code=3) == ""
    assert json.loads(out.read_text())["verdict"]["severity"] == "untrainable"
    assert shown(capsys, *SICK, "--quiet", "--fail-on", "exploding_signal") == ""
    assert json.loads(shown(capsys, *SICK, "--quiet", "--json", "-"))["command"] == "propagate"
    assert shown(capsys, "compare", "--act", "relu", "--init", "he", *SICK[3:], "--quiet") == ""
    train = ["train", "--init", "he", "--iterations", "2", "--data", "synthetic:rows=200", *SICK[3:7]]
    assert shown(capsys, *train, "--quiet") == ""


@pytest.mark.parametrize(("former", "name"), FORMER_NAMES.items())
def test_rules_are_found_by_their_former_names(capsys, former, name):
    assert former not in RULES
    assert rules_from({former: {"enabled": False}})[name].enabled is False
    assert rule_name(former.upper()) == name
    assert shown(capsys, "explain", former) == shown(capsys, "explain", name)


def test_a_gate_takes_the_former_name_of_a_rule(capsys):
    assert run([*SICK, "--fail-on", "faint_output"]) == 3
    assert "untrainable: error small_output: " in capsys.readouterr().err
