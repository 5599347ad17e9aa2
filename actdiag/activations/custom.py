"""An activation of one's own from Python, `module:function`, differentiated by autograd."""

import importlib
import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache, reduce
from pathlib import Path
from typing import Any

import numpy as np

from actdiag.activations.deriving import derive
from actdiag.activations.entry import ACTIVATIONS, Activation
from actdiag.activations.users_code import Failed, run
from actdiag.arrays import Array
from actdiag.errors import InvalidField, described, did_you_mean

# autograd numbers its traces in a global counter, which two threads would share.
_TRACING = threading.Lock()


@lru_cache(maxsize=256)
def from_path(path: str) -> Activation:
    """Return the activation `module:function`, written for autograd; the current directory is searched as well.

    Its derivative is autograd's, at kinks too. Where that is NaN although the function is smooth (0/0, as in sinc at
    0), a central difference stands in.

    Raises:
        InvalidField: There is no such function, or a stack cannot use it.
    """
    module, _, name = path.partition(":")
    function = _imported(path, module, name)
    if not callable(function):
        raise _refused(path, f"must name a function, got a {type(function).__name__}")
    from autograd import elementwise_grad

    slope = elementwise_grad(function)

    def value(x: Array) -> Array:
        return _called(path, function, x)

    def derivative(x: Array) -> Array:
        with _TRACING, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _called(path, slope, x)

    def build() -> Activation:
        return derive(name=path, formula=path, source=f"{path}, by autograd", value=value, derivative=derivative)

    return ACTIVATIONS.keep(path, build, from_path, says_all=False)


def _imported(path: str, module: str, name: str) -> Any:
    """Return what a module holds under a name."""

    def imported() -> Any:
        with _current_directory_on_path():
            try:
                found = importlib.import_module(module)
                importlib.import_module("autograd")
            except ImportError as error:
                raise _refused(path, _missing(module, error)) from None
            try:
                return reduce(getattr, name.split("."), found)
            except AttributeError as error:
                raise _refused(path, f"must name a function of the module, got {error}") from None

    try:
        return run(imported)
    except Failed as error:
        raise _refused(path, f"must name a module that imports, got {error}") from None


def _refused(path: str, problem: str) -> InvalidField:
    return InvalidField(field="act", problem=f"{path!r}: {' '.join(problem.split())}")


def _missing(module: str, error: ImportError) -> str:
    missing = error.name or ""
    if missing.split(".")[0] == "autograd":
        return "must be written for autograd, which is missing: pip install autograd"
    if f"{module}.".startswith(f"{missing}."):
        return f"must name a module that is there, got {module!r}{did_you_mean(module, ACTIVATIONS)}"
    return f"must name a module that imports, got {described(error)}"


@contextmanager
def _current_directory_on_path() -> Iterator[None]:
    try:
        here = str(Path.cwd())
    except OSError:  # it was deleted
        here = ""
    sys.path.insert(0, here)
    try:
        yield
    finally:
        if here in sys.path:
            sys.path.remove(here)
        if here:  # a module may go elsewhere, where no file that is named is
            with suppress(OSError):
                os.chdir(here)


def _called(path: str, function: Callable[[Any], Any], x: Array) -> Array:
    """Return the function's answer as a new array in the dtype of `x`; anything but an array as it is, to be judged."""
    try:
        with np.errstate(all="ignore"):
            found = run(function, x)
    except Failed as error:
        raise _refused(path, f"must take an array, got {error}") from None
    if isinstance(found, np.ndarray) and np.issubdtype(found.dtype, np.floating):
        return np.array(found, dtype=x.dtype)
    return found  # type: ignore[no-any-return]
