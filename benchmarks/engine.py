"""`python -m benchmarks.engine`: what the engine costs, compared with the same work elsewhere."""

import json
import sys
from collections.abc import Iterable, Iterator
from importlib import import_module

import click

from actdiag.cli.files import Outputs
from actdiag.cli.screen import show
from actdiag.errors import InvalidField
from benchmarks import machine, phases
from benchmarks.rows import ROWS, Row
from benchmarks.table import Outcome, view

_NAMES = {"torch": "PyTorch"}


def run_rows(rows: Iterable[Row], rounds: int) -> Iterator[Outcome]:
    """Yield what becomes of each row."""
    for row in rows:
        if row.needs is not None and not _importable(row.needs):
            yield Outcome(row, skipped=f"{_NAMES.get(row.needs, row.needs)} is missing")
            continue
        result = row.measure(rounds=rounds)
        yield Outcome(row, result, profile=phases.profile(row.profiled) if row.profiled else None)


def _importable(module: str) -> bool:
    try:
        import_module(module)
    except ImportError:
        return False
    return True


def _chosen(_ctx: click.Context, _param: click.Parameter, names: tuple[str, ...]) -> list[Row]:
    """Return the rows of those names, all where there are none."""
    for name in names:
        if name not in ROWS:
            message = f"must be one of {', '.join(ROWS)}, got {name!r}"
            raise click.BadParameter(message)
    return [row for row in ROWS.values() if not names or row.name in names]


def _outputs(_ctx: click.Context, _param: click.Parameter, name: str | None) -> Outputs:
    """Refuse a file that cannot be written before minutes are spent on what should stand in it."""
    try:
        return Outputs(json=name)
    except InvalidField as error:
        raise click.BadParameter(error.problem) from None


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--rounds", type=click.IntRange(min=1), default=9, show_default=True, help="Rounds that count.")
@click.option("--only", "rows", multiple=True, metavar="NAME", callback=_chosen, help="A row; may repeat.  [all]")
@click.option(
    "--json",
    "outputs",
    metavar="FILE|-",
    callback=_outputs,
    help="Write JSON; - for standard output instead of the table.",
)
@click.option("--list", "listed", is_flag=True, help="List the rows and measure nothing.")
def engine(rounds: int, rows: list[Row], outputs: Outputs, listed: bool) -> None:
    """Measure the engine's time and memory against the same work elsewhere.

    Both sides take turns in every round. The ratio is the median of the rounds' ratios, ours over theirs, the spread
    their quartiles. A row whose quartiles are 10 % of the median apart or more is unsteady and does not count. Under
    the rows stands where the time of one thread goes.
    """
    if listed:
        for row in rows:
            click.echo(f"{row.name:21}{row.work}; against {row.against}")
        return
    outcomes, load_before = [], machine.load_average()
    for outcome in run_rows(rows, rounds):
        outcomes.append(outcome)
        if sys.stderr.isatty():
            click.echo(f"{outcome.row.name}: {outcome.verdict}", err=True)
    described = {**machine.describe(), "load average": f"{load_before} before, {machine.load_average()} after"}
    answer = {"rounds": rounds, "machine": described, "rows": [outcome.to_dict() for outcome in outcomes]}
    outputs.write(json=lambda: json.dumps(answer, indent=1, allow_nan=False) + "\n")
    if not outputs.on_stdout:
        show(lambda _, plain: view(outcomes, described, ascii_only=plain))


if __name__ == "__main__":
    engine()
