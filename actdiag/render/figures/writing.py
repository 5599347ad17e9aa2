"""Pictures as files: PNG and SVG, a file a page, and PDF, all pages in one."""

import gc
import io
from collections.abc import Iterable
from typing import Any

from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure

from actdiag.render.figures.settings import own_settings

_PDF = ".pdf"
_METADATA: dict[str, dict[str, Any]] = {
    ".png": {"Software": None},
    ".svg": {"Date": None},
    _PDF: {"CreationDate": None},
}
"""Neither the time nor a version is written, so that the same picture has the same bytes."""


def page_mark(page: int) -> str:
    """Return what the file of a further page says of itself, near its start: by it a page left over is known."""
    return f"page {page} of a picture by actdiag"


def picture_files(pages: Iterable[Figure], suffix: str) -> list[bytes]:
    """Return pages as files of that suffix, the same bytes for the same pages: one for each, of PDF one for all.

    Args:
        pages: The pages; each is let go before the next is asked for.
        suffix: `.png`, `.svg` or `.pdf`.
    """
    if suffix == _PDF:
        return [_pdf(pages)]
    files: list[bytes] = []
    for page in pages:
        said = {"Description": page_mark(len(files) + 1)} if files else {}
        files.append(_bytes(page, suffix, said))
        del page
        gc.collect()  # a figure and its parts hold each other
    return files


@own_settings()
def _bytes(page: Figure, suffix: str, said: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    page.savefig(buffer, format=suffix[1:], metadata=_METADATA[suffix] | said)
    return buffer.getvalue()


@own_settings()
def _pdf(pages: Iterable[Figure]) -> bytes:
    buffer = io.BytesIO()
    with PdfPages(buffer, metadata=_METADATA[_PDF]) as file:
        for page in pages:
            file.savefig(page)
            del page
            gc.collect()
    return buffer.getvalue()
