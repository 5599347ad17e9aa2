"""The files that a command reads, so that no output takes the place of one."""

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any


def files_read(given: Mapping[str, Any]) -> Iterator[str]:
    """Yield the files that the options of a command may have it read, each by its real path.

    Args:
        given: The options by name; those that name no file have no effect.
    """
    for name, files in _READERS.items():
        value = given.get(name)
        for text in [value] if isinstance(value, str) else value if isinstance(value, list | tuple) else []:
            if isinstance(text, str) and text:
                yield from filter(None, map(real_path, files(text)))


def real_path(name: str) -> str | None:
    """Return the absolute path of a file through all links; None where there can be none, as in a deleted folder."""
    try:
        return os.path.realpath(name)
    except (OSError, ValueError):
        return None


def is_loaded(file: str) -> bool:
    """Return whether a module was loaded from a file, given by its real path: a module may load others."""
    names = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    return any(name is not None and real_path(name) == file for name in names)


def _array_files(text: str) -> Iterable[str]:
    path, colon, _ = text.rpartition(":")
    return [path if colon and path.endswith(".npz") else text]


def _data_files(text: str) -> Iterable[str]:
    """Return the files that data may be read from: those named, and all IDX files in their folders."""
    from actdiag.datasets.idx import is_idx

    named = [part.strip() for part in text.split(",") if part.strip()]
    paths = [Path(name) for name in named]
    try:
        folders = [path if path.is_dir() else path.parent for path in paths if path.is_dir() or is_idx(path)]
        return named + [str(path) for folder in folders for path in folder.glob("*ubyte*") if is_idx(path)]
    except (OSError, ValueError):  # no file can have that name, and what reads it says so
        return named


def _module_files(text: str) -> Iterator[str]:
    """Yield the files of the modules in `module:function`, which are found without being run."""
    from actdiag.activations import ACTIVATIONS

    module, colon, _ = text.partition(":")
    if not colon or module in ACTIVATIONS:
        return
    folders: Iterable[str] | None = [_current_folder(), *sys.path]
    parts = module.split(".")
    for end in range(1, len(parts) + 1):
        try:
            spec = PathFinder.find_spec(".".join(parts[:end]), None if folders is None else list(folders))
        except (ImportError, ValueError, OSError):
            return
        if spec is None:
            return
        if spec.origin is not None and spec.has_location:
            yield spec.origin
        folders = spec.submodule_search_locations
        if folders is None:
            return


def _current_folder() -> str:
    try:
        return str(Path.cwd())
    except OSError:  # it was deleted
        return ""


def _acts(text: str) -> Iterator[str]:
    from actdiag.cli.options import split_list

    for name in split_list((text,)):
        yield from _module_files(name)


_READERS = {
    "input": _array_files,
    "labels": _array_files,
    "data": _data_files,
    "rules": lambda text: [text],
    "checkpoint": lambda text: [text],
    "weights": lambda text: [text],
    "save": lambda text: [text],
    "act": _acts,
}
"""What each option reads, by its name."""
