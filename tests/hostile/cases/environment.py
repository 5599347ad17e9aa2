"""Variables of the environment that are odd, missing, or lead to what is not there."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from contract import ENVIRONMENT, started
from hostile.case import Case

_RUN = ("propagate", "--depth", "2", "--width", "3", "--batch", "3")
_PICTURE = (*_RUN, "--png", "out.png")
_DONE = frozenset({0})

TEXT = {
    "COLUMNS=1": {"COLUMNS": "1"},
    "COLUMNS=0": {"COLUMNS": "0"},
    "COLUMNS=-5": {"COLUMNS": "-5"},
    "COLUMNS of 300 digits": {"COLUMNS": "9" * 300},
    "COLUMNS of other digits": {"COLUMNS": "\u0663\u00b2"},
    "COLUMNS is no number": {"COLUMNS": "wide", "LINES": "high"},
    "LANG=C": {"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "a locale that is none": {"LC_ALL": "none.none"},
    "ASCII": {"PYTHONIOENCODING": "ascii"},
    "strict ASCII": {"PYTHONIOENCODING": "ascii:strict", "PYTHONUTF8": "0"},
    "UTF-16": {"PYTHONIOENCODING": "utf-16"},
    "EBCDIC": {"PYTHONIOENCODING": "cp500"},
    "TERM=dumb": {"TERM": "dumb"},
    "TERM unknown": {"TERM": "\x1b[31m"},
    "NO_COLOR": {"NO_COLOR": "1", "FORCE_COLOR": "", "COLORTERM": "none"},
    "PYTHONWARNINGS": {"PYTHONWARNINGS": "error"},
    "PYTHONOPTIMIZE": {"PYTHONOPTIMIZE": "2"},
    "PYTHONDEVMODE": {"PYTHONDEVMODE": "1"},
    "PYTHONUNBUFFERED": {"PYTHONUNBUFFERED": "1"},
    "PYTHONSAFEPATH": {"PYTHONSAFEPATH": "1"},
    "PYTHONPYCACHEPREFIX": {"PYTHONPYCACHEPREFIX": "/dev/null"},
    "threads of BLAS": {"OPENBLAS_NUM_THREADS": "-3", "OMP_NUM_THREADS": "many", "MKL_NUM_THREADS": "9" * 30},
    "no processor known": {"NPY_DISABLE_CPU_FEATURES": "AVX9"},
    "completion of no shell": {"_ACTDIAG_COMPLETE": ""},
}
"""Variables under which a run prints what it prints."""

REFUSED = {
    "completion": {"_ACTDIAG_COMPLETE": "nonsense"},
    "completion without words": {"_ACTDIAG_COMPLETE": "bash_complete"},
    "completion at no word": {"_ACTDIAG_COMPLETE": "zsh_complete", "COMP_WORDS": "actdiag", "COMP_CWORD": "x"},
    "completion for another shell": {"_ACTDIAG_COMPLETE": "cmd_source"},
    "numpy cannot read it": {"NUMPY_MADVISE_HUGEPAGE": "x"},
}
"""Variables under which nothing can be run."""

DRAWN = {
    "HOME unset": {"HOME": None},
    "HOME nowhere": {"HOME": "/none", "XDG_CONFIG_HOME": "/none", "XDG_CACHE_HOME": "/none"},
    "HOME is a file": {"HOME": "/dev/null"},
    "MPLBACKEND": {"MPLBACKEND": "nonsense"},
    "MPLBACKEND of a module": {"MPLBACKEND": "module://nowhere"},
    "MPLCONFIGDIR": {"MPLCONFIGDIR": "/proc"},
    "MPLCONFIGDIR is a file": {"MPLCONFIGDIR": "/dev/null"},
    "MATPLOTLIBRC": {"MATPLOTLIBRC": "/dev/null/x"},
    "TMPDIR": {"TMPDIR": "/none", "TMP": "/none", "TEMP": "/none"},
    "SOURCE_DATE_EPOCH": {"SOURCE_DATE_EPOCH": "x"},
    "DISPLAY": {"DISPLAY": ":9999", "QT_QPA_PLATFORM": "nonsense"},
}
"""Variables under which pictures are drawn all the same."""

_QUICK = ("HOME unset", "MPLCONFIGDIR", "TMPDIR", "SOURCE_DATE_EPOCH")


def _under(variables: dict[str, str | None]) -> partial:
    changed = {name: value for name, value in (ENVIRONMENT | variables).items() if value is not None}
    return partial(started, env=changed)


def cases() -> Iterator[Case]:
    """Yield the cases."""
    for number, (what, variables) in enumerate(TEXT.items()):
        yield Case(what, _RUN, _DONE, start=_under(variables), slow=number > 10)
        for arguments in (("--help",), ("activations",)):
            yield Case(what, arguments, _DONE, start=_under(variables), slow=True)
        if what not in ("UTF-16", "EBCDIC"):
            yield Case(what, ("train", "--depth", "\x1b[31m\udcff"), start=_under(variables), slow=True)
    for what, variables in REFUSED.items():
        yield Case(what, _RUN, said="must ", start=_under(variables))
    for what, variables in DRAWN.items():
        for name in ("out.png", "out.pdf", "out.svg"):
            slow = name != "out.pdf" or what not in _QUICK
            yield Case(
                f"{what}: {name}", (*_RUN, "--png", name), _DONE, asked=(name,), start=_under(variables), slow=slow
            )
    settings = partial(Path("matplotlibrc").write_text, "backend: nonsense\nfont.family: none\n\x00")
    yield Case("a matplotlibrc", _PICTURE, _DONE, make=settings, asked=("out.png",), start=_under({}))
    shadow, here = partial(Path("numpy.py").write_text, "raise SystemExit(0)"), _with_package(".")
    yield Case("a module called numpy", _RUN, said="Error: ", make=shadow, start=_under({"PYTHONPATH": here}))
    for path in ("", ":", "/none:/dev/null", "x" * 5000):
        start = _under({"PYTHONPATH": _with_package(path)})
        yield Case("PYTHONPATH", _RUN, _DONE, start=start, slow=True)


def _with_package(path: str) -> str:
    return f"{path}:{ENVIRONMENT.get('PYTHONPATH', '')}"
