"""The answer in words: the table of rows, where their time goes, how memory grows, and the machine."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from actdiag.render.terminal import marks
from benchmarks.phases import OTHER, PHASES, Profile
from benchmarks.rows import Row
from benchmarks.timing import Result

_STYLES = {"met": "green", "missed": "red bold", "skipped": "yellow", "unsteady": "yellow"}
_WIDEST_SPREAD = 0.10
"""The spread of a row's ratios from which on it does not count."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a row: its result, or why it was skipped.

    Attributes:
        row: The row.
        result: What was measured; None where it was skipped.
        skipped: Why; None where it was not.
        profile: Where the time goes; None where that has no answer.
    """

    row: Row
    result: Result | None = None
    skipped: str | None = None
    profile: Profile | None = None

    @property
    def verdict(self) -> str:
        """Whether the target was met, in a word."""
        if self.result is None:
            return "skipped"
        if (self.result.spread or 0.0) >= _WIDEST_SPREAD:
            return "unsteady"
        return "met" if self.result.measured <= self.row.target else "missed"

    def to_dict(self) -> dict[str, Any]:
        """Return the outcome as JSON's types."""
        row, result, profile = self.row, self.result, self.profile
        return {
            "name": row.name,
            "work": row.work,
            "against": row.against,
            "unit": row.unit or "ratio",
            "target": row.target,
            "hoped": row.hoped,
            "verdict": self.verdict,
            "skipped": self.skipped,
            "measured": _finite(result.measured) if result else None,
            "quartiles": result.quartiles if result else None,
            "spread": result.spread if result else None,
            "ratio": result.ratio if result else None,
            "details": {name: _finite(value) for name, value in result.details.items()} if result else None,
            "seconds_of_phases": profile.seconds if profile else None,
        }


def view(outcomes: Sequence[Outcome], machine: Mapping[str, str], ascii_only: bool = False) -> RenderableType:
    """Return all of the answer."""
    parts: list[RenderableType] = [rows_table(outcomes, ascii_only)]
    profiles = {outcome.profile.run: outcome.profile for outcome in outcomes if outcome.profile}
    if profiles:
        heading = Text("milliseconds a layer and share of the time, on one thread", "bold")
        parts += [Text(), heading, profile_table(list(profiles.values()), ascii_only)]
    for outcome in outcomes:
        if outcome.result and "peak MiB over base" in outcome.result.details:
            parts += [Text(), Text(f"{outcome.row.name}: MiB by depth", "bold")]
            parts += [memory_table(outcome.result, ascii_only)]
    return Group(*parts, Text(), machine_grid(machine))


def rows_table(outcomes: Sequence[Outcome], ascii_only: bool) -> Table:
    """Return the table with a line a row."""
    table = marks.table(ascii_only)
    table.leading = 1
    table.add_column("row", no_wrap=True)
    table.add_column("work against what", overflow="fold")
    for head in ("target", "hoped", "measured", "spread"):
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for outcome in outcomes:
        row, result = outcome.row, outcome.result
        what = Text.assemble(row.work, (f"\nvs {row.against}", "dim"))
        for line in _notes(result) if result else ():
            what.append(f"\n{line}", "dim")
        if outcome.skipped:
            what.append(f"\nskipped: {outcome.skipped}", _STYLES["skipped"])
        table.add_row(
            Text(row.name, "bold"),
            what,
            _number(row.target),
            _number(row.hoped),
            _measured(result, row.unit) if result else "",
            _spread(result, row.unit) if result else "",
            Text(outcome.verdict, _STYLES[outcome.verdict]),
        )
    return table


def _notes(result: Result) -> Iterator[str]:
    """Yield the time of a layer and, for each variant of the other side, its time and the ratio to it."""
    if "milliseconds a layer" in result.details:
        yield f"{result.details['milliseconds a layer']:.2f} ms a layer"
    for name, variant in result.details.get("variants", {}).items():
        yield f"{name}: {variant['milliseconds a layer']:.2f} ms a layer, {variant['ratio']:.2f} x"


def profile_table(profiles: Sequence[Profile], ascii_only: bool) -> Table:
    """Return the table with a line a run and a column a phase."""
    table = marks.table(ascii_only)
    table.leading = 1
    table.add_column("run", overflow="fold")
    for head in (*PHASES, OTHER, "all"):
        table.add_column(head, justify="right", no_wrap=True)
    for profile in profiles:
        cells = [f"{profile.milliseconds_a_layer(phase):.2f}\n{profile.share(phase):.0%}" for phase in (*PHASES, OTHER)]
        table.add_row(str(profile.run), *cells, f"{1000 * profile.total / profile.run.depth:.2f}")
    return table


def memory_table(result: Result, ascii_only: bool) -> Table:
    """Return the table with a column a depth, and the exponents fitted."""
    over, without = result.details["peak MiB over base"], result.details["without statistics"]
    table = marks.table(ascii_only)
    for head in ("layers", "measured", "without statistics"):
        table.add_column(head, justify="right")
    for depth in over:
        table.add_row(f"{depth:,}", f"{over[depth]:.1f}", f"{without[depth]:.1f}")
    power = result.details["exponent without statistics"]
    beyond = f"power over {result.details['depths beyond']:,}"
    table.add_row(beyond, _number(result.measured), _number(power), style="bold")
    return table


def machine_grid(machine: Mapping[str, str]) -> Table:
    """Return the machine, a line a fact."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True, style="dim")
    grid.add_column(overflow="fold")
    for name, value in machine.items():
        grid.add_row(name, Text(value))
    return grid


def _finite(value: Any) -> Any:
    """Return `value`, None in place of a number that JSON does not know."""
    return None if isinstance(value, float) and not isfinite(value) else value


def _measured(result: Result, unit: str) -> Text:
    """Return the measured number; under a time, its ratio to what was timed in the same rounds."""
    measured = Text(_number(result.measured, unit))
    return measured if result.ratio is None else measured.append(f"\n{_number(result.ratio)} x", "dim")


def _spread(result: Result, unit: str) -> str:
    """Return the quartiles of the measured number, whose unit stands beside it."""
    return "-".join(_number(bound, unit).removesuffix(f" {unit}") for bound in result.quartiles or ())


def _number(value: float | None, unit: str = "") -> str:
    if value is None:
        return ""
    places = {"MiB": 1, "ms": 0}.get(unit)
    return f"{value:.2f}" if places is None else f"{value:.{places}f} {unit}"
