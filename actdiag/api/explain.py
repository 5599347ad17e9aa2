"""explain: what a rule of the verdict means."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from actdiag.api.signatures import takes
from actdiag.diagnosis import Rule, rule_name, rules_from
from actdiag.errors import InvalidField, did_you_mean
from actdiag.options import RuleOptions


@takes(RuleOptions)
def explain(rule: str, rules: str | Path | Mapping[str, Any] | None = RuleOptions.rules) -> Rule:
    """Return a rule of the verdict: its title, its limits, what it means, what to do about it and its source.

    `rule` is its name, as in `Finding.rule`; `actdiag.RULES` holds all rules by name.

    Raises:
        InvalidField: There is no such rule.

    Example:
        >>> explain("saturation").title
        'Units are saturated'
    """
    applied = rules_from(rules)
    name = rule_name(rule, applied) if isinstance(rule, str) else rule
    if name not in applied:
        offer = did_you_mean(rule, applied) or "; `actdiag explain` lists them"
        raise InvalidField(field="rule", problem=f"must name a rule, got {rule!r}{offer}")
    return applied[name]
