"""What may follow in a report's document: what other tools say of the stack, and what would mend it."""

from collections.abc import Sequence
from typing import Any

from actdiag.documents.plain import as_plain
from actdiag.documents.reports import report_to_dict
from actdiag.experiments.fix import Mended
from actdiag.external import Judgement


def judgements_to_dict(judgements: Sequence[Judgement]) -> list[dict[str, Any]]:
    """Return what each tool says of a stack."""
    return [as_plain(judgement) for judgement in judgements]


def fix_to_dict(mended: Mended | None, command: str) -> dict[str, Any] | None:
    """Return the change that mended a stack, with what a run found after it; None where none did.

    Args:
        mended: The change.
        command: The command line that runs the stack with it.
    """
    if mended is None:
        return None
    change = mended.change
    return {
        "what": change.what,
        "options": dict(change.options),
        "tried": mended.tried,
        "command": command,
        "after": report_to_dict(mended.report),
    }
