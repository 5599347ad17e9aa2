"""Tables as text: CSV and TSV files. What is a number is parsed by numpy where it can be."""

import csv
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from actdiag.arrays import Numbers
from actdiag.errors import InvalidField

MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "?"})
"""What stands in a cell that has no value, in any case."""

_LONGEST_FIELD = 2**20
_ENCODING = "utf-8-sig"


def read_text(field: str, path: str) -> tuple[tuple[str, ...], tuple[Numbers, ...], int]:
    """Return the names of the columns of a file, the columns, and the number of the first row.

    Columns are of float64, NaN where a value is missing, or of text. Without a header they are called by their numbers
    from 1.

    Raises:
        InvalidField: It has no rows, no two names that differ, or rows of different lengths.
    """
    with Path(path).open(encoding=_ENCODING, newline="") as file:
        delimiter = _delimiter(path, file.readline())
        file.seek(0)
        records = _records(file, delimiter)
        first, second = next(records, None), next(records, None)
    if first is None or not any(cell.strip() for cell in first):
        raise InvalidField(field, f"must have rows and columns, got none in {path}")
    header = any(number_of(cell) is None and cell.strip().lower() not in MISSING for cell in first)
    if header and second is None:
        raise InvalidField(field, f"must have rows under its header, got none in {path}")
    names = tuple(cell.strip() for cell in first) if header else tuple(str(one + 1) for one in range(len(first)))
    twice = next((name for name in names if names.count(name) > 1), None) if len(set(names)) < len(names) else None
    if twice is not None:
        raise InvalidField(field, f"must have a name of its own for every column, got {twice!r} twice in {path}")
    sample = second if header and second is not None else first
    columns = _by_numpy(field, path, delimiter, header, names, sample)
    if columns is None:
        columns = tuple(map(_parsed, _cells(field, path, delimiter, header, len(names), range(len(names)))))
    return names, columns, 2 if header else 1


def number_of(cell: str) -> float | None:
    """Return the number that a cell holds; None where it holds none."""
    text = cell.strip()
    if not text or text.lower() in MISSING or "_" in text:
        return None
    try:
        return float(text)
    except ValueError:
        return None


def text_column(cells: Iterable[str]) -> Numbers:
    """Return a column of text; numpy drops null characters at the end, so that they are shown as what they are not."""
    return np.array([cell.replace("\0", "\N{REPLACEMENT CHARACTER}") for cell in cells])


def _delimiter(path: str, line: str) -> str:
    return "\t" if path.lower().endswith(".tsv") else max(",;\t", key=line.count)


def _by_numpy(
    field: str, path: str, delimiter: str, header: bool, names: Sequence[str], sample: Sequence[str]
) -> tuple[Numbers, ...] | None:
    """Return the columns, those that are of numbers in one row parsed by numpy; None where they hold anything else."""
    numeric = [place for place, cell in enumerate(sample) if number_of(cell) is not None]
    if not numeric or len(sample) != len(names):
        return None
    whole = len(numeric) == len(names)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of a file without rows
            found = np.loadtxt(
                path,
                delimiter=delimiter,
                skiprows=int(header),
                usecols=None if whole else numeric,
                ndmin=2,
                comments=None,
                quotechar='"',
                encoding=_ENCODING,
            )
    except (ValueError, UnicodeDecodeError):
        return None
    if not found.size or found.shape[1] != len(numeric):
        return None
    columns = dict(zip(numeric, found.T, strict=True))
    if not whole:
        texts = [place for place in range(len(names)) if place not in columns]
        cells = _cells(field, path, delimiter, header, len(names), texts)
        if len(cells[0]) != len(found):
            return None
        columns |= {place: _parsed(column) for place, column in zip(texts, cells, strict=True)}
    return tuple(columns[place] for place in range(len(names)))


def _cells(
    field: str, path: str, delimiter: str, header: bool, width: int, chosen: Sequence[int]
) -> tuple[list[str], ...]:
    """Return the cells of the chosen columns, of a file all of whose rows are as wide."""
    cells: tuple[list[str], ...] = tuple([] for _ in chosen)
    with Path(path).open(encoding=_ENCODING, newline="") as file:
        for number, record in enumerate(_records(file, delimiter), 1):
            if number == 1 and header:
                continue
            if len(record) != width:
                got = f"{len(record)} in row {number} of {path}"
                raise InvalidField(field, f"must have {width} columns in every row, got {got}")
            for column, place in zip(cells, chosen, strict=True):
                column.append(record[place])
    return cells


def _records(file: Iterable[str], delimiter: str) -> Iterator[list[str]]:
    """Yield the records of a file, those without anything left out."""
    csv.field_size_limit(_LONGEST_FIELD)
    return (record for record in csv.reader(file, delimiter=delimiter) if record)


def _parsed(cells: Sequence[str]) -> Numbers:
    """Return a column as float64, what is missing NaN; as text where a cell is no number."""
    numbers = [number_of(cell) for cell in cells]
    held = any(number is not None for number in numbers)
    pairs = zip(cells, numbers, strict=True)
    if held and all(number is not None or cell.strip().lower() in MISSING for cell, number in pairs):
        return np.array([np.nan if number is None else number for number in numbers])
    return text_column(cell.strip() for cell in cells)
