"""Functions of the user's own, `module:function`, that raise, exit, print, hang on to streams, or are none at all."""

import os
from collections.abc import Iterator
from functools import partial
from itertools import count
from pathlib import Path

from contract import started
from hostile.case import OWN, Case

_SMALL = ("--depth", "2", "--width", "3", "--batch", "3")
_NUMBERS = count()

_HEAD = f"import autograd.numpy as np\nOWN = {OWN!r}\n"
_GOOD = "\n\ndef f(x):\n    return np.tanh(x)\n"

RAISED = (
    "SystemExit", "SystemExit(0)", "SystemExit(3)", "SystemExit('text')", "SystemExit(None)", "SystemExit(2**100)",
    "GeneratorExit", "StopIteration", "StopAsyncIteration", "RuntimeError('two\\nlines')", "ValueError('\\x1b[31m')",
    "MemoryError", "RecursionError", "OSError(28, 'full')", "BrokenPipeError", "FileNotFoundError", "ImportError",
    "UnicodeDecodeError('utf-8', b'', 0, 1, 'x')", "BaseException", "Exception('x' * 10**6)", "AssertionError",
    "BaseExceptionGroup('g', [SystemExit(0)])", "type('Mute', (Exception,), {'__str__': lambda self: 1 / 0})",
    "type('Loud', (Exception,), {'__str__': lambda self: print(OWN) or 'loud'})", "Warning", "TimeoutError",
    "__import__('click').exceptions.Exit(0)", "__import__('click').Abort", "__import__('click').UsageError('mine')",
    "__import__('actdiag.errors').errors.InvalidField('seed', 'is mine')",
)  # fmt: skip
"""What a module raises as it is imported, as its function is called, and late in a run."""

INTERRUPTS = ("KeyboardInterrupt", "type('Own', (KeyboardInterrupt,), {})")

BODIES = (
    "return None", "return 1.0", "return x[0]", "return x.T", "return x.sum()", "return np.zeros(3)", "return [1, 2]",
    "return x.astype('int64')", "return x.astype('float16')", "return x + 1j", "return x > 0", "return x.astype(str)",
    "return x.astype(object)", "return np.nan * x", "return np.inf * x", "return np.where(x > 7.9, np.nan, x)",
    "return x * 0", "return np.log(x)", "return 1 / x", "return np.sqrt(x)", "x *= 2; return x", "x[:] = 0; return x",
    "x.resize(1); return x", "return x - x.mean()", "return np.sort(x)", "return x[::-1]", "return x.reshape(-1)",
    "return np.random.randn(*x.shape)", "return f(x)", "return f", "return lambda: x", "yield x", "return iter(x)",
    "return np.where(x > 0, x, 1.0)", "return np.floor(x)", "return x.__class__", "del x", "return x.unknown",
    "return __import__('numpy').array(x, subok=True).view(type('Own', (__import__('numpy').ndarray,), {}))",
    "return bytearray(10**15)", "import no_such_module",
)  # fmt: skip
"""What a function does that no stack can use."""

_SQUARE = b"def f(x): return x*x\n"

SOURCES = {
    "empty": b"",
    "syntax": b"def f(:\n",
    "null": b"x = 1\x00\n",
    "latin": b"x = '\xe9'\n",
    "bom": b"\xef\xbb\xbfx = 1\n",
    "coding": b"# coding: nonsense\nx = 1\n",
    "utf-16": "def f(x): pass".encode("utf-16"),
    "tabs": b"if 1:\n\tx=1\n        y=2\n",
    "pickle": b"\x80\x04.",
    "deep": b"x = " + b"(" * 500 + b")" * 500 + b"\n",
    "long": b"x = " + b"1+" * 20_000 + b"1\n",
    "number": b"f = 3\n",
    "none": b"f = None\n",
    "text": b"f = 'x'\n",
    "class": b"class f: pass\n",
    "lambda": b"f = lambda: 0\n",
    "lazy": b"def __getattr__(name): raise SystemExit(0)\n",
    "all": b"__all__ = 3\n",
    "name": b"__name__ = 3\n" + _SQUARE,
    "bad file": b"__file__ = '\\0'\n" + _SQUARE,
    "modules": b"import sys\nsys.modules[__name__] = None\n",
    "itself": b"import sys\ndel sys.modules[__name__]\n",
    "recursion": b"def f(x): return f(x)\n",
    "async": b"async def f(x): return x\n",
    "partial": b"import functools\nf = functools.partial\n",
}
"""Files that are no module, or hold no function, or are odd."""

_CLOCK = "import threading, time\n"

DEEDS = {
    "prints": "print(OWN)",
    "os.write": "import os; os.write(1, OWN.encode() + b'\\n')",
    "C stdio": "import ctypes; ctypes.CDLL(None).puts(OWN.encode())",
    "a child": "import subprocess, sys; subprocess.run([sys.executable, '-c', f'print({OWN!r})'])",
    "sys.__stdout__": "import sys; sys.__stdout__.write(OWN + '\\n')",
    "keeps sys.stdout": "import sys, atexit; atexit.register(sys.stdout.write, OWN + '\\n')",
    "prints at the end": "import atexit; atexit.register(print, OWN)",
    "exits at the end": "import atexit, sys; atexit.register(sys.exit, 5)",
    "raises at the end": "import atexit; atexit.register(lambda: 1 / 0)",
    "is deleted at the end": "class D:\n    def __del__(self, own=OWN): print(own); 1 / 0\nd = D()",
    "a thread that prints": _CLOCK
    + "def go():\n    for _ in range(50): print(OWN); time.sleep(0.02)\nthreading.Thread(target=go).start()",
    "a daemon that prints": _CLOCK
    + "def go():\n    while True: print(OWN)\nthreading.Thread(target=go, daemon=True).start()",
    "a thread without an end": _CLOCK + "threading.Thread(target=threading.Event().wait).start()",
    "a thread that raises": _CLOCK + "threading.Thread(target=lambda: 1 / 0).start()",
    "a thread that exits": _CLOCK + "import sys; threading.Thread(target=sys.exit, args=(5,)).start()",
    "closes descriptor 1": "import os; os.close(1)",
    "closes descriptor 2": "import os; os.close(2)",
    "closes stdout": "import sys; sys.stdout.close()",
    "no path": "import sys; sys.path = None",
    "closes stdin": "import os; os.close(0)",
    "replaces stdout": "import sys, io; sys.stdout = io.StringIO()",
    "no stdout": "import sys; sys.stdout = None",
    "no stderr": "import sys; sys.stderr = None",
    "hooks": "import sys; sys.excepthook = sys.unraisablehook = lambda *args: print(OWN)",
    "warns": "import warnings; warnings.warn(OWN)",
    "logs": "import logging; logging.warning(OWN)",
    "goes elsewhere": "import os; os.chdir('/')",
    "numpy raises": "import numpy; numpy.seterr(all='raise')",
    "numpy prints": "import numpy; numpy.seterr(all='print')",
    "numpy warns": "import numpy, warnings; numpy.seterr(all='warn'); warnings.simplefilter('error')",
    "no environment": "import os; os.environ.clear()",
    "a mask of files": "import os; os.umask(0o777)",
    "locale": "import locale; locale.setlocale(locale.LC_ALL, 'C')",
    "ignores signals": "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)",
    "garbage": "import gc; gc.set_threshold(1); gc.disable()",
    "traces": "import sys; sys.settrace(lambda *args: None)",
    "switches": "import sys; sys.setswitchinterval(1e-6)",
    "argv": "import sys; sys.argv[:] = []",
    "a fork": "import os\nif os.fork() == 0: print(OWN); os._exit(7)\nos.wait()",
}
"""What a module does to the process as it is imported; the function that it holds is a good one."""

_QUICK = ("os.write", "C stdio", "end", "daemon", "closes", "raises", "elsewhere")


def write(name: str, source: bytes) -> None:
    """Write a module."""
    Path(f"{name}.py").write_bytes(source)


def _of(what, source, function="f", **options):
    name = f"own_{next(_NUMBERS)}"
    source = source if isinstance(source, bytes) else (_HEAD + source).encode()
    arguments = ("propagate", *_SMALL, "--act", f"{name}:{function}", "--json", "-")
    usual = {"said": f"Error: --act '{name}:", "make": partial(write, name, source), "needs": "autograd"}
    return Case(what, arguments, **usual | options)


def cases():
    """Yield the cases."""
    for what in RAISED:
        said = {} if "InvalidField" not in what else {"said": "Error: --seed is mine"}
        yield _of(f"import raises {what:.40}", f"raise {what}\n", **said)
        yield _of(f"call raises {what:.40}", f"def f(x):\n    raise {what}\n", **said)
        late = f"def f(x):\n    if x.shape[0] == 3 and x.ndim == 2:\n        raise {what}\n    return np.tanh(x)\n"
        yield _of(f"late call raises {what:.40}", late, **said)
        slope = "from autograd.extend import primitive, defvjp\n@primitive\ndef f(x):\n    return np.tanh(x)\n"
        slope += f"def back(answer, x):\n    def pull(g):\n        raise {what}\n    return pull\ndefvjp(f, back)\n"
        yield _of(f"slope raises {what:.40}", slope, **said)
    for what in INTERRUPTS:
        for where, source in (("import", f"raise {what}\n"), ("call", f"def f(x):\n    raise {what}\n")):
            yield _of(f"{where} raises {what:.40}", source, codes=frozenset({130}))
    for body in BODIES:
        yield _of(f"body {body:.40}", f"def f(x):\n    {body}\n")
    for what, source in SOURCES.items():
        good = what in ("name", "bad file")
        yield _of(f"source {what}", source, codes=frozenset({0, 2}) if good else frozenset({2}))
    yield from _places()
    for what, deed in DEEDS.items():
        slow = not any(
            word in what for word in ("os.write", "C stdio", "end", "daemon", "closes", "raises", "elsewhere")
        )
        codes = frozenset({2} if what == "no path" else {0})
        yield _of(f"process {what}", deed + _GOOD, codes=codes, start=started, slow=slow)
    late = "import os\ndef f(x):\n    os.write(1, OWN.encode() + b'\\n')\n    print(OWN)\n    return np.tanh(x)\n"
    yield _of("process os.write at every call", late, codes=frozenset({0}), start=started)
    gate = ("--init", "std=1e-9", "--fail-on", "untrainable")
    exits = _of("process exits at the end of a failed gate", "import atexit, sys; atexit.register(sys.exit, 0)" + _GOOD)
    yield exits._replace(arguments=(*exits.arguments, *gate), codes=frozenset({3}), start=started)


def _places() -> Iterator[Case]:
    """Yield modules that lie in odd places."""
    folder, package, link, pipe = (f"own_{next(_NUMBERS)}" for _ in range(4))
    act = ("propagate", *_SMALL, "--act")
    yield Case("a folder called like a module", (*act, f"{folder}:f"), make=Path(f"{folder}.py").mkdir)
    yield Case("an empty folder", (*act, f"{package}:f"), make=Path(package).mkdir)
    yield Case("a link to nothing", (*act, f"{link}:f"), make=partial(Path(f"{link}.py").symlink_to, "nothing.py"))
    if hasattr(os, "mkfifo"):
        yield Case("a pipe", (*act, f"{pipe}:f"), make=partial(os.mkfifo, f"{pipe}.py"))
