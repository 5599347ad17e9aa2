"""Curves over ln q as Chebyshev series, on panels that are made on demand."""

from collections.abc import Callable
from math import floor
from typing import NamedTuple

import numpy as np

from actdiag.arrays import Doubles, Flags, cut

_NODES = 14
"""Chebyshev nodes in a panel."""

_NEAR, _WIDE = 4, 4
"""Beyond the first |ln q| panels have the second width where that resolves all curves."""

_WIDTHS = (1.0, 0.5, 0.25, 0.125)
"""Widths of other panels, in the order in which they are tried."""

_WIDE_RESOLVED = 1e-12
"""Largest last coefficients of a resolved series on a wide panel."""

AT_ONCE = 128
"""Rows of matrix products, so few that BLAS uses one thread."""


class Series(NamedTuple):
    """Curves in a panel.

    Attributes:
        coefficients: Chebyshev coefficients of the columns, shape (nodes, columns).
        resolved: Which columns they resolve.
        known: Whether the columns are known anywhere in the panel; they are NaN where not.
    """

    coefficients: Doubles
    resolved: Flags
    known: bool


class InterpolatedCurves:
    """Curves over ln q, as Chebyshev series on panels that are made on demand.

    A panel is a pair: the ln q where it starts, and its width.

    Args:
        columns: The curves at several q, by quadrature, as an array of shape (q, columns).
        resolved: (last coefficients of each column, sizes of the columns) to whether the series resolves each.
    """

    def __init__(self, columns: Callable[..., Doubles], resolved: Callable[[Doubles, Doubles], Flags]) -> None:
        self._columns, self._resolved = columns, resolved
        self._made: dict[tuple[float, float], Series] = {}
        self._panels: dict[int, tuple[float, float]] = {}

    def at(self, q: Doubles, columns: int | None = None) -> Doubles:
        """Return the first columns (all by default) at each q, shape (q, columns), all within the range of float64."""
        place = np.log(q)
        bins = set(np.floor(place / _WIDTHS[-1]).tolist())
        found: list[tuple[Flags, Doubles]] = []
        for panel in sorted({self._panel_of_bin(int(one)) for one in bins}):
            start, width = panel
            chosen = (place >= start) & (place < start + width)
            coefficients, resolves, known = self.series(panel)
            series, resolved = coefficients[:, :columns], resolves[:columns]
            values = np.full((np.count_nonzero(chosen), len(resolved)), np.nan)
            if resolved.any():
                basis = _chebyshev_polynomials(2 * (place[chosen] - start) / width - 1)
                for some in cut(len(values), AT_ONCE):  # so small that BLAS uses one thread
                    np.matmul(basis[:, some].T, series, out=values[some])
            if known and not resolved.all():
                values[:, ~resolved] = self._columns(*q[chosen].tolist())[:, :columns][:, ~resolved]
            if len(values) == len(q):
                return values
            found.append((chosen, values))
        together = np.empty((len(q), found[0][1].shape[1]))
        for chosen, values in found:
            together[chosen] = values
        return together

    def panel(self, place: float) -> tuple[float, float]:
        """Return the panel of ln q = `place`: the widest that resolves all curves, or the narrowest."""
        return self._panel_of_bin(floor(place / _WIDTHS[-1]))

    def is_made(self, place: float) -> bool:
        """Return whether the panel of ln q = `place` is made."""
        return floor(place / _WIDTHS[-1]) in self._panels

    def _panel_of_bin(self, number: int) -> tuple[float, float]:
        """Return the panel that holds a bin of ln q, which has the width of the narrowest panels."""
        if number not in self._panels:
            place = (number + 0.5) * _WIDTHS[-1]
            widths = (_WIDE, *_WIDTHS) if abs(place) >= _NEAR else _WIDTHS
            for width in widths:
                panel = (floor(place / width) * width, width)
                if self.series(panel).resolved.all() or not self.series(panel).known:
                    break
            self._panels[number] = panel
        return self._panels[number]

    def series(self, panel: tuple[float, float]) -> Series:
        """Return the series of a panel."""
        if panel not in self._made:
            self._made[panel] = self._make(*panel)
        return self._made[panel]

    @np.errstate(all="ignore")
    def _make(self, start: float, width: float) -> Series:
        angles = np.pi * (np.arange(_NODES) + 0.5) / _NODES
        columns = self._columns(*np.exp(start + width * (np.cos(angles) + 1) / 2).tolist())
        finite = np.isfinite(columns).all(axis=0)
        basis = np.cos(np.outer(np.arange(_NODES), angles)) * (2 / _NODES)
        basis[0] /= 2
        series: Doubles = basis @ np.where(finite, columns, 0)
        last, sizes = np.abs(series[-3:]).max(axis=0), 1 + np.abs(series[0])
        resolved = last <= _WIDE_RESOLVED * sizes if width == _WIDE else self._resolved(last, sizes)
        return Series(series, finite & resolved, not np.isnan(columns).all())


def _chebyshev_polynomials(x: Doubles) -> Doubles:
    """Return T_0 to T_(nodes-1) at x, shape (nodes, x)."""
    polynomials = np.ones((_NODES, len(x)))
    polynomials[1] = x
    for n in range(2, _NODES):
        np.multiply(2 * x, polynomials[n - 1], out=polynomials[n])
        polynomials[n] -= polynomials[n - 2]
    return polynomials
