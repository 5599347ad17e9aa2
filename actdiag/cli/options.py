"""Options that commands share, and how their text is read."""

from collections.abc import Callable
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

Command = TypeVar("Command", bound=Callable[..., Any])


class Whole(click.ParamType[int]):
    """A whole number; its range is the library's to judge."""

    name = "N"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number, or fail with what is accepted."""
        try:
            return int(value)
        except ValueError:
            self.fail(f"must be a whole number, got {value!r}", param, ctx)


class Real(click.ParamType[float]):
    """A number; its range is the library's to judge."""

    name = "X"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number, or fail with what is accepted."""
        try:
            return float(value)
        except ValueError:
            self.fail(f"must be a number, got {value!r}", param, ctx)


class RealOrAuto(Real):
    """A number, or `auto`."""

    name = "X|auto"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number or `auto`, or fail with what is accepted."""
        if value == "auto":
            return value
        try:
            return float(value)
        except ValueError:
            self.fail(f"must be a number or auto, got {value!r}", param, ctx)


class Wholes(click.ParamType[tuple[int, ...]]):
    """Whole numbers with commas between."""

    name = "N,N,..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """Return the numbers, or fail with what is accepted."""
        if isinstance(value, tuple):
            return value
        try:
            return tuple(int(part) for part in value.split(","))
        except ValueError:
            self.fail(f"must be whole numbers with commas between, such as 512,256,64, got {value!r}", param, ctx)


class Registered(click.ParamType[str]):
    """A name of a registry, offered by shell completion; resolved by the library."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.name = kind.upper()

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return the registered names that begin like the last of a list."""
        from actdiag.activations import ACTIVATIONS
        from actdiag.initializers import INITIALIZERS

        before, comma, start = incomplete.rpartition(",")
        names = sorted(ACTIVATIONS if self.kind == "act" else INITIALIZERS)
        return [CompletionItem(before + comma + name) for name in names if name.startswith(start)]


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


def _together(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


_ACT_HELP, _INIT_HELP = "Activation, NAME[:value].", "Initializer, NAME[:value]; auto fits lecun to the activation."
_MANY = "s, with commas between; may repeat."
_TABLE = "- for standard output instead of the table."


def _option(name: str, help: str, **attributes: Any) -> Callable[[Command], Command]:
    attributes.setdefault("show_default", "default" in attributes)
    return click.option(name, help=help, **attributes)


one_act = _option("--act", _ACT_HELP, type=Registered("act"), default="relu")
one_init = _option("--init", _INIT_HELP, type=Registered("init"), default="he")

many_acts = _option(
    "--act", f"Activation{_MANY}", type=Registered("act"), multiple=True, default=("relu,tanh,sigmoid",)
)
many_inits = _option(
    "--init", f"Initializer{_MANY}", type=Registered("init"), multiple=True, default=("std=0.01,xavier,he",)
)

stack_options = _together(
    _option("--depth", "Number of layers.  [default: 5]", type=Whole()),
    _option("--width", "Units of each layer.  [default: 100]", type=Whole()),
    _option("--widths", "Units of layers 1 to L, instead of --depth and --width.", type=Wholes()),
    _option("--batch", "Number of inputs.  [default: 1000, or a file's rows up to that]", type=Whole()),
    _option(
        "--input",
        "N(0, 1), U(-sqrt 3, sqrt 3), a .npy file, or a .npz file with a key after a colon.",
        default="normal",
        metavar="normal|uniform|FILE",
    ),
    _option("--input-width", "Features of an input.  [default: the file's, else the first width]", type=Whole()),
    _option("--standardize", "Bring every feature of a file to mean 0 and std 1.", is_flag=True, show_default=False),
    _option("--bias-mean", "Mean of normal biases.  [default: the initializer's biases]", type=Real()),
    _option("--bias-std", "Std of normal biases.  [default: the initializer's biases]", type=Real()),
    _option(
        "--gain",
        "Multiplies the sampled weights; auto: to what the activation needs, biases too.",
        type=RealOrAuto(),
        default=1.0,
    ),
    _option("--dtype", "Arithmetic of the stack.", default="float32", metavar="float32|float64"),
    _option("--seed", "What all random numbers follow from.", type=Whole(), default=0),
)

loss_options = _together(
    _option(
        "--loss",
        "What the gradient starts from; random is a random direction at the last layer.",
        default="random",
        metavar="random|mse|cross-entropy",
    ),
    _option("--classes", "Classes of the readout of mse and cross-entropy.", type=Whole(), default=10),
    _option("--labels", "Labels 0 to classes-1, .npy or .npz:KEY.  [default: random]", metavar="FILE"),
    _option(
        "--memory",
        "Bound on what is kept for the way down; the numbers do not depend on it.",
        default="1GiB",
        metavar="SIZE",
    ),
)

run_options = _together(
    _option(
        "--range",
        "Range of the histograms.  [default: the activation's bounds or layer 1's reach]",
        type=Real(),
        nargs=2,
        metavar="LO HI",
    ),
    _option("--bins", "Bins of the histograms.", type=Whole(), default=30),
    _option("--threads", "Threads; the numbers do not depend on it.  [default: all]", type=Whole()),
    _option("--repeats", "Runs, under the seeds from --seed on: means and spread.", type=Whole(), default=1),
    _option("--theory/--no-theory", "Mean-field theory beside what is measured.", default=True),
)

layers_option = _option("--layers", "Layers in the table.  [default: up to 20, evenly chosen]", metavar="all|1-10,50")
png_option = _option("--png", "Write a picture: PNG, SVG or PDF by suffix.", metavar="FILE")

output_options = _together(
    png_option,
    _option("--json", f"Write JSON; {_TABLE}", metavar="FILE|-"),
    _option("--csv", f"Write a row per layer; {_TABLE}", metavar="FILE|-"),
)
