"""Short training runs of a stack: what a diagnosis at initialization promises, put to the test."""

from actdiag.experiments.train.facts import DataFacts, facts_of
from actdiag.experiments.train.loop import Recipe, checked_recipe, loss_for, training_need
from actdiag.experiments.train.outcome import Advantage, Outcome
from actdiag.experiments.train.run import (
    AUTO_RATES,
    Look,
    TrainingRun,
    Tried,
    Watch,
    over_rows,
    run_training,
)
from actdiag.experiments.train.snapshot import Snapshot

__all__ = [
    "AUTO_RATES",
    "Advantage",
    "DataFacts",
    "Look",
    "Outcome",
    "Recipe",
    "Snapshot",
    "TrainingRun",
    "Tried",
    "Watch",
    "checked_recipe",
    "facts_of",
    "loss_for",
    "over_rows",
    "run_training",
    "training_need",
]
