"""What other tools say of a stack at initialization, by the default rules that they have published."""

from actdiag.judging.charges import Charge, Judgement
from actdiag.judging.panel import JUDGES, judge

__all__ = ["JUDGES", "Charge", "Judgement", "judge"]
