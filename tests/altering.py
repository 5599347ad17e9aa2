"""What rules look at, taken from reports and altered."""

from dataclasses import replace

from actdiag.measure.change import change_per_layer
from actdiag.measure.statistics import LossValue


def run_of(report, **changes):
    """What was measured of a run, with some of it altered."""
    return replace(report.measurements, **changes)


def with_recipe(run, **changes):
    """The same measurements as of another stack."""
    recipe = replace(run.recipe, **changes)
    return replace(run, recipe=recipe, sites=recipe.sites())


def with_input(run, **changes):
    return replace(run, input=replace(run.input, **changes))


def with_loss(run, name, **changes):
    loss = None if name is None else LossValue(name, None if name == "random" else 10, 1.0)
    return replace(run, loss=loss, **changes)


def altered(run, **by_layer):
    """A run with fields of its layers set by functions of the layer; `gradient__rms` is a field of a part."""
    layers = []
    for stats in run.layers:
        for name, value in by_layer.items():
            part, _, inner = name.partition("__")
            new = value(stats.layer) if callable(value) else value
            stats = replace(stats, **{part: replace(getattr(stats, part), **{inner: new}) if inner else new})
        layers.append(stats)
    return replace(run, layers=tuple(layers), change=change_per_layer(layers))


def between(fold):
    """The rms by which five layers change `fold` times from the first to the last."""
    return lambda layer: fold ** ((layer - 1) / 4)
