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


def picture_files(pages: Iterable[Figure], suffix: str) -> list[bytes]:
    """Return pages as files of that suffix, the same bytes for the same pages: one for each, of PDF one for all.

    Args:
        pages: The pages; each is let go before the next is asked for.
        suffix: `.png`, `.svg` or `.pdf`.
    """
    if suffix == _PDF:
        return [_pdf(pages)]
    files = []
    for page in pages:
        files.append(_bytes(page, suffix))
        del page
        gc.collect()  # a figure and its parts hold each other
    return files


@own_settings()
def _bytes(page: Figure, suffix: str) -> bytes:
    buffer = io.BytesIO()
    page.savefig(buffer, format=suffix[1:], metadata=_METADATA[suffix])
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
