"""What rules look at, taken from reports and altered."""

from dataclasses import replace

from actdiag.diagnosis import Run
from actdiag.measure.forward import change_per_layer


def run_of(report, **changes):
    """What the rules look at, of a report."""
    loss = None if report.loss is None else report.loss.name
    run = Run(report.stack, report.layers, report.change_per_layer, report.input_cosine, loss=loss)
    return run._replace(input_rms=report.input_rms, **changes)


def altered(run, **by_layer):
    """A run with fields of its layers set by functions of the layer; `gradient__rms` is a field of a part."""
    layers = []
    for stats in run.layers:
        for name, value in by_layer.items():
            part, _, inner = name.partition("__")
            new = value(stats.layer) if callable(value) else value
            stats = replace(stats, **{part: replace(getattr(stats, part), **{inner: new}) if inner else new})
        layers.append(stats)
    return run._replace(layers=tuple(layers), change=change_per_layer(layers))


def between(fold):
    """The rms by which five layers change `fold` times from the first to the last."""
    return lambda layer: fold ** ((layer - 1) / 4)
