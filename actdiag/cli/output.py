"""Where answers go: the terminal, and files that are written whole or not at all."""

import contextlib
import io
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from actdiag.errors import InvalidField
from actdiag.report import Report

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.console import RenderableType

    from actdiag.experiments.train import TrainingRun

PICTURE_SUFFIXES = (".png", ".svg", ".pdf")

_STDOUT = "-"
_PATIENCE = 1.0


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
        for field, name in (("png", self.png), ("json", self.json), ("csv", self.csv)):
            if name is None or (field != "png" and name == _STDOUT):
                continue
            _check_writable(field, name)
            real = os.path.realpath(name)
            if real in taken and not Path(real).is_char_device():
                raise InvalidField(field, f"must be another file than --{taken[real]}'s, got {name!r}")
            taken[real] = field

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


def taken_from(given: dict[str, Any], *also_read: str | None) -> Outputs:
    """Take the output options out of a command's options, and refuse those that would overwrite what is read."""
    outputs = Outputs(given.pop("png"), given.pop("json"), given.pop("csv"))
    read = {os.path.realpath(_file_of(name)) for name in (given.get("input"), given.get("labels"), *also_read) if name}
    for field, name in (("png", outputs.png), ("json", outputs.json), ("csv", outputs.csv)):
        if name is not None and os.path.realpath(name) in read:
            raise InvalidField(field, f"must be another file than those that are read, got {name!r}")
    return outputs


def _file_of(spec: str) -> str:
    path, colon, _ = spec.rpartition(":")
    return path if colon and path.endswith(".npz") else spec


class Extra(NamedTuple):
    """What an option adds to the answer of one report.

    Attributes:
        key: The key in the JSON.
        document: The value there.
        view: Takes the columns of the terminal and whether to use ASCII only; returns what is shown below the report.
    """

    key: str
    document: Any
    view: "Callable[[int, bool], RenderableType]"


def answer(report: Report, outputs: Outputs, layers: Sequence[int] | None, extras: Sequence[Extra] = ()) -> None:
    """Give one report's answer: its files, and its table unless a file's content takes standard output."""

    def document() -> str:
        from actdiag.documents.plain import as_json

        return as_json(report.to_dict() | {extra.key: extra.document for extra in extras})

    outputs.write(report.figure, document, lambda: csv_text(report.rows()))
    if not outputs.on_stdout:
        from actdiag.render.terminal.summary import report_view

        show(lambda width, plain: report_view(report, width=width, ascii_only=plain, layers=layers))
        for extra in extras:
            show(extra.view)


def answer_all(reports: Sequence[Report], outputs: Outputs) -> None:
    """Give the answer of several reports: their files, and their matrix unless standard output is taken."""

    def figure() -> "Figure":
        from actdiag.render.figures import comparison_figure

        return comparison_figure(reports)

    def rows() -> str:
        names = [{"act": report.stack.act.name, "init": report.stack.init.name} for report in reports]
        return csv_text([name | row for name, report in zip(names, reports, strict=True) for row in report.rows()])

    def document() -> str:
        from actdiag.documents.plain import as_json
        from actdiag.documents.reports import reports_to_dict

        return as_json(reports_to_dict(reports))

    outputs.write(figure, document, rows)
    if not outputs.on_stdout:
        from actdiag.render.terminal.comparison import comparison_view

        show(lambda width, plain: comparison_view(reports, width=width, ascii_only=plain))


def answer_training(runs: "Sequence[TrainingRun]", outputs: Outputs) -> None:
    """Give the answer of training runs: their files, and their table unless standard output is taken."""
    from actdiag.documents.plain import as_json
    from actdiag.documents.rows import training_rows
    from actdiag.documents.training import training_to_dict

    def figure() -> "Figure":
        from actdiag.render.figures import training_figure

        return training_figure(runs)

    outputs.write(figure, lambda: as_json(training_to_dict(runs)), lambda: csv_text(training_rows(runs)))
    if not outputs.on_stdout:
        from actdiag.render.terminal.training import training_view

        show(lambda width, plain: training_view(runs, width=width, ascii_only=plain))


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


def ascii_only() -> bool:
    """Return whether characters beyond ASCII may not show: a C or POSIX locale, or an output that is not UTF-8."""
    environment = _environment_as_given()
    locale = next((environment[name] for name in ("LC_ALL", "LC_CTYPE", "LANG") if environment.get(name)), "")
    plain = locale in ("C", "POSIX") or (not locale and os.name == "posix")
    return plain or (sys.stdout.encoding or "").lower().replace("-", "") != "utf8"


def _environment_as_given() -> Mapping[str, str]:
    """Return the environment before Python's own start put LC_CTYPE=C.UTF-8 in place of a C locale (PEP 538)."""
    if os.environ.get("LC_ALL") or os.environ.get("LC_CTYPE") != "C.UTF-8":  # under LC_ALL nothing was put in place
        return os.environ
    try:
        given = Path("/proc/self/environ").read_bytes().split(b"\0")
    except OSError:
        return os.environ
    return dict(os.fsdecode(item).split("=", 1) for item in given if b"=" in item)


def show(view: "Callable[[int, bool], RenderableType]") -> None:
    """Print what `view` makes of (columns, ASCII only)."""
    from rich.console import Console

    screen = Console(file=sys.stdout, highlight=False, markup=False, emoji=False)
    with screen.capture() as capture:
        screen.print(view(screen.width, ascii_only()))
    # Cells are padded to the width of their columns; at the end of a line that is only noise in a file.
    lines = capture.get().split("\n")
    sys.stdout.write("\n".join(lines if screen.is_terminal else [line.rstrip() for line in lines]))


@contextlib.contextmanager
def progress(of: str = "layers") -> Iterator[Callable[[int, int], None]]:
    """Give a callback of (done, total): a bar on standard error, if that is a terminal and it takes a while.

    Args:
        of: What is counted.
    """
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    started = time.monotonic()
    with contextlib.ExitStack() as stack:
        advance: list[Callable[[int, int], None]] = []

        def tell(done: int, total: int) -> None:
            if not advance and time.monotonic() - started > _PATIENCE:
                advance.append(stack.enter_context(_bar(of)))
            if advance:
                advance[0](done, total)

        yield tell


@contextlib.contextmanager
def _bar(of: str) -> Iterator[Callable[[int, int], None]]:
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(of)
        yield lambda done, total: bar.update(task, completed=done, total=total)


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
