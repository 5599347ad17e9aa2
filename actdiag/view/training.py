"""Training runs in words and as curves, the same in the terminal and in pictures."""

from collections.abc import Sequence
from math import ceil

import numpy as np

from actdiag.experiments.train import TrainingRun
from actdiag.numerals import MISSING, brief, percent, whole_percent
from actdiag.view import words

_EXPECTED = {"healthy": ("learned", "memorized"), "untrainable": ("did not learn", "diverged")}
"""The outcomes that a verdict, which is on the training loss, leads one to expect; `at-risk` excludes none."""

_MOST_REASONS, _MOST_CLASSES = 2, 8


def names(runs: Sequence[TrainingRun]) -> list[str]:
    """Return what tells each run from the others: `relu, he` or `he, lr 0.1`; all of it of a run alone."""
    parts = [
        (run.stack.act.name, run.stack.init.name, f"lr {brief(run.learning_rate)}" + "*" * bool(run.tried))
        for run in runs
    ]
    varied = [len({part[place] for part in parts}) > 1 for place in range(3)]
    if any(run.tried for run in runs):
        varied[2] = True
    shown = [place for place in range(3) if varied[place]] or [0, 1]
    return [", ".join(part[place] for place in shown) for part in parts]


def heading(runs: Sequence[TrainingRun]) -> tuple[str, str, str]:
    """Return what all runs have in common: activation and initializer where there is one, shape and recipe, data."""
    first = runs[0].stack
    acts, inits = {run.stack.act.name for run in runs}, {run.stack.init.name for run in runs}
    act = first.act.name if len(acts) == 1 else f"{len(acts)} activations"
    alone = words.initializer(first) if len(acts) == len(inits) == 1 else first.init.name
    init = alone if len(inits) == 1 else f"{len(inits)} initializers"
    given = [run.stack for run in runs if run.stack.target_gain is None]  # the others are told by fitted_gains
    bias = words.common_biases(given) if given else ""
    setting = ", ".join(filter(None, (words.shape(first), bias, first.dtype, f"seed {first.seed}", recipe(runs))))
    return f"{act}, {init}", setting, data(runs[0])


def data(run: TrainingRun) -> str:
    """Return what a run was trained on: `digits: 1438 rows of 64 in 10 classes, 359 to test on`.

    After it stands what needs no input: the chance level of the loss, and the accuracy of the commonest class.
    """
    of = run.data
    kind = "for regression" if is_regression(run) else f"in {of.classes} class{'es' if of.classes > 1 else ''}"
    parts = [f"{of.name}: {of.train_rows} rows of {of.features} {kind}, {of.test_rows} to test on"]
    parts += of.notes
    if run.recipe.batch >= of.train_rows:
        parts.append("every batch is all rows")
    if of.missing:
        parts.append(f"no row to train on in {_classes([of.called(one) for one in of.missing])}")
    parts.append(f"chance level {brief(of.level)}")
    if of.commonest is not None:
        parts[-1] += (
            f", commonest class {of.called(of.commonest)}: {percent(of.commonest_test_fraction)} of the test rows"
        )
    return "; ".join(parts)


def is_regression(run: TrainingRun) -> bool:
    """Return whether a run is of regression."""
    return run.data.task == "regression"


def score(run: TrainingRun) -> str:
    """Return what the scores of a run are called."""
    return "R^2" if is_regression(run) else "accuracy"


def score_text(run: TrainingRun, value: float | None) -> str:
    """Return a score in words: a percentage, or R^2 with two digits."""
    if is_regression(run):
        return MISSING if value is None else f"{value:.2f}"
    return percent(value)


def _classes(missing: Sequence[str]) -> str:
    shown = missing[:_MOST_CLASSES]
    more = f" and {len(missing) - _MOST_CLASSES} more" if len(missing) > _MOST_CLASSES else ""
    return f"class{'es' if len(missing) > 1 else ''} {', '.join(shown)}{more}"


def recipe(runs: Sequence[TrainingRun]) -> str:
    """Return how runs were trained: `sgd at 0.01, 2000 iterations of 128 rows`."""
    used = runs[0].recipe
    rates = {run.learning_rate for run in runs}
    at = f" at {brief(*rates)}" if len(rates) == 1 and not any(run.tried for run in runs) else ""
    plural = "s" if used.iterations > 1 else ""
    parts = [f"{used.optimizer}{at}, {used.iterations} iteration{plural} of {used.batch} rows"]
    parts += [f"{used.schedule} schedule"] if used.schedule != "constant" else []
    parts += [f"{used.warmup} iterations of warmup"] if used.warmup else []
    parts += [f"weight decay {brief(used.decay)}"] if used.decay else []
    parts += [f"until {score(runs[0])} {brief(used.stop_at)} on the test rows"] if used.stop_at is not None else []
    parts += [f"gradients clipped to a norm of {brief(used.clip_norm)}"] if used.clip_norm is not None else []
    parts += [f"their entries to {brief(used.clip_value)}"] if used.clip_value is not None else []
    return ", ".join(parts)


def tried(runs: Sequence[TrainingRun]) -> str:
    """Return which learning rates `auto` chose from; empty where it did not."""
    rates = next((run.tried for run in runs if run.tried), ())
    listed = ", ".join(brief(one.learning_rate) for one in rates)
    first = (
        ""
        if runs[0].recipe.stop_at is None
        else f"{score(runs[0])} {brief(runs[0].recipe.stop_at)} reached first, then "
    )
    return f"lr*: best of {listed}, by {first}the mean of the last 25 losses" if rates else ""


def fitted_gains(runs: Sequence[TrainingRun]) -> str:
    """Return the gain and the biases that `auto` brought each activation to; empty where it did not."""
    said = {
        run.stack.act.name: f"{run.stack.act.name} gain {brief(run.stack.target_gain)}, "
        f"bias std {brief(run.stack.bias_spread(1)[1])}"
        for run in runs
        if run.stack.target_gain is not None
    }
    return f"auto: {'; '.join(said.values())}" if said else ""


def outcome(run: TrainingRun) -> str:
    """Return what became of a run: `learned`, `learned at 340` of one that stopped there, `diverged at 37`."""
    at = run.diverged_at or run.stopped_at
    return run.outcome if at is None else f"{run.outcome} at {at}"


def surprises(runs: Sequence[TrainingRun]) -> list[str]:
    """Return a line on each run that the verdict at initialization was wrong about."""
    lines = []
    for run, name in zip(runs, names(runs), strict=True):
        verdict = run.verdict
        if run.outcome in _EXPECTED.get(verdict.severity, (run.outcome,)):
            continue
        by = ", ".join(verdict.decided_by[:_MOST_REASONS])
        judged = f"judged {verdict.severity} ({whole_percent(verdict.probability)})" + (f" by {by}" if by else "")
        came = {
            "learned": f"it learned: loss {brief(run.final_loss)}",
            "slow": f"it learned slowly: loss {brief(run.final_loss)}",
            "did not learn": f"it did not learn: loss {brief(run.final_loss)}",
            "diverged": f"it {outcome(run)}",
            "memorized": f"it memorized the training rows: loss {brief(run.final_loss)}",
        }[run.outcome]
        lines.append(f"{name}: {judged}, yet {came}{_why(run)}")
    return lines


def _why(run: TrainingRun) -> str:
    """Return in what a run is not what its verdict speaks of: a recommended learning rate."""
    rates = run.verdict.learning_rates
    if rates is not None and not rates[0] <= run.learning_rate <= rates[1]:
        used, low, high = (brief(rate) for rate in (run.learning_rate, *rates))
        return f"; the verdict is for a learning rate of {low} to {high}, not {used}"
    return ""


def memorized(runs: Sequence[TrainingRun]) -> str:
    """Return what is said of runs that memorized, where there are some."""
    found = [name for run, name in zip(runs, names(runs), strict=True) if run.outcome == "memorized"]
    what = "the mean of the targets" if is_regression(runs[0]) else "the commonest class"
    return f"memorized: test rows are not predicted better than by {what}" if found else ""


def means(values: Sequence[float | None], iterations: int, cells: int) -> list[float | None]:
    """Return a curve of `iterations` values, those of a run that ended early missing, as means over at most `cells`.

    A mean is over what there is; it is None where there is nothing.
    """
    size = max(ceil(iterations / max(cells, 1)), 1)
    runs = [values[start : start + size] for start in range(0, iterations, size)]
    return [_mean([value for value in run if value is not None]) for run in runs]


def smoothed(values: Sequence[float], over: int) -> list[float]:
    """Return the mean about each value of up to `over` values: as many before as after it, but at the end."""
    half = over // 2
    array = np.array(values, dtype=np.float64)
    return [float(array[place - min(half, place) : place + min(half, place) + 1].mean()) for place in range(len(array))]


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
