"""Rich renderables: reports, comparisons, and the catalogues of activations and initializers."""

from actdiag.render.terminal.catalogue import (
    activation_view,
    activations_view,
    initializer_view,
    initializers_view,
)
from actdiag.render.terminal.comparison import comparison_view
from actdiag.render.terminal.summary import report_view

__all__ = [
    "activation_view",
    "activations_view",
    "comparison_view",
    "initializer_view",
    "initializers_view",
    "report_view",
]
