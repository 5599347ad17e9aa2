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


class Rates(click.ParamType[tuple[Any, ...]]):
    """Numbers or `auto`, with commas between."""

    name = "X,...|auto"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[Any, ...]:
        """Return the numbers, `auto` as it stands, or fail with what is accepted."""
        if isinstance(value, tuple):
            return value
        try:
            return tuple(part.strip() if part.strip() == "auto" else float(part) for part in str(value).split(","))
        except ValueError:
            self.fail(f"must be numbers with commas between, or auto, got {value!r}", param, ctx)


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
        before, comma, start = incomplete.rpartition(",")
        return [CompletionItem(before + comma + name) for name in _names(self.kind) if name.startswith(start)]


def _names(kind: str) -> list[str]:
    from actdiag.activations import ACTIVATIONS
    from actdiag.cli.gate import VERDICTS
    from actdiag.diagnosis import RULES
    from actdiag.initializers import INITIALIZERS

    names = {"act": sorted(ACTIVATIONS), "init": sorted(INITIALIZERS), "rule": [*RULES], "gate": [*VERDICTS, *RULES]}
    return names[kind]


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


def acts_option(default: str) -> Callable[[Command], Command]:
    """Return the option of several activations."""
    return _option("--act", f"Activation{_MANY}", type=Registered("act"), multiple=True, default=(default,))


many_inits = _option(
    "--init", f"Initializer{_MANY}", type=Registered("init"), multiple=True, default=("std=0.01,xavier,he",)
)

shape_options = _together(
    _option("--depth", "Number of layers.  [default: 5]", type=Whole()),
    _option("--width", "Units of each layer.  [default: 100]", type=Whole()),
    _option("--widths", "Units of layers 1 to L, instead of --depth and --width.", type=Wholes()),
)
input_options = _together(
    _option("--batch", "Number of inputs.  [default: 1000, or a file's rows up to that]", type=Whole()),
    _option(
        "--input",
        "N(0, 1), U(-sqrt 3, sqrt 3), a .npy file, or a .npz file with a key after a colon.",
        default="normal",
        metavar="normal|uniform|FILE",
    ),
    _option("--input-width", "Features of an input.  [default: the file's, else the first width]", type=Whole()),
    _option("--standardize", "Bring every feature of a file to mean 0 and std 1.", is_flag=True, show_default=False),
)
parameter_options = _together(
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
stack_options = _together(shape_options, input_options, parameter_options)

training_options = _together(
    _option(
        "--data",
        "What to train on: a name, NPZ with x_train and y_train, a folder of IDX files, X.npy,Y.npy.",
        default="synthetic",
        metavar="NAME|FILE",
    ),
    _option(
        "--scale",
        "Inputs to mean 0 and std 1 over all entries, to at most 1, or as they are.",
        default="standard",
        metavar="standard|unit|raw",
    ),
    _option("--optimizer", "How parameters are updated.", default="sgd", metavar="sgd|momentum|adam"),
    _option(
        "--lr",
        "Learning rates, with commas between; auto: the best of a small grid.",
        type=Rates(),
        multiple=True,
        default=("0.01",),
    ),
    _option("--iterations", "Updates of each run.", type=Whole(), default=2000),
    _option("--batch", "Rows of an update.", type=Whole(), default=128),
    _option("--clip-norm", "Bound on the norm of all gradients together.", type=Real()),
    _option("--clip-value", "Bound on every entry of a gradient.", type=Real()),
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

rules_option = _option("--rules", "Limits other than the rules' own: a table for each rule.", metavar="FILE.toml")

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
    rules_option,
    _option(
        "--fail-on",
        "Exit with 3 where the verdict is so bad, or worse, or a rule finds something.",
        type=Registered("gate"),
        metavar="at-risk|untrainable|RULE,...",
    ),
)

judge_option = _option(
    "--judge",
    "Also what other tools' published rules say of the run; names with commas between.",
    metavar="sagemaker|deepdiagnosis|autotrainer|torchmortem",
)
fix_option = _option(
    "--fix", "Find the smallest change that makes the stack healthy, and run it.", is_flag=True, show_default=False
)

layers_option = _option("--layers", "Layers in the table.  [default: up to 20, evenly chosen]", metavar="all|1-10,50")
png_option = _option("--png", "Write a picture: PNG, SVG or PDF by suffix.", metavar="FILE")


def outputs_option(row: str) -> Callable[[Command], Command]:
    """Return the options of where answers go.

    Args:
        row: What a row of the CSV is of.
    """
    return _together(
        png_option,
        _option("--json", f"Write JSON; {_TABLE}", metavar="FILE|-"),
        _option("--csv", f"Write a row per {row}; {_TABLE}", metavar="FILE|-"),
    )


output_options = outputs_option("layer")
