"""`PYTHONPATH=tests python -m hostile.report`: how every hostile case ends, and how long it takes."""

import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from shlex import join
from statistics import median
from time import perf_counter
from typing import NamedTuple

import click
from contract import CODES, WATCHDOG
from hostile.case import Case, Hang, run_case, verify
from hostile.classes import CLASSES
from hostile.drawing import drawn

_COLUMNS = (*sorted(CODES), "else")
_LONGEST_NAME = 40
_LONGEST_LINE = 600


class Outcome(NamedTuple):
    """What became of a case.

    Attributes:
        case: The case.
        code: The exit code; None where it did not end.
        seconds: How long it took.
        broken: What was not as it should be; empty where all was.
    """

    case: Case
    code: int | None
    seconds: float
    broken: str = ""


def outcome(case: Case, patience: int = WATCHDOG) -> Outcome:
    """Run a case and return what became of it."""
    started = perf_counter()
    code = None
    try:
        held = run_case(case, patience)
        seconds, code = perf_counter() - started, held.result.code
        verify(case, held)
    except (Exception, Hang) as error:
        return Outcome(case, code, perf_counter() - started, f"{type(error).__name__}: {error}")
    return Outcome(case, code, seconds)


def outcomes(cases: Iterable[Case], patience: int = WATCHDOG) -> Iterator[Outcome]:
    """Yield what becomes of the cases whose libraries are there."""
    for case in cases:
        if not case.needs or find_spec(case.needs):
            yield outcome(case, patience)


def heading() -> str:
    """Return the heading of the table."""
    return _line("class", "cases", _COLUMNS, "median s", "longest s", "which")


def row(name: str, found: list[Outcome]) -> str:
    """Return the row of a class."""
    codes = Counter(one.code if one.code in CODES else "else" for one in found)
    counts = [codes[column] for column in _COLUMNS]
    if not found:
        return _line(name, 0, counts, "", "", "").rstrip()
    longest = max(found, key=lambda one: one.seconds)
    middle = f"{median(one.seconds for one in found):.3f}"
    return _line(
        name, len(found), counts, middle, f"{longest.seconds:.2f}", _printable(longest.case.name, _LONGEST_NAME)
    )


def _line(name, cases, counts, middle, longest, which) -> str:
    columns = "".join(f"{count:>6}" for count in counts)
    return f"{name:<12}{cases:>6}{columns}{middle:>10}{longest:>11}  {which}"


def complaint(one: Outcome) -> str:
    """Return the lines on a case that broke the contract."""
    command = _printable(join(["actdiag", *one.case.arguments]), _LONGEST_LINE)
    return f"{_printable(one.case.name, _LONGEST_NAME)}: {command}\n    {_printable(one.broken, _LONGEST_LINE)}"


def _printable(text: str, most: int) -> str:
    return text.encode("unicode_escape").decode()[:most]


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("classes", nargs=-1, type=click.Choice(list(CLASSES)), metavar="[CLASS]...")
@click.option("--quick", is_flag=True, help="Leave out the cases of the slow tests.")
@click.option("--drawn", "count", type=click.IntRange(min=1), help="Draw so many command lines instead.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of --drawn.")
@click.option(
    "--patience", type=click.IntRange(min=2), default=WATCHDOG, show_default=True, help="Seconds that count as hanging."
)
def main(classes: tuple[str, ...], quick: bool, count: int | None, seed: int, patience: int) -> None:
    """Run every hostile case of the classes, all without any, and list what breaks the contract.

    Exit with status 1 if any does.
    """
    sources = {"drawn": drawn(count, seed)} if count else {name: CLASSES[name]() for name in classes or CLASSES}
    broken: list[Outcome] = []
    click.echo(heading())
    for name, cases in sources.items():
        found = list(outcomes((case for case in cases if not (quick and case.slow)), patience))
        click.echo(row(name, found))
        broken += [one for one in found if one.broken]
    click.echo(f"\n{len(broken)} broke the contract" + "".join(f"\n{complaint(one)}" for one in broken))
    sys.exit(bool(broken))


if __name__ == "__main__":
    main()
