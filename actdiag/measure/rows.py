"""What the gradient of each input is, apart from the part along its pre-activations."""

from collections.abc import Sequence
from math import sqrt
from typing import NamedTuple

import numpy as np

from actdiag.arrays import Array, Doubles
from actdiag.engine.blocks import REDUCED, pieces

_EXACT = {"float32": (1e-20, 1e20), "float64": (1e-250, 1e250)}
"""Sums of squares between these are exact enough in that format, whatever the number of their terms."""


class RowGradients(NamedTuple):
    """The gradients of some inputs at a layer.

    Attributes:
        lengths: |dL/dz| of each input, shape (rows,).
        along: The length of its part along z: |z . dL/dz| / |z|; 0 where z is zero.
    """

    lengths: Doubles
    along: Doubles


def row_gradients(z: Array, d_z: Array) -> RowGradients:
    """Return the length of each row of `d_z`, and of its part along that row of `z`, both of shape (rows, columns)."""
    lengths, along = np.empty((2, len(z)))
    for rows in pieces(z, REDUCED):
        of_z, products, of_d_z = _products(z[rows], d_z[rows])
        scale: Doubles | float = 1.0
        if not (_is_exact(of_z, z[rows]) and _is_exact(of_d_z, d_z[rows])):
            scaled, scale = _near_one(d_z[rows])
            of_z, products, of_d_z = _products(_near_one(z[rows])[0], scaled)
        lengths[rows] = np.sqrt(of_d_z) * scale
        shares = np.divide(products, np.sqrt(of_z), out=np.zeros_like(products), where=of_z > 0)
        along[rows] = np.abs(shares) * scale
    return RowGradients(lengths, np.minimum(along, lengths))


def _products(z: Array, d_z: Array) -> tuple[Doubles, Doubles, Doubles]:
    pairs = ((z, z), (z, d_z), (d_z, d_z))
    of_z, products, of_d_z = (np.vecdot(one, other).astype(np.float64) for one, other in pairs)
    return of_z, products, of_d_z


def _is_exact(squares: Doubles, x: Array) -> bool:
    """Return whether sums of squares of the rows of `x` are exact enough; those of zeros are."""
    least, most = _EXACT[x.dtype.name]
    small = squares <= least
    return bool(squares.max() < most and not (small.any() and x[small].any()))


def _near_one(x: Array) -> tuple[Doubles, Doubles]:
    """Return the rows of `x` over powers of 2 that bring their largest entries near 1, and these, shape (rows,)."""
    doubles = x.astype(np.float64)
    exponents = np.frexp(np.abs(doubles).max(axis=1))[1] - 1
    return np.ldexp(doubles, -exponents[:, np.newaxis]), np.ldexp(1.0, exponents)


def along_fraction(parts: Sequence[RowGradients]) -> float:
    """Return the share of the squares of dL/dz that lies along z; 0 where it is not known."""
    largest = max((float(part.lengths.max(initial=0.0)) for part in parts), default=0.0)
    if not 0 < largest < np.inf:
        return 0.0
    whole, along = (
        sum(float(np.square(one / largest).sum()) for one in of_parts) for of_parts in zip(*parts, strict=True)
    )
    share = along / whole
    return share if 0 < share <= 1 else 0.0


def typical_rms(parts: Sequence[RowGradients], columns: int) -> float | None:
    """Return the rms of what does not lie along z for the median input; None where it is not finite."""
    lengths, along = (np.concatenate(of_parts) for of_parts in zip(*parts, strict=True))
    with np.errstate(all="ignore"):
        across = np.sqrt(lengths - along) * np.sqrt(lengths + along)
        median = float(np.median(across)) / sqrt(columns) if len(across) else np.nan
    return median if np.isfinite(median) else None
