"""What other tools say of a stack at initialization, by the default rules that they have published."""

from actdiag.external.charges import Charge, Judgement
from actdiag.external.panel import JUDGES, judge

__all__ = ["JUDGES", "Charge", "Judgement", "judge"]
