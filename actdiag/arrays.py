"""The names that annotations use for arrays."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]
"""Numbers in the dtype of a stack, float32 or float64."""

Doubles = NDArray[np.float64]
"""Numbers in float64, whatever the stack's dtype."""

Counts = NDArray[np.int64]
"""Whole numbers."""

Numbers = NDArray[Any]
"""Whatever a file or a caller holds, before it is judged."""
