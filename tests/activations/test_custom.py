import json
import subprocess
import sys
import threading

import numpy as np
import pytest
from mpmath import mp

from actdiag import propagate
from actdiag.activations import resolve
from actdiag.activations.users_code import run
from actdiag.errors import InvalidField

MODULE = """
import autograd.numpy as np
import types

def swish(x):
    return x / (1 + np.exp(-1.5 * x))

def kinked(x):
    return np.maximum(x - 0.3, 0) - 0.25 * np.abs(x + 1.5)

def jumping(x):
    return np.where(x > 0.7, x, 0.0)

def centred(x):
    return x - np.mean(x)

def logarithm(x):
    return np.log(x)

def constant(x):
    return np.ones_like(x)

def widened(x):
    return x * np.array([1.5])[0]

def failing(x):
    raise RuntimeError("two\\nlines")

def scalar(x):
    return 1.0

def exiting(x):
    raise SystemExit(0)

def closing(x):
    raise GeneratorExit

def wordy(x):
    raise ValueError("\\x1b[31m" + "y" * 1000)

class Mute(Exception):
    def __str__(self):
        raise SystemExit(3)

def mute(x):
    raise Mute

def exiting_late(x):
    if x.size > 10_000:
        raise SystemExit(3)
    return x / (1 + np.exp(-1.5 * x))

def printing(x):
    print("called")
    return x / (1 + np.exp(-1.5 * x))

nested = types.SimpleNamespace(inner=swish)
number = 3
"""


def refusal(spec):
    with pytest.raises(InvalidField) as caught:
        resolve(spec)
    assert caught.value.field == "act"
    assert "\n" not in caught.value.problem
    return caught.value.problem


@pytest.fixture(scope="module")
def mine(tmp_path_factory):
    """The name of a module that is imported from the current directory."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "own_functions.py").write_text(MODULE)
    (folder / "own_broken.py").write_text("1 / 0\n")
    (folder / "own_exiting.py").write_text("raise SystemExit(3)\n")
    (folder / "own_ending.py").write_text("import sys\nsys.exit()\n")
    (folder / "own_closing.py").write_text("raise GeneratorExit('closed')\n")
    (folder / "own_lacking.py").write_text("None.attribute\n")
    (folder / "own_lazy.py").write_text("def __getattr__(name):\n    raise SystemExit(0)\n")
    (folder / "own_interrupted.py").write_text("raise KeyboardInterrupt\n")
    (folder / "own_printing.py").write_text("print('imported')\n" + MODULE)
    (folder / "own_importing.py").write_text("import own_absent\n")
    (folder / "own_syntax.py").write_text("def f(:\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield "own_functions"


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("autograd.numpy:tanh", "tanh"),
        ("autograd.scipy.special:erf", "erf"),
        ("autograd.scipy.special:expit", "sigmoid"),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_function_of_autograd_is_the_registered_one(spec, name, dtype):
    entry, registered = resolve(spec), resolve(name)
    x = np.linspace(-6, 6, 301).astype(dtype).reshape(7, 43)
    for ours, theirs in ((entry.value, registered.value), (entry.derivative, registered.derivative)):
        assert ours(x).dtype == dtype
        np.testing.assert_allclose(ours(x), theirs(x), rtol=0, atol=1e-6 if dtype == "float32" else 1e-14)
    assert (entry.kinks, entry.saturates) == (registered.kinks, registered.saturates)
    assert entry.bounds == pytest.approx(registered.bounds, abs=1e-12)
    assert entry.name == spec


def test_sinc_has_its_slope_at_zero_too():
    entry, x = resolve("autograd.numpy:sinc"), np.array([-2.5, -0.3, 0, 1e-3, 0.7])
    assert entry.derivative(x)[2] == 0
    exact = [float(mp.diff(mp.sincpi, mp.mpf(point))) for point in x.tolist()]
    np.testing.assert_allclose(entry.derivative(x), exact, atol=1e-12)
    assert entry.kinks == ()
    assert entry.bounds == pytest.approx((-0.21723362821122166, 1), rel=1e-12)


def test_a_module_of_the_current_directory(mine):
    entry, x = resolve(f"{mine}:swish"), np.linspace(-5, 5, 101)
    written = resolve("x/(1 + exp(-1.5*x))")
    np.testing.assert_allclose(entry.derivative(x), written.derivative(x), atol=1e-14)
    assert resolve(f"{mine}:swish") is entry
    assert resolve(f"{mine}:nested.inner").name == f"{mine}:nested.inner"
    assert str(sys.path[0]) != ""


def test_the_path_is_left_as_it_was(mine):
    before = list(sys.path)
    resolve(f"{mine}:swish")
    refusal("own_broken:f")
    assert sys.path == before


def test_kinks_are_found_where_the_slope_jumps(mine):
    assert resolve(f"{mine}:kinked").kinks == (-1.5, 0.3)
    assert resolve("autograd.numpy:abs").kinks == (0.0,)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_autograd_widens_is_brought_back(mine, dtype):
    entry, x = resolve(f"{mine}:widened"), np.ones((2, 3), dtype)
    assert entry.value(x).dtype == entry.derivative(x).dtype == dtype
    assert entry.derivative(x).tolist() == [[1.5] * 3] * 2


def test_what_it_takes_is_not_what_it_gives():
    x = np.array([1.0, -2.0])
    for function in (resolve("autograd.numpy:abs").value, resolve("autograd.numpy:real").value):
        assert not np.shares_memory(function(x), x)


def test_a_stack_runs_with_it(mine):
    options = {"batch": 50, "width": 20, "depth": 3}
    ours, registered = propagate("autograd.numpy:tanh", **options), propagate("tanh", **options)
    assert [layer.rms for layer in ours.layers] == [layer.rms for layer in registered.layers]


def test_threads_differentiate_apart(mine):
    entry, x = resolve(f"{mine}:swish"), np.linspace(-5, 5, 10_001)
    right, found = entry.derivative(x), []
    threads = [threading.Thread(target=lambda: found.extend(entry.derivative(x) for _ in range(20))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 80
    assert all((slope == right).all() for slope in found)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("jumping", "jumps at x = 0.7, an activation must be continuous"),
        ("centred", "must be elementwise, got"),
        ("logarithm", "must be finite wherever a stack evaluates it, got -inf at x = 0"),
        ("constant", "must depend on x, got a constant"),
        ("failing", "must take an array, got RuntimeError: two lines"),
        ("exiting", "must take an array, got SystemExit: 0"),
        ("closing", "must take an array, got GeneratorExit"),
        ("mute", "must take an array, got Mute"),
        ("wordy", "must take an array, got ValueError: \\x1b[31m" + "y" * 195 + "..."),
        ("scalar", "must give an array of shape (257,)"),
        ("number", "must name a function, got a int"),
        ("absent", "must name a function of the module, got module 'own_functions' has no attribute 'absent'"),
        ("nested.absent", "must name a function of the module"),
    ],
)
def test_functions_that_no_stack_can_use_are_refused(mine, name, said):
    problem = refusal(f"{mine}:{name}")
    assert problem.startswith(f"'{mine}:{name}': ")
    assert said in problem


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("own_absent:f", "must name a module that is there, got 'own_absent'"),
        ("own_absent.deeper:f", "must name a module that is there, got 'own_absent.deeper'"),
        ("rleu:f", "did you mean relu"),
        ("own_broken:f", "must name a module that imports, got ZeroDivisionError: division by zero"),
        ("own_exiting:f", "must name a module that imports, got SystemExit: 3"),
        ("own_ending:f", "must name a module that imports, got SystemExit"),
        ("own_closing:f", "must name a module that imports, got GeneratorExit: closed"),
        ("own_lacking:f", "must name a module that imports, got AttributeError: 'NoneType' object has no"),
        ("own_lazy:f", "must name a module that imports, got SystemExit: 0"),
        ("own_importing:f", "must name a module that imports, got ModuleNotFoundError: No module named 'own_absent'"),
        ("own_syntax:f", "must name a module that imports, got SyntaxError"),
        ("math:exp", "must take an array, got TypeError"),
        ("os:sep", "must name a function, got a str"),
    ],
)
def test_modules_that_do_not_import_are_refused(mine, spec, said):
    assert said in refusal(spec)


def test_an_interrupt_passes(mine):
    with pytest.raises(KeyboardInterrupt):
        resolve("own_interrupted:f")


def test_what_fails_in_the_middle_of_a_run_is_refused_too(mine):
    with pytest.raises(InvalidField) as caught:
        propagate(f"{mine}:exiting_late", batch=2000, width=100, depth=3, threads=2)
    assert caught.value.field == "act"
    assert caught.value.problem == f"'{mine}:exiting_late': must take an array, got SystemExit: 3"


def test_what_a_function_prints_goes_to_standard_error(mine, capsys):
    propagate(f"{mine}:printing", batch=50, width=20, depth=3, threads=2)
    out, err = capsys.readouterr()
    assert out == ""
    assert set(err.split()) == {"called"}


def test_of_threads_that_run_code_at_once_the_last_to_leave_puts_standard_output_back(capsys):
    entered, within, left = threading.Event(), threading.Event(), threading.Event()

    def first():
        entered.set()
        within.wait(60)

    def last():
        within.set()
        left.wait(60)
        print("last")

    threads = [threading.Thread(target=run, args=(code,)) for code in (first, last)]
    before = sys.stdout
    threads[0].start()
    entered.wait(60)
    threads[1].start()
    threads[0].join()
    left.set()
    threads[1].join()
    assert sys.stdout is before
    assert tuple(capsys.readouterr()) == ("", "last\n")


@pytest.mark.parametrize("spec", ["math:tanh", "autograd.numpy:exp2"])
def test_without_autograd_one_line_says_what_to_install(monkeypatch, spec):
    for name in [name for name in sys.modules if name.split(".")[0] == "autograd"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "autograd", None)
    assert refusal(spec) == (f"{spec!r}: must be written for autograd, which is missing: pip install autograd")


def test_the_command_line_finds_a_module_beside_it(tmp_path):
    (tmp_path / "beside.py").write_text("def f(x):\n    return x * x / (1 + x * x)\n")
    code = "import sys; sys.path[0] = '/'; from actdiag.__main__ import main; main()"
    command = [sys.executable, "-c", code, "activations", "beside:f"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "beside:f" in done.stdout


COMMAND = [sys.executable, "-c", "from actdiag.__main__ import main; main()", "propagate", "--depth", "2", "--act"]


def test_json_on_standard_output_is_nothing_but_json(mine):
    done = subprocess.run([*COMMAND, "own_printing:printing", "--json", "-"], capture_output=True, text=True)
    assert done.returncode == 0
    assert json.loads(done.stdout)["stack"]["act"] == "own_printing:printing"
    assert set(done.stderr.split()) == {"imported", "called"}


@pytest.mark.parametrize("spec", ["own_ending:f", "own_exiting:f", "own_functions:exiting"])
def test_code_that_exits_is_an_error_of_the_option(mine, tmp_path, spec):
    done = subprocess.run([*COMMAND, spec, "--json", tmp_path / "out.json"], capture_output=True, text=True)
    assert (done.returncode, done.stdout, list(tmp_path.iterdir())) == (2, "", [])
    assert done.stderr.startswith(f"Error: --act {spec!r}: must ")
    assert done.stderr.count("\n") == 1
