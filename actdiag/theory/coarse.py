"""Spreads of layers of one second moment, computed once for all that are nearly alike: in coarse steps of q and c."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple, TypeVar

import numpy as np

from actdiag.activations import Activation
from actdiag.arrays import Doubles
from actdiag.theory.fluctuations import Batches, Radial, Spreads, radials, relative_spreads_of_layers, spreads_of_slopes
from actdiag.theory.regions import saturated_intervals, zero_intervals
from actdiag.theory.tables import FAR_Q, tables

_STEP = 0.1
"""Of ln q and ln(1 - c)."""

_LEAST_APART = 1e-16
_MOST_KEPT = 20_000

Row = tuple[int, tuple[int, ...], int, float]
"""Steps of ln q; of ln(1 - c) of the pairs that stand for all, none without pairs; the width; `Batch.loose`."""

Kept = TypeVar("Kept")


class SlopeSpreads(NamedTuple):
    """Of several layers: the relative sd of the rms of dL/dz, shape (layers,), and what the signal's direction does."""

    own: Doubles
    radial: Radial[Doubles]


def rows_of(act: Activation, q: Doubles, c: Doubles, widths: Sequence[int], loose: Sequence[float]) -> list[Row]:
    """Return the rows that layers fall into.

    Args:
        act: An elementwise activation.
        q: Their second moments, shape (layers,).
        c: The correlations of the pairs that stand for all, shape (layers, pairs).
        widths: Their units.
        loose: `Batch.loose` of each.
    """
    at = tables(act)
    least, most = max(at.linear_below, 1e-300), 1e300 if at.far is None else FAR_Q
    with np.errstate(all="ignore"):
        places = np.nan_to_num(np.rint(np.log(np.clip(q, least, most)) / _STEP)).astype(int).tolist()
        apart = np.nan_to_num(np.rint(np.log(np.maximum(1 - c, _LEAST_APART)) / _STEP)).astype(int).tolist()
    return list(zip(places, map(tuple, apart), widths, loose, strict=True))


def spreads_of_rows(act: Activation, dtype: str, batch: int, rows: Sequence[Row]) -> Spreads[Doubles]:
    """Return the spreads given the layer before, of z and a relative to their rms, of the layers in some rows.

    Args:
        act: An elementwise activation.
        dtype: The number format of the stack.
        batch: The number of inputs.
        rows: The row of each layer.
    """
    if tables(act).sides is not None:  # then they are the same at every q
        rows = [(0, *row[1:]) for row in rows]

    def compute(batches: Batches) -> list[tuple[float, ...]]:
        found = relative_spreads_of_layers(batches, zero_intervals(act, dtype), saturated_intervals(act))
        return list(zip(*(column.tolist() for column in found), strict=True))

    return Spreads(*np.array(_looked_up(_known_spreads(act, dtype, batch), rows, act, batch, compute)).T)


def slope_spreads_of_rows(act: Activation, batch: int, alike: float, rows: Sequence[Row]) -> SlopeSpreads:
    """Return what becomes of gradients in the layers of some rows; `alike` as in `spreads_of_slopes`."""

    def compute(batches: Batches) -> list[tuple[float, ...]]:
        columns = [spreads_of_slopes(batches, alike), *radials(batches)]
        return list(zip(*(column.tolist() for column in columns), strict=True))

    own, *radial = np.array(_looked_up(_known_slopes(act, batch, alike), rows, act, batch, compute)).T
    return SlopeSpreads(own, Radial(*radial))


def _looked_up(
    known: dict[Row, Kept], rows: Sequence[Row], act: Activation, batch: int, compute: Callable[[Batches], list[Kept]]
) -> list[Kept]:
    """Return what is known of each row, after computing what is not."""
    if len(known) > _MOST_KEPT:
        known.clear()
    missing = [row for row in dict.fromkeys(rows) if row not in known]
    if missing:
        place, apart, width, loose = zip(*missing, strict=True)
        batches = Batches(
            act,
            np.exp(np.array(place, dtype=float)[:, np.newaxis] * _STEP),
            np.ones((len(missing), 1)),
            1 - np.exp(_STEP * np.array(apart, dtype=float).reshape(len(missing), -1)),
            np.array(width, dtype=float),
            batch,
            np.array(loose, dtype=float),
        )
        known.update(zip(missing, compute(batches), strict=True))
    return [known[row] for row in rows]


@lru_cache(maxsize=64)
def _known_spreads(act: Activation, dtype: str, batch: int) -> dict[Row, tuple[float, ...]]:
    return {}


@lru_cache(maxsize=64)
def _known_slopes(act: Activation, batch: int, alike: float) -> dict[Row, tuple[float, ...]]:
    return {}
