"""Training runs as data: the document that JSON holds, and flat rows."""

from collections.abc import Sequence
from math import log
from typing import Any

from actdiag.experiments.train.run import TrainingRun
from actdiag.experiments.train.snapshot import Snapshot
from actdiag.report import SCHEMA, as_plain, stack_to_dict, versions


def training_to_dict(runs: Sequence[TrainingRun]) -> dict[str, Any]:
    """Return the runs of one command as plain dicts, lists, numbers and None, with the keys of the JSON."""
    data = runs[0].data
    return {
        "schema": SCHEMA,
        "command": "train",
        "versions": versions(),
        "data": as_plain(data) | {"guess_loss": log(data.classes)},
        "runs": [_run(run) for run in runs],
    }


def training_rows(runs: Sequence[TrainingRun]) -> list[dict[str, Any]]:
    """Return a flat dict for every iteration of every run, iterations from 1."""
    return [
        _names(run) | {"iteration": iteration, "loss": loss, "accuracy": accuracy}
        for run in runs
        for iteration, (loss, accuracy) in enumerate(zip(run.loss, run.accuracy, strict=True), 1)
    ]


def _names(run: TrainingRun) -> dict[str, Any]:
    return {"act": run.stack.act.name, "init": run.stack.init.name, "lr": run.learning_rate}


def _run(run: TrainingRun) -> dict[str, Any]:
    return {
        **_names(run),
        "stack": stack_to_dict(run.stack),
        **as_plain(run.recipe),
        "loss": list(run.loss),
        "accuracy": list(run.accuracy),
        "final_loss": run.final_loss,
        "final_accuracy": run.final_accuracy,
        "test_loss": run.test_loss,
        "test_accuracy": run.test_accuracy,
        "outcome": run.outcome,
        "diverged_at": run.diverged_at,
        "tried": [{"lr": tried.learning_rate, "final_loss": tried.loss} for tried in run.tried],
        "verdict": as_plain(run.verdict),
        "before": _snapshot(run.before) | {"first_update": as_plain(run.first_update)},
        "after": _snapshot(run.after),
    }


def _snapshot(taken: Snapshot) -> dict[str, Any]:
    return {
        "layers": [as_plain(stats) for stats in taken.layers],
        "change_per_layer": as_plain(taken.change_per_layer),
        "loss": as_plain(taken.loss),
    }
