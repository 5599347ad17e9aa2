"""The files of an answer: checked before anything is run, and written whole or not at all."""

import contextlib
import io
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actdiag.cli import pictures
from actdiag.errors import InvalidField

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_STDOUT = "-"


@dataclass(frozen=True, slots=True)
class Outputs:
    """The files asked for, checked before anything is run.

    Attributes:
        png: Where the picture goes.
        json: Where the JSON goes; `-` is standard output.
        csv: Where the CSV goes; `-` is standard output.
        pages: How many pages the picture has; those after the first go to files of their own, but for PDF.
    """

    png: str | None = None
    json: str | None = None
    csv: str | None = None
    pages: int = 1

    def __post_init__(self) -> None:
        """Refuse what cannot be written.

        Raises:
            InvalidField: A suffix is unknown, a folder is missing or cannot be written to, or two files are the same.
        """
        if self.png is not None and pictures.suffix_of(self.png) not in pictures.SUFFIXES:
            raise InvalidField(field="png", problem=f"must end in .png, .svg or .pdf, got {self.png!r}")
        if self.json == self.csv == _STDOUT:
            raise InvalidField(field="csv", problem="must go to a file where --json goes to standard output, got '-'")
        taken: dict[str, str] = {}
        for field, name in self.files():
            _check_writable(field, name)
            real = os.path.realpath(name)
            if real in taken and not Path(real).is_char_device():
                raise InvalidField(field, f"must be another file than --{taken[real]}'s, got {name!r}")
            taken[real] = field

    @property
    def on_stdout(self) -> bool:
        """Whether a file's content takes the place of the table on standard output."""
        return _STDOUT in (self.json, self.csv)

    def files(self) -> Iterator[tuple[str, str]]:
        """Yield the option and the name of every file, each page of the picture among them."""
        if self.png is not None:
            yield from (("png", name) for name in pictures.page_names(self.png, self.pages))
        for field, name in (("json", self.json), ("csv", self.csv)):
            if name not in (None, _STDOUT):
                yield field, name

    def write(
        self,
        figures: "Callable[[], Iterable[Figure]] | None" = None,
        json: Callable[[], str] | None = None,
        csv: Callable[[], str] | None = None,
    ) -> None:
        """Write the files, all of them or none, then what goes to standard output; content is made if asked for."""
        files: list[tuple[str, str, bytes]] = []
        stdout: list[str] = []
        if self.png is not None and figures is not None:
            names = pictures.page_names(self.png, self.pages)
            drawn = pictures.contents(figures, self.png)
            files += [("png", name, content) for name, content in zip(names, drawn, strict=True)]
        for field, name, content in (("json", self.json, json), ("csv", self.csv, csv)):
            if name is None or content is None:
                continue
            if name == _STDOUT:
                stdout.append(content())
            else:
                files.append((field, name, content().encode()))
        _write_files(files)
        for text in stdout:
            sys.stdout.write(text)


def taken_from(given: dict[str, Any], *also_read: str | None, pages: int = 1) -> Outputs:
    """Take the output options out of a command's options, and refuse those that would overwrite what is read.

    Args:
        given: The options of the command, by name.
        also_read: Files that are read, beside the inputs and the labels.
        pages: How many pages the picture has.
    """
    outputs = Outputs(given.pop("png"), given.pop("json"), given.pop("csv"), pages)
    read = {os.path.realpath(_file_of(name)) for name in (given.get("input"), given.get("labels"), *also_read) if name}
    for field, name in outputs.files():
        if os.path.realpath(name) in read:
            raise InvalidField(field, f"must be another file than those that are read, got {name!r}")
    return outputs


def _file_of(spec: str) -> str:
    path, colon, _ = spec.rpartition(":")
    return path if colon and path.endswith(".npz") else spec


def csv_text(rows: Sequence[dict[str, Any]]) -> str:
    """Return rows of equal keys as CSV with a header; None is an empty field."""
    import csv

    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def _check_writable(field: str, name: str) -> None:
    path = _destination(name)
    accepted = "must be a file in a folder that can be written to"
    try:
        path.exists()
    except OSError as error:
        raise InvalidField(field, f"{accepted}, got {name!r}: {error.strerror}") from None
    if path.is_dir():
        raise InvalidField(field, f"{accepted}, got the folder {name!r}")
    if not path.parent.is_dir():
        raise InvalidField(field, f"{accepted}, got {name!r}, whose folder does not exist")
    if path.exists() and not path.is_file():
        return  # a device or a pipe is written to as it stands
    if not os.access(path.parent, os.W_OK | os.X_OK) or (path.exists() and not os.access(path, os.W_OK)):
        raise InvalidField(field, f"{accepted}, got {name!r}, which is read-only")


def _destination(name: str) -> Path:
    """Return the file that a name leads to, through links; a device or a pipe keeps its name."""
    path = Path(name)
    try:
        special = path.exists() and not path.is_file()
    except OSError:
        special = True
    return path if special else Path(os.path.realpath(name))


def _write_files(files: Sequence[tuple[str, str, bytes]]) -> None:
    """Write every file under a temporary name, and only when all are whole give them their own."""
    staged: list[tuple[str, str, Path, Path]] = []
    try:
        for number, (field, name, content) in enumerate(files):
            path = _destination(name)
            try:
                if path.exists() and not path.is_file():
                    path.write_bytes(content)
                    continue
                temporary = path.with_name(f".{path.name[:100]}.{os.getpid()}.{number}.tmp")
                staged.append((field, name, temporary, path))
                temporary.write_bytes(content)
                if path.exists():
                    temporary.chmod(path.stat().st_mode & 0o7777)
            except OSError as error:
                raise _unwritable(field, name, error) from None
        for field, name, temporary, path in staged:
            try:
                temporary.replace(path)
            except OSError as error:  # on Windows, a file that another program has open
                raise _unwritable(field, name, error) from None
    finally:
        for _, _, temporary, _ in staged:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)


def _unwritable(field: str, name: str, error: OSError) -> InvalidField:
    return InvalidField(field, f"must be a file that can be written, got {name!r}: {error.strerror}")
