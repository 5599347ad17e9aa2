"""What may follow in a report's document: what other tools say of the stack, and its fix."""

from collections.abc import Sequence
from typing import Any

from actdiag.documents.plain import as_plain
from actdiag.documents.reports import report_to_dict
from actdiag.experiments.fix import Fix
from actdiag.external import Judgement


def judgements_to_dict(judgements: Sequence[Judgement]) -> list[dict[str, Any]]:
    """Return what each tool says of a stack."""
    return [
        {
            "judge": one.judge,
            "healthy": one.healthy,
            "charges": [as_plain(violation) for violation in one.violations],
            "source": one.source,
        }
        for one in judgements
    ]


def fix_to_dict(found: Fix | None, command: str) -> dict[str, Any] | None:
    """Return the fix of a stack, with the report of the changed stack; None where there is none.

    Args:
        found: The fix.
        command: The command line that runs the stack with it.
    """
    if found is None:
        return None
    change = found.change
    return {
        "what": change.what,
        "options": dict(change.options),
        "tried": found.tried,
        "severity": found.report.verdict.severity,
        "probability": found.report.verdict.probability,
        "command": command,
        "after": report_to_dict(found.report),
    }
