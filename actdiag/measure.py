"""How a layer is measured: blocks of rows to numbers, numbers to the statistics of a layer."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isfinite, log

import numpy as np
from numpy.typing import NDArray

from actdiag.activations import Activation, traits
from actdiag.arrays import Array, Doubles
from actdiag.histograms import (
    BlockCounts,
    axis_edges,
    count_block,
    linear_histogram,
    magnitude_histogram,
    merge_counts,
    spaced,
)
from actdiag.moments import (
    Directions,
    UnitMoments,
    directions,
    mean_cosine,
    mean_unit_std,
    merge_moments,
    merge_squares,
    pool,
    square_sum,
    unit_moments,
)
from actdiag.propagation import BackwardLayer, ForwardLayer, weight_gradients
from actdiag.stack import Stack
from actdiag.statistics import (
    BiasGradientStats,
    ChangePerLayer,
    GradientStats,
    LayerStats,
    PreActivationStats,
    WeightGradientStats,
)
from actdiag.workers import Workers

Flags = NDArray[np.bool_]

_ROWS_THAT_WAKE_MOST = 16


@dataclass(frozen=True, slots=True)
class Axis:
    """The bins of the activation histograms: how many, and their range where it is not left to the data."""

    bins: int = 30
    range: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class BlockStats:
    """What a block of rows contributes to the statistics of its layer."""

    z: UnitMoments
    a: UnitMoments
    counts: BlockCounts
    directions: Directions
    awake: Flags | None
    saturated: int | None


class ForwardMeasure:
    """Measures a stack's layers: `visit` each block of rows, then `summarize` each layer, in order."""

    def __init__(self, stack: Stack, axis: Axis) -> None:
        self._stack = stack
        self._axis = axis
        self._edges = None if axis.range is None else spaced(*axis.range, axis.bins)

    def visit(self, layer: int, z: Array, a: Array) -> BlockStats:
        """Reduce a block of pre-activations and activations, shapes (rows, columns) and (rows, width), to numbers."""
        act = self._stack.act
        return BlockStats(
            z=unit_moments(z),
            a=unit_moments(a),
            counts=count_block(a, self._edges),
            directions=directions(a),
            awake=None if act.derivative is None else awake_units(act, z),
            saturated=count_saturated(act, z),
        )

    def summarize(self, layer: ForwardLayer[BlockStats], workers: Workers) -> LayerStats:
        """Return the statistics of a layer from those of its blocks."""
        stack, blocks = self._stack, layer.blocks
        counts = merge_counts([block.counts for block in blocks])
        if self._edges is None:  # layer 1 sets the axis, so its own bins are counted once it is known
            self._edges = edges = axis_edges(layer.activations, stack.act.bounds, self._axis.bins)
            counts = merge_counts(
                workers.map(lambda rows: count_block(layer.activations[rows], edges), stack.row_blocks())
            )
        width = stack.widths[layer.number - 1]
        entries = stack.batch * width
        z, a = merge_moments([block.z for block in blocks]), merge_moments([block.a for block in blocks])
        pooled_z, pooled_a = pool(z), pool(a)
        awake = [block.awake for block in blocks if block.awake is not None]
        saturated = [block.saturated for block in blocks if block.saturated is not None]
        return LayerStats(
            layer=layer.number,
            width=width,
            mean=pooled_a.mean,
            std=pooled_a.std,
            rms=pooled_a.rms,
            min=pooled_a.min,
            max=pooled_a.max,
            unit_std=mean_unit_std(a),
            zero_fraction=counts.zero / entries,
            dead_fraction=int(np.count_nonzero(~np.logical_or.reduce(awake))) / width if awake else None,
            saturated_fraction=sum(saturated) / entries if saturated else None,
            nonfinite_fraction=(counts.nan + counts.inf) / entries,
            subnormal_fraction=counts.subnormal / entries,
            cosine=mean_cosine([block.directions for block in blocks]),
            pre_activation=PreActivationStats(
                mean=pooled_z.mean,
                std=pooled_z.std,
                rms=pooled_z.rms,
                min=pooled_z.min,
                max=pooled_z.max,
                nonfinite_fraction=z.nonfinite / (stack.batch * stack.columns(layer.number)),
            ),
            histogram=linear_histogram(counts, self._edges),
            magnitude=magnitude_histogram(counts, stack.dtype),
        )


def awake_units(act: Activation, z: Array) -> Flags:
    """Return for each unit, shape (width,), whether |f'(z)| is above the dead slope, or z is NaN, for a row of `z`."""
    derivative, dead_slope = act.derivative, traits(act).dead_slope
    assert derivative is not None

    def any_awake(rows: Array) -> Flags:
        flags: Flags = np.abs(derivative(rows)) > dead_slope
        awake: Flags = np.logical_or.reduce(flags | np.isnan(rows), axis=0)
        return awake

    # A few rows wake nearly all units, and only the others need the rest of the rows.
    awake = any_awake(z[:_ROWS_THAT_WAKE_MOST])
    asleep = np.flatnonzero(~awake)
    if len(asleep) and len(z) > _ROWS_THAT_WAKE_MOST:
        awake[asleep] = any_awake(z[_ROWS_THAT_WAKE_MOST:, asleep])
    return awake


def count_saturated(act: Activation, z: Array) -> int | None:
    """Return how many entries lie on a plateau that counts as saturation, or None where none does."""
    if act.saturates == "none" or act.derivative is None:
        return None
    edges = traits(act)
    count = 0
    if edges.saturated_below is not None:
        count += int(np.count_nonzero(z <= edges.saturated_below))
    if edges.saturated_above is not None:
        count += int(np.count_nonzero(z >= edges.saturated_above))
    return count


def input_cosine(stack: Stack) -> float | None:
    """Return the mean cosine between different inputs of the stack."""
    inputs = stack.inputs()
    return mean_cosine([directions(inputs[rows]) for rows in stack.row_blocks()])


def with_gradients(
    stats: LayerStats, stack: Stack, layer: BackwardLayer, top_rms: float | None, workers: Workers
) -> LayerStats:
    """Return `stats` with what is measured of the layer's gradients.

    Args:
        stats: What the forward pass measured of the layer.
        stack: The stack.
        layer: The layer on the way down.
        top_rms: rms(dL/dz) of the last layer; None at that layer itself, or where it has none.
        workers: Where blocks run.
    """
    rows = stack.row_blocks()
    squares = merge_squares(workers.map(lambda block: square_sum(layer.d_z[block]), rows))
    counts = merge_counts(workers.map(lambda block: count_block(layer.d_z[block], None), rows))
    bias_gradient = _sum(workers.map(lambda block: layer.d_z[block].sum(axis=0, dtype=np.float64), rows))
    weight_norm = square_sum(layer.weights).norm
    weight_gradient_norm = merge_squares(weight_gradients(layer, workers, lambda _, block: square_sum(block))).norm
    top = squares.rms if layer.number == stack.depth else top_rms
    return replace(
        stats,
        gradient=GradientStats(
            rms=squares.rms,
            ratio=_ratio(squares.rms, top),
            zero_fraction=counts.zero / layer.d_z.size,
            nonfinite_fraction=(counts.nan + counts.inf) / layer.d_z.size,
            magnitude=magnitude_histogram(counts, stack.dtype),
        ),
        weight_gradient=WeightGradientStats(weight_gradient_norm, _ratio(weight_gradient_norm, weight_norm)),
        bias_gradient=BiasGradientStats(square_sum(bias_gradient).norm),
        slope_gradient=_slope_gradient(stack, layer, workers),
    )


def _slope_gradient(stack: Stack, layer: BackwardLayer, workers: Workers) -> float | None:
    slope_derivative = stack.act.slope_derivative
    if slope_derivative is None:
        return None

    def one_block(rows: slice) -> Doubles:
        products: Array = layer.d_a[rows] * slope_derivative(layer.z[rows])
        total: Doubles = products.sum(axis=0, dtype=np.float64)
        return total

    with np.errstate(all="ignore"):
        gradient = float(_sum(workers.map(one_block, stack.row_blocks())).sum())
    return gradient if isfinite(gradient) else None


def _sum(parts: Sequence[Doubles]) -> Doubles:
    """Return the sum of the parts, in their order."""
    with np.errstate(all="ignore"):
        return sum(parts[1:], parts[0])


def _ratio(part: float | None, whole: float | None) -> float | None:
    """Return part/whole, or None where either is missing, the whole is zero or the quotient overflows."""
    if part is None or not whole or not isfinite(part / whole):
        return None
    return part / whole


def change_per_layer(layers: Sequence[LayerStats]) -> ChangePerLayer:
    """Return exp(slope of ln rms over depth): of a upwards, of dL/dz downwards.

    Layers that are zero or hold something non-finite are left out.
    """
    forward = [(stats.layer, stats.rms) for stats in layers if not stats.nonfinite_fraction and stats.rms]
    backward = [
        (-stats.layer, stats.gradient.rms)
        for stats in layers
        if stats.gradient and not stats.gradient.nonfinite_fraction and stats.gradient.rms
    ]
    return ChangePerLayer(_growth(forward), _growth(backward))


def _growth(points: Sequence[tuple[int, float]]) -> float | None:
    if len(points) < 2:
        return None
    position = np.array([layer for layer, _ in points], dtype=float)
    height = np.array([log(rms) for _, rms in points])
    position -= position.mean()
    slope = float(np.dot(position, height - height.mean()) / np.dot(position, position))
    return float(np.exp(slope))
