"""Tables: CSV and TSV files, Parquet, and data frames. A column is of numbers or of text."""

import csv
import warnings
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from actdiag.arrays import Doubles, Numbers, check_memory
from actdiag.datasets.files import reading
from actdiag.errors import InvalidField, did_you_mean

SUFFIXES = (".csv", ".tsv", ".parquet")

_USUAL = ("label", "labels", "target", "class", "y")
"""What a column of labels is called where nobody says which one it is, in any case."""

_MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "?"})
_BYTES_A_BYTE = 4
"""What reading a file of text takes at most, in its own size."""

_SHOWN_NAMES, _LONGEST_FIELD = 12, 2**20


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
            np.isnan(values) if values.dtype.kind == "f" else np.isin(np.char.lower(values), list(_MISSING))
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
        row, text = next((row, text) for row, text in enumerate(values.tolist()) if _number(text) is None)
        said = f"must hold numbers, got {text!r}" if text.strip().lower() not in _MISSING else ""
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
        size = Path(path).stat().st_size
        check_memory(field, _BYTES_A_BYTE * size, "it needs", path)
        if path.lower().endswith(".parquet"):
            return _parquet(field, path)
        return _text_table(field, path)


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
    return np.array([str(one) if is_known else "" for one, is_known in zip(values.tolist(), known, strict=True)])


def _text_table(field: str, path: str) -> Table:
    with Path(path).open(encoding="utf-8-sig", newline="") as file:
        delimiter = _delimiter(path, file.readline())
        file.seek(0)
        first = next(_records(file, delimiter), None)
    if first is None or not any(cell.strip() for cell in first):
        raise InvalidField(field, f"must have rows and columns, got none in {path}")
    header = any(_number(cell) is None and cell.strip().lower() not in _MISSING for cell in first)
    names = tuple(cell.strip() for cell in first) if header else tuple(str(one + 1) for one in range(len(first)))
    twice = next((name for name in names if names.count(name) > 1), None) if len(set(names)) < len(names) else None
    if twice is not None:
        raise InvalidField(field, f"must have a name of its own for every column, got {twice!r} twice in {path}")
    columns = _numeric(path, delimiter, header, len(names))
    if columns is None:
        columns = _mixed(field, path, delimiter, header, names)
    return Table(path, names, columns, first=2 if header else 1)


def _delimiter(path: str, line: str) -> str:
    return "\t" if path.lower().endswith(".tsv") else max(",;\t", key=line.count)


def _numeric(path: str, delimiter: str, header: bool, width: int) -> tuple[Numbers, ...] | None:
    """Return the columns of a file of numbers alone; None where it holds anything else."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of a file without rows, which is refused below
            found = np.loadtxt(
                path,
                delimiter=delimiter,
                skiprows=int(header),
                ndmin=2,
                comments=None,
                quotechar='"',
                encoding="utf-8-sig",
            )
    except (ValueError, UnicodeDecodeError):
        return None
    return tuple(found.T) if found.size and found.shape[1] == width else None


def _mixed(field: str, path: str, delimiter: str, header: bool, names: Sequence[str]) -> tuple[Numbers, ...]:
    """Return the columns of a file of which some are text, or which lacks values."""
    cells: list[list[str]] = [[] for _ in names]
    with Path(path).open(encoding="utf-8-sig", newline="") as file:
        for number, record in enumerate(_records(file, delimiter), 1):
            if number == 1 and header:
                continue
            if len(record) != len(names):
                got = f"{len(record)} in row {number} of {path}"
                raise InvalidField(field, f"must have {len(names)} columns in every row, got {got}")
            for column, cell in zip(cells, record, strict=True):
                column.append(cell)
    if not cells[0]:
        raise InvalidField(field, f"must have rows under its header, got none in {path}")
    return tuple(map(_parsed, cells))


def _records(file: Iterable[str], delimiter: str) -> Iterator[list[str]]:
    """Yield the records of a file, those without anything left out."""
    csv.field_size_limit(_LONGEST_FIELD)
    return (record for record in csv.reader(file, delimiter=delimiter) if record)


def _parsed(cells: list[str]) -> Numbers:
    """Return a column as float64, what is missing NaN; as text where a cell is no number."""
    numbers = [_number(cell) for cell in cells]
    known = chain.from_iterable([(cell, number)] for cell, number in zip(cells, numbers, strict=True))
    if all(number is not None or cell.strip().lower() in _MISSING for cell, number in known) and any(
        number is not None for number in numbers
    ):
        return np.array([np.nan if number is None else number for number in numbers])
    return np.array([cell.strip() for cell in cells])


def _number(cell: str) -> float | None:
    text = cell.strip()
    if not text or text.lower() in _MISSING or "_" in text:
        return None
    try:
        return float(text)
    except ValueError:
        return None
