"""Advice: the change that fixes what a rule found."""

from actdiag.diagnosis.advice.by_rule import ADVISED, advise

__all__ = ["ADVISED", "advise"]
