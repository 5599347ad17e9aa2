"""The view of what other tools say of a stack."""

from collections.abc import Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from actdiag.external import Judgement

_MOST_CHARGES = 4


def judgements_view(judgements: Sequence[Judgement]) -> RenderableType:
    """Return each tool with its verdict, the rules that are broken and what they saw."""
    lines = Table.grid(padding=(0, 1, 0, 0))
    lines.add_column(no_wrap=True)
    lines.add_column(overflow="fold")
    for judgement in judgements:
        verdict = Text("nothing wrong", "green") if judgement.healthy else Text("unhealthy", "yellow")
        lines.add_row(Text(judgement.judge, "bold"), verdict)
        for charge in judgement.charges[:_MOST_CHARGES]:
            lines.add_row("", charge.said)
        if len(judgement.charges) > _MOST_CHARGES:
            lines.add_row("", f"and {len(judgement.charges) - _MOST_CHARGES} more")
    return lines
