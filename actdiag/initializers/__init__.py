"""Every weight initializer, one block each, by family; `resolve` turns a name into its entry."""

from actdiag.initializers import frameworks, matrices, scaling, unscaled  # noqa: F401  (registers the entries)
from actdiag.initializers.entry import INITIALIZERS, LARGEST_SCALE, Initializer

resolve = INITIALIZERS.resolve

__all__ = ["INITIALIZERS", "LARGEST_SCALE", "Initializer", "resolve"]
