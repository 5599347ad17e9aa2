"""One training step of a stack, reduced layer by layer to what the tools look at."""

from collections.abc import Sequence
from math import nan
from typing import NamedTuple

import numpy as np

from actdiag.arrays import Array, Counts, Doubles
from actdiag.engine.blocks import REDUCED, in_double, pieces
from actdiag.engine.losses import Loss, labels_of, loss_and_gradient
from actdiag.engine.memory import check_fits, plan_backward, useful_threads
from actdiag.engine.propagation import BackwardLayer, Tape, backward, forward, weight_gradients
from actdiag.engine.workers import Workers
from actdiag.external.deepdiagnosis import FAR
from actdiag.external.evidence import Evidence, LayerEvidence, kind_of
from actdiag.external.sagemaker import ACTIVITY, GRADIENT_PERCENTILES, UNSATURATED
from actdiag.external.torchmortem import NEAR_ONE, NEAR_ZERO
from actdiag.measure.moments import (
    BlockMoments,
    SquareSum,
    UnitMoments,
    block_moments,
    column_sums,
    merge_moments,
    merge_squares,
    pool,
    square_sum,
)
from actdiag.model.stack import Stack
from actdiag.options import DEFAULT_BUDGET

Bounds = tuple[float, float]


class Outputs(NamedTuple):
    """What a block of rows contributes on the way up.

    Attributes:
        z: Moments of the pre-activations.
        a: Moments of the activations.
        active: On how many rows each unit's activation is other than zero, shape (width,).
        within: On how many rows each pre-activation is within bounds, shape (columns,); None where there are no bounds.
        nonpositive: Activations at or under zero.
        near_zero: Those that torchmortem calls dead.
        near_one: Those that it calls saturated.
        far: Pre-activations that DeepDiagnosis calls saturated.
    """

    z: BlockMoments
    a: BlockMoments
    active: Counts
    within: Counts | None
    nonpositive: int
    near_zero: int
    near_one: int
    far: int


class Reached(NamedTuple):
    """What a layer shows on the way up, by the names of `LayerEvidence`; what is not finite is of z or of a."""

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


class Weights(NamedTuple):
    """What a block of rows of dL/dW, and those of W, contribute."""

    weights: SquareSum
    gradient: SquareSum
    total: float
    zeros: int


def collect(stack: Stack, loss: Loss, learning_rate: float, threads: int | None = None) -> Evidence:
    """Return what one training step of a stack shows, with the bits of every other run of it.

    Raises:
        InvalidField: The labels do not fit, or the run does not fit in memory.
    """
    plan, kept = plan_backward(stack, DEFAULT_BUDGET)
    check_fits(stack, kept, loss.classes)
    labels_of(stack, loss)  # labels that do not fit are refused before anything is run
    kind = kind_of(stack.act)
    bounds = UNSATURATED.get(kind)
    tape = Tape(plan)

    def visit(layer: int, z: Array, a: Array) -> Outputs:
        return see_outputs(z, a, bounds)

    with Workers(useful_threads(stack) if threads is None else threads) as workers:
        reached = []
        for ascending in forward(stack, workers, visit, tape):
            if ascending.number:
                reached.append(sum_up(ascending.blocks, stack.batch))
        _, d_top = loss_and_gradient(stack, loss, ascending.activations, workers)
        layers = [
            _weigh(layer, reached[layer.number - 1], workers)
            for layer in backward(stack, workers, tape, d_top, see_signals)
        ]
    return Evidence(kind, tuple(reversed(layers)), learning_rate)


def see_outputs(z: Array, a: Array, bounds: Bounds | None) -> Outputs:
    """Reduce a block of pre-activations and activations, shapes (rows, columns) and (rows, width), to numbers."""
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
    return Outputs(block_moments(z), block_moments(a), active, within, nonpositive, near_zero, near_one, far)


def sum_up(blocks: Sequence[Outputs], batch: int) -> Reached:
    """Return what a layer shows on the way up from what its blocks do."""
    z, a = merge_moments([block.z for block in blocks]), merge_moments([block.a for block in blocks])
    active = np.sum([block.active for block in blocks], axis=0)
    within = [block.within for block in blocks if block.within is not None]
    entered, given = batch * len(z.mean), batch * len(active)
    return Reached(
        input_variance=_variance(z),
        output_variance=_variance(a),
        zero_fraction=1 - int(active.sum()) / given,
        nonpositive_fraction=sum(block.nonpositive for block in blocks) / given,
        near_zero_fraction=sum(block.near_zero for block in blocks) / given,
        near_one_fraction=sum(block.near_one for block in blocks) / given,
        far_fraction=sum(block.far for block in blocks) / entered,
        inactive_fraction=_seldom(active, batch),
        saturated_fraction=_seldom(np.sum(within, axis=0), batch) if within else nan,
        nonfinite_fraction=max(z.nonfinite / entered, a.nonfinite / given),
    )


def _variance(moments: UnitMoments) -> float:
    std = pool(moments).std
    return nan if std is None else std * std


def _seldom(counts: Counts, batch: int) -> float:
    """Return the share of units that were so on too few of the inputs to be active."""
    return float(np.mean(counts / batch < ACTIVITY))


def see_signals(layer: int, z: Array, d_a: Array, d_z: Array) -> Doubles:
    """Reduce a block of dL/dz, shape (rows, columns), to what it adds to dL/db, shape (columns,)."""
    return column_sums(d_z)


def _weigh(layer: BackwardLayer[Doubles], reached: Reached, workers: Workers) -> LayerEvidence:
    """Return the evidence of a layer: what was reached on the way up, and what comes down."""
    entries = np.empty_like(layer.weights)  # percentiles need all of dL/dW at once: that of one layer is held

    def weigh(rows: slice, d_weights: Array) -> Weights:
        entries[rows] = d_weights
        total = sum(float(np.abs(part).sum()) for part in in_double(d_weights))
        zeros = d_weights.size - int(np.count_nonzero(d_weights))
        return Weights(square_sum(layer.weights[rows]), square_sum(d_weights), total, zeros)

    weighed = weight_gradients(layer, workers, weigh).results()
    low, high = np.percentile(entries.reshape(-1), GRADIENT_PERCENTILES, overwrite_input=True)
    gradient = merge_squares([part.gradient for part in weighed])
    d_biases = np.sum(layer.blocks, axis=0)
    lost = gradient.nonfinite / entries.size
    nonfinite = max(reached.nonfinite_fraction, lost)
    return LayerEvidence(
        layer=layer.number,
        **reached._replace(nonfinite_fraction=nonfinite)._asdict(),
        weight_norm=_norm(merge_squares([part.weights for part in weighed])),
        gradient_norm=_norm(gradient),
        gradient_nonfinite_fraction=lost,
        gradient_mean=sum(part.total for part in weighed) / entries.size,
        gradient_width=float(high - low),
        gradient_zeros=sum(part.zeros for part in weighed) + len(d_biases) - int(np.count_nonzero(d_biases)),
        gradient_entries=entries.size + len(d_biases),
    )


def _norm(squares: SquareSum) -> float:
    return nan if squares.norm is None else squares.norm
