"""The view of what other tools say of a stack."""

from collections.abc import Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from actdiag.external import Judgement

_MOST_VIOLATIONS = 4


def judgements_view(judgements: Sequence[Judgement]) -> RenderableType:
    """Return each tool with its verdict, the rules that are broken and what they saw."""
    lines = Table.grid(padding=(0, 1, 0, 0))
    lines.add_column(no_wrap=True)
    lines.add_column(overflow="fold")
    for judgement in judgements:
        verdict = Text("nothing wrong", "green") if judgement.healthy else Text("unhealthy", "yellow")
        lines.add_row(Text(judgement.judge, "bold"), verdict)
        for violation in judgement.violations[:_MOST_VIOLATIONS]:
            lines.add_row("", violation.said)
        if len(judgement.violations) > _MOST_VIOLATIONS:
            lines.add_row("", f"and {len(judgement.violations) - _MOST_VIOLATIONS} more")
    return lines
