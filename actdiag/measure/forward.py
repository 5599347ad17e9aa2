"""How a layer is measured: blocks of rows to numbers, numbers to the statistics of a layer."""

from collections.abc import Sequence
from math import inf, isfinite, sqrt
from typing import NamedTuple

import numpy as np

from actdiag.arrays import Array, Doubles, Flags
from actdiag.engine.workers import Workers
from actdiag.measure.counting import Counting, EntryCounts, merge_counts, thresholds
from actdiag.measure.directions import Directions, directions, mean_cosine
from actdiag.measure.histograms import axis_edges, bounded_axis, linear_histogram, magnitude_histogram, spaced
from actdiag.measure.moments import BlockMoments, block_moments, mean_unit_std, merge_moments, pool
from actdiag.measure.pooled import EntryMoments, entry_moments, pool_entries, value_range
from actdiag.measure.slopes import active_units, count_saturated, count_silent, mean_squared_slope
from actdiag.measure.statistics import LayerStats, PreActivationStats
from actdiag.model.site import Site
from actdiag.options import RunOptions

_ROWS_OF_SLOPES = 16
"""Rows of a block whose slopes stand for all: so many entries of a layer differ far more than those rows and others."""


class Axis(NamedTuple):
    """The bins of the activation histograms: how many, and their range where it is not left to the data."""

    bins: int = RunOptions.bins
    range: tuple[float, float] | None = None


class BlockStats(NamedTuple):
    """What a block of rows contributes to the statistics of its layer.

    Attributes:
        z: Moments of the pre-activations.
        low: The least finite pre-activation, inf where there is none.
        high: The greatest, -inf where there is none.
        a: Moments of the activations.
        entries: Counts of the activations; a copy of the activations where the axis is not known yet.
        directions: Of the rows of activations.
        active: Units that let a gradient through, shape (width,); None where that has no meaning.
        silent: How many rows let no gradient through; None likewise.
        saturated: How many entries are saturated; None where that has no meaning.
        slopes: The squares of a random gradient of the first rows, after the activation over before.
    """

    z: EntryMoments
    low: float
    high: float
    a: BlockMoments
    entries: EntryCounts | Array
    directions: Directions
    active: Flags | None
    silent: int | None
    saturated: int | None
    slopes: float


class ForwardMeasure:
    """Measures the sites of a forward pass: `visit` each block of rows, then `summarize` each site, in order."""

    def __init__(self, sites: Sequence[Site], axis: Axis) -> None:
        self._sites = sites
        self._axis = axis
        dtype = sites[0].format.name
        bounds = bounds_of(sites)
        edges = bounded_axis(bounds, axis.bins, dtype) if axis.range is None else spaced(*axis.range, axis.bins)
        self._thresholds = None if edges is None else thresholds(edges, dtype)

    def visit(self, number: int, z: Array, a: Array) -> BlockStats:
        """Reduce a block of rows to numbers.

        Args:
            number: The number of the site, from 1.
            z: Pre-activations, shape (rows, columns).
            a: Activations, shape (rows, units).
        """
        act = self._sites[number - 1].act
        low, high = value_range(z)
        of_z, of_a, entries, pointing = entry_moments(z), *self._reduced(a)
        finite, elementwise = not of_z.nonfinite, act is not None and act.derivative is not None
        return BlockStats(
            z=of_z,
            low=low,
            high=high,
            a=of_a,
            entries=entries,
            directions=pointing,
            active=active_units(act, z, finite) if act is not None and elementwise else None,
            silent=count_silent(act, z, finite) if act is not None and elementwise else None,
            saturated=None if act is None else count_saturated(act, z),
            slopes=1.0 if act is None else mean_squared_slope(act, z[:_ROWS_OF_SLOPES], a.shape[1]),
        )

    def _reduced(self, a: Array) -> tuple[BlockMoments, EntryCounts | Array, Directions]:
        """Return the moments, the counts and the directions of a block of activations, in one go through it."""
        pointing = Directions(np.zeros(a.shape[1]))
        if self._thresholds is None:
            return block_moments(a, also=pointing.add), a.copy(), pointing
        counting = Counting(self._thresholds, a)

        def add(values: Doubles) -> None:
            pointing.add(values)
            counting.add(values)

        return block_moments(a, also=add if counting.by_piece else pointing.add), counting.counts(), pointing

    def summarize(self, number: int, blocks: Sequence[BlockStats]) -> LayerStats:
        """Return the statistics of a site, by its number from 1, from those of its blocks."""
        site = self._sites[number - 1]
        if self._thresholds is None:  # layer 1 sets the axis
            copies = [block.entries for block in blocks if isinstance(block.entries, np.ndarray)]
            self._thresholds = thresholds(axis_edges(copies, bounds_of(self._sites), self._axis.bins), site.format.name)
        tally = self._thresholds.tally  # some blocks of layer 2 may have been visited before there was an axis
        entries = [block.entries for block in blocks]
        counts = merge_counts([tally(part) if isinstance(part, np.ndarray) else part for part in entries])
        size = site.batch * site.units
        a = merge_moments([block.a for block in blocks])
        pooled_z, pooled_a = pool_entries([block.z for block in blocks]), pool(a)
        active = [block.active for block in blocks if block.active is not None]
        silent = [block.silent for block in blocks if block.silent is not None]
        saturated = [block.saturated for block in blocks if block.saturated is not None]
        return LayerStats(
            layer=number,
            width=site.units,
            mean=pooled_a.mean,
            std=pooled_a.std,
            rms=pooled_a.rms,
            min=_finite(counts.least),
            max=_finite(counts.greatest),
            unit_std=mean_unit_std(a),
            zero_fraction=counts.zero / size,
            dead_fraction=(site.units - int(np.count_nonzero(_any_of(active)))) / site.units if active else None,
            saturated_fraction=sum(saturated) / size if saturated else None,
            silent_fraction=sum(silent) / site.batch if silent else None,
            nonfinite_fraction=(counts.nan + counts.inf) / size,
            subnormal_fraction=counts.subnormal / size,
            cosine=mean_cosine([block.directions for block in blocks]),
            slope_rms=_finite(sqrt(sum(block.slopes for block in blocks) / len(blocks))),
            pre_activation=PreActivationStats(
                mean=pooled_z.mean,
                std=pooled_z.std,
                rms=pooled_z.rms,
                min=_finite(min(block.low for block in blocks)),
                max=_finite(max(block.high for block in blocks)),
                nonfinite_fraction=sum(block.z.nonfinite for block in blocks) / (site.batch * site.columns),
            ),
            histogram=linear_histogram(counts),
            magnitude=magnitude_histogram(counts),
        )


def _any_of(flags: Sequence[Flags]) -> Flags:
    return flags[0] if len(flags) == 1 else np.logical_or.reduce(flags)


def bounds_of(sites: Sequence[Site]) -> tuple[float, float]:
    """Return the closed hull of the activations of all sites."""
    bounds = {(-inf, inf) if site.act is None else site.act.bounds for site in sites}
    return min(low for low, _ in bounds), max(high for _, high in bounds)


def directions_of(inputs: Array, blocks: Sequence[slice], workers: Workers) -> list[Directions]:
    """Return the directions of the rows of the input, shape (batch, features), block by block."""
    return workers.map(lambda rows: directions(inputs[rows]), blocks)


def _finite(value: float) -> float | None:
    return value if isfinite(value) else None
