"""What the gradient of each input is, apart from the part along its pre-activations."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from actdiag.arrays import Array, Doubles
from actdiag.engine.blocks import REDUCED, pieces

_LEAST, _MOST = 1e-20, 1e20
"""Squares between these lose nothing in float32; zero may be what others underflowed to."""


class RowGradients(NamedTuple):
    """The gradients of some inputs at a layer.

    Attributes:
        squares: Each input's sum of squares of dL/dz, shape (rows,).
        along: The part of it that lies along z: (z . dL/dz)^2 / |z|^2; 0 where z is zero.
    """

    squares: Doubles
    along: Doubles


def row_gradients(z: Array, d_z: Array) -> RowGradients:
    """Return the sums of squares of each row of `d_z`, and of its part along that row of `z`, both (rows, columns)."""
    squares, along = np.empty((2, len(z)))
    for rows in pieces(z, REDUCED):
        of_z, products, of_d_z = _products(z[rows], d_z[rows])
        if z.dtype != np.float64 and not (_is_exact(of_z) and _is_exact(of_d_z)):
            of_z, products, of_d_z = _products(z[rows].astype(np.float64), d_z[rows].astype(np.float64))
        squares[rows] = of_d_z
        # One factor after the other: the square of the product may leave float64 where the part along z does not.
        shares = np.divide(products, of_z, out=np.zeros_like(products), where=of_z > 0)
        along[rows] = shares * products
    return RowGradients(squares, np.minimum(along, squares))


def _products(z: Array, d_z: Array) -> tuple[Doubles, Doubles, Doubles]:
    pairs = ((z, z), (z, d_z), (d_z, d_z))
    of_z, products, of_d_z = (np.vecdot(one, other).astype(np.float64) for one, other in pairs)
    return of_z, products, of_d_z


def _is_exact(squares: Doubles) -> bool:
    return bool(squares.min() > _LEAST and squares.max() < _MOST)


def along_fraction(parts: Sequence[RowGradients]) -> float:
    """Return the share of the squares of dL/dz that lies along z; 0 where it is not known."""
    whole = sum(float(part.squares.sum()) for part in parts)
    share = sum(float(part.along.sum()) for part in parts) / whole if whole else 0.0
    return share if 0 < share <= 1 else 0.0


def typical_rms(parts: Sequence[RowGradients], columns: int) -> float | None:
    """Return the rms of what does not lie along z for the median input; None where it is not finite."""
    across = np.concatenate([part.squares - part.along for part in parts])
    median = float(np.median(across)) if len(across) else np.nan
    return float(np.sqrt(median / columns)) if np.isfinite(median) else None
