"""The report on hostile cases counts how they end and lists what breaks the contract."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from hostile import report
from hostile.case import Case
from hostile.drawing import drawn

TESTS = Path(__file__).parent.parent
FINE = Case("a depth of none", ("propagate", "--depth", "0"), said="Error: --depth ")
WRONG = Case("a depth\x1b[31m of none", ("propagate", "--depth", "0"), frozenset({0}))
RULES = Case("rules", ("explain",), frozenset({0}))
SLOW = Case("slow", ("initializers",), frozenset({0}), slow=True)
ABSENT = Case("absent", ("initializers",), frozenset({2}), needs="a_package_that_nobody_has")


def reported(monkeypatch, arguments, **classes):
    """Return the exit code and the lines of a report on classes of cases."""
    monkeypatch.setattr(report, "CLASSES", {name: lambda cases=cases: iter(cases) for name, cases in classes.items()})
    result = CliRunner().invoke(report.main, arguments, catch_exceptions=False)
    return result.exit_code, result.output.splitlines()


def test_codes_are_counted_and_the_longest_is_named(monkeypatch):
    code, lines = reported(monkeypatch, [], one=[FINE, RULES, SLOW, ABSENT], none=[])
    assert (code, lines[-1]) == (0, "0 broke the contract")
    assert lines[0].split()[:9] == ["class", "cases", "0", "2", "3", "129", "130", "143", "else"]
    assert lines[1].split()[:9] == ["one", "3", "2", "1", "0", "0", "0", "0", "0"]
    assert any(lines[1].endswith(f"  {case.name}") for case in (FINE, RULES, SLOW))
    assert lines[2].split() == ["none", *"00000000"]


def test_slow_cases_can_be_left_out(monkeypatch):
    _, lines = reported(monkeypatch, ["--quick"], one=[FINE, SLOW])
    assert lines[1].split()[:4] == ["one", "1", "0", "1"]


def test_what_breaks_the_contract_is_listed(monkeypatch):
    code, lines = reported(monkeypatch, [], one=[FINE, WRONG])
    assert (code, lines[-3]) == (1, "1 broke the contract")
    assert lines[-2] == r"a depth\x1b[31m of none: actdiag propagate --depth 0"
    assert "code=2" in lines[-1]


@pytest.mark.parametrize("raised", [subprocess.TimeoutExpired("actdiag", 60), report.Hang(), ZeroDivisionError("bug")])
def test_cases_that_do_not_end_are_counted_too(monkeypatch, raised):
    def fails(*arguments):
        raise raised

    code, lines = reported(monkeypatch, [], one=[FINE._replace(start=fails), FINE])
    assert code == 1
    assert lines[1].split()[:9] == ["one", "2", "0", "1", "0", "0", "0", "0", "1"]
    assert type(raised).__name__ in lines[-1]


def test_lines_are_drawn_by_their_seed():
    one, same, other = ([case.arguments for case in drawn(20, seed)] for seed in (1, 1, 2))
    assert one == same != other
    assert len(one) == 20


def test_the_command_of_the_guide():
    command = [sys.executable, "-m", "hostile.report", "--drawn", "5", "--seed", "1"]
    paths = os.pathsep.join([str(TESTS), *filter(None, sys.path)])
    done = subprocess.run(
        command, cwd=TESTS.parent, env=os.environ | {"PYTHONPATH": paths}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[1].split()[:2] == ["drawn", "5"]
