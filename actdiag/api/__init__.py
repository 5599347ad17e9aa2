"""The Python interface: a function for each command, in a module of its own; all of them take options by name."""

from actdiag.api.compare import compare
from actdiag.api.explain import explain
from actdiag.api.fix import fix
from actdiag.api.gain import gain
from actdiag.api.grad_flow import grad_flow
from actdiag.api.judge import judge
from actdiag.api.propagate import propagate
from actdiag.api.running import make_loss
from actdiag.api.stack import layer_widths, make_stack, resolve_acts
from actdiag.api.train import train
from actdiag.api.verify import verify

__all__ = [
    "compare",
    "explain",
    "fix",
    "gain",
    "grad_flow",
    "judge",
    "layer_widths",
    "make_loss",
    "make_stack",
    "propagate",
    "resolve_acts",
    "train",
    "verify",
]
