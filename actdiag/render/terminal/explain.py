"""Views of the rules behind a verdict: all of them in a table, or one with its meaning and its limits."""

from math import inf

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from actdiag.diagnosis import RULES, Rule, Rules
from actdiag.render.terminal.marks import SEVERITY_STYLES, table

_CERTAIN = "no stack with this fault trains"
_MEANINGS = {
    "info": "a note; a warning or an error where it explains a low probability",
    "warning": "at least a warning; the verdict follows from the probability",
    "error": "an error; the verdict follows from the probability",
}


def rules_view(rules: Rules, *, ascii_only: bool = False) -> RenderableType:
    """Return a table of the rules with the intervals that they allow.

    Args:
        rules: The rules that are applied.
        ascii_only: Whether to do without characters beyond ASCII.
    """
    view = table(ascii_only)
    view.add_column("rule", no_wrap=True)
    view.add_column("finds", overflow="fold")
    for head in ("allowed", "severity"):
        view.add_column(head, no_wrap=True)
    for rule in rules.values():
        severity = Text(rule.severity, SEVERITY_STYLES[rule.severity]) if rule.enabled else Text("off", "dim")
        view.add_row(rule.name, rule.title, allowed(rule), severity)
    hint = "`actdiag explain RULE` says what a rule means; --rules FILE.toml sets other limits"
    return Group(view, Text(), Text(hint, "dim"))


def rule_view(rule: Rule) -> RenderableType:
    """Return all that is known of one rule."""
    view = Table.grid(padding=(0, 2, 0, 0))
    view.add_column(no_wrap=True)
    view.add_column(overflow="fold")
    meaning = _CERTAIN if rule.certain else _MEANINGS[rule.severity]
    severity = Text(rule.severity, SEVERITY_STYLES[rule.severity]).append(f": {meaning}", "default")
    lines: list[tuple[str, str | Text]] = [
        ("measured", rule.quantity),
        ("allowed", allowed(rule) + _changed(rule)),
        ("severity", severity if rule.enabled else Text("off: the rule is not applied")),
        ("meaning", rule.explanation),
        ("remedy", rule.remedy),
        ("source", rule.source),
        ("to change", _to_change(rule)),
    ]
    for label, text in lines:
        view.add_row(Text(label, "dim"), text)
    return Group(Text.assemble((rule.name, "bold"), f": {rule.title}"), view)


def allowed(rule: Rule) -> str:
    """Return the interval that a rule allows in words."""
    if rule.low == -inf:
        return f"at most {rule.high:.4g}"
    return f"at least {rule.low:.4g}" if rule.high == inf else f"{rule.low:.4g} to {rule.high:.4g}"


def _changed(rule: Rule) -> str:
    """Return what the interval was before a file changed it."""
    own = RULES.get(rule.name, rule)
    return "" if own.bounds == rule.bounds else f" (the rule's own: {allowed(own)})"


def _to_change(rule: Rule) -> str:
    """Return the table that a file of rules would have."""
    limits = [f"{name} = {bound:.4g}" for name, bound in rule.bounds.items()]
    keys = [*limits, f'severity = "{rule.severity}"', f"enabled = {str(rule.enabled).lower()}"]
    return "\n".join(["--rules FILE.toml, with values other than", f"[{rule.name}]", *keys])
