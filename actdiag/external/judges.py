"""The tools together: one training step of a stack, and the judgement of each on it."""

from collections.abc import Callable, Sequence

from actdiag.engine.losses import Loss
from actdiag.errors import InvalidField, check_choice, check_real
from actdiag.external import autotrainer, deepdiagnosis, sagemaker, torchmortem
from actdiag.external.measuring import measure_step
from actdiag.external.step import StepStats
from actdiag.external.violations import Judgement, Violations
from actdiag.model.stack import Stack

_TOOLS: dict[str, tuple[Callable[[StepStats], Violations], str]] = {
    "sagemaker": (sagemaker.violations, sagemaker.SOURCE),
    "deepdiagnosis": (deepdiagnosis.violations, deepdiagnosis.SOURCE),
    "autotrainer": (autotrainer.violations, autotrainer.SOURCE),
    "torchmortem": (torchmortem.violations, torchmortem.SOURCE),
}

JUDGES = tuple(_TOOLS)

_MOST_LEARNING_RATE = 1e30


def judge(
    stack: Stack, loss: Loss, judges: Sequence[str], learning_rate: float = 0.01, threads: int | None = None
) -> tuple[Judgement, ...]:
    """Return the judgements of other tools, by their published default rules, on a stack at initialization.

    The tools watch training, so their rules are applied to the first step of plain gradient descent, on the whole
    batch: one forward and one backward pass. Rules over several steps are applied to that one. The readout is no layer.

    Args:
        stack: What to judge.
        loss: The loss of the step. `random` has no readout to train: cross-entropy on ten classes stands for it, with
            labels drawn from the seed.
        judges: Which of `JUDGES`, in the order of the judgements wanted.
        learning_rate: That of the step.
        threads: The number of threads; None for as many as help.

    Raises:
        InvalidField: An argument is not accepted, or the run does not fit in memory.
    """
    if isinstance(judges, str):
        raise InvalidField(field="judge", problem=f"must be a sequence of names, got {judges!r}")
    named = [check_choice("judge", name, JUDGES) for name in judges]
    check_real("learning_rate", learning_rate, 0.0, _MOST_LEARNING_RATE, open_below=True)
    if not named:
        return ()
    trained = Loss("cross-entropy") if loss.name == "random" else loss
    step = measure_step(stack, trained, learning_rate, threads)
    return tuple(judge_by(name, step) for name in named)


def judge_by(name: str, step: StepStats) -> Judgement:
    """Return the judgement of one of `JUDGES` on a training step."""
    rules, source = _TOOLS[name]
    violations = rules(step)
    return Judgement(name, not violations, violations, source)
