"""Measurements: what one run, or the means of several runs, measured of a network."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from actdiag.engine.losses import DEFAULT_CLASSES
from actdiag.measure.statistics import ChangePerLayer, InputStats, LayerStats, LossValue
from actdiag.model.site import Site
from actdiag.model.stack import Stack
from actdiag.options import PlanOptions
from actdiag.theory.types import LayerTheory, StackTheory


class Place(NamedTuple):
    """One measured place in a network.

    Attributes:
        number: Its row, from 1: the layer's number in a plain stack.
        site: What measuring knows of it.
        stats: What was measured there.
    """

    number: int
    site: Site
    stats: LayerStats


class TrainingPlan(NamedTuple):
    """The training that a verdict is on.

    Attributes:
        optimizer: `sgd`, `momentum`, `adam` or `adamw`.
        iterations: Updates.
    """

    optimizer: str = PlanOptions.optimizer
    iterations: int = PlanOptions.iterations


DEFAULT_PLAN = TrainingPlan()


class Runs(NamedTuple):
    """How several runs of a network ended that differ in their seed alone.

    Attributes:
        n: How many there were.
        died: In how many the signal was lost: to zeros, to NaN or infinity, or in a layer whose units were all dead.
        untrainable: How many were found untrainable.
        probability: The mean over the runs of the probability that the network trains, 0 where a rule was certain that
            it does not; None where that is not known.
    """

    n: int
    died: int
    untrainable: int
    probability: float | None

    @property
    def mostly_untrainable(self) -> bool:
        """Whether more than half of the runs were found untrainable."""
        return 2 * self.untrainable > self.n


@dataclass(frozen=True, slots=True)
class Measurements:
    """What was measured of a network, and what theory predicts of it.

    Rules, judges and renderers take these. They ask nothing of the recipe that a site knows, so that all but the rules
    on weights and biases work without one.

    Attributes:
        sites: Where was measured, in the order of running.
        layers: The statistics of each site.
        input: The statistics of the inputs.
        change: The factor from layer to layer.
        loss: What the backward pass started from; None without one.
        classes: The classes that a readout would tell apart.
        plan: How the network is to be trained.
        learning_rate: The rate that the network is to be trained with; None where none is in use.
        theory: What theory predicts of the stack; None where it was not asked.
        layer_theory: What it predicts of each layer; empty where it was not asked or does not apply.
        recipe: The stack that was run; None where the network was built elsewhere.
        runs: How the runs ended that these are the means of; None for a single run.
        derived: Values worked out of the rest before, by name, so that several rules work them out once.
    """

    sites: tuple[Site, ...]
    layers: tuple[LayerStats, ...]
    input: InputStats
    change: ChangePerLayer
    loss: LossValue | None = None
    classes: int = DEFAULT_CLASSES
    plan: TrainingPlan = DEFAULT_PLAN
    learning_rate: float | None = None
    theory: StackTheory | None = None
    layer_theory: tuple[LayerTheory, ...] = ()
    recipe: Stack | None = None
    runs: Runs | None = None
    derived: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check that every site has its statistics.

        Raises:
            ValueError: There are not as many sites as layers, or none.
        """
        if len(self.sites) != len(self.layers) or not self.sites:
            message = f"sites must have one entry for each of the layers, got {len(self.sites)} for {len(self.layers)}"
            raise ValueError(message)

    @property
    def depth(self) -> int:
        """The number of layers."""
        return len(self.layers)

    @property
    def has_gradient(self) -> bool:
        """Whether a backward pass was run."""
        return self.layers[-1].gradient is not None

    def places(self) -> Iterator[Place]:
        """Yield every place, the first layer first."""
        return map(Place, range(1, self.depth + 1), self.sites, self.layers)

    def at(self, path: str) -> Place:
        """Return the place of a path.

        Raises:
            KeyError: There is no such path.
        """
        for place in self.places():
            if place.site.path == path:
                return place
        raise KeyError(path)

    def place(self, number: int) -> Place:
        """Return the place of a row, from 1."""
        if not 1 <= number <= self.depth:
            raise IndexError(number)
        return Place(number, self.sites[number - 1], self.layers[number - 1])

    def below(self, number: int) -> Place | None:
        """Return the place under that of a row; None under the first, where the inputs are."""
        return self.place(number - 1) if number > 1 else None

    @property
    def first(self) -> Place:
        """The first layer."""
        return self.place(1)

    @property
    def last(self) -> Place:
        """The last layer."""
        return self.place(self.depth)
