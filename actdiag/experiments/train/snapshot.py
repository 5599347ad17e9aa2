"""The statistics of a network at some time of its training, by the measures of a run at initialization."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isfinite

from actdiag.arrays import Array
from actdiag.engine.backward import BackwardLayer
from actdiag.engine.losses import LABELLED
from actdiag.engine.workers import Workers
from actdiag.experiments.train.network import Network, backward, forward
from actdiag.experiments.train.optimizers import norm_of
from actdiag.experiments.train.outcome import Labels
from actdiag.measure.change import change_per_layer
from actdiag.measure.forward import Axis, ForwardMeasure
from actdiag.measure.gradients import BackwardMeasure
from actdiag.measure.statistics import ChangePerLayer, LayerStats
from actdiag.model.site import Site


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was measured of a network.

    Attributes:
        layers: Statistics of the activations and of the gradients of the cross-entropy, layer 1 first.
        change_per_layer: The factor from layer to layer.
        loss: The loss of the rows that were measured; None where it is not finite.
    """

    layers: tuple[LayerStats, ...]
    change_per_layer: ChangePerLayer
    loss: float | None


def snapshot(network: Network, inputs: Array, labels: Labels, loss_name: str, workers: Workers) -> Snapshot:
    """Return the statistics of a network over rows, shape (rows, features), in the stack's dtype, under a loss."""
    sites = _sites(network, len(inputs))
    passed = forward(network, inputs)
    loss, d_logits = LABELLED[loss_name](passed.logits, labels, len(inputs))
    activations, gradients = ForwardMeasure(sites, Axis()), BackwardMeasure(sites)
    layers = [
        activations.summarize(number, [activations.visit(number, z, passed.values[number])])
        for number, z in enumerate(passed.z, 1)
    ]
    for number, d_a, d_z, _ in backward(network, passed, d_logits):
        if number:
            node, own = network.stack.nodes[number - 1], network.layers[number - 1]
            z, inputs_of = passed.values[-number], passed.values[node.reads[0]]
            blocks = [gradients.visit(number, z, d_a, d_z)]
            layer = BackwardLayer(number, node.op, inputs_of, own.weights, z, d_z, blocks)
            weighed = gradients.weigh(layer, workers)
            layers[number - 1] = gradients.summarize(layer, weighed, layers[number - 1])
    return Snapshot(tuple(layers), change_per_layer(layers), loss if isfinite(loss) else None)


def _sites(network: Network, rows: int) -> list[Site]:
    """Return the sites of a network's layers, over so many rows and with the slopes that were learned."""
    sites = enumerate(network.stack.sites(), 1)
    return [replace(site, act=network.activation(number), batch=rows) for number, site in sites]


def relative_changes(before: Sequence[Array], after: Sequence[Array]) -> tuple[float | None, ...]:
    """Return of each array the norm of its change over its norm before; None where that is zero or not finite."""
    norms = [(norm_of([new - old]), norm_of([old])) for old, new in zip(before, after, strict=True)]
    return tuple(change / norm if change is not None and norm else None for change, norm in norms)


def worst_dead(stats: tuple[LayerStats, ...]) -> float | None:
    """Return the largest share of dead units of a layer; None where the activation has no such thing."""
    known = [layer.dead_fraction for layer in stats if layer.dead_fraction is not None]
    return max(known, default=None)
