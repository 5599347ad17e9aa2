"""The library's front door: one function for each command, and the options that they take."""

from actdiag.api.verbs import compare, gain, grad_flow, make_loss, make_stack, propagate, several, train

__all__ = ["compare", "gain", "grad_flow", "make_loss", "make_stack", "propagate", "several", "train"]
