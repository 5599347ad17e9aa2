"""fix: the smallest change that makes a stack healthy."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actdiag.activations import Activation
from actdiag.api.running import runner
from actdiag.api.signatures import takes
from actdiag.api.stack import build_stack
from actdiag.arrays import Numbers
from actdiag.experiments.run import Progress
from actdiag.initializers import Initializer
from actdiag.ops.entry import Op
from actdiag.options import BackwardOptions, RunOptions, StackOptions, options_from
from actdiag.report import Report

if TYPE_CHECKING:
    from actdiag.experiments.fix import Fix


@takes(StackOptions, BackwardOptions, RunOptions)
def fix(
    act: str | Activation = StackOptions.act,
    init: str | Initializer = StackOptions.init,
    *,
    weights: str | Path | Sequence[Any] | None = StackOptions.weights,
    weights_layout: str | None = StackOptions.weights_layout,
    backward: bool = False,
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
    loss: str = BackwardOptions.loss,
    classes: int | None = BackwardOptions.classes,
    labels: str | Path | Numbers | None = BackwardOptions.labels,
    task: str = BackwardOptions.task,
    raw_targets: bool = BackwardOptions.raw_targets,
    memory: int | str = BackwardOptions.memory,
    optimizer: str = RunOptions.optimizer,
    iterations: int = RunOptions.iterations,
    bins: int = RunOptions.bins,
    range: tuple[float, float] | None = RunOptions.range,
    threads: int | None = RunOptions.threads,
    repeats: int = RunOptions.repeats,
    theory: bool = RunOptions.theory,
    rules: str | Path | Mapping[str, Any] | None = RunOptions.rules,
    progress: Progress | None = None,
    report: Report | None = None,
) -> "Fix | None":
    """Return the smallest change that makes a stack healthy, with the Report of a run of it.

    Changes are tried in a fixed order: standardized inputs, the customary initializer, the gain, no biases, both, other
    initializers, other activations, fewer layers. None is returned for a stack that is healthy, and for one that none
    of them makes healthy.

    With `backward` runs are those of `grad_flow`, else those of `propagate`, which do not use `loss`, `classes`,
    `labels` and `memory`. A `report` of the stack saves its first run: the stack is then taken from there, and what the
    report has as its fix is tried first. `progress` is called as in these functions, anew for every run.

    Raises:
        InvalidField: A ValueError that names the field, what it accepts and what it got.

    Example:
        >>> found = fix("relu", "xavier", depth=30, batch=200)
        >>> found.change.options, found.report.verdict.severity
        ({'init': 'he'}, 'healthy')
    """
    from actdiag.experiments.fix import find_fix

    given = locals()
    loss_of = options_from(BackwardOptions, given) if backward else None
    run = runner(options_from(RunOptions, given), loss_of, label_column=label_column)
    if report is None:
        report = run(build_stack(options_from(StackOptions, given)), progress)
    if report.verdict.severity == "healthy":
        return None
    return find_fix(report, lambda stack: run(stack, progress))
