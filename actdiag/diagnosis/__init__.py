"""The verdict on a stack at initialization: rules over what was measured, what they found, and whether it trains."""

from actdiag.diagnosis.findings import Finding, Verdict
from actdiag.diagnosis.rule import Rule
from actdiag.diagnosis.rules import RULES, Rules, rules_from
from actdiag.diagnosis.verdict import judge_run

__all__ = ["RULES", "Finding", "Rule", "Rules", "Verdict", "judge_run", "rules_from"]
