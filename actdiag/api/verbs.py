"""The library's front door: names in, Reports out."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import numpy as np

from actdiag import activations
from actdiag.activations import Activation
from actdiag.arrays import Numbers
from actdiag.datasets.inputs import DEFAULT_ROWS, flatten_input, load_input, load_labels, standardized
from actdiag.datasets.random_inputs import RANDOM_INPUTS
from actdiag.engine.losses import DEFAULT_CLASSES, Loss
from actdiag.engine.memory import DEFAULT_BUDGET, check_fits, parse_size, plan_backward
from actdiag.errors import InvalidField, check_integer, check_real, did_you_mean
from actdiag.experiments.run import (
    Progress,
    RunSettings,
    check_repeats,
    run_grad_flow,
    run_propagate,
    run_repeatedly,
    run_settings,
)
from actdiag.initializers import Initializer
from actdiag.model.stack import MOST_LAYERS, Stack
from actdiag.report import Report
from actdiag.theory.automatic import resolve_init, scale_fields

if TYPE_CHECKING:
    from actdiag.datasets.catalogue import Dataset
    from actdiag.experiments.train import Look, TrainingRun, Watch
    from actdiag.theory.gains import Gains

DEFAULT_DEPTH = 5
DEFAULT_WIDTH = 100
MOST_RATE = 1e30


class LayerOptions(TypedDict, total=False):
    """The options of a stack's layers, beside its activation and its initializer.

    Attributes:
        depth: The number of layers; 5 by default.
        width: The units of each; 100 by default.
        widths: The units of layers 1 to L, instead of `depth` and `width`.
        bias_mean: The mean of normal biases; with neither this nor `bias_std`, the initializer's own, mostly zeros.
        bias_std: The std of normal biases.
        gain: What the sampled weights are multiplied with; `auto` brings every layer to the gain that the activation
            needs, and sets `bias_std` where no bias is given (so does the initializer `auto`, which is lecun).
        dtype: `float32` or `float64`.
        seed: What every random number follows from.
    """

    depth: int | None
    width: int | None
    widths: Sequence[int] | None
    bias_mean: float | None
    bias_std: float | None
    gain: float | str
    dtype: str
    seed: int


class StackOptions(LayerOptions, total=False):
    """The options of a run: those of its layers, and those of its inputs.

    Attributes:
        input: `normal` (N(0, 1)), `uniform` (U(-sqrt 3, sqrt 3)), an array of shape (rows, ...), or the path of a .npy
            file or of a .npz file with a key after a colon; arrays are flattened to (rows, features).
        input_width: The features of an input: by default those of the array, else the first width.
        batch: The number of inputs; 1000 by default, or as many rows up to that as the array has.
        standardize: Whether every feature of an array is brought to mean 0 and std 1.
    """

    input: str | Path | Numbers
    input_width: int | None
    batch: int | None
    standardize: bool


def make_stack(
    act: str | Activation = "relu", init: str | Initializer = "he", **options: Unpack[StackOptions]
) -> Stack:
    """Return the Stack that names and options describe, with its input read.

    Raises:
        InvalidField: A ValueError that names the field, what it accepts and what it got.
        TypeError: There is no such option.
    """
    unknown = next((name for name in options if name not in StackOptions.__annotations__), None)
    if unknown is not None:
        message = f"unexpected option {unknown!r}{did_you_mean(unknown, StackOptions.__annotations__)}"
        raise TypeError(message)
    depth, width, widths = options.get("depth"), options.get("width"), options.get("widths")
    if widths is not None:
        if isinstance(widths, str) or not isinstance(widths, Iterable):
            raise InvalidField(field="widths", problem=f"must be a sequence of whole numbers, got {widths!r}")
        widths = list(widths)
        for field, value in (("depth", depth), ("width", width)):
            if value is not None:
                raise InvalidField(field, f"must be left out where widths are given, got {value}")
        if not len(widths):
            raise InvalidField(field="widths", problem="must hold at least one width, got none")
    else:
        units = DEFAULT_WIDTH if width is None else width
        widths = [units] * check_integer("depth", DEFAULT_DEPTH if depth is None else depth, 1, MOST_LAYERS)
    batch, input_width = options.get("batch"), options.get("input_width")
    if batch is not None:
        check_integer("batch", batch, 1, 10**18)
    source = options.get("input", "normal")
    data, label = _read_input(source, batch, bool(options.get("standardize")))
    if data is not None:
        features = data.shape[1]
        if input_width not in (None, features):
            raise InvalidField(
                field="input_width", problem=f"must be {features}, the features of {label}, got {input_width}"
            )
        batch, input_width = data.shape
    entry, weights = activations.resolve(act), resolve_init(init)
    return Stack(
        act=entry,
        init=weights,
        widths=tuple(widths),
        input=label,
        input_width=widths[0] if input_width is None else input_width,
        batch=DEFAULT_ROWS if batch is None else batch,
        dtype=options.get("dtype", "float32"),
        seed=options.get("seed", 0),
        data=data,
        **scale_fields(entry, weights, *_scale_options(options)),
    )


def propagate(
    act: str | Activation = "relu",
    init: str | Initializer = "he",
    *,
    bins: int = 30,
    range: tuple[float, float] | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
    repeats: int = 1,
    theory: bool = True,
    rules: str | Path | Mapping[str, Any] | None = None,
    **options: Unpack[StackOptions],
) -> Report:
    """Push inputs through a stack and report what becomes of the signal, layer by layer.

    Args:
        act: An activation's name, with parameters (`leaky_relu:0.2`), or an Activation.
        init: An initializer's name, with parameters (`std=0.01`), or an Initializer.
        bins: The bins of the activation histograms.
        range: Their range, (low, high); by default the activation's bounds or the reach of layer 1.
        threads: How many threads; all processors by default. The numbers do not depend on it.
        progress: Called with (layers done, layers in all) after each, over all repeats.
        repeats: How many runs, under the seeds from `seed` on; the report then holds their means and their spread.
        theory: Whether mean-field theory is set beside what was measured.
        rules: Limits other than the rules' own: a TOML file, or a mapping such as {"saturation": {"high": 0.9}}.
        **options: See StackOptions.

    Raises:
        InvalidField: A ValueError that names the field, what it accepts and what it got.

    Example:
        >>> report = propagate("relu", "he", depth=3, batch=100)
        >>> [layer.layer for layer in report.layers], report.verdict.severity
        ([1, 2, 3], 'healthy')
    """
    settings = run_settings(bins, range, threads, progress, theory, rules)
    return run_repeatedly(run_propagate, make_stack(act, init, **options), settings, repeats)


def grad_flow(
    act: str | Activation = "relu",
    init: str | Initializer = "he",
    *,
    loss: str = "random",
    classes: int = DEFAULT_CLASSES,
    labels: str | Path | Numbers | None = None,
    memory: int | str = DEFAULT_BUDGET,
    bins: int = 30,
    range: tuple[float, float] | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
    repeats: int = 1,
    theory: bool = True,
    rules: str | Path | Mapping[str, Any] | None = None,
    **options: Unpack[StackOptions],
) -> Report:
    """Push inputs through a stack and a gradient back down, and report on both, layer by layer.

    Args:
        act: An activation's name, with parameters (`leaky_relu:0.2`), or an Activation.
        init: An initializer's name, with parameters (`std=0.01`), or an Initializer.
        loss: `random`, `mse` or `cross-entropy`.
        classes: The classes of the readout.
        labels: Whole numbers from 0 to classes - 1, a row for each input, or a file of them; drawn by default.
        memory: Bytes, or text such as `64MiB`, that bound what is kept for the way down. The numbers do not depend
            on it.
        bins: The bins of the activation histograms.
        range: Their range, (low, high); by default the activation's bounds or the reach of layer 1.
        threads: How many threads; all processors by default. The numbers do not depend on it.
        progress: Called with (steps done, steps in all), two steps a layer.
        repeats: How many runs, under the seeds from `seed` on; the report then holds their means and their spread.
        theory: Whether mean-field theory is set beside what was measured.
        rules: Limits other than the rules' own: a TOML file, or a mapping such as {"saturation": {"high": 0.9}}.
        **options: See StackOptions.

    Raises:
        InvalidField: A ValueError that names the field, what it accepts and what it got.

    Example:
        >>> report = grad_flow("sigmoid", "xavier", depth=12, batch=100)
        >>> report.verdict.severity, "vanishing_gradient" in report.verdict.decided_by
        ('untrainable', True)
    """
    budget = parse_size("memory", memory)
    stack = make_stack(act, init, **options)
    chosen_loss = make_loss(loss, classes, labels)

    def run(stack: Stack, settings: RunSettings) -> Report:
        return run_grad_flow(stack, chosen_loss, budget, settings)

    return run_repeatedly(run, stack, run_settings(bins, range, threads, progress, theory, rules), repeats)


def compare(
    act: Sequence[str | Activation] = ("relu", "tanh", "sigmoid"),
    init: Sequence[str | Initializer] = ("std=0.01", "xavier", "he"),
    *,
    loss: str = "random",
    classes: int = DEFAULT_CLASSES,
    labels: str | Path | Numbers | None = None,
    memory: int | str = DEFAULT_BUDGET,
    bins: int = 30,
    range: tuple[float, float] | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
    repeats: int = 1,
    theory: bool = True,
    rules: str | Path | Mapping[str, Any] | None = None,
    **options: Unpack[StackOptions],
) -> list[Report]:
    """Run every activation with every initializer, both ways, and return a Report of each.

    The order is that of `act`, and within it that of `init`; a name that comes twice counts once. Arguments are those
    of `grad_flow`.

    Raises:
        InvalidField: A ValueError that names the field, what it accepts and what it got.
    """
    budget = parse_size("memory", memory)
    for field, names in (("act", act), ("init", init)):
        if isinstance(names, str) or not isinstance(names, Sequence):
            raise InvalidField(field, f"must be a list of at least one, got {names!r}")
    acts, inits = several("act", act, activations.resolve), several("init", init, resolve_init)
    stacks = _alternatives(make_stack(acts[0], inits[0], **options), acts, inits, options)
    first = stacks[0]
    for stack in stacks:  # one that cannot run is refused before the first has run
        check_fits(stack, plan_backward(stack, budget)[1])
    chosen_loss = make_loss(loss, classes, labels)
    check_repeats(first, repeats)
    settings = run_settings(bins, range, threads, theory=theory, rules=rules)

    def run(stack: Stack, settings: RunSettings) -> Report:
        return run_grad_flow(stack, chosen_loss, budget, settings, command="compare")

    def run_one(number: int, stack: Stack) -> Report:
        def step(done: int, total: int) -> None:
            if progress is not None:
                progress(number * total + done, len(stacks) * total)

        return run_repeatedly(run, stack, settings._replace(progress=step), repeats)

    return [run_one(number, stack) for number, stack in enumerate(stacks)]


def train(
    act: str | Activation | Sequence[str | Activation] = "relu",
    init: str | Initializer | Sequence[str | Initializer] = ("std=0.01", "xavier", "he"),
    *,
    data: "str | Path | Dataset" = "synthetic",
    scale: str = "standard",
    lr: float | str | Sequence[float | str] = 0.01,
    optimizer: str = "sgd",
    iterations: int = 2000,
    batch: int = 128,
    clip_norm: float | None = None,
    clip_value: float | None = None,
    watch: "Watch | None" = None,
    progress: Progress | None = None,
    **options: Unpack[LayerOptions],
) -> "list[TrainingRun]":
    """Train every activation with every initializer at every learning rate, under a softmax cross-entropy readout.

    Args:
        act: Activations, as `propagate` takes one.
        init: Initializers, likewise.
        data: `synthetic`, `digits`, a file or files, or a Dataset; see `load_dataset`.
        scale: `standard` (one mean and one std over all training inputs), `unit` or `raw`.
        lr: Learning rates; `auto` is the best of a small grid.
        optimizer: `sgd`, `momentum` or `adam`.
        iterations: Updates.
        batch: Rows a batch.
        clip_norm: What the norm of all gradients together is brought down to.
        clip_value: What every entry of a gradient is brought down to.
        watch: Called at every iteration with a Look at the run.
        progress: Called with (iterations done, iterations in all), over all runs.
        **options: See LayerOptions; the inputs are those of the data.

    Raises:
        InvalidField: A ValueError that names the field, what it accepts and what it got.

    Example:
        >>> runs = train("relu", ["std=0.01", "he"], lr=0.1, iterations=200)
        >>> [run.final_loss > 1.5 for run in runs]
        [True, False]
    """
    from actdiag.datasets.catalogue import load_dataset
    from actdiag.experiments.train import (
        AUTO_RATES,
        Recipe,
        check_training_fits,
        checked_recipe,
        over_rows,
        run_training,
    )

    for field in ("input", "input_width", "standardize"):
        given: object = dict(options).get(field)
        if given is not None and given is not False:
            raise InvalidField(field, f"must be left out: the data say what it is, got {given!r}")
    acts, inits = several("act", act, activations.resolve), several("init", init, resolve_init)
    loaded = load_dataset(data, scale=scale, seed=options.get("seed", 0))
    recipe = checked_recipe(Recipe(optimizer, iterations, batch, clip_norm, clip_value), len(loaded.train_inputs))
    rates = list(dict.fromkeys(_rates(one, AUTO_RATES[recipe.optimizer]) for one in _listed("lr", lr)))
    rows = over_rows(loaded)
    over: StackOptions = {
        **options,
        "input": rows,
        "input_width": rows.shape[1],
        "batch": len(rows),
        "standardize": False,
    }
    name = loaded.name if scale == "standard" or loaded is data else f"{loaded.name}, {scale}"
    first = replace(make_stack(acts[0], inits[0], **over), input=name)
    stacks = _alternatives(first, acts, inits, options)
    for stack in stacks:
        check_training_fits(stack, recipe, loaded.classes)
    total, begun = len(stacks) * sum(map(len, rates)) * recipe.iterations, 0

    def look(seen: "Look") -> None:
        nonlocal begun
        begun += seen.step.iteration == 1
        if watch is not None:
            watch(seen)
        if progress is not None:  # a run that diverged leaves out what it had left
            progress((begun - 1) * recipe.iterations + seen.step.iteration, total)

    return [run_training(stack, loaded, recipe, grid, look) for stack in stacks for grid in rates]


def _rates(rate: object, grid: Sequence[float]) -> tuple[float, ...]:
    if rate == "auto":
        return tuple(grid)
    if isinstance(rate, str):
        raise InvalidField(field="lr", problem=f"must be a number or auto, got {rate!r}")
    return (check_real("lr", rate, 0.0, MOST_RATE, open_below=True),)


def _listed(field: str, values: object) -> list[Any]:
    """Return one value, or the values of a sequence, as a list of at least one."""
    many = isinstance(values, Sequence) and not isinstance(values, str)
    listed = list(values) if many else [values]  # type: ignore[call-overload]
    if not listed:
        raise InvalidField(field, f"must be a list of at least one, got {values!r}")
    return listed


def several(field: str, values: object, resolve: Callable[[Any], Any]) -> list[Any]:
    """Return the entries that names stand for, a name that comes twice once.

    Raises:
        InvalidField: There are none, or one is unknown.
    """
    return list({entry.name: entry for entry in map(resolve, _listed(field, values))}.values())


def _alternatives(
    first: Stack, acts: Sequence[Activation], inits: Sequence[Initializer], options: LayerOptions
) -> list[Stack]:
    """Return the stack of every activation with every initializer, in that order."""
    return [
        replace(first, act=act, init=init, **scale_fields(act, init, *_scale_options(options)))
        for act in acts
        for init in inits
    ]


def gain(act: str | Activation, bias_std: float = 0.0) -> "Gains":
    """Return the gains of an elementwise activation: forward, backward, critical, and the one to take.

    Args:
        act: An activation's name, with parameters (`leaky_relu:0.2`), or an Activation.
        bias_std: The std of the biases that the critical point is to have.

    Raises:
        InvalidField: A ValueError that names the field, what it accepts and what it got.

    Example:
        >>> round(gain("tanh").forward_gain, 6), gain("tanh").recommended.gain
        (1.592537, 1.0)
    """
    from actdiag.theory.gains import gains

    return gains(activations.resolve(act), bias_std)


def make_loss(name: str = "random", classes: int = DEFAULT_CLASSES, labels: str | Path | Numbers | None = None) -> Loss:
    """Return the Loss that names and options describe, with its labels read.

    Raises:
        InvalidField: A field holds something that is not accepted.
    """
    if isinstance(labels, str | Path):
        labels = load_labels(labels)
    return Loss(name, classes, None if labels is None else _as_array("labels", labels))


def _scale_options(options: LayerOptions) -> tuple[float | str, float | None, float | None]:
    return options.get("gain", 1.0), options.get("bias_mean"), options.get("bias_std")


def _as_array(field: str, values: object) -> Numbers:
    try:
        return np.asarray(values)
    except (ValueError, TypeError, OverflowError) as error:
        raise InvalidField(field, f"must be an array of numbers, got {type(values).__name__}: {error}") from None


def _read_input(source: str | Path | Numbers, batch: int | None, standardize: bool) -> tuple[Numbers | None, str]:
    if isinstance(source, str) and source in RANDOM_INPUTS:
        if standardize:
            raise InvalidField(
                field="standardize", problem=f"must come with an input file or array, got input {source}"
            )
        return None, source
    if isinstance(source, str | Path):
        data, label = load_input(source, batch), str(source)
    else:
        data, label = flatten_input(_as_array("input", source), batch, "the array"), "array"
    return (standardized(data), f"{label}, standardized") if standardize else (data, label)
