"""compare: every activation with every initializer."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from actdiag.activations import Activation
from actdiag.api.running import runner
from actdiag.api.signatures import takes
from actdiag.api.stack import build_stack, resolve_acts, resolve_inits, with_entries
from actdiag.arrays import Numbers
from actdiag.engine.memory import need_of, parse_size, plan_backward
from actdiag.errors import InvalidField
from actdiag.experiments.run import Progress, check_repeats
from actdiag.initializers import Initializer
from actdiag.model.stack import Stack
from actdiag.ops.entry import Op
from actdiag.options import BackwardOptions, CompareOptions, InputOptions, RunOptions, StackOptions, options_from
from actdiag.report import Report


@takes(CompareOptions, BackwardOptions, RunOptions)
def compare(
    act: Sequence[str | Activation] = CompareOptions.act,
    init: Sequence[str | Initializer] = CompareOptions.init,
    *,
    depth: int | None = CompareOptions.depth,
    width: int | None = CompareOptions.width,
    widths: Sequence[int] | None = CompareOptions.widths,
    arch: Sequence[Op] | None = CompareOptions.arch,
    bias_mean: float | None = CompareOptions.bias_mean,
    bias_std: float | None = CompareOptions.bias_std,
    gain: float | str = CompareOptions.gain,
    dtype: str = CompareOptions.dtype,
    seed: int = CompareOptions.seed,
    input: str | Path | Numbers = CompareOptions.input,
    input_width: int | None = CompareOptions.input_width,
    batch: int | None = CompareOptions.batch,
    scale: str = CompareOptions.scale,
    standardize: bool = CompareOptions.standardize,
    label_column: str | int | None = CompareOptions.label_column,
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
) -> list[Report]:
    """Run every activation with every initializer, forward and backward, and return a Report of each.

    The order is that of `act`, and within it that of `init`; what comes twice counts once. `progress` is called with
    (steps done, steps in all) over all stacks.

    Raises:
        InvalidField: A ValueError that names the field, what it accepts and what it got.

    Example:
        >>> reports = compare(["relu", "tanh"], ["he"], depth=3, batch=100)
        >>> [report.stack.act.name for report in reports]
        ['relu', 'tanh']
    """
    given = locals()
    for field, names in (("act", act), ("init", init)):
        if isinstance(names, str) or not isinstance(names, Sequence):
            raise InvalidField(field, f"must be a list of at least one, got {names!r}")
    backward = options_from(BackwardOptions, given)
    run = runner(options_from(RunOptions, given), backward, "compare", label_column=label_column)
    stacks = _stacks(options_from(CompareOptions, given))
    for stack in stacks:  # one that cannot run is refused before the first has run
        kept = plan_backward(stack, parse_size("memory", memory))[1]
        need_of(stack, kept, bins=bins, reports=len(stacks)).check(threads)
    check_repeats(stacks[0], repeats)

    def run_one(number: int, stack: Stack) -> Report:
        def step(done: int, total: int) -> None:
            if progress is not None:
                progress(number * total + done, len(stacks) * total)

        return run(stack, step)

    return [run_one(number, stack) for number, stack in enumerate(stacks)]


def _stacks(options: CompareOptions) -> list[Stack]:
    """Return the stack of every activation with every initializer, in that order; the input is read once."""
    acts, inits = resolve_acts(options.act), resolve_inits(options.init)
    shared = options_from(InputOptions, vars(options))
    first = build_stack(StackOptions(**vars(shared), act=acts[0], init=inits[0]))
    return with_entries(first, acts, inits, options)
