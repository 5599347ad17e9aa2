"""The settings of pictures: matplotlib's defaults and our own, whatever the reader's matplotlibrc says."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib

_OWN: dict[Any, Any] = {
    "svg.hashsalt": "actdiag",  # the names inside an SVG file are the same each time it is written
}
_SETTINGS: dict[Any, Any] = {
    name: value for name, value in matplotlib.rcParamsDefault.items() if name != "backend"
} | _OWN


@contextmanager
def own_settings() -> Iterator[None]:
    """Hold matplotlib to the settings of pictures for a while; also a decorator of functions that draw."""
    with matplotlib.rc_context(_SETTINGS):
        yield
