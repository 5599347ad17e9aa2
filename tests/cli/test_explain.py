"""actdiag explain: the rules in a table, and each with its meaning and limits."""

import io
from dataclasses import replace

import pytest
from command import succeed
from rich.console import Console

from actdiag.cli.command import run
from actdiag.diagnosis import RULES, rules_from
from actdiag.render.terminal.explain import allowed, rule_view, rules_view


def shown(view, width, **console):
    screen = Console(file=io.StringIO(), width=width, highlight=False, markup=False, emoji=False, **console)
    screen.print(view)
    return screen.file.getvalue()


def words(text):
    return " ".join(text.split())


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("ascii_only", [False, True])
def test_the_table_has_a_row_for_each_rule(width, ascii_only):
    text = shown(rules_view(RULES, ascii_only=ascii_only), width)
    rows = {line.split()[0]: line for line in text.splitlines() if line.split()[:1] and line.split()[0] in RULES}
    assert list(rows) == list(RULES)
    for name, row in rows.items():
        assert RULES[name].title in row
        assert f" {allowed(RULES[name])} " in row
        assert row.split()[-1] == RULES[name].severity
    assert all(len(line) <= width for line in text.splitlines())
    assert text.isascii() or not ascii_only


@pytest.mark.parametrize("width", [40, 80, 120])
@pytest.mark.parametrize("name", RULES)
def test_a_rule_is_told_in_full(name, width):
    rule = RULES[name]
    text = shown(rule_view(rule), width)
    assert all(len(line) <= width for line in text.splitlines())
    assert text.isascii()
    if width == 40:
        return  # words are broken there
    for said in (
        name,
        rule.title,
        rule.quantity,
        allowed(rule),
        rule.severity,
        rule.explanation,
        rule.remedy,
        rule.source,
    ):
        assert words(said)[:30] in words(text)
    assert words(rule.explanation)[-30:] in words(text)


@pytest.mark.parametrize(
    ("bounds", "text"),
    [
        ({"low": 0.05, "high": 20}, "0.05 to 20"),
        ({"low": -float("inf"), "high": 20}, "at most 20"),
        ({"low": 1e-7, "high": float("inf")}, "at least 1e-07"),
    ],
)
def test_intervals_are_written_out(bounds, text):
    assert allowed(rules_from({"input_scale": bounds})["input_scale"]) == text


def test_other_limits_are_shown_beside_the_rules_own(tmp_path, capsys):
    path = tmp_path / "rules.toml"
    path.write_text('[saturation]\nhigh = 0.9\n[aligned_inputs]\nseverity = "warning"\n[dead_units]\nenabled = false\n')
    table = succeed(capsys, "explain", "--rules", path)
    rows = {line.split()[0]: line.split() for line in table.splitlines() if line.split()[:1]}
    assert rows["saturation"][-2:] == ["0.9", "info"]
    assert rows["aligned_inputs"][-1] == "warning"
    assert rows["dead_units"][-1] == "off"
    assert "at most 0.9 (the rule's own: at most 0.5)" in succeed(capsys, "explain", "saturation", "--rules", path)
    assert "the rule's own" not in succeed(capsys, "explain", "aligned_inputs", "--rules", path)
    assert "off: the rule is not applied" in succeed(capsys, "explain", "dead_units", "--rules", path)


def test_what_would_change_a_rule_is_taken_back(tmp_path, capsys):
    """The limits that `explain` writes out are those that a file may set."""
    for name, rule in RULES.items():
        said = succeed(capsys, "explain", name)
        path = tmp_path / f"{name}.toml"
        path.write_text(said[said.rindex(f"[{name}]") :])
        changed = rules_from(path)[name]
        assert replace(changed, low=rule.low, high=rule.high) == rule
        assert changed.bounds == pytest.approx(rule.bounds, rel=1e-3)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("vanishing_gradiant", "RULE must name a rule, got 'vanishing_gradiant'; did you mean vanishing_gradient"),
        ("xyz", "RULE must name a rule, got 'xyz'; `actdiag explain` lists them"),
    ],
)
def test_an_unknown_rule_is_refused_with_the_nearest(capfd, name, message):
    assert run(["explain", name]) == 2
    answer, error = capfd.readouterr()
    assert answer == ""
    assert error.startswith(f"Error: {message}")
    assert len(error.splitlines()) == 1


def test_a_plain_output_has_no_colour_and_no_characters_beyond_ascii(capsys, monkeypatch):
    monkeypatch.setenv("LC_ALL", "C")
    for arguments in (["explain"], ["explain", "dead_units"]):
        text = succeed(capsys, *arguments)
        assert text.isascii()
        assert "\x1b" not in text
        assert not any(line.endswith(" ") for line in text.splitlines())


def test_a_terminal_has_colour_unless_told_otherwise():
    view = rules_view(RULES)
    assert "\x1b[31merror" in shown(view, 80, force_terminal=True, color_system="standard", no_color=False)
    assert "\x1b[31m" not in shown(view, 80, force_terminal=True, color_system="standard", no_color=True)
