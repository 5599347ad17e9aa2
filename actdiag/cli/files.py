"""The files of an answer: what goes to each, and what is checked before anything is run."""

import contextlib
import io
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actdiag.cli import answers, pictures, screen
from actdiag.cli.reading import files_read
from actdiag.cli.writing import destination, is_read, written
from actdiag.errors import InvalidField, described

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_STDOUT = "-"
_ALSO_STDOUT = ("/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")
"""Other names of standard output, which the system takes for descriptor 1; that is not where answers go."""


@dataclass(frozen=True, slots=True)
class Outputs:
    """The files asked for, checked before anything is run.

    Attributes:
        png: Where the picture goes.
        json: Where the JSON goes; `-` is standard output.
        csv: Where the CSV goes; `-` is standard output.
        pages: How many pages the picture has; those after the first go to files of their own, but for PDF.
        quiet: Whether nothing is shown.
    """

    png: str | None = None
    json: str | None = None
    csv: str | None = None
    pages: int = 1
    quiet: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be written.

        Raises:
            InvalidField: A suffix is unknown, a folder is missing or cannot be written to, or two files are the same.
        """
        for field in ("json", "csv"):
            if getattr(self, field) in _ALSO_STDOUT:
                object.__setattr__(self, field, _STDOUT)
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
        show: Callable[[], None] | None = None,
    ) -> None:
        """Write what is asked for: the files, all of them or none, and standard output.

        Files get their names once standard output has taken its part, or its reader has gone.

        Args:
            figures: Makes the pages of the picture.
            json: Makes the JSON.
            csv: Makes the CSV.
            show: Shows the table that stands on standard output where no file's content does.
        """
        files: list[tuple[str, str, bytes]] = []
        left_over: list[Path] = []
        stdout: list[str] = []
        if self.png is not None and figures is not None:
            screen.progress().now("picture")
            names = pictures.page_names(self.png, self.pages)
            with _making("png", self.png):
                drawn = pictures.contents(figures, self.png)
                taken = {os.path.realpath(name) for _, name in self.files()}
                pages = pictures.pages_left_over(self.png, self.pages)
                left_over += (page for page in pages if os.path.realpath(page) not in taken)
            files += [("png", name, content) for name, content in zip(names, drawn, strict=True)]
        for field, name, content in (("json", self.json, json), ("csv", self.csv, csv)):
            if name is None or content is None:
                continue
            with _making(field, name):
                if name == _STDOUT:
                    stdout.append(content())
                else:
                    files.append((field, name, content().encode()))
        with written(files, left_over):
            for text in stdout:
                screen.write(text)
            if show is not None and not (self.on_stdout or self.quiet):
                show()
            answers.stream().flush()


def taken_from(given: dict[str, Any], pages: int = 1, **others: Any) -> Outputs:
    """Take the output options out of a command's options, and refuse those that would overwrite what is read.

    Args:
        given: The options of the command, by name.
        pages: How many pages the picture has.
        others: Options that are not among them.

    Raises:
        InvalidField: An output cannot be written, or is a file that the command reads.
    """
    quiet = given.pop("quiet", False)
    if quiet:
        screen.end_progress()
    outputs = Outputs(given.pop("png", None), given.pop("json", None), given.pop("csv", None), pages, quiet)
    named = [(field, name) for field, name in outputs.files() if not Path(name).is_char_device()]
    read = set(files_read({**given, **others})) if named else set()
    for field, name in named:
        if os.path.realpath(name) in read:
            raise is_read(field, name)
    return outputs


def csv_text(rows: Sequence[dict[str, Any]]) -> str:
    """Return rows of equal keys as CSV with a header; None is an empty field."""
    import csv

    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


@contextlib.contextmanager
def _making(field: str, name: str) -> Iterator[None]:
    """Blame the option of a file where the system does not let it be made, as where memory does not hold it."""
    try:
        yield
    except (MemoryError, ImportError, OSError) as error:
        raise InvalidField(field, f"must be a file that can be made, got {name!r}: {described(error)}") from None


def _check_writable(field: str, name: str) -> None:
    accepted = "must be a file in a folder that can be written to"
    if name.endswith(("/", os.sep)):
        raise InvalidField(field, f"{accepted}, got {name!r}, which names a folder")
    try:
        path = destination(name)
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
