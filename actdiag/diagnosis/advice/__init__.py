"""Advice: the changes to try on a network that is not healthy, from the smallest for a person to the largest."""

from actdiag.diagnosis.advice.changes import FAULTS_OF_DATA, Change, changes

__all__ = ["FAULTS_OF_DATA", "Change", "changes"]
