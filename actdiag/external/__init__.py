"""Verdicts of other tools on a stack at initialization, by the default rules that they have published."""

from actdiag.external.judges import JUDGES, judge
from actdiag.external.violations import Judgement, Violation

__all__ = ["JUDGES", "Judgement", "Violation", "judge"]
