"""Verdicts from documents."""

from dataclasses import replace
from typing import Any

from actdiag.diagnosis import FORMER_NAMES, Verdict
from actdiag.documents.plain import read


def read_verdict(plain: Any, where: str) -> Verdict:
    """Return the verdict that a document holds, with the names that rules have today.

    Raises:
        InvalidField: It is none.
    """
    verdict = read(Verdict, plain, where)
    return replace(
        verdict,
        decided_by=tuple(FORMER_NAMES.get(rule, rule) for rule in verdict.decided_by),
        findings=tuple(replace(one, rule=FORMER_NAMES.get(one.rule, one.rule)) for one in verdict.findings),
    )
