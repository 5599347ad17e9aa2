"""The statistics of one training step, reduced layer by layer while it runs."""

from collections.abc import Sequence
from math import nan
from typing import NamedTuple

import numpy as np

from actdiag.arrays import Array, Counts, Doubles
from actdiag.engine.backward import BackwardLayer, backward, weight_gradients
from actdiag.engine.blocks import REDUCED, in_double, pieces
from actdiag.engine.forward import forward
from actdiag.engine.losses import Loss, labels_of, loss_and_gradient
from actdiag.engine.memory import need_of, plan_backward, useful_threads
from actdiag.engine.tape import Tape
from actdiag.engine.workers import Workers
from actdiag.external.deepdiagnosis import FAR
from actdiag.external.sagemaker import ACTIVITY, GRADIENT_PERCENTILES, UNSATURATED
from actdiag.external.step import LayerStepStats, StepStats, kind_of
from actdiag.external.torchmortem import NEAR_ONE, NEAR_ZERO
from actdiag.measure.moments import BlockMoments, UnitMoments, block_moments, merge_moments, pool
from actdiag.measure.squares import SquareSum, column_sums, merge_squares, square_sum
from actdiag.model.site import Site
from actdiag.model.stack import Stack
from actdiag.options import DEFAULT_BUDGET

Bounds = tuple[float, float]


class BlockOutputs(NamedTuple):
    """The contribution of a block of rows to the statistics of a layer on the forward pass.

    Attributes:
        z: Moments of the pre-activations.
        a: Moments of the activations.
        active: The number of rows on which each unit's activation is other than zero, shape (width,).
        within: The number of rows on which each pre-activation is within bounds, shape (columns,); None without bounds.
        nonpositive: The number of activations at or under zero.
        near_zero: The number of those that torchmortem calls dead.
        near_one: The number of those that it calls saturated.
        far: The number of pre-activations that DeepDiagnosis calls saturated.
    """

    z: BlockMoments
    a: BlockMoments
    active: Counts
    within: Counts | None
    nonpositive: int
    near_zero: int
    near_one: int
    far: int


class ForwardStats(NamedTuple):
    """The statistics of a layer on the forward pass, by the names of `LayerStepStats`; nonfinite entries of z or a."""

    input_variance: float
    output_variance: float
    zero_fraction: float
    nonpositive_fraction: float
    near_zero_fraction: float
    near_one_fraction: float
    far_fraction: float
    inactive_fraction: float
    saturated_fraction: float
    nonfinite_fraction: float


class BlockWeights(NamedTuple):
    """The contribution of a block of rows of W and of dL/dW."""

    weights: SquareSum
    gradient: SquareSum
    total: float
    zeros: int


def measure_step(stack: Stack, loss: Loss, learning_rate: float, threads: int | None = None) -> StepStats:
    """Return the statistics of the first training step of a stack.

    Raises:
        InvalidField: The labels do not fit, or the run does not fit in memory.
    """
    plan, kept = plan_backward(stack, DEFAULT_BUDGET)
    sites = stack.sites()
    bounds = [UNSATURATED.get(kind_of(site.act)) for site in sites]
    tape = Tape(plan)

    def visit(layer: int, z: Array, a: Array) -> BlockOutputs:
        return reduce_outputs(z, a, bounds[layer - 1])

    threads = useful_threads(stack) if threads is None else threads
    with need_of(stack, kept, loss.classes).met(threads) as threads:
        labels_of(stack, loss)  # labels that do not fit are refused before anything is run
        with Workers(threads) as workers:
            stats = []
            for layer in forward(stack, workers, visit, tape):
                if layer.number:
                    stats.append(merge_outputs(layer.blocks, sites[layer.number - 1].batch))
            _, d_top = loss_and_gradient(stack, loss, layer.activations, workers)
            layers = [
                _layer_stats(sites[passed.number - 1], passed, stats[passed.number - 1], workers)
                for passed in backward(stack, workers, tape, d_top, sum_over_rows)
                if passed.weights is not None
            ]
    return StepStats(tuple(reversed(layers)), learning_rate)


def reduce_outputs(z: Array, a: Array, bounds: Bounds | None) -> BlockOutputs:
    """Reduce a block of pre-activations and activations, shapes (rows, columns) and (rows, width), to counts."""
    active, nonpositive, near_zero, near_one, far = np.zeros(a.shape[1], dtype=np.int64), 0, 0, 0, 0
    within = None if bounds is None else np.zeros(z.shape[1], dtype=np.int64)
    for rows in pieces(a, REDUCED):
        size = np.abs(a[rows])
        active += np.count_nonzero(size, axis=0)
        nonpositive += int(np.count_nonzero(a[rows] <= 0))
        near_zero += int(np.count_nonzero(size < NEAR_ZERO))
        near_one += int(np.count_nonzero(size > NEAR_ONE))
    for rows in pieces(z, REDUCED):
        far += int(np.count_nonzero(np.abs(z[rows]) >= FAR))
        if bounds is not None and within is not None:
            within += np.count_nonzero((z[rows] > bounds[0]) & (z[rows] < bounds[1]), axis=0)
    return BlockOutputs(block_moments(z), block_moments(a), active, within, nonpositive, near_zero, near_one, far)


def merge_outputs(blocks: Sequence[BlockOutputs], batch: int) -> ForwardStats:
    """Return the statistics of a layer on the forward pass from those of its blocks."""
    z, a = merge_moments([block.z for block in blocks]), merge_moments([block.a for block in blocks])
    active = np.sum([block.active for block in blocks], axis=0)
    within = [block.within for block in blocks if block.within is not None]
    entered, given = batch * len(z.mean), batch * len(active)
    return ForwardStats(
        input_variance=_variance(z),
        output_variance=_variance(a),
        zero_fraction=1 - int(active.sum()) / given,
        nonpositive_fraction=sum(block.nonpositive for block in blocks) / given,
        near_zero_fraction=sum(block.near_zero for block in blocks) / given,
        near_one_fraction=sum(block.near_one for block in blocks) / given,
        far_fraction=sum(block.far for block in blocks) / entered,
        inactive_fraction=_share_of_inactive(active, batch),
        saturated_fraction=_share_of_inactive(np.sum(within, axis=0), batch) if within else nan,
        nonfinite_fraction=max(z.nonfinite / entered, a.nonfinite / given),
    )


def _variance(moments: UnitMoments) -> float:
    std = pool(moments).std
    return nan if std is None else std * std


def _share_of_inactive(counts: Counts, batch: int) -> float:
    """Return the share of units that were counted on too few of the inputs to be called active."""
    return float(np.mean(counts / batch < ACTIVITY))


def sum_over_rows(layer: int, z: Array, d_a: Array, d_z: Array) -> Doubles:
    """Return the contribution of a block of dL/dz, shape (rows, columns), to dL/db, shape (columns,)."""
    return column_sums(d_z)


def _layer_stats(
    site: Site, layer: BackwardLayer[Doubles], forward_stats: ForwardStats, workers: Workers
) -> LayerStepStats:
    """Return the statistics of a layer, those of its gradients included."""
    assert layer.weights is not None
    entries = np.empty_like(layer.weights)  # percentiles need all of dL/dW at once: that of one layer is held

    def reduce_weights(rows: slice, weights: Array, d_weights: Array) -> BlockWeights:
        entries[rows] = d_weights
        total = sum(float(np.abs(part).sum()) for part in in_double(d_weights))
        zeros = d_weights.size - int(np.count_nonzero(d_weights))
        return BlockWeights(square_sum(weights), square_sum(d_weights), total, zeros)

    blocks = weight_gradients(layer, workers, reduce_weights).results()
    low, high = np.percentile(entries.reshape(-1), GRADIENT_PERCENTILES, overwrite_input=True)
    gradient = merge_squares([part.gradient for part in blocks])
    d_biases = np.sum(layer.blocks, axis=0)
    lost = gradient.nonfinite / entries.size
    nonfinite = max(forward_stats.nonfinite_fraction, lost)
    return LayerStepStats(
        layer=layer.number,
        kind=kind_of(site.act),
        **forward_stats._replace(nonfinite_fraction=nonfinite)._asdict(),
        weight_norm=_norm(merge_squares([part.weights for part in blocks])),
        gradient_norm=_norm(gradient),
        gradient_nonfinite_fraction=lost,
        gradient_mean=sum(part.total for part in blocks) / entries.size,
        gradient_width=float(high - low),
        gradient_zeros=sum(part.zeros for part in blocks) + len(d_biases) - int(np.count_nonzero(d_biases)),
        gradient_entries=entries.size + len(d_biases),
    )


def _norm(squares: SquareSum) -> float:
    return nan if squares.norm is None else squares.norm
