"""Flat rows, as a CSV file has them: of a report a row for each layer, of training one for each iteration."""

from collections.abc import Sequence
from typing import Any

from actdiag.documents.plain import as_plain
from actdiag.documents.reports import (
    HISTOGRAMS,
    estimates_to_dict,
    spread_to_dict,
    theory_of_layers,
    without_backward,
)
from actdiag.experiments.train import TrainingRun
from actdiag.report import Report
from actdiag.theory.types import LayerEstimates


def report_rows(report: Report) -> list[dict[str, Any]]:
    """Return a flat dict for each layer, nested keys joined by `_`, without the histograms.

    With theory, `predicted_<name>` and `predicted_<name>_sd` follow, and `flagged` as names with spaces between; with
    repeats, `sd_<name>`.
    """
    backward = report.loss is not None
    rows = [_flat(without_backward(as_plain(stats), backward)) for stats in report.layers]
    if report.theory is not None:
        for row, said in zip(rows, theory_of_layers(report), strict=True):
            row |= _predicted(said.predicted, backward) | {"flagged": " ".join(said.flagged)}
    if report.repeats is not None:
        for row, sd in zip(rows, report.repeats.sd, strict=True):
            row |= _flat(spread_to_dict(sd, backward), "sd_")
    return rows


def training_rows(runs: Sequence[TrainingRun]) -> list[dict[str, Any]]:
    """Return a flat dict for every iteration of every run, iterations from 1."""
    return [
        training_names(run) | {"iteration": iteration, "loss": loss, "accuracy": accuracy}
        for run in runs
        for iteration, (loss, accuracy) in enumerate(zip(run.loss, run.accuracy, strict=True), 1)
    ]


def training_names(run: TrainingRun) -> dict[str, Any]:
    """Return what tells a run from others."""
    return {"act": run.stack.act.name, "init": run.stack.init.name, "lr": run.learning_rate}


def _predicted(estimates: LayerEstimates, backward: bool) -> dict[str, Any]:
    """Return what is predicted of a layer as flat columns, an sd beside each value."""
    columns: dict[str, Any] = {}
    for key, value in estimates_to_dict(estimates, backward).items():
        if key == "chi1":
            columns["predicted_chi1"] = value
            continue
        nested = key in ("pre_activation", "gradient")
        for name, estimate in value.items() if nested else [("", value)]:
            column = "_".join(filter(None, ("predicted", key, name)))
            columns[column] = estimate and estimate["value"]
            columns[f"{column}_sd"] = estimate and estimate["sd"]
    return columns


def _flat(plain: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in plain.items():
        if key in HISTOGRAMS:
            continue
        if isinstance(value, dict):
            flat.update(_flat(value, f"{prefix}{key}_"))
        else:
            flat[f"{prefix}{key}"] = value
    return flat
