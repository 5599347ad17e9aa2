"""Pictures of answers: the names of their files, and their content, untouched by the user's matplotlib settings."""

import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".svg", ".pdf")

_PAGED = ".pdf"
"""The suffix of files that hold all pages."""

_START = 4096
"""Bytes in which a page says what it is."""


def suffix_of(name: str) -> str:
    """Return the suffix of a file's name, in small letters."""
    return Path(name).suffix.lower()


def page_names(name: str, pages: int) -> list[str]:
    """Return the files that so many pages go to: `x.png`, `x-2.png`, `x-3.png`, or one `x.pdf`."""
    if suffix_of(name) == _PAGED:
        return [name]
    return [name, *(_page_name(name, page) for page in range(2, pages + 1))]


def _page_name(name: str, page: int) -> str:
    path = Path(name)
    return str(path.with_name(f"{path.stem}-{page}{path.suffix}"))


def pages_left_over(name: str, pages: int) -> Iterator[Path]:
    """Yield the files of further pages that a longer picture of that name has left, which say so themselves."""
    for page in count(pages + 1):
        path = Path(_page_name(name, page))
        if suffix_of(name) == _PAGED or not _is_page(path, page):
            return
        yield path


def _is_page(path: Path, page: int) -> bool:
    from actdiag.render.figures import page_mark

    try:
        if path.is_symlink() or not path.is_file():
            return False
        with path.open("rb") as file:
            return page_mark(page).encode() in file.read(_START)
    except OSError:  # as where the name is too long for a file
        return False


def contents(pages: "Callable[[], Iterable[Figure]]", name: str) -> list[bytes]:
    """Return what goes into each file of a picture.

    Args:
        pages: Makes the pages.
        name: The first file.
    """
    _import_matplotlib()
    from actdiag.render.figures import picture_files

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a name in a script that the font lacks has boxes
        return picture_files(pages(), suffix_of(name))


def _import_matplotlib() -> None:
    """Import matplotlib without its settings: a matplotlibrc or an MPLBACKEND that it cannot use would stop it.

    It reads a matplotlibrc in the working folder before all others, so the one here stands for all. This is for a
    process of our own; the library leaves the settings of the process that it is in alone.
    """
    if "matplotlib" in sys.modules:
        return
    logging.getLogger("matplotlib").addHandler(logging.NullHandler())  # it tells standard error of its caches
    for name in ("MPLBACKEND", "SOURCE_DATE_EPOCH"):  # pictures have neither a window nor a date
        os.environ.pop(name, None)
    try:
        before = Path.cwd()
    except OSError:  # it was deleted
        before = Path("/")
    os.chdir(Path(__file__).parent)
    try:
        import matplotlib  # noqa: F401
    finally:
        os.chdir(before)
