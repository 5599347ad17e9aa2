"""Files written whole or not at all; a device or a pipe as it stands."""

import contextlib
import errno
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from actdiag.cli import answers
from actdiag.cli.process import held_signals, undone_at_end
from actdiag.cli.reading import is_loaded
from actdiag.errors import InvalidField

_UNREAD = "it is a pipe that nothing reads"


def is_read(field: str, name: str) -> InvalidField:
    """Return the refusal of a file that the command reads."""
    return InvalidField(field, f"must be another file than those that are read, got {name!r}")


def destination(name: str) -> Path:
    """Return the file that a name leads to, through links; a device or a pipe keeps its name."""
    path = Path(name)
    try:
        special = path.exists() and not path.is_file()
    except (OSError, ValueError):
        special = True
    return path if special else Path(os.path.realpath(name))


@contextlib.contextmanager
def written(files: Sequence[tuple[str, str, bytes]], left_over: Sequence[Path]) -> Iterator[None]:
    """Write every file under a temporary name, and give them all their own once the context has ended well.

    It ends well, too, where the reader of what is printed in it goes away.

    Args:
        files: The option, the name and the content of each.
        left_over: Pages of a picture that has been longer, which would pass for pages of this one.
    """
    staged: list[tuple[str, str, Path, Path]] = []
    for field, name, _ in files:
        if Path(name).suffix == ".py" and is_loaded(os.path.realpath(name)):
            raise is_read(field, name)

    def remove() -> None:
        for _, _, temporary, _ in staged:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)

    try:
        with undone_at_end(remove):
            for number, (field, name, content) in enumerate(files):
                with _writing(field, name):
                    path = destination(name)
                    if path.exists() and not path.is_file():
                        _write_special(path, content)
                        continue
                    temporary = path.with_name(f".{path.name[:100]}.{os.getpid()}.{number}.tmp")
                    staged.append((field, name, temporary, path))
                    temporary.write_bytes(content)
                    if path.exists():
                        temporary.chmod(path.stat().st_mode & 0o7777)
            try:
                yield
            except OSError as error:
                if answers.is_unread(error):
                    _give_names(staged, left_over)
                raise
            _give_names(staged, left_over)
    finally:
        remove()


def _give_names(staged: Sequence[tuple[str, str, Path, Path]], left_over: Sequence[Path]) -> None:
    with held_signals():
        for field, name, temporary, path in staged:
            with _writing(field, name):  # on Windows, another program may have it open
                temporary.replace(path)
        for page in left_over:
            with _writing("png", str(page)):
                page.unlink()


@contextlib.contextmanager
def _writing(field: str, name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        problem = f"must be a file that can be written, got {name!r}: {error.strerror}"
        raise InvalidField(field, problem) from None


def _write_special(path: Path, content: bytes) -> None:
    """Write to a device or a pipe as it stands; what reads from a pipe need not read all."""
    try:
        file = os.open(path, os.O_WRONLY | getattr(os, "O_NONBLOCK", 0))  # else it waits for somebody to read
    except OSError as error:
        if error.errno == errno.ENXIO and path.is_fifo():
            raise OSError(errno.ENXIO, _UNREAD) from None
        raise
    with os.fdopen(file, "wb", buffering=0) as special, contextlib.suppress(BrokenPipeError):
        os.set_blocking(file, True)
        left = memoryview(content)
        while left:
            left = left[special.write(left) :]
