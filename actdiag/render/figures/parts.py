"""What pictures share: colours and the heading."""

from actdiag.report import Report
from actdiag.view.summary import heading
from actdiag.view.words import outlook

# Okabe & Ito's palette, told apart by every kind of colour vision; markers and labels say the same without colour.
BLUE, ORANGE, GREEN, RED, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#666666"
VERDICT_COLOURS = {"healthy": GREEN, "at-risk": ORANGE, "untrainable": RED, "unknown": GREY}


def title(report: Report) -> str:
    """Return what stands over a picture: the stack and its verdict."""
    rules = ", ".join(rule.replace("_", " ") for rule in report.verdict.decided_by)
    verdict = f"{report.verdict.severity} ({outlook(report.verdict)})" + (f": {rules}" if rules else "")
    name, setting, *_ = heading(report)
    return f"{name}\n{setting}\nverdict: {verdict}"
