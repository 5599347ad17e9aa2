"""The range of the trained networks that the probability was fitted to, and what of a network lies outside it."""

from collections.abc import Iterator
from typing import NamedTuple

from actdiag.diagnosis.calibration import fitted
from actdiag.measurements import Measurements

OPTIMIZERS = ("sgd", "momentum", "adam", "adamw")
"""The optimizers that a verdict may be on."""

_JUDGED_AS = {"adamw": "adam"}


class Task(NamedTuple):
    """What a network is to learn and how, in the terms of the fit.

    Attributes:
        optimizer: `sgd`, `momentum` or `adam`; `adamw` is judged as `adam`.
        iterations: Updates, at most as many as the longest training runs of the fit had.
        mse: Whether the loss is the mean squared error, else cross-entropy.
        classes: The classes.
        depth: The number of layers with weights.
        width: The units of the narrowest layer.
        weights: The weights of all layers, and of the readout.
    """

    optimizer: str
    iterations: int
    mse: bool
    classes: int
    depth: int
    width: int
    weights: int


def judged_as(optimizer: str, iterations: int) -> tuple[str, int]:
    """Return the optimizer and the number of iterations of the fit that stand for those of a plan."""
    return _JUDGED_AS.get(optimizer, optimizer), min(iterations, fitted.RANGES["iterations"][1])


def task_of(measurements: Measurements) -> Task:
    """Return what a network is to learn and how: cross-entropy where no loss on labels was measured."""
    loss, (optimizer, iterations) = measurements.loss, judged_as(*measurements.plan)
    return Task(
        optimizer=optimizer,
        iterations=iterations,
        mse=loss is not None and loss.name == "mse",
        classes=measurements.classes,
        depth=measurements.depth,
        width=min(site.units for site in measurements.sites),
        weights=sum(site.fan_in * site.columns for site in measurements.sites)
        + measurements.last.site.units * measurements.classes,
    )


def outside(measurements: Measurements) -> tuple[str, ...]:
    """Return what of a network lies outside the range of the fit, a sentence each; nothing within it."""
    return tuple(_outside(measurements))


def _outside(measurements: Measurements) -> Iterator[str]:
    widths, features = [site.units for site in measurements.sites], measurements.sites[0].fan_in
    said = {
        "depth": (f"depth {measurements.depth} is", [measurements.depth]),
        "width": ("width {} is", [min(widths), max(widths)]),
        "features": (_counted(features, "feature"), [features]),
        "classes": (_counted(measurements.classes, "class", "classes"), [max(measurements.classes, 2)]),
    }
    for name, (subject, numbers) in said.items():
        low, high = fitted.RANGES[name]
        beyond = [number for number in numbers if not low <= number <= high]
        if beyond:
            yield f"{subject.format(beyond[-1])} outside {low} to {high}"
    if measurements.classes == 1:
        yield "regression was not among what was trained"
    iterations, fewest = measurements.plan.iterations, fitted.RANGES["iterations"][0]
    if iterations < fewest:
        yield f"{_counted(iterations, 'iteration')} fewer than {fewest}"
    if measurements.recipe is not None and measurements.recipe.weights is not None:
        yield "weights that are given were not among those trained"
    if measurements.recipe is not None and any(len(node.reads) > 1 for node in measurements.recipe.nodes):
        yield "networks that branch were not among those trained"


def _counted(number: int, one: str, many: str = "") -> str:
    return f"{number} {one} is" if number == 1 else f"{number} {many or one + 's'} are"
