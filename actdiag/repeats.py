"""Several runs that differ in their seed alone, combined into one Report of their means and their spread."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, replace
from math import exp, log, sqrt
from typing import Any

from actdiag.diagnosis import RULES, Rules, diagnose
from actdiag.diagnosis.lost_signal import is_lost
from actdiag.measure.change import change_per_layer
from actdiag.measure.histograms import Histogram
from actdiag.measure.statistics import InputStats, LayerStats
from actdiag.report import Repeats, Report, runs_that_count
from actdiag.theory.types import LayerEstimates, LayerTheory

AS_LOGS = frozenset({"rms", "typical_rms", "ratio", "norm", "weight_ratio"})
"""The numbers whose logarithms are averaged: at finite width a second moment is nearly log-normal, so that a few seeds
carry its arithmetic mean while nearly all lie under it."""

IN_RMS = frozenset({"mean", "std", "unit_std"})
"""The numbers that are averaged in units of the rms of their run, and multiplied by the mean rms: no mean of them
exceeds that of what bounds them in every run, as the std bounds unit_std and the rms both."""

_SPREAD_AS_LOGS = AS_LOGS | {"std", "unit_std"}

_NESTED = ("pre_activation", "gradient", "weight_gradient", "bias_gradient")
_NOT_AVERAGED = (*_NESTED, "layer", "width", "histogram", "magnitude")
_NO_ENTRIES = Histogram((), (), 0, 0, 0, 0, 0)


def average(reports: Iterable[Report], rules: Rules = RULES) -> Report:
    """Return the means of several runs of one stack under different seeds, and their spread in `repeats`.

    Means are arithmetic, but for those that `AS_LOGS` names, exp of the mean logarithm, and those that `IN_RMS` names,
    the mean share of the rms times the mean rms. A run that has no value at a layer (None) is left out there, and where
    logarithms or shares of the rms are averaged so is one whose rms is zero; with no value in any run the mean is None,
    with zeros only it is zero. Histograms are summed. The verdict is on the means, with the mean probability of the
    runs, and untrainable where more than half of them are. The predictions of theory are those of the first run; a
    number is flagged where more than one run and more than 5 % of them flag it.

    Args:
        reports: The runs, at least one, their histograms of activations on one axis; one at a time is held.
        rules: The rules that the means are judged by.
    """
    runs = iter(reports)
    first = next(runs)
    layers = [_Layer(stats) for stats in first.layers]
    flags: list[Counter[str]] = [Counter() for _ in layers]
    verdicts: Counter[Any] = Counter()
    cosine, input_rms, loss = _Number(), _Number(), _Number()
    probability = _Number()
    seeds, died_seeds, disagreeing = [], [], 0
    for report in _chain(first, runs):
        for layer, stats in zip(layers, report.layers, strict=True):
            layer.add(stats)
        for flagged, said in zip(flags, report.layer_theory, strict=False):
            flagged.update(said.flagged)
        verdicts[report.verdict.severity] += 1
        cosine.add(report.input_cosine)
        input_rms.add(report.input_rms)
        loss.add(report.loss.value if report.loss is not None else None)
        probability.add(report.verdict.probability)
        seeds.append(report.stack.seed)
        died_seeds += [report.stack.seed] if is_lost(report.measurements) else []
        disagreeing += report.theory is not None and report.theory.disagrees
    enough = runs_that_count(len(seeds))
    means = tuple(layer.mean() for layer in layers)
    spread = tuple(layer.spread() for layer in layers)
    ended = tuple(verdicts.most_common())
    repeats = Repeats(len(seeds), tuple(seeds), spread, ended, tuple(died_seeds), probability.mean)
    measurements = replace(
        first.measurements,
        layers=means,
        input=InputStats(cosine.mean, input_rms.mean, first.measurements.input.evenness),
        change=change_per_layer(means),
        loss=first.loss and replace(first.loss, value=loss.mean),
        theory=first.theory and first.theory._replace(disagrees=disagreeing >= enough),
        layer_theory=tuple(
            LayerTheory(said.predicted, LayerEstimates(), tuple(name for name in flagged if flagged[name] >= enough))
            for said, flagged in zip(first.layer_theory, flags, strict=False)
        ),
        runs=repeats.ends,
    )
    return Report(first.command, measurements, diagnose(measurements, rules), repeats)


def _chain(first: Report, others: Iterator[Report]) -> Iterator[Report]:
    yield first
    yield from others


class _Number:
    """The mean and sd of one number over the runs, updated run by run (Welford 1962)."""

    __slots__ = ("as_log", "centre", "count", "squares", "zeros")

    def __init__(self, as_log: bool = False) -> None:
        self.as_log = as_log
        self.count = self.zeros = 0
        self.centre = self.squares = 0.0

    def add(self, value: float | None) -> None:
        """Add a run's value; None is left out, and under a logarithm zero too."""
        if value is None:
            return
        if self.as_log:
            if value == 0:
                self.zeros += 1
                return
            value = log(value)
        self.count += 1
        off = value - self.centre
        self.centre += off / self.count
        self.squares += off * (value - self.centre)

    @property
    def mean(self) -> float | None:
        """The mean; None without values."""
        if not self.count:
            return 0.0 if self.zeros else None
        return exp(self.centre) if self.as_log else self.centre

    @property
    def sd(self) -> float | None:
        """The sd; under a logarithm, the mean times the sd of the logarithms. None under two values."""
        if self.count < 2:
            return 0.0 if self.zeros > 1 and not self.count else None
        sd = sqrt(self.squares / (self.count - 1))
        return exp(self.centre) * sd if self.as_log else sd


class _Layer:
    """The statistics of one layer over the runs."""

    def __init__(self, first: LayerStats) -> None:
        self._first = first
        self._groups = [name for name in _NESTED if getattr(first, name) is not None]
        names = [("", name) for name in _names_of(first)]
        names += [(group, name) for group in self._groups for name in _names_of(getattr(first, group))]
        self._numbers = {(group, name): _Number(name in _SPREAD_AS_LOGS) for group, name in names}
        self._shares = {(group, name): _Number() for group, name in names if name in IN_RMS}
        self._histogram: Histogram | None = None
        self._magnitudes: dict[str, Histogram] = {}

    def add(self, stats: LayerStats) -> None:
        """Add a run's layer."""
        for (group, name), number in self._numbers.items():
            number.add(getattr(_part(stats, group), name))
        for (group, name), number in self._shares.items():
            value, rms = getattr(_part(stats, group), name), _part(stats, group).rms
            number.add(value / rms if value is not None and rms else None)
        self._histogram = (
            stats.histogram if self._histogram is None else add_histograms(self._histogram, stats.histogram)
        )
        for group, measured in (("", stats), ("gradient", stats.gradient)):
            if measured is not None:
                known = self._magnitudes.get(group)
                self._magnitudes[group] = (
                    measured.magnitude if known is None else add_decades(known, measured.magnitude)
                )

    def mean(self) -> LayerStats:
        """Return the means, with the histograms of all runs summed."""
        assert self._histogram is not None
        means = {key: number.mean for key, number in self._numbers.items()}
        for (group, name), number in self._shares.items():
            rms, share = means[group, "rms"], number.mean
            if rms and share is not None:
                means[group, name] = share * rms
        return self._each(means, self._histogram, self._magnitudes)

    def spread(self) -> LayerStats:
        """Return the sd of each number, with no histograms."""
        sds = {key: number.sd for key, number in self._numbers.items()}
        return self._each(sds, _NO_ENTRIES, dict.fromkeys(self._magnitudes, _NO_ENTRIES))

    def _each(
        self,
        numbers: Mapping[tuple[str, str], float | None],
        histogram: Histogram,
        magnitudes: Mapping[str, Histogram],
    ) -> LayerStats:
        values: dict[str, dict[str, Any]] = {group: {} for group in ("", *self._groups)}
        for (group, name), number in numbers.items():
            values[group][name] = number
        for group, magnitude in magnitudes.items():
            values[group]["magnitude"] = magnitude
        nested = {group: replace(getattr(self._first, group), **values[group]) for group in self._groups}
        return replace(self._first, **values[""], **nested, histogram=histogram)


def _part(stats: LayerStats, group: str) -> Any:
    return getattr(stats, group) if group else stats


def _names_of(stats: Any) -> list[str]:
    return [field.name for field in fields(stats) if field.name not in _NOT_AVERAGED]


def add_histograms(one: Histogram, other: Histogram) -> Histogram:
    """Return the sum of two histograms over the same edges.

    Raises:
        ValueError: Their edges differ.
    """
    if one.edges != other.edges:
        message = "histograms add up over the same edges only"
        raise ValueError(message)
    return _sum(one, other, one.edges, [a + b for a, b in zip(one.counts, other.counts, strict=True)])


def add_decades(one: Histogram, other: Histogram) -> Histogram:
    """Return the sum of two histograms of log10 |x|, over the decades that either reaches."""
    reached = [part for part in (one, other) if any(part.counts)] or [one]
    low, high = min(part.edges[0] for part in reached), max(part.edges[-1] for part in reached)
    counts = [0] * int(high - low)
    for part in reached:
        for decade, count in enumerate(part.counts, int(part.edges[0] - low)):
            counts[decade] += count
    return _sum(one, other, tuple(low + decade for decade in range(len(counts) + 1)), counts)


def _sum(one: Histogram, other: Histogram, edges: tuple[float, ...], counts: list[int]) -> Histogram:
    below, above = one.below + other.below, one.above + other.above
    return Histogram(
        edges, tuple(counts), below, above, one.zero + other.zero, one.nan + other.nan, one.inf + other.inf
    )
