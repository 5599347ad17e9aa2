"""Training runs in documents."""

from collections.abc import Sequence
from typing import Any

from actdiag.documents.plain import SCHEMA, as_plain, checked, member, read, read_all, reading, versions
from actdiag.documents.reports import layer_to_dict
from actdiag.documents.rows import training_names
from actdiag.documents.stacks import stack_from_dict, stack_to_dict
from actdiag.documents.verdicts import read_verdict
from actdiag.experiments.train import Advantage, DataFacts, Recipe, Snapshot, TrainingRun, Tried
from actdiag.measure.statistics import ChangePerLayer, LayerStats
from actdiag.model.site import Site


def training_to_dict(runs: Sequence[TrainingRun]) -> dict[str, Any]:
    """Return the runs of one command as plain dicts, lists, numbers and None, with the keys of the JSON."""
    data = runs[0].data
    return {
        "schema": SCHEMA,
        "command": "train",
        "versions": versions(),
        "data": as_plain(data) | {"guess_loss": data.level},
        "runs": [_run(run) for run in runs],
    }


def training_from_dict(document: Any) -> list[TrainingRun]:
    """Return the training runs that a document holds.

    Raises:
        InvalidField: It is no such document.
    """
    with reading():
        found = checked(document, "data")
        data = read(DataFacts, found["data"], "data")
        return [_training_run(run, data, f"runs[{place}]") for place, run in enumerate(member(found, "runs"))]


def _run(run: TrainingRun) -> dict[str, Any]:
    sites = run.stack.sites()
    return {
        **training_names(run),
        "stack": stack_to_dict(run.stack),
        **as_plain(run.recipe),
        "loss": list(run.loss),
        "accuracy": list(run.accuracy),
        "final_loss": run.final_loss,
        "final_accuracy": run.final_accuracy,
        "test_loss": run.test_loss,
        "test_accuracy": run.test_accuracy,
        "chance": run.data.level,
        "advantage": as_plain(run.advantage),
        "outcome": run.outcome,
        "diverged_at": run.diverged_at,
        "stopped_at": run.stopped_at,
        "tried": [{"lr": tried.learning_rate, "final_loss": tried.loss} for tried in run.tried],
        "verdict": as_plain(run.verdict),
        "before": _snapshot(run.before, sites) | {"first_update": as_plain(run.first_update)},
        "after": _snapshot(run.after, sites),
    }


def _snapshot(taken: Snapshot, sites: Sequence[Site]) -> dict[str, Any]:
    return {
        "layers": [layer_to_dict(stats, site) for stats, site in zip(taken.layers, sites, strict=True)],
        "change_per_layer": as_plain(taken.change_per_layer),
        "loss": as_plain(taken.loss),
    }


def _training_run(plain: Any, data: DataFacts, where: str) -> TrainingRun:
    def at(key: str) -> Any:
        return member(plain, key, where)

    tried = [
        Tried(member(one, "lr", f"{where}.tried"), member(one, "final_loss", f"{where}.tried")) for one in at("tried")
    ]
    return TrainingRun(
        stack=stack_from_dict(at("stack"), f"{where}.stack"),
        data=data,
        recipe=read(Recipe, plain, where),
        learning_rate=at("lr"),
        loss=tuple(at("loss")),
        accuracy=tuple(at("accuracy")),
        test_loss=at("test_loss"),
        test_accuracy=at("test_accuracy"),
        before=_read_snapshot(at("before"), f"{where}.before"),
        after=_read_snapshot(at("after"), f"{where}.after"),
        first_update=tuple(member(at("before"), "first_update", f"{where}.before")),
        verdict=read_verdict(at("verdict"), f"{where}.verdict"),
        tried=tuple(tried),
        advantage=read(Advantage, plain["advantage"], f"{where}.advantage") if plain.get("advantage") else None,
    )


def _read_snapshot(plain: Any, where: str) -> Snapshot:
    return Snapshot(
        layers=read_all(LayerStats, member(plain, "layers", where), f"{where}.layers"),
        change_per_layer=read(ChangePerLayer, member(plain, "change_per_layer", where), f"{where}.change_per_layer"),
        loss=member(plain, "loss", where),
    )
