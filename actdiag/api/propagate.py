"""propagate: what happens to the signal."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from actdiag.activations import Activation
from actdiag.api.running import runner
from actdiag.api.signatures import takes
from actdiag.api.stack import build_stack
from actdiag.arrays import Numbers
from actdiag.experiments.fix import with_advice
from actdiag.experiments.run import Progress
from actdiag.initializers import Initializer
from actdiag.ops.entry import Op
from actdiag.options import MemoryOptions, RunOptions, StackOptions, options_from
from actdiag.report import Report


@takes(StackOptions, MemoryOptions, RunOptions)
def propagate(
    act: str | Activation = StackOptions.act,
    init: str | Initializer = StackOptions.init,
    *,
    weights: str | Path | Sequence[Any] | None = StackOptions.weights,
    weights_layout: str | None = StackOptions.weights_layout,
    depth: int | None = StackOptions.depth,
    width: int | None = StackOptions.width,
    widths: Sequence[int] | None = StackOptions.widths,
    arch: Sequence[Op] | None = StackOptions.arch,
    bias_mean: float | None = StackOptions.bias_mean,
    bias_std: float | None = StackOptions.bias_std,
    gain: float | str = StackOptions.gain,
    dtype: str = StackOptions.dtype,
    seed: int = StackOptions.seed,
    input: str | Path | Numbers = StackOptions.input,
    input_width: int | None = StackOptions.input_width,
    batch: int | None = StackOptions.batch,
    scale: str = StackOptions.scale,
    standardize: bool = StackOptions.standardize,
    label_column: str | int | None = StackOptions.label_column,
    memory: int | str = MemoryOptions.memory,
    optimizer: str = RunOptions.optimizer,
    iterations: int = RunOptions.iterations,
    bins: int = RunOptions.bins,
    range: tuple[float, float] | None = RunOptions.range,
    threads: int | None = RunOptions.threads,
    repeats: int = RunOptions.repeats,
    theory: bool = RunOptions.theory,
    rules: str | Path | Mapping[str, Any] | None = RunOptions.rules,
    progress: Progress | None = None,
) -> Report:
    """Run a stack forward and report what happens to the signal, layer by layer.

    Where the verdict rests on an estimate of the gradient and is unsure, a backward pass is run for it, if `memory`
    lets it. A stack that is not healthy is run again with a few changes, on few rows: `verdict.fix` is the first that
    makes it healthy.

    `progress` is called with (layers done, layers in all) after each layer, counted over all repeats.

    Raises:
        InvalidField: A ValueError that names the field, what it accepts and what it got.

    Example:
        >>> report = propagate("relu", "he", depth=3, batch=100)
        >>> [layer.layer for layer in report.layers], report.verdict.severity
        ([1, 2, 3], 'healthy')
    """
    given = locals()
    run = runner(options_from(RunOptions, given), memory=memory)
    report = run(build_stack(options_from(StackOptions, given)), progress)
    return with_advice(report, lambda stack: run(stack, None, theory=False)) if report.repeats is None else report
