"""The options of the library and of the command line, each with its default and its help, written here only.

Functions of the library take the default of a parameter from the field of its name (`bins: int = RunOptions.bins`),
options of the command line take name, type, default and help from it. The classes hold the values of one call. Those
that users do not see leave out the methods that nothing calls: each takes a tenth of a millisecond at every start.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import Field, dataclass, field, fields
from inspect import get_annotations
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

if TYPE_CHECKING:
    from actdiag.activations import Activation
    from actdiag.arrays import Numbers
    from actdiag.datasets.entry import Dataset
    from actdiag.initializers import Initializer
    from actdiag.ops.entry import Op

Value = TypeVar("Value")
Options = TypeVar("Options")

DEFAULT_DEPTH = 5
DEFAULT_WIDTH = 100
DEFAULT_ROWS = 1000
DEFAULT_BUDGET = 2**30
_INITIALIZERS = ("std=0.01", "xavier", "he")

_TASKS = "auto|classification|regression"
_TASK = (
    "What labels are; auto takes text, booleans and one-hot rows for classes, and whole numbers with at most 20 values "
    "or at least 10 rows a value."
)
_RAW_TARGETS = "Leave the targets of regression as they are, and not at mean 0 and std 1."


def option(
    default: Value,
    help: str,
    *,
    metavar: str | None = None,
    shown: str | None = None,
    library: str = "",
    several: bool = False,
    python_only: bool = False,
    section: str | None = None,
) -> Value:
    """Return the field of an option.

    Args:
        default: Its default.
        help: What it sets, in a sentence for the command line and the library.
        metavar: How the command line spells its values, where their type does not say it.
        shown: The default in words, where the value does not say it.
        library: A sentence on what it takes from Python beyond what the command line can spell.
        several: Whether it takes a sequence of values too: on the command line a list, and the option repeatedly.
        python_only: Whether the command line cannot spell it.
        section: The section of help that it is in, where it is not its class's.
    """
    metadata: dict[str, object] = {
        "help": help,
        "metavar": metavar,
        "shown": shown,
        "library": library,
        "several": several,
    }
    metadata |= {"python_only": python_only, "section": section}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class LayerOptions:
    """The layers of a stack, but for their activation and initializer."""

    section: ClassVar[str] = "Network"

    depth: int | None = option(None, "Number of layers.", shown=str(DEFAULT_DEPTH))
    width: int | None = option(None, "Units per layer.", shown=str(DEFAULT_WIDTH))
    widths: Sequence[int] | None = option(None, "Units of each layer, layer 1 first; replaces depth and width.")
    arch: "Sequence[Op] | None" = option(
        None, "Ops in running order, from actdiag.ops; replaces depth, width and widths.", python_only=True
    )
    bias_mean: float | None = option(
        None, "Mean of normally distributed biases.", shown="the biases of the initializer"
    )
    bias_std: float | None = option(
        None, "Standard deviation of normally distributed biases.", shown="the biases of the initializer"
    )
    gain: float | str = option(
        1.0,
        "Factor on the sampled weights; auto takes the gain that the activation needs, and the biases that go with it.",
    )
    dtype: str = option("float32", "Number format of the arithmetic.", metavar="float32|float64")
    seed: int = option(0, "Random seed.")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class InputOptions(LayerOptions):
    """The layers of a stack, and its inputs."""

    section: ClassVar[str] = "Data"

    input: "str | Path | Numbers" = option(
        "normal",
        "N(0, 1), U(-sqrt 3, sqrt 3), the training rows of digits or synthetic, a table (.csv, .tsv, .parquet), a .npy "
        "file, or a .npz file, with a key after a colon where it has several arrays.",
        metavar="normal|uniform|NAME|FILE",
        library="Or an array or tensor of shape (rows, ...), flattened to (rows, features), or a data frame.",
    )
    input_width: int | None = option(
        None, "Number of input features.", shown="those of the file, else the width of layer 1"
    )
    batch: int | None = option(None, "Number of inputs.", shown=f"{DEFAULT_ROWS}, or all rows of a file with fewer")
    scale: str = option(
        "none",
        "Scale of given inputs: feature brings every feature to mean 0 and std 1, global all entries together, unit "
        "magnitudes to at most 1; auto is none for what is near mean 0 and std 1, else global for images, feature for "
        "tables.",
        metavar="auto|feature|global|unit|none",
    )
    standardize: bool = option(False, "The same as scale feature.")
    label_column: str | int | None = option(
        None,
        "Column of labels of a table, by name or by number from 1.",
        metavar="NAME|N",
        shown="the one called label, labels, target, class or y",
    )


@dataclass(frozen=True, kw_only=True)
class StackOptions(InputOptions):
    """A stack and its inputs: what `make_stack` takes.

    Example:
        >>> from actdiag import StackOptions, propagate
        >>> options = StackOptions(act="tanh", init="xavier", depth=3, batch=100)
        >>> propagate(**vars(options)).stack.depth
        3
    """

    section: ClassVar[str] = "Network"

    act: "str | Activation" = option("relu", "Activation, NAME[:value].", library="Or an Activation.")
    init: "str | Initializer" = option(
        "he", "Initializer, NAME[:value]; auto scales lecun to the activation.", library="Or an Initializer."
    )
    weights: "str | Path | Sequence[Any] | None" = option(
        None,
        "Weights that are given, in place of those of an initializer: a .npz or .safetensors file.",
        metavar="FILE",
        library="Or pairs (W, b) of arrays, layer 1 first; W has shape (fan_in, fan_out).",
    )
    weights_layout: str | None = option(
        None,
        "Shape of the matrices: (fan_in, fan_out) or (fan_out, fan_in).",
        metavar="in-out|out-in",
        shown="in-out for .npz, out-in for .safetensors",
    )


@dataclass(frozen=True, kw_only=True, eq=False, repr=False, init=False)
class ThreadOptions:
    """The threads of a run."""

    section: ClassVar[str] = "Run"

    threads: int | None = option(None, "Number of threads; the results do not depend on it.", shown="all")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False, init=False)
class RuleOptions:
    """The rules that a run is judged by: what `explain` takes."""

    section: ClassVar[str] = "Verdict"

    rules: str | Path | Mapping[str, Any] | None = option(
        None,
        "Limits that replace those of the rules, one table per rule.",
        metavar="FILE.toml",
        library='Or a mapping, such as {"saturation": {"high": 0.9}}.',
    )


@dataclass(frozen=True, kw_only=True, eq=False, repr=False, init=False)
class PlanOptions:
    """The training that a verdict is on."""

    section: ClassVar[str] = "Verdict"

    optimizer: str = option("sgd", "Optimizer that the verdict is on.", metavar="sgd|momentum|adam|adamw")
    iterations: int = option(250, "Number of training iterations that the verdict is on.")


@dataclass(frozen=True, kw_only=True)
class RunOptions(PlanOptions, RuleOptions, ThreadOptions):
    """How a stack is run, and by which rules it is judged."""

    section: ClassVar[str] = "Run"

    bins: int = option(30, "Number of bins in the activation histograms.")
    range: tuple[float, float] | None = option(
        None,
        "Range of the activation histograms.",
        metavar="LO HI",
        shown="the bounds of the activation, or the range of layer 1",
    )
    repeats: int = option(1, "Number of runs, with seeds counting up from seed; reports their means and spread.")
    theory: bool = option(True, "Compare what is measured with mean-field theory.")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False, init=False)
class LossOptions:
    """The loss that a backward pass starts from."""

    section: ClassVar[str] = "Run"

    loss: str = option(
        "random",
        "Loss of the backward pass; random is a random direction at the last layer, with no readout.",
        metavar="random|mse|cross-entropy",
    )
    classes: int | None = option(
        None, "Number of classes that the readout of mse and cross-entropy has.", shown="those of the labels, or 10"
    )
    labels: "str | Path | Numbers | None" = option(
        None,
        "Labels, one per input: those of digits or synthetic, a table, a .npy file or .npz:KEY.",
        metavar="NAME|FILE",
        shown="random",
        library="Or an array, tensor, series or data frame.",
        section="Data",
    )
    task: str = option("auto", _TASK, metavar=_TASKS, section="Data")
    raw_targets: bool = option(False, _RAW_TARGETS, section="Data")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False, init=False)
class MemoryOptions:
    """The memory that a backward pass may take."""

    section: ClassVar[str] = "Run"

    memory: int | str = option(
        DEFAULT_BUDGET,
        "Memory for what the backward pass keeps; the results do not depend on it.",
        metavar="SIZE",
        shown="1GiB",
        library="A number is of bytes.",
    )


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class BackwardOptions(MemoryOptions, LossOptions):
    """What a backward pass starts from, and the memory that it may take."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False, init=False)
class JudgeOptions(LossOptions, ThreadOptions):
    """The tools that `judge` asks, and the step that they see."""

    section: ClassVar[str] = "Verdict"

    judges: Sequence[str] | None = option(
        None,
        "Tools whose published rules are applied.",
        metavar="sagemaker|deepdiagnosis|autotrainer|torchmortem",
        shown="all",
    )


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class CompareOptions(InputOptions):
    """The stacks that `compare` runs: every activation with every initializer."""

    section: ClassVar[str] = "Network"

    act: "Sequence[str | Activation]" = option(("relu", "tanh", "sigmoid"), "Activations.", several=True)
    init: "Sequence[str | Initializer]" = option(_INITIALIZERS, "Initializers.", several=True)


@dataclass(frozen=True, kw_only=True)
class TrainOptions(RuleOptions, LayerOptions):
    """What `train` trains, on which data and how."""

    section: ClassVar[str] = "Run"

    act: "str | Activation | Sequence[str | Activation]" = option(
        "relu", "Activations.", several=True, section="Network"
    )
    init: "str | Initializer | Sequence[str | Initializer]" = option(
        _INITIALIZERS, "Initializers.", several=True, section="Network"
    )
    data: "str | Path | Dataset" = option(
        "synthetic",
        "Training data: a name, a table (.csv, .tsv, .parquet), a .npz file with x_train and y_train, X and y, or data "
        "and target, a folder of IDX files, or X.npy,Y.npy.",
        metavar="NAME|FILE",
        library="Or a pair (X, y) of arrays or tensors, a data frame, a mapping, such as a Bunch, or a Dataset.",
        section="Data",
    )
    scale: str = option(
        "auto",
        "Scale of the inputs, by the training rows: feature brings every feature to mean 0 and std 1, global all "
        "entries together, unit magnitudes to at most 1; auto is none for what is near mean 0 and std 1, else global "
        "for images, feature for tables.",
        metavar="auto|feature|global|unit|none",
        section="Data",
    )
    label_column: str | int | None = option(
        None,
        "Column of labels of a table, by name or by number from 1.",
        metavar="NAME|N",
        shown="the one called label, labels, target, class or y",
        section="Data",
    )
    task: str = option("auto", _TASK, metavar=_TASKS, section="Data")
    raw_targets: bool = option(False, _RAW_TARGETS, section="Data")
    lr: float | str | Sequence[float | str] = option(
        0.01, "Learning rates; auto tries a small grid and keeps the best.", several=True
    )
    loss: str | None = option(
        None, "Loss.", metavar="cross-entropy|mse", shown="cross-entropy for classes, mse for regression"
    )
    optimizer: str = option("sgd", "Optimizer.", metavar="sgd|momentum|adam|adamw")
    iterations: int = option(2000, "Number of training iterations.")
    epochs: float | None = option(None, "Number of epochs; replaces iterations.")
    schedule: str = option(
        "constant",
        "How the learning rate changes: cosine falls to 0 at the last iteration, step multiplies it by FACTOR every "
        "EVERY iterations.",
        metavar="constant|cosine|step:EVERY:FACTOR",
    )
    warmup: int = option(0, "Number of iterations over which the learning rate rises linearly.")
    weight_decay: float | None = option(
        None, "Weight decay, decoupled under adamw and an L2 penalty else.", shown="0.01 for adamw, else 0"
    )
    stop_at: float | None = option(None, "Accuracy, or R^2, on the test rows at which training stops.")
    batch: int = option(128, "Batch size.")
    save: str | Path | None = option(
        None, "Write the trained weights of the one run there is to a .npz file.", metavar="FILE.npz", section="Output"
    )
    checkpoint: str | Path | None = option(
        None,
        "Keep finished runs in this file, and go on with those that it has from the same options.",
        metavar="FILE",
        section="Output",
    )
    clip_norm: float | None = option(None, "Limit on the norm of all gradients together.")
    clip_value: float | None = option(None, "Limit on the magnitude of each entry of a gradient.")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False, init=False)
class GainOptions:
    """What `gain` looks for."""

    section: ClassVar[str] = "Network"

    bias_std: float = option(0.0, "Standard deviation of the biases.")
    depth: int = option(30, "Number of layers that the gain is for.")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False, init=False)
class VerifyOptions(GainOptions, ThreadOptions):
    """The stacks that `verify` runs."""

    section: ClassVar[str] = "Network"

    width: int = option(256, "Units per layer.")
    seed: int = option(0, "Random seed of the first stack.")


def options_from(kind: type[Options], values: Mapping[str, Any]) -> Options:
    """Return the options of a kind that `values` holds under their names, among others.

    Raises:
        KeyError: It lacks one: a function does not name every field in its signature.
    """
    return kind(**{one.name: values[one.name] for one in fields_of(kind)})


def section_of(kind: type[Any], one: Field[Any]) -> str:
    """Return the section of help that a field of a kind of options is in: that of the class that has it first."""
    owner = next(base for base in reversed(kind.__mro__) if one.name in get_annotations(base))
    return str(one.metadata["section"] or owner.__dict__["section"])


def fields_of(*kinds: type[Any]) -> list[Field[Any]]:
    """Return the fields of several kinds of options, the activation and the initializer first."""
    found: Iterable[Field[Any]] = (one for kind in kinds for one in fields(kind))
    return sorted(found, key=lambda one: one.name not in ("act", "init"))


def default_text(one: Field[Any]) -> str | None:
    """Return the default of an option in words; None for an option that is not set."""
    shown: str | None = one.metadata["shown"]
    if shown is not None:
        return shown
    if isinstance(one.default, tuple):
        return ",".join(map(str, one.default))
    return None if one.default is None else str(one.default)
