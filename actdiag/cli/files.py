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
from actdiag.cli.process import held_signals, undone_at_end
from actdiag.cli.reading import files_read, is_loaded
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


def taken_from(given: dict[str, Any], pages: int = 1, **others: Any) -> Outputs:
    """Take the output options out of a command's options, and refuse those that would overwrite what is read.

    Args:
        given: The options of the command, by name.
        pages: How many pages the picture has.
        others: Options that are not among them.

    Raises:
        InvalidField: An output cannot be written, or is a file that the command reads.
    """
    outputs = Outputs(given.pop("png", None), given.pop("json", None), given.pop("csv", None), pages)
    named = [(field, name) for field, name in outputs.files() if not Path(name).is_char_device()]
    read = set(files_read({**given, **others})) if named else set()
    for field, name in named:
        if os.path.realpath(name) in read:
            raise _is_read(field, name)
    return outputs


def _is_read(field: str, name: str) -> InvalidField:
    return InvalidField(field, f"must be another file than those that are read, got {name!r}")


def csv_text(rows: Sequence[dict[str, Any]]) -> str:
    """Return rows of equal keys as CSV with a header; None is an empty field."""
    import csv

    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def _check_writable(field: str, name: str) -> None:
    accepted = "must be a file in a folder that can be written to"
    if name.endswith(("/", os.sep)):
        raise InvalidField(field, f"{accepted}, got {name!r}, which names a folder")
    try:
        path = _destination(name)
        path.exists()
    except (OSError, ValueError) as error:  # a null character is no part of a name
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InvalidField(field, f"{accepted}, got {name!r}: {reason}") from None
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
    except (OSError, ValueError):
        special = True
    return path if special else Path(os.path.realpath(name))


def _write_files(files: Sequence[tuple[str, str, bytes]]) -> None:
    """Write every file under a temporary name, and only when all are whole give them their own."""
    staged: list[tuple[str, str, Path, Path]] = []
    for field, name, _ in files:
        if Path(name).suffix == ".py" and is_loaded(os.path.realpath(name)):
            raise _is_read(field, name)

    def remove() -> None:
        for _, _, temporary, _ in staged:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)

    try:
        with undone_at_end(remove):
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
            with held_signals():
                for field, name, temporary, path in staged:
                    try:
                        temporary.replace(path)
                    except OSError as error:  # on Windows, a file that another program has open
                        raise _unwritable(field, name, error) from None
    finally:
        remove()


def _unwritable(field: str, name: str, error: OSError) -> InvalidField:
    return InvalidField(field, f"must be a file that can be written, got {name!r}: {error.strerror}")
