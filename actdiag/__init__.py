"""Activation statistics for deep networks.

>>> import actdiag
>>> report = actdiag.propagate(act="relu", init="he", depth=5)
>>> report.verdict.severity
'healthy'
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from actdiag.activations import ACTIVATIONS, Activation
    from actdiag.api import compare, gain, grad_flow, make_stack, propagate, train
    from actdiag.datasets.catalogue import load_dataset
    from actdiag.diagnosis import Finding, Verdict
    from actdiag.errors import InvalidField
    from actdiag.experiments.train import TrainingRun
    from actdiag.initializers import INITIALIZERS, Initializer
    from actdiag.measure.statistics import GradientStats, LayerStats
    from actdiag.model.stack import Stack
    from actdiag.report import Report
    from actdiag.theory.prediction import predict

__version__ = "0.1.0"

_HOMES = {
    "ACTIVATIONS": "activations",
    "Activation": "activations",
    "Finding": "diagnosis",
    "GradientStats": "measure.statistics",
    "INITIALIZERS": "initializers",
    "Initializer": "initializers",
    "InvalidField": "errors",
    "LayerStats": "measure.statistics",
    "Report": "report",
    "Stack": "model.stack",
    "TrainingRun": "experiments.train",
    "Verdict": "diagnosis",
    "compare": "api",
    "gain": "api",
    "grad_flow": "api",
    "load_dataset": "datasets.catalogue",
    "make_stack": "api",
    "predict": "theory.prediction",
    "propagate": "api",
    "train": "api",
}

__all__ = [
    "ACTIVATIONS",
    "INITIALIZERS",
    "Activation",
    "Finding",
    "GradientStats",
    "Initializer",
    "InvalidField",
    "LayerStats",
    "Report",
    "Stack",
    "TrainingRun",
    "Verdict",
    "__version__",
    "compare",
    "gain",
    "grad_flow",
    "load_dataset",
    "make_stack",
    "predict",
    "propagate",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
