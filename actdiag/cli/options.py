"""The options of commands: those of the library from their fields, and those of the command line alone."""

from collections.abc import Callable, Sequence
from dataclasses import Field
from typing import TYPE_CHECKING, Any, TypeVar

import click

from actdiag.cli.base import Option
from actdiag.cli.types import NameOrFile, Rates, Real, RealOrAuto, Registered, Whole, Wholes, complete_files
from actdiag.errors import check_choice
from actdiag.options import JudgeOptions, default_text, fields_of, section_of

if TYPE_CHECKING:
    from actdiag.view.summary import Detail

Command = TypeVar("Command", bound=Callable[..., Any])
Decorator = Callable[[Command], Command]

_TYPES: dict[object, click.ParamType[Any]] = {
    int: Whole(),
    int | None: Whole(),
    float: Real(),
    float | None: Real(),
    tuple[float, float] | None: Real(),
    float | str: RealOrAuto(),
    Sequence[int] | None: Wholes(),
    float | str | Sequence[float | str]: Rates(),
}
"""How values are read, by the type of the field; what is not here is text."""

_ENTRIES: dict[str, click.ParamType[str]] = {
    "act": Registered("act"),
    "init": Registered("init"),
    "data": NameOrFile("data"),
    "input": NameOrFile("input"),
    "labels": NameOrFile("labels"),
}
"""How names of the catalogues are read, by the name of the field."""

_TABLE = "- prints it instead of the table."
_TO_FILE: dict[str, Any] = {"metavar": "FILE|-", "shell_complete": complete_files}


def options_of(*kinds: type[Any], without: Sequence[str] = ()) -> Decorator[Any]:
    """Return a decorator that gives a command an option for each field of some kinds of options.

    Args:
        kinds: The classes of options.
        without: Fields that the command does not take.
    """
    chosen = (
        _from_field(one, section_of(kind, one))
        for kind in kinds
        for one in fields_of(kind)
        if one.name not in without and not one.metadata["python_only"]
    )
    return _together(*chosen)


def _from_field(one: Field[Any], section: str) -> Decorator[Any]:
    """Return the option of a field: its name, type, default and help."""
    flag = one.name.replace("_", "-")
    if one.type is bool:
        name = f"--{flag}/--no-{flag}" if one.default else f"--{flag}"
        return _option(name, one.metadata["help"], section, is_flag=True, default=one.default, show_default=one.default)
    type_ = _ENTRIES.get(one.name) or _TYPES.get(one.type, click.STRING)
    default, text = one.default, default_text(one)
    attributes: dict[str, Any] = {"type": type_, "metavar": one.metadata["metavar"], "default": default}
    if one.name == "rules":
        attributes["shell_complete"] = complete_files
    if one.metadata["several"]:
        attributes |= {"multiple": True, "default": (text,)}
    elif one.type == tuple[float, float] | None:
        attributes["nargs"] = 2
    help = one.metadata["help"]
    if one.metadata["several"]:
        help += " Separate several by commas, or repeat the option."
    return _option(f"--{flag}", help if text is None else f"{help}  [default: {text}]", section, **attributes)


def _together(*options: Decorator[Any]) -> Decorator[Any]:
    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def _option(name: str, help: str, section: str, *names: str, **attributes: Any) -> Decorator[Any]:
    return click.option(name, *names, help=help, cls=Option, section=section, **attributes)


def split_list(values: tuple[str, ...]) -> list[str]:
    """Return the names in repeated options, split at the commas outside parentheses."""
    names: list[str] = []
    for value in values:
        depth, start = 0, 0
        for position, character in enumerate(value + ","):
            depth += (character == "(") - (character == ")")
            if character == "," and depth <= 0:
                names.append(value[start:position].strip())
                start = position + 1
        names += [value[start:].strip()] if depth > 0 else []  # a parenthesis that never closes is the name's fault
    return names


fail_on_option = _option(
    "--fail-on",
    "Exit with status 3 on these verdicts, of which at-risk includes untrainable, and on what these rules find.",
    "Verdict",
    type=Registered("gate"),
    metavar="at-risk|untrainable|unknown|RULE,...",
)
judge_option = _option(
    "--judge",
    "Also report what the published rules of other tools say; names separated by commas.",
    "Verdict",
    type=Registered("judge"),
    metavar=next(one.metadata["metavar"] for one in fields_of(JudgeOptions) if one.name == "judges"),
)
fix_option = _option(
    "--fix", "Find the smallest change that makes the stack healthy, and run it.", "Verdict", is_flag=True
)
layers_option = _option(
    "--layers", "Layers in the table.  [default: up to 20, evenly spaced]", "Output", metavar="all|1-10,50"
)
png_option = _option(
    "--png",
    "Write a figure: PNG, SVG or PDF by suffix; further pages go to FILE-2.png, FILE-3.png and so on.",
    "Output",
    "-o",
    metavar="FILE",
    shell_complete=complete_files,
)


theory_option = _together(
    _option(
        "--theory",
        "How much mean-field theory says beneath the table: none, a line, or all of it; none leaves out the predicted "
        "numbers too.  [default: line]",
        "Output",
        is_flag=False,
        flag_value="line",
        default="line",
        metavar="none|line|full",
    ),
    _option("--no-theory", "The same as --theory none.", "Output", is_flag=True),
)
fan_options = _together(
    _option("--fan-in", "Number of inputs of a unit.", "Network", type=Whole(), default=100, show_default=True),
    _option(
        "--fan-out", "Number of units that an input feeds.", "Network", type=Whole(), default=100, show_default=True
    ),
)
verify_option = _option(
    "--verify",
    "Run stacks with the recommended gain, show predictions next to measurements, and train one stack.",
    "Run",
    is_flag=True,
)
json_option = _option("--json", f"Write JSON; {_TABLE}", "Output", **_TO_FILE)
watch_option = _option("--watch", "Show progress: loss, gradients, dead units, updates.", "Output", is_flag=True)
summary_option = _option("--summary", "Show the verdict without the table.", "Output", is_flag=True)


def theory_from(given: dict[str, Any]) -> "Detail":
    """Return how much to say of theory, and replace it in a command's options by whether theory is needed.

    Raises:
        InvalidField: It is none of the choices.
    """
    from actdiag.view.summary import DETAILS

    detail: Any = check_choice("theory", given["theory"], DETAILS)
    detail = "none" if given.pop("no_theory") else detail
    given["theory"] = detail != "none"
    return detail  # type: ignore[no-any-return]


def outputs_option(row: str) -> Decorator[Any]:
    """Return the options of where answers go.

    Args:
        row: What a row of the CSV is of.
    """
    return _together(
        png_option,
        json_option,
        _option("--csv", f"Write CSV, one row per {row}; {_TABLE}", "Output", **_TO_FILE),
        _option("--quiet", "Show nothing: the exit status and the files are the answer.", "Output", is_flag=True),
    )


output_options = outputs_option("layer")
report_options = _together(judge_option, fix_option, layers_option, summary_option, output_options)
