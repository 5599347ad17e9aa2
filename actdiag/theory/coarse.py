"""Spreads of layers with one second moment each, computed once for all in the same coarse step of q and c."""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple, TypeVar

import numpy as np

from actdiag.activations import Activation
from actdiag.arrays import Doubles
from actdiag.theory.batches import Batch, Batches, alone, together
from actdiag.theory.fluctuations import Spreads, spreads_of_layers
from actdiag.theory.gradient_fluctuations import Radial, radials, spreads_of_slopes
from actdiag.theory.heavy_tails import HEAVY, simulate
from actdiag.theory.regions import Interval, saturated_intervals, zero_intervals
from actdiag.theory.tables import tables

_STEP = 0.1
"""Of ln q and ln(1 - c)."""

_LEAST_DISTANCE = 1e-16
_MOST_KEPT = 20_000

Row = tuple[int, tuple[int, ...], int, float]
"""Steps of ln q; of ln(1 - c) of the pairs that represent all, none without pairs; the width; `Batch.loose`."""

Kept = TypeVar("Kept")


class SlopeSpreads(NamedTuple):
    """The relative sd of the rms of dL/dz of several layers, shape (layers,), and their `Radial`."""

    own: Doubles
    radial: Radial[Doubles]


def relative_spreads(given: Batch, zero: Sequence[Interval], saturated: Sequence[Interval]) -> Spreads[float]:
    """Return what `relative_spreads_of_layers` does for one layer."""
    found = relative_spreads_of_layers(alone(given), zero, saturated)
    return Spreads(*(float(column[0]) for column in found))


def relative_spreads_of_layers(
    given: Batches, zero: Sequence[Interval], saturated: Sequence[Interval]
) -> Spreads[Doubles]:
    """Return what `spreads_of_layers` does for one group of inputs each, of z and of a relative to their rms."""
    found = spreads_of_layers(given, zero, saturated)
    q = given.q[:, 0]
    second = np.array([tables(given.act).second(one) for one in q.tolist()])
    simulate((found.kurtosis > HEAVY) & (second > 0) & (second < np.inf), given, found, second)
    root, rms = (np.where(part > 0, np.sqrt(part), 1) for part in (q, second))
    return found._replace(
        z_mean=found.z_mean / root,
        z_rms=found.z_rms / root,
        mean=found.mean / rms,
        std=found.std / rms,
        rms=found.rms / rms,
    )


def rows_of(act: Activation, q: Doubles, c: Doubles, widths: Sequence[int], loose: Sequence[float]) -> list[Row]:
    """Return the rows that layers fall into.

    Args:
        act: An elementwise activation.
        q: Their second moments, shape (layers,).
        c: The correlations of the pairs that represent all, shape (layers, pairs).
        widths: Their units.
        loose: `Batch.loose` of each.
    """
    at = tables(act)
    least, most = max(at.scales_below, 1e-300), min(at.scales_above, 1e300)
    with np.errstate(all="ignore"):
        places = np.nan_to_num(np.rint(np.log(np.clip(q, least, most)) / _STEP)).astype(int).tolist()
        steps = np.nan_to_num(np.rint(np.log(np.maximum(1 - c, _LEAST_DISTANCE)) / _STEP)).astype(int).tolist()
    return list(zip(places, map(tuple, steps), widths, loose, strict=True))


def spreads_of_rows(
    act: Activation, dtype: str, batch: int, rows: Sequence[Row], first: Batches | None = None
) -> Spreads[Doubles]:
    """Return the spreads given the layer before, of z and a relative to their rms, of the layers in some rows.

    Args:
        act: An elementwise activation.
        dtype: The number format of the stack.
        batch: The number of inputs.
        rows: The row of each layer.
        first: The pre-activations of the first layer, where they are known more exactly than by its row.
    """
    if tables(act).sides is not None:  # then they are the same at every q
        rows = [(0, *row[1:]) for row in rows]

    known = _known_spreads(act, dtype, batch)
    missing = _missing(known, rows, act, batch)
    if missing is not None or first is not None:
        both = [part for part in (missing, first) if part is not None]
        found = relative_spreads_of_layers(together(both), zero_intervals(act, dtype), saturated_intervals(act))
        computed = list(zip(*(column.tolist() for column in found), strict=True))
        _remember(known, rows, computed)
    sd = Spreads(*np.array([known[row] for row in rows]).T)
    if first is not None:
        for column, value in zip(sd, computed[-1], strict=True):
            column[0] = value
    return sd


def slope_spreads_of_rows(act: Activation, batch: int, alike: float, rows: Sequence[Row]) -> SlopeSpreads:
    """Return the spreads of gradients in the layers of some rows; `alike` as in `spreads_of_slopes`."""
    if tables(act).sides is not None:
        rows = [(0, *row[1:]) for row in rows]
    known = _known_slopes(act, batch, alike)
    missing = _missing(known, rows, act, batch)
    if missing is not None:
        columns = [spreads_of_slopes(missing, alike), *radials(missing)]
        _remember(known, rows, list(zip(*(column.tolist() for column in columns), strict=True)))
    own, *radial = np.array([known[row] for row in rows]).T
    return SlopeSpreads(own, Radial(*radial))


def _missing(known: dict[Row, Kept], rows: Sequence[Row], act: Activation, batch: int) -> Batches | None:
    """Return the pre-activations of the rows that are not known yet, each once; None where all are."""
    if len(known) > _MOST_KEPT:
        known.clear()
    missing = [row for row in dict.fromkeys(rows) if row not in known]
    if not missing:
        return None
    place, apart, width, loose = zip(*missing, strict=True)
    return Batches(
        act,
        np.exp(np.array(place, dtype=float)[:, np.newaxis] * _STEP),
        np.ones((len(missing), 1)),
        1 - np.exp(_STEP * np.array(apart, dtype=float).reshape(len(missing), -1)),
        np.array(width, dtype=float),
        batch,
        np.array(loose, dtype=float),
    )


def _remember(known: dict[Row, Kept], rows: Sequence[Row], computed: Sequence[Kept]) -> None:
    """Keep what was computed for the rows that were missing."""
    missing = [row for row in dict.fromkeys(rows) if row not in known]
    known.update(zip(missing, computed, strict=False))


@lru_cache(maxsize=64)
def _known_spreads(act: Activation, dtype: str, batch: int) -> dict[Row, tuple[float, ...]]:
    return {}


@lru_cache(maxsize=64)
def _known_slopes(act: Activation, batch: int, alike: float) -> dict[Row, tuple[float, ...]]:
    return {}
