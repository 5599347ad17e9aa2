"""Activation statistics for deep networks.

>>> import actdiag
>>> report = actdiag.propagate(act="relu", init="he", depth=5)
>>> report.verdict.severity
'healthy'
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from actdiag import ops
    from actdiag.activations import ACTIVATIONS, Activation
    from actdiag.api.compare import compare
    from actdiag.api.explain import explain
    from actdiag.api.fix import fix
    from actdiag.api.gain import gain
    from actdiag.api.grad_flow import grad_flow
    from actdiag.api.judge import judge
    from actdiag.api.propagate import propagate
    from actdiag.api.stack import make_stack
    from actdiag.api.train import train
    from actdiag.api.verify import verify
    from actdiag.datasets.catalogue import Dataset, load_dataset
    from actdiag.diagnosis import RULES, Finding, Rule, Verdict
    from actdiag.errors import InvalidField
    from actdiag.experiments.train import TrainingRun
    from actdiag.initializers import INITIALIZERS, Initializer
    from actdiag.measure.statistics import GradientStats, LayerStats
    from actdiag.measurements import Measurements
    from actdiag.model.site import Site
    from actdiag.model.stack import Stack
    from actdiag.options import RunOptions, StackOptions, TrainOptions
    from actdiag.report import Report
    from actdiag.theory.prediction import predict

__version__ = "0.1.0"

_HOMES = {
    "ACTIVATIONS": "activations",
    "Activation": "activations",
    "Dataset": "datasets.catalogue",
    "Finding": "diagnosis",
    "GradientStats": "measure.statistics",
    "INITIALIZERS": "initializers",
    "Initializer": "initializers",
    "InvalidField": "errors",
    "LayerStats": "measure.statistics",
    "Measurements": "measurements",
    "RULES": "diagnosis",
    "Report": "report",
    "Rule": "diagnosis",
    "RunOptions": "options",
    "Site": "model.site",
    "Stack": "model.stack",
    "StackOptions": "options",
    "TrainOptions": "options",
    "TrainingRun": "experiments.train",
    "Verdict": "diagnosis",
    "compare": "api.compare",
    "explain": "api.explain",
    "fix": "api.fix",
    "gain": "api.gain",
    "grad_flow": "api.grad_flow",
    "judge": "api.judge",
    "load_dataset": "datasets.catalogue",
    "make_stack": "api.stack",
    "predict": "theory.prediction",
    "propagate": "api.propagate",
    "train": "api.train",
    "verify": "api.verify",
}

__all__ = [
    "ACTIVATIONS",
    "INITIALIZERS",
    "RULES",
    "Activation",
    "Dataset",
    "Finding",
    "GradientStats",
    "Initializer",
    "InvalidField",
    "LayerStats",
    "Measurements",
    "Report",
    "Rule",
    "RunOptions",
    "Site",
    "Stack",
    "StackOptions",
    "TrainOptions",
    "TrainingRun",
    "Verdict",
    "__version__",
    "compare",
    "explain",
    "fix",
    "gain",
    "grad_flow",
    "judge",
    "load_dataset",
    "make_stack",
    "ops",
    "predict",
    "propagate",
    "train",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name == "ops":
        return import_module(f"{__name__}.ops")
    if name not in _HOMES:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
