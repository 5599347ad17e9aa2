"""The files of an answer: checked before anything is run, and written whole or not at all."""

import contextlib
import io
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actdiag.cli.reading import files_read, is_loaded
from actdiag.errors import InvalidField
from actdiag.process import held_signals, undone_at_end

if TYPE_CHECKING:
    from matplotlib.figure import Figure


PICTURE_SUFFIXES = (".png", ".svg", ".pdf")


_STDOUT = "-"


@dataclass(frozen=True, slots=True)
class Outputs:
    """The files asked for, checked before anything is run.

    Attributes:
        png: Where the picture goes.
        json: Where the JSON goes; `-` is standard output.
        csv: Where the CSV goes; `-` is standard output.
    """

    png: str | None = None
    json: str | None = None
    csv: str | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be written.

        Raises:
            InvalidField: A suffix is unknown, a folder is missing or cannot be written to, or two files are the same.
        """
        if self.png is not None and Path(self.png).suffix.lower() not in PICTURE_SUFFIXES:
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

    def files(self) -> Iterator[tuple[str, str]]:
        """Yield (field, name) of each file, without what goes to standard output."""
        for field, name in (("png", self.png), ("json", self.json), ("csv", self.csv)):
            if name is not None and (field == "png" or name != _STDOUT):
                yield field, name

    @property
    def on_stdout(self) -> bool:
        """Whether a file's content takes the place of the table on standard output."""
        return _STDOUT in (self.json, self.csv)

    def write(
        self,
        figure: "Callable[[], Figure] | None" = None,
        json: Callable[[], str] | None = None,
        csv: Callable[[], str] | None = None,
    ) -> None:
        """Write the files, all of them or none, then what goes to standard output; content is made if asked for."""
        files: list[tuple[str, str, bytes]] = []
        stdout: list[str] = []
        if self.png is not None and figure is not None:
            files.append(("png", self.png, picture_bytes(figure(), Path(self.png).suffix.lower())))
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


def taken_from(given: dict[str, Any], **others: Any) -> Outputs:
    """Take the output options out of a command's options, and refuse those that would overwrite what is read.

    Args:
        given: The options of the command, by name.
        others: Those that are not among them.

    Raises:
        InvalidField: An output cannot be written, or is a file that the command reads.
    """
    outputs = Outputs(given.pop("png", None), given.pop("json", None), given.pop("csv", None))
    named = [(field, name) for field, name in outputs.files() if not Path(name).is_char_device()]
    read = set(files_read({**given, **others})) if named else set()
    for field, name in named:
        if os.path.realpath(name) in read:
            raise _is_read(field, name)
    return outputs


def _is_read(field: str, name: str) -> InvalidField:
    return InvalidField(field, f"must be another file than those that are read, got {name!r}")


def picture_bytes(figure: "Figure", suffix: str) -> bytes:
    """Return a figure as a file of that suffix, the same bytes for the same figure."""
    import matplotlib

    figure.draw_without_rendering()  # lays the panels out
    figure.set_layout_engine("none")
    # The solver behind the layout sums in an order that memory addresses set, which the last digits show.
    for part in figure.subfigs:
        part.bbox_relative.set_points(part.bbox_relative.get_points().round(6))
    for axes in figure.axes:
        left, bottom, width, height = (round(float(bound), 6) for bound in axes.get_position().bounds)
        axes.set_position((left, bottom, width, height))
    buffer = io.BytesIO()
    metadata = {".png": {"Software": None}, ".svg": {"Date": None}, ".pdf": {"CreationDate": None}}[suffix]
    with matplotlib.rc_context({"svg.hashsalt": "actdiag"}):
        figure.savefig(buffer, format=suffix[1:], metadata=metadata)
    return buffer.getvalue()


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
            for field, name, content in files:
                path = _destination(name)
                try:
                    if path.exists() and not path.is_file():
                        path.write_bytes(content)
                        continue
                    temporary = path.with_name(f".{path.name[:100]}.{os.getpid()}.{field}.tmp")
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
