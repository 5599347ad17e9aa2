"""The Report: the measurements of a run and the verdict on them, as typed fields, as a dict, as JSON and as rows."""

import platform
from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass
from math import floor, isfinite
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from actdiag.diagnosis.findings import Finding, Outlook, Verdict
from actdiag.measure.statistics import ChangePerLayer, LayerStats, LossValue
from actdiag.measurements import Measurements
from actdiag.model.stack import Stack
from actdiag.theory.types import LayerEstimates, LayerTheory, StackTheory

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.console import Console, ConsoleOptions, RenderResult

SCHEMA = "actdiag/1"
"""Names the layout of the JSON; the number grows when a key changes its meaning or goes."""

_OF_BACKWARD = ("gradient", "weight_gradient", "bias_gradient", "slope_gradient")
_BY_CHANCE = 0.05
_HISTOGRAMS = ("histogram", "magnitude")


class Repeats(NamedTuple):
    """The spread of several runs that differ in their seed alone.

    Attributes:
        n: Number of runs.
        seeds: Their seeds.
        sd: Standard deviation over the runs of every measured number (ddof 1; None where under two runs have one); the
            histograms in it are empty.
        verdicts: Number of runs with each severity, most frequent first.
    """

    n: int
    seeds: tuple[int, ...]
    sd: tuple[LayerStats, ...]
    verdicts: tuple[tuple[Outlook, int], ...]

    @property
    def enough(self) -> int:
        """How many of the runs must disagree with theory before all are said to."""
        return runs_that_count(self.n)


def runs_that_count(runs: int) -> int:
    """Return how many of `runs` must disagree with theory before all are said to: two, and more than 5 %."""
    return max(1, floor(_BY_CHANCE * runs)) + 1


@dataclass(frozen=True, slots=True)
class Report:
    """What one run measured, or the means of several, with the verdict on it.

    Attributes:
        command: `propagate`, `grad-flow` or `compare`.
        measurements: What was measured.
        verdict: The outlook for training, with its findings.
        repeats: The spread over several seeds, where `layers` holds their means; None for a single run.
    """

    command: str
    measurements: Measurements
    verdict: Verdict
    repeats: Repeats | None = None

    @property
    def stack(self) -> Stack:
        """What was run."""
        assert self.measurements.recipe is not None  # every command runs a stack
        return self.measurements.recipe

    @property
    def layers(self) -> tuple[LayerStats, ...]:
        """The statistics of each layer, layer 1 first."""
        return self.measurements.layers

    @property
    def change_per_layer(self) -> ChangePerLayer:
        """The factor from layer to layer."""
        return self.measurements.change

    @property
    def loss(self) -> LossValue | None:
        """What the backward pass started from; None without one."""
        return self.measurements.loss

    @property
    def theory(self) -> StackTheory | None:
        """What theory predicts of the stack; None where it was not asked."""
        return self.measurements.theory

    @property
    def layer_theory(self) -> tuple[LayerTheory, ...]:
        """What theory predicts of each layer; empty where it was not asked or does not apply."""
        return self.measurements.layer_theory

    @property
    def input_cosine(self) -> float | None:
        """The mean cosine between different inputs; None where there is none."""
        return self.measurements.input.cosine

    @property
    def input_rms(self) -> float | None:
        """The rms of the inputs' entries; None where it is not known."""
        return self.measurements.input.rms

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The verdict's findings, most severe first."""
        return self.verdict.findings

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain dicts, lists, numbers and None, with the keys of the JSON."""
        return {"schema": SCHEMA, "command": self.command, "versions": versions(), **_run(self)}

    def to_json(self) -> str:
        """Return the report as JSON text: always valid, and the same for the same run."""
        return as_json(self.to_dict())

    def rows(self) -> list[dict[str, Any]]:
        """Return a flat dict for each layer, nested keys joined by `_`, without the histograms.

        With theory, `predicted_<name>` and `predicted_<name>_sd` follow, and `flagged` as names with spaces between;
        with repeats, `sd_<name>`.
        """
        backward = self.loss is not None
        rows = [_flat(_layer(stats, backward)) for stats in self.layers]
        if self.theory is not None:
            for row, said in zip(rows, _said(self), strict=True):
                row |= _predicted(said.predicted, backward) | {"flagged": " ".join(said.flagged)}
        if self.repeats is not None:
            for row, sd in zip(rows, self.repeats.sd, strict=True):
                row |= _flat(_spread(sd, backward), "sd_")
        return rows

    def figure(self) -> "Figure":
        """Return the run as a matplotlib Figure."""
        from actdiag.render.figures import report_figure

        return report_figure(self)

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "RenderResult":
        """Show the run as a table in a rich console."""
        from actdiag.render.terminal.summary import report_view

        yield report_view(self, width=options.max_width, ascii_only=options.ascii_only)


def runs_to_dict(reports: Sequence[Report]) -> dict[str, Any]:
    """Return several reports of one command as one dict, their common keys said once."""
    runs = [_run(report) for report in reports]
    return {"schema": SCHEMA, "command": reports[0].command, "versions": versions(), "runs": runs}


def as_json(document: dict[str, Any]) -> str:
    """Return a dict as JSON text, refusing anything that JSON has no word for."""
    import json

    return json.dumps(document, indent=1, allow_nan=False) + "\n"


def stack_to_dict(stack: Stack) -> dict[str, Any]:
    """Return a stack as the JSON has it: its entries by name, its inputs by theirs."""
    gains = stack.layer_gains()
    own_biases = stack.bias_mean is None and stack.bias_std is None and stack.init.sample_bias is not None
    return {
        "act": stack.act.name,
        "init": stack.init.name,
        "widths": list(stack.widths),
        "input": stack.input,
        "input_width": stack.input_width,
        "batch": stack.batch,
        "gain": gains[0] if len(gains) == 1 else list(gains),
        "bias_mean": None if own_biases else stack.bias_mean or 0.0,
        "bias_std": None if own_biases else stack.bias_std or 0.0,
        "dtype": stack.dtype,
        "seed": stack.seed,
    }


def as_plain(value: Any) -> Any:
    """Return dataclasses and tuples as dicts and lists, and a number that is not finite as None."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: as_plain(getattr(value, field.name)) for field in fields(value)}
    if hasattr(value, "_asdict"):
        return {name: as_plain(item) for name, item in value._asdict().items()}
    if isinstance(value, tuple):
        return [as_plain(item) for item in value]
    if isinstance(value, float) and not isfinite(value):
        return None
    return value


def versions() -> dict[str, str]:
    """Return the versions of what the numbers came from."""
    from actdiag import __version__

    return {"actdiag": __version__, "numpy": np.__version__, "python": platform.python_version()}


def _run(report: Report) -> dict[str, Any]:
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
        n, seeds, sd, verdicts = report.repeats
        spread = [{"layer": stats.layer} | _spread(stats, report.loss is not None) for stats in sd]
        run["repeats"] = {"n": n, "seeds": list(seeds), "sd": spread, "verdicts": dict(verdicts)}
    return run


def _layers(report: Report) -> list[dict[str, Any]]:
    backward = report.loss is not None
    layers = [_layer(stats, backward) for stats in report.layers]
    if report.theory is not None:
        for layer, said in zip(layers, _said(report), strict=True):
            predicted, expected = (_estimates(one, backward) for one in (said.predicted, said.expected))
            del expected["chi1"]
            layer |= {"predicted": predicted, "expected": expected, "flagged": list(said.flagged)}
    return layers


def _said(report: Report) -> tuple[LayerTheory, ...]:
    """Return what theory says of each layer: nothing where it does not apply, so that all runs have the same keys."""
    return report.layer_theory or (LayerTheory(),) * len(report.layers)


def _estimates(estimates: LayerEstimates, backward: bool) -> dict[str, Any]:
    plain: dict[str, Any] = as_plain(estimates)
    return plain if backward else {key: value for key, value in plain.items() if key not in _OF_BACKWARD}


def _predicted(estimates: LayerEstimates, backward: bool) -> dict[str, Any]:
    """Return what is predicted of a layer as flat columns, an sd beside each value."""
    columns: dict[str, Any] = {}
    for key, value in _estimates(estimates, backward).items():
        if key == "chi1":
            columns["predicted_chi1"] = value
            continue
        nested = key in ("pre_activation", "gradient")
        for name, estimate in value.items() if nested else [("", value)]:
            column = "_".join(filter(None, ("predicted", key, name)))
            columns[column] = estimate and estimate["value"]
            columns[f"{column}_sd"] = estimate and estimate["sd"]
    return columns


def _spread(sd: LayerStats, backward: bool) -> dict[str, Any]:
    """Return the sd of each number of a layer under the number's key."""
    plain = _layer(sd, backward)
    if backward:
        del plain["gradient"]["magnitude"]
    return {key: value for key, value in plain.items() if key not in ("layer", "width", *_HISTOGRAMS)}


def _layer(stats: LayerStats, backward: bool) -> dict[str, Any]:
    plain: dict[str, Any] = as_plain(stats)
    return plain if backward else {key: value for key, value in plain.items() if key not in _OF_BACKWARD}


def _flat(plain: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in plain.items():
        if key in _HISTOGRAMS:
            continue
        if isinstance(value, dict):
            flat.update(_flat(value, f"{prefix}{key}_"))
        else:
            flat[f"{prefix}{key}"] = value
    return flat
