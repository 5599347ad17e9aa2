"""The verdict on a stack at initialization: rules over what was measured, and what they found."""

from actdiag.diagnosis.findings import Finding, Verdict
from actdiag.diagnosis.rules import Run, diagnose

__all__ = ["Finding", "Run", "Verdict", "diagnose"]
