"""The options of commands: those of the library from their fields, and those of the command line alone."""

from collections.abc import Callable, Sequence
from dataclasses import Field
from typing import TYPE_CHECKING, Any, TypeVar

import click

from actdiag.cli.types import Rates, Real, RealOrAuto, Registered, Whole, Wholes
from actdiag.errors import check_choice
from actdiag.options import JudgeOptions, default_text, fields_of

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

_ENTRIES = {"act": Registered("act"), "init": Registered("init")}

_TABLE = "- prints it instead of the table."


def options_of(*kinds: type[Any], without: Sequence[str] = ()) -> Decorator[Any]:
    """Return a decorator that gives a command an option for each field of some kinds of options.

    Args:
        kinds: The classes of options.
        without: Fields that the command does not take.
    """
    chosen = (one for one in fields_of(*kinds) if one.name not in without and not one.metadata["python_only"])
    return _together(*map(_from_field, chosen))


def _from_field(one: Field[Any]) -> Decorator[Any]:
    """Return the option of a field: its name, type, default and help."""
    flag = one.name.replace("_", "-")
    if one.type is bool:
        name = f"--{flag}/--no-{flag}" if one.default else f"--{flag}"
        return _option(name, one.metadata["help"], is_flag=True, default=one.default, show_default=one.default)
    type_ = _ENTRIES.get(one.name) or _TYPES.get(one.type, click.STRING)
    default, text = one.default, default_text(one)
    attributes: dict[str, Any] = {"type": type_, "metavar": one.metadata["metavar"], "default": default}
    if one.metadata["several"]:
        attributes |= {"multiple": True, "default": (text,)}
    elif one.type == tuple[float, float] | None:
        attributes["nargs"] = 2
    help = one.metadata["help"]
    if one.metadata["several"]:
        help += " Separate several by commas, or repeat the option."
    return _option(f"--{flag}", help if text is None else f"{help}  [default: {text}]", **attributes)


def _together(*options: Decorator[Any]) -> Decorator[Any]:
    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def _option(name: str, help: str, **attributes: Any) -> Decorator[Any]:
    return click.option(name, help=help, **attributes)


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
    type=Registered("gate"),
    metavar="at-risk|untrainable|unknown|RULE,...",
)
judge_option = _option(
    "--judge",
    "Also report what the published rules of other tools say; names separated by commas.",
    metavar=next(one.metadata["metavar"] for one in fields_of(JudgeOptions) if one.name == "judges"),
)
fix_option = _option("--fix", "Find the smallest change that makes the stack healthy, and run it.", is_flag=True)
layers_option = _option("--layers", "Layers in the table.  [default: up to 20, evenly spaced]", metavar="all|1-10,50")
png_option = _option(
    "--png",
    "Write a figure: PNG, SVG or PDF by suffix; further pages go to FILE-2.png, FILE-3.png and so on.",
    metavar="FILE",
)


theory_option = _together(
    _option(
        "--theory",
        "How much mean-field theory says beneath the table: none, a line, or all of it; none leaves out the predicted "
        "numbers too.  [default: line]",
        is_flag=False,
        flag_value="line",
        default="line",
        metavar="none|line|full",
    ),
    _option("--no-theory", "The same as --theory none.", is_flag=True),
)
summary_option = _option("--summary", "Show the verdict without the table.", is_flag=True)


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
        _option("--json", f"Write JSON; {_TABLE}", metavar="FILE|-"),
        _option("--csv", f"Write one row per {row}; {_TABLE}", metavar="FILE|-"),
        _option("--quiet", "Show nothing: the exit status and the files are the answer.", is_flag=True),
    )


output_options = outputs_option("layer")
report_options = _together(judge_option, fix_option, layers_option, summary_option, output_options)
