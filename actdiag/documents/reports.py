"""Reports in documents: of one run, and of the several of a comparison."""

from collections.abc import Mapping, Sequence
from typing import Any

from actdiag.documents.plain import SCHEMA, as_plain, checked, member, read, read_all, reading, versions
from actdiag.documents.stacks import stack_from_dict, stack_to_dict
from actdiag.documents.verdicts import read_verdict
from actdiag.engine.losses import DEFAULT_CLASSES
from actdiag.errors import InvalidField
from actdiag.measure.histograms import Histogram
from actdiag.measure.statistics import ChangePerLayer, InputStats, LayerStats, LossValue
from actdiag.measurements import Measurements, TrainingPlan
from actdiag.model.site import Site
from actdiag.report import Repeats, Report
from actdiag.theory.types import LayerEstimates, LayerTheory, StackTheory

OF_BACKWARD = ("gradient", "weight_gradient", "bias_gradient", "slope_gradient")
"""What a layer has of a backward pass alone."""

HISTOGRAMS = ("histogram", "magnitude")
_NO_ENTRIES = Histogram((), (), 0, 0, 0, 0, 0)


def report_to_dict(report: Report) -> dict[str, Any]:
    """Return a report as plain dicts, lists, numbers and None, with the keys of the JSON."""
    return {"schema": SCHEMA, "command": report.command, "versions": versions(), **_run(report)}


def reports_to_dict(reports: Sequence[Report]) -> dict[str, Any]:
    """Return several reports of one command as one dict, their common keys said once."""
    runs = [_run(report) for report in reports]
    return {"schema": SCHEMA, "command": reports[0].command, "versions": versions(), "runs": runs}


def report_from_dict(document: Any) -> Report:
    """Return the report of one run that a document holds; keys that this version does not know are left out.

    Raises:
        InvalidField: It is no such document.
    """
    with reading():
        found = checked(document, "layers")
        return _report(member(found, "command"), found, "")


def reports_from_dict(document: Any) -> list[Report]:
    """Return the reports of a comparison.

    Raises:
        InvalidField: It is no such document.
    """
    with reading():
        found = checked(document, "runs")
        return [_report(member(found, "command"), run, f"runs[{place}]") for place, run in enumerate(found["runs"])]


def layer_to_dict(stats: LayerStats, site: Site) -> dict[str, Any]:
    """Return the statistics of a layer, with where it is and the op that makes its pre-activations."""
    plain: dict[str, Any] = as_plain(stats)
    return {"layer": plain.pop("layer"), "path": site.path, "op": site.kind, **plain}


def without_backward(plain: dict[str, Any], backward: bool) -> dict[str, Any]:
    """Return the numbers of a layer, without those of a backward pass where none was run."""
    return plain if backward else {key: value for key, value in plain.items() if key not in OF_BACKWARD}


def spread_to_dict(sd: LayerStats, backward: bool) -> dict[str, Any]:
    """Return the sd of each number of a layer under the number's key."""
    plain = without_backward(as_plain(sd), backward)
    if backward:
        del plain["gradient"]["magnitude"]
    return {key: value for key, value in plain.items() if key not in ("layer", "width", *HISTOGRAMS)}


def theory_of_layers(report: Report) -> tuple[LayerTheory, ...]:
    """Return what theory says of each layer: nothing where it does not apply, so that all runs have the same keys."""
    return report.layer_theory or (LayerTheory(),) * len(report.layers)


def estimates_to_dict(estimates: LayerEstimates, backward: bool) -> dict[str, Any]:
    """Return what theory says of a layer."""
    return without_backward(as_plain(estimates), backward)


def _run(report: Report) -> dict[str, Any]:
    backward = report.loss is not None
    run: dict[str, Any] = {
        "stack": stack_to_dict(report.stack),
        "layers": _layers(report),
        "change_per_layer": as_plain(report.change_per_layer),
        "verdict": as_plain(report.verdict),
    }
    if report.loss is not None:
        run["loss"] = as_plain(report.loss)
    if report.theory is not None:
        run["theory"] = as_plain(report.theory)
    if report.repeats is not None:
        n, seeds, sd, verdicts, died_seeds, probability = report.repeats
        spread = [{"layer": stats.layer} | spread_to_dict(stats, backward) for stats in sd]
        run["repeats"] = {"n": n, "seeds": list(seeds), "sd": spread, "verdicts": dict(verdicts)}
        run["repeats"] |= {"died": len(died_seeds), "died_seeds": list(died_seeds), "probability": probability}
    return run | {"input": as_plain(report.measurements.input)}


def _layers(report: Report) -> list[dict[str, Any]]:
    backward = report.loss is not None
    pairs = zip(report.layers, report.measurements.sites, strict=True)
    layers = [without_backward(layer_to_dict(stats, site), backward) for stats, site in pairs]
    if report.theory is not None:
        for layer, said in zip(layers, theory_of_layers(report), strict=True):
            predicted, expected = (estimates_to_dict(one, backward) for one in (said.predicted, said.expected))
            del expected["chi1"]
            layer |= {"predicted": predicted, "expected": expected, "flagged": list(said.flagged)}
    return layers


def _report(command: str, run: Any, where: str) -> Report:
    def at(key: str) -> str:
        return f"{where}.{key}".removeprefix(".")

    stack = stack_from_dict(member(run, "stack", where), at("stack"))
    layers = read_all(LayerStats, member(run, "layers", where), at("layers"))
    sites = stack.sites()
    if len(layers) != len(sites):
        problem = f"must have {len(sites)} {at('layers')}, as the stack has, got {len(layers)}"
        raise InvalidField(field="json", problem=problem)
    loss = read(LossValue, run["loss"], at("loss")) if "loss" in run else None
    theory = read(StackTheory, run["theory"], at("theory")) if "theory" in run else None
    repeats = _read_repeats(run["repeats"], layers, at("repeats")) if "repeats" in run else None
    verdict = read_verdict(member(run, "verdict", where), at("verdict"))
    return Report(
        command=command,
        measurements=Measurements(
            sites=sites,
            layers=layers,
            input=read(InputStats, run.get("input", {}), at("input")),
            change=read(ChangePerLayer, member(run, "change_per_layer", where), at("change_per_layer")),
            loss=loss,
            classes=(loss and loss.classes) or DEFAULT_CLASSES,
            plan=TrainingPlan(verdict.optimizer, verdict.iterations),
            theory=theory,
            layer_theory=() if theory is None else _read_theory(run["layers"], at("layers")),
            recipe=stack,
            runs=repeats and repeats.ends,
        ),
        verdict=verdict,
        repeats=repeats,
    )


def _read_theory(layers: Sequence[Any], where: str) -> tuple[LayerTheory, ...]:
    """Return what theory says of each layer; empty where it says nothing of any."""
    said = tuple(
        LayerTheory(
            read(LayerEstimates, member(layer, "predicted", f"{where}[{place}]"), f"{where}[{place}].predicted"),
            read(LayerEstimates, member(layer, "expected", f"{where}[{place}]"), f"{where}[{place}].expected"),
            tuple(member(layer, "flagged", f"{where}[{place}]")),
        )
        for place, layer in enumerate(layers)
    )
    return said if any(one != LayerTheory() for one in said) else ()


def _read_repeats(plain: Any, layers: Sequence[LayerStats], where: str) -> Repeats:
    listed = member(plain, "sd", where)
    if len(listed) != len(layers):
        problem = f"must have {len(layers)} {where}.sd, one for each layer, got {len(listed)}"
        raise InvalidField(field="json", problem=problem)
    pairs = enumerate(zip(listed, layers, strict=True))
    sd = [_read_spread(one, stats, f"{where}.sd[{place}]") for place, (one, stats) in pairs]
    verdicts = member(plain, "verdicts", where)
    return Repeats(
        n=member(plain, "n", where),
        seeds=tuple(member(plain, "seeds", where)),
        sd=tuple(sd),
        verdicts=tuple(verdicts.items()),
        died_seeds=tuple(plain.get("died_seeds", ())),
        probability=plain.get("probability"),
    )


def _read_spread(plain: Mapping[str, Any], stats: LayerStats, where: str) -> LayerStats:
    """Return the sd of each number of a layer: without histograms, which have none."""
    known = dict(plain)
    if known.get("gradient") is not None:
        known["gradient"] = known["gradient"] | {"magnitude": as_plain(_NO_ENTRIES)}
    given = {"layer": stats.layer, "width": stats.width, "histogram": _NO_ENTRIES, "magnitude": _NO_ENTRIES}
    return read(LayerStats, known, where, **given)
