"""Training runs built by hand, so that what is shown of them can be tested without training."""

from dataclasses import replace
from math import exp, log

import builders
import numpy as np

from actdiag.activations import resolve as activation
from actdiag.experiments.train import DataFacts, Recipe, Snapshot, TrainingRun, Tried
from actdiag.initializers import resolve as initializer
from actdiag.measure.statistics import ChangePerLayer

DATA = DataFacts("synthetic", 8000, 2000, 10, 10)
ITERATIONS = 400


def falling(final, tau, start=2.3, iterations=ITERATIONS, noise=0.05, seed=0):
    """A loss that falls from `start` to `final`, with noise in proportion."""
    rng = np.random.default_rng(seed)
    noises = 1 + noise * rng.normal(size=iterations)
    return tuple((final + (start - final) * exp(-number / tau)) * one for number, one in enumerate(noises.tolist()))


def snapshot(forward, backward, dead=0.02, loss=2.3):
    layers = [builders.gradient(builders.layer(number), 1e-3, 1.0) for number in range(1, 5)]
    layers[2] = replace(layers[2], dead_fraction=dead)
    return Snapshot(tuple(layers), ChangePerLayer(forward, backward), loss)


def run(act="relu", init="he", loss=None, accuracy=None, test=0.93, severity="healthy", **changes):
    loss = falling(0.2, 40) if loss is None else loss
    best = exp(-log(10) + log(10) * test)
    accuracy = accuracy or tuple(0.1 + (best - 0.1) * min(1.0, place / len(loss)) for place in range(len(loss)))
    built = TrainingRun(
        stack=builders.stack(act=activation(act), init=initializer(init)),
        data=DATA,
        recipe=Recipe("sgd", ITERATIONS, 128),
        learning_rate=0.1,
        loss=loss,
        accuracy=accuracy,
        test_loss=0.25,
        test_accuracy=test,
        before=snapshot(0.97, 0.982),
        after=snapshot(1.12, 1.31, dead=0.1),
        first_update=(1.2e-3, 3.4e-3, None, 2.2e-3),
        verdict=builders.verdict(severity),
    )
    return replace(built, **changes)


def stuck(act="relu", init="std=0.01", **changes):
    loss = tuple(float(value) for value in log(10) + 0.002 * np.random.default_rng(1).normal(size=ITERATIONS))
    defaults = {
        "loss": loss,
        "test": 0.112,
        "severity": "untrainable",
        "test_loss": log(10),
        "before": snapshot(0.0686, 0.069, dead=0.0),
        "after": snapshot(0.0686, 0.069, dead=0.0),
        "first_update": (1e-9, 1e-9, 1e-8, 0.0),
    }
    return run(act, init, **defaults | changes)


def diverged(act="relu", init="uniform:1", at=37, **changes):
    loss = (*falling(2.3, 40, 2.3, at - 1), None)
    defaults = {
        "loss": loss,
        "accuracy": (0.1,) * at,
        "test": 0.0,
        "test_loss": None,
        "severity": "at-risk",
        "after": snapshot(None, None, dead=None, loss=float("nan")),
        "before": snapshot(123.4, 321.0),
        "first_update": (None,) * 4,
    }
    return run(act, init, **defaults | changes)


def book():
    """The three of the textbook: one that does not learn, one that learns late, one that learns at once."""
    slow_start = tuple(
        2.3 - 2.05 / (1 + exp((200 - number) / 18)) + 0.03 * step
        for number, step in enumerate(np.random.default_rng(2).normal(size=ITERATIONS).tolist())
    )
    return [stuck(), run(init="xavier", loss=slow_start, test=0.92), run(loss=falling(0.2, 30))]


def several():
    """Of everything something: verdicts that were wrong, a run that diverged, learning rates that were tried."""
    rates = (Tried(1.0, None), Tried(0.1, 0.2), Tried(0.01, 1.4))
    return [
        stuck(severity="healthy"),
        run(tried=rates),
        stuck("leaky_relu:0.2", tried=rates, learning_rate=0.01),
        run("leaky_relu:0.2", severity="untrainable", loss=falling(1.4, 200), tried=rates, learning_rate=0.01),
        diverged("sigmoid", "he", severity="healthy", learning_rate=1.0),
    ]
