"""Tables: CSV and TSV files, Parquet, and data frames. A column is of numbers or of text."""

import stat
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from actdiag.arrays import Doubles, Numbers, check_memory
from actdiag.datasets.files import reading
from actdiag.datasets.text_tables import MISSING, number_of, read_text, text_column
from actdiag.errors import InvalidField, did_you_mean

SUFFIXES = (".csv", ".tsv", ".parquet")

_USUAL = ("label", "labels", "target", "class", "y")
"""What a column of labels is called where nobody says which one it is, in any case."""

_BYTES_A_BYTE = 4
"""What reading a file of text takes, in its own size."""

_BYTES_A_CELL = 24
"""What reading a cell of Parquet takes, which may be a part of a byte of the file."""

_SHOWN_NAMES = 12


class Table(NamedTuple):
    """A table.

    Attributes:
        path: What it is called where it is refused.
        names: The names of the columns; their numbers from 1 where the file has no header.
        columns: A column each, shape (rows,), of float64, or of text.
        first: The number of the first row as a person counts the lines of the file.
    """

    path: str
    names: tuple[str, ...]
    columns: tuple[Numbers, ...]
    first: int = 1

    def features(self, field: str, without: int | None = None) -> Doubles:
        """Return all columns but one, shape (rows, columns).

        Raises:
            InvalidField: A column holds text, or has no value somewhere; or there is none.
        """
        chosen = [place for place in range(len(self.names)) if place != without]
        if not chosen:
            raise InvalidField(
                field, f"must have columns beside the labels, got {self.names[0]!r} alone in {self.path}"
            )
        for place in chosen:
            self._check(field, place)
        return np.column_stack([self.columns[place] for place in chosen]).astype(np.float64, copy=False)

    def labels(self, field: str, column: int) -> Numbers:
        """Return a column as it stands.

        Raises:
            InvalidField: It has no value in a row.
        """
        values = self.columns[column]
        empty = np.flatnonzero(
            np.isnan(values) if values.dtype.kind == "f" else np.isin(np.char.lower(values), list(MISSING))
        )
        if len(empty):
            raise self._refused(field, column, int(empty[0]), "must have a label in every row, got none")
        return values

    @property
    def usual(self) -> int | None:
        """The place of the column that is called as labels usually are; None where none, or more than one, is."""
        usual = [place for place, name in enumerate(self.names) if name.strip().lower() in _USUAL]
        return usual[0] if len(usual) == 1 else None

    def place_of(self, column: str | int | None) -> int:
        """Return the place of the column of labels: the one named or counted from 1, else the one called as usual.

        Raises:
            InvalidField: There is no such column, or none is called as usual.
        """
        shown = ", ".join(self.names[:_SHOWN_NAMES]) + (", ..." if len(self.names) > _SHOWN_NAMES else "")
        if column is None:
            if self.usual is not None:
                return self.usual
            problem = f"must name the column of the labels of {self.path}, or its number from 1; it has {shown}"
            raise InvalidField(field="label_column", problem=problem)
        if str(column) in self.names:
            return self.names.index(str(column))
        number = int(column) if str(column).lstrip("-").isdigit() else 0
        if 1 <= number <= len(self.names) or -len(self.names) <= number < 0:
            return number - 1 if number > 0 else len(self.names) + number
        offer = did_you_mean(column, self.names) or f"; it has {shown}"
        raise InvalidField(field="label_column", problem=f"must be a column of {self.path}, got {column!r}{offer}")

    def _check(self, field: str, place: int) -> None:
        values = self.columns[place]
        if values.dtype.kind == "f":
            empty = np.flatnonzero(np.isnan(values))
            if len(empty):
                raise self._refused(field, place, int(empty[0]), "must have a number in every row, got none")
            infinite = np.flatnonzero(np.isinf(values))
            if len(infinite):
                raise self._refused(field, place, int(infinite[0]), "must hold finite numbers, got inf")
            return
        texts = values.tolist()
        row = next((row for row, text in enumerate(texts) if number_of(text) is None), None)
        if row is None:
            raise self._refused(field, place, 0, f"must hold numbers, got text {texts[0]!r}")
        said = f"must hold numbers, got {texts[row]!r}" if texts[row].strip().lower() not in MISSING else ""
        raise self._refused(field, place, row, said or "must have a number in every row, got none")

    def _refused(self, field: str, place: int, row: int, said: str) -> InvalidField:
        return InvalidField(field, f"{said} in row {row + self.first}, column {self.names[place]!r} of {self.path}")


def is_table(path: str) -> bool:
    """Return whether a file is a table by its suffix."""
    return path.lower().endswith(SUFFIXES)


def read_table(field: str, path: str) -> Table:
    """Return the table of a CSV, TSV or Parquet file.

    Raises:
        InvalidField: It is missing, damaged or no table.
    """
    accepted = f"must be a table ({', '.join(SUFFIXES)})"
    with reading(field, path, accepted):
        found = Path(path).stat()
        if not stat.S_ISREG(found.st_mode) and not stat.S_ISDIR(found.st_mode):  # a device may never end
            raise InvalidField(field, f"{accepted}, got {path!r}, which is no regular file")
        check_memory(field, _BYTES_A_BYTE * found.st_size, "it needs", path)
        if path.lower().endswith(".parquet"):
            return _parquet(field, path)
        names, columns, first = read_text(field, path)
        return Table(path, names, columns, first)


def table_of_frame(frame: Any, name: str) -> Table:
    """Return the table of a data frame: what has `columns`, by which it is indexed, each of which makes an array."""
    names = tuple(str(one) for one in frame.columns)
    return Table(name, names, tuple(_column(np.asarray(frame[one])) for one in frame.columns))


def _parquet(field: str, path: str) -> Table:
    try:
        import polars
    except ImportError:
        problem = f"must be a file that can be read, got {path!r}: polars is missing: pip install polars"
        raise InvalidField(field, problem) from None
    rows, width = polars.scan_parquet(path).select(polars.len()).collect().item(), len(polars.read_parquet_schema(path))
    check_memory(field, _BYTES_A_CELL * rows * width, f"its {rows} rows of {width} columns need", path)
    frame = polars.read_parquet(path)
    if not frame.width or not frame.height:
        raise InvalidField(field, f"must have rows and columns, got {frame.height} and {frame.width} in {path}")
    return Table(path, tuple(frame.columns), tuple(_column(one.to_numpy()) for one in frame))


def _column(values: Numbers) -> Numbers:
    """Return a column as float64 or as text."""
    if values.dtype.kind in "biuf":
        return values.astype(np.float64)
    known = [one is not None and one == one for one in values.tolist()]
    if all(isinstance(one, int | float) for one, is_known in zip(values.tolist(), known, strict=True) if is_known):
        return np.array(
            [one if is_known else np.nan for one, is_known in zip(values.tolist(), known, strict=True)],
            dtype=np.float64,
        )
    return text_column([str(one) if is_known else "" for one, is_known in zip(values.tolist(), known, strict=True)])
