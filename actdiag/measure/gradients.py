"""How a layer's gradients are measured: blocks of rows to numbers, numbers to the statistics of a layer."""

from collections.abc import Sequence
from dataclasses import replace
from math import isfinite
from typing import Any, NamedTuple

import numpy as np

from actdiag.arrays import Array, Doubles
from actdiag.engine.backward import BackwardLayer, weight_gradients
from actdiag.engine.workers import Started, Workers
from actdiag.measure.counting import EntryCounts, count_entries, merge_counts
from actdiag.measure.histograms import magnitude_histogram
from actdiag.measure.rows import RowGradients, along_fraction, row_gradients, typical_rms
from actdiag.measure.squares import SquareSum, column_and_square_sums, merge_squares, square_sum
from actdiag.measure.statistics import BiasGradientStats, GradientStats, LayerStats, WeightGradientStats
from actdiag.model.site import Site


class BlockGradients(NamedTuple):
    """What a block of rows contributes to the gradient statistics of its layer."""

    squares: SquareSum
    counts: EntryCounts
    bias_gradient: Doubles
    slope_gradient: float | None
    rows: RowGradients


class BackwardMeasure:
    """Measures gradients: `visit` each block of rows, `weigh`, then `summarize` each site, the last first."""

    def __init__(self, sites: Sequence[Site]) -> None:
        self._sites = sites
        self._last_rms: float | None = None

    def visit(self, number: int, z: Array, d_a: Array, d_z: Array) -> BlockGradients:
        """Reduce a block of rows to numbers.

        Args:
            number: The number of the site, from 1.
            z: Pre-activations, shape (rows, columns).
            d_a: dL/da, shape (rows, units).
            d_z: dL/dz, shaped like `z`.
        """
        act = self._sites[number - 1].act
        slope_derivative = None if act is None else act.slope_derivative
        bias_gradient, squares = column_and_square_sums(d_z)
        return BlockGradients(
            squares=squares,
            counts=count_entries(d_z),
            bias_gradient=bias_gradient,
            slope_gradient=None if slope_derivative is None else float((d_a * slope_derivative(z)).sum(dtype=float)),
            rows=row_gradients(z, d_z),
        )

    def weigh(self, layer: BackwardLayer[Any], workers: Workers) -> Started[tuple[SquareSum, SquareSum]]:
        """Start on the squares of a layer's weights and of dL/dW, which need the whole batch."""

        def squares(rows: slice, weights: Array, d_weights: Array) -> tuple[SquareSum, SquareSum]:
            return square_sum(weights), square_sum(d_weights)

        return weight_gradients(layer, workers, squares)

    def summarize(
        self,
        layer: BackwardLayer[BlockGradients],
        weighed: Started[tuple[SquareSum, SquareSum]],
        stats: LayerStats,
    ) -> LayerStats:
        """Return `stats`, which the forward pass measured of a layer, with what is measured of its gradients."""
        squares = merge_squares([block.squares for block in layer.blocks])
        counts = merge_counts([block.counts for block in layer.blocks])
        d_biases = sum((block.bias_gradient for block in layer.blocks[1:]), layer.blocks[0].bias_gradient)
        rows = [block.rows for block in layer.blocks]
        of_weights = weighed.results()
        if layer.number == len(self._sites):
            self._last_rms = squares.rms
        return replace(
            stats,
            gradient=GradientStats(
                rms=squares.rms,
                ratio=_ratio(squares.rms, self._last_rms),
                zero_fraction=counts.zero / counts.size,
                nonfinite_fraction=(counts.nan + counts.inf) / counts.size,
                magnitude=magnitude_histogram(counts),
                typical_rms=typical_rms(rows, layer.d_z.shape[1]),
                along_z_fraction=along_fraction(rows),
            ),
            weight_gradient=_weight_gradient(of_weights) if of_weights else None,
            bias_gradient=BiasGradientStats(square_sum(d_biases[np.newaxis]).norm) if of_weights else None,
            slope_gradient=_finite_sum([block.slope_gradient for block in layer.blocks]),
        )


def _weight_gradient(parts: Sequence[tuple[SquareSum, SquareSum]]) -> WeightGradientStats:
    weights_norm, d_weights_norm = (merge_squares(each).norm for each in zip(*parts, strict=True))
    return WeightGradientStats(d_weights_norm, _ratio(d_weights_norm, weights_norm))


def _finite_sum(parts: Sequence[float | None]) -> float | None:
    """Return the sum of the parts; None where there are none or it is not finite."""
    total = sum(part for part in parts if part is not None)
    return total if None not in parts and isfinite(total) else None


def _ratio(part: float | None, whole: float | None) -> float | None:
    """Return part/whole, or None where either is missing, the whole is zero or the quotient overflows."""
    if part is None or not whole or not isfinite(part / whole):
        return None
    return part / whole
