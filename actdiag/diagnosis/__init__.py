"""The verdict on a network at initialization: rules over what was measured, and whether it trains."""

from actdiag.diagnosis.findings import Finding, Verdict
from actdiag.diagnosis.rule import Rule, Rules
from actdiag.diagnosis.rules import FORMER_NAMES, RULES, rule_name, rules_from
from actdiag.diagnosis.verdict import diagnose, findings, not_applicable

__all__ = [
    "FORMER_NAMES",
    "RULES",
    "Finding",
    "Rule",
    "Rules",
    "Verdict",
    "diagnose",
    "findings",
    "not_applicable",
    "rule_name",
    "rules_from",
]
