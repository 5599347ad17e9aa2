"""The layers: a module imports only from those above it, and a start loads only what it needs."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import pytest

import actdiag
from actdiag import report

ROOT = Path(actdiag.__file__).parent

# The modules and folders of each folder, one per line. A module imports only from the lines above its own, at the top
# of the file or inside a function; a folder's __init__ is below all lines of the folder.
ORDER = {
    "": """
        errors
        registry
        arrays
        formats
        numerals
        options
        streams
        activations
        initializers
        datasets
        ops
        model
        engine
        measure
        theory
        measurements
        external
        diagnosis
        report
        repeats
        experiments
        documents
        view
        render
        api
        cli
    """,
    "registry": """
        spelling
    """,
    "activations": """
        entry
        traits
        sigmoidal
        rectifiers
        ramps
        smooth
        piecewise
        gated
        users_code
        probing
        searching
        deriving
        dual
        steps
        terms
        expressions
        custom
    """,
    "initializers": """
        draws
        entry
        scaling
        unscaled
        matrices
        frameworks
    """,
    "datasets": """
        random_inputs
        scaling
        labels
        files
        text_tables
        tables
        inputs
        parts
        entry
        digits
        synthetic
        objects
        idx
        numpy_files
        catalogue
        sources
    """,
    "ops": """
        entry
        dense
        activation
        residual
    """,
    "model": """
        site
        blocks
        weights
        fingerprint
        stack
    """,
    "engine": """
        blocks
        workers
        values
        memory
        tape
        parameters
        forward
        backward
        losses
    """,
    "measure": """
        pooled
        moments
        squares
        directions
        bins
        decades
        counting
        histograms
        statistics
        change
        slopes
        features
        forward
        rows
        gradients
    """,
    "theory": """
        types
        roots
        grids
        panels
        often_bent
        quadrature
        gaussian
        homogeneous
        chebyshev
        tables
        parallel
        pairs
        regions
        batches
        mehler
        cosine_fluctuations
        fluctuations
        heavy_tails
        gradient_fluctuations
        coarse
        sampling
        shifting
        recipe
        pre_activations
        onestep
        flags
        nodes
        gradient_maps
        maps
        flow
        backpropagation
        prediction
        meanfield
        summary
        comparison
        network
        critical
        kept_gradient
        recommendation
        simulated_gains
        torch_gain
        gains
        automatic
    """,
    "external": """
        violations
        step
        sagemaker
        deepdiagnosis
        autotrainer
        torchmortem
        measuring
        judges
    """,
    "diagnosis": """
        findings
        calibration
        words
        lost_signal
        needs
        rule
        finite_width
        scale
        units
        repeated
        dead
        inputs
        numerics
        readout
        steps
        combined
        rules
        advice
        verdict
    """,
    "diagnosis/calibration": """
        fitted
        domain
        signals
        features
        trainability
    """,
    "diagnosis/advice": """
        changes
    """,
    "experiments": """
        run
        fix
        train
        trained_gain
        verify
    """,
    "experiments/train": """
        outcome
        facts
        optimizers
        schedule
        network
        loop
        snapshot
        run
    """,
    "documents": """
        plain
        verdicts
        entries
        stacks
        reports
        rows
        training
        gains
        extras
    """,
    "view": """
        selection
        words
        summary
        training
        code
        paging
    """,
    "render": """
        figures
        terminal
    """,
    "render/figures": """
        settings
        page
        parts
        density
        bars
        curves
        histograms
        comparison
        training
        writing
    """,
    "render/terminal": """
        marks
        columns
        summary
        comparison
        catalogue
        explain
        gain
        external
        fixing
        training
        watching
    """,
    "api": """
        own_entries
        signatures
        weight_files
        stack
        running
        propagate
        grad_flow
        compare
        checkpoint
        train
        gain
        fix
        judge
        verify
        explain
    """,
    "cli": """
        answers
        process
        pictures
        screen
        base
        gate
        types
        options
        reading
        writing
        files
        output
        extras
        report
        watching
        propagate
        grad_flow
        compare
        train
        gain
        activations
        initializers
        explain
        command
    """,
}

# The only files that import modules by names known at run time. Those of report.py, the only imports from below, stand
# in its table.
BY_NAME = {"__init__.py", "activations/custom.py", "cli/command.py", "report.py"}


class Import(NamedTuple):
    """A name that a file imports, and the innermost function that imports it; None at the top of the file."""

    module: str
    function: str | None


def modules_of(root: Path) -> dict[str, Path]:
    """Return the files of a package by dotted name, without its own __init__ and __main__."""
    found = {}
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        if parts not in ((), ("__main__",)):
            found[".".join(parts)] = path
    return found


FILES = modules_of(ROOT)


def imports_of(path: Path, for_types: bool = False) -> Iterator[Import]:
    """Yield what a file imports at run time, and `for_types` also what type checkers alone import."""

    def walk(node, function):
        types_only = isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")
        if types_only and not for_types:
            children = node.orelse
        else:
            children = ast.iter_child_nodes(node)
        for child in children:
            if isinstance(child, ast.Import):
                yield from (Import(alias.name, function) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                assert child.level == 0, f"{path}: relative import"
                yield from (Import(f"{child.module}.{alias.name}", function) for alias in child.names)
            inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
            yield from walk(child, child.name if inside else function)

    yield from walk(ast.parse(path.read_text(encoding="utf-8")), None)


def inner_imports(path: Path, files: dict[str, Path], for_types: bool = False) -> Iterator[Import]:
    """Yield what a file imports from its own package, each name as the module that defines or holds it."""
    for name, function in imports_of(path, for_types):
        package, _, inner = name.partition(".")
        if package != "actdiag":
            continue
        holder = inner if inner in files else inner.rpartition(".")[0]
        if holder:
            yield Import(holder, function)
        else:
            assert inner.startswith("__"), f"{path} imports {inner} from the top-level package"


def violations(files: dict[str, Path], order: dict[str, str]) -> list[str]:
    """Return the violations: modules that `order` does not know, imports from below, circular imports."""
    found = []
    lines = {folder: text.split() for folder, text in order.items()}
    folders = {name.rpartition(".")[0].replace(".", "/") for name in files}
    for folder in sorted(folders | set(lines)):
        held = {name.rpartition(".")[2] for name in files if name.rpartition(".")[0].replace(".", "/") == folder}
        named = lines.get(folder, [])
        found += [f"{folder or 'actdiag'}: the order does not know {name}" for name in sorted(held - set(named))]
        found += [
            f"{folder or 'actdiag'}: the order names {name}, which is not there" for name in named if name not in held
        ]
        found += [
            f"{folder or 'actdiag'}: the order names {name} twice" for name in set(named) if named.count(name) > 1
        ]
    if found:
        return found
    graph: dict[str, list[str]] = {}
    for name, path in files.items():
        for module, _ in inner_imports(path, files):
            graph.setdefault(name, []).append(module)
            if not is_above(module, name, lines):
                found.append(f"{name} imports {module} from below")
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        found.append("circle: " + " -> ".join(reversed(error.args[1])))
    return found


def is_above(module: str, name: str, lines: dict[str, list[str]]) -> bool:
    """Return whether `module` is above `name` in the order of the first folder where their paths differ."""
    theirs, ours = module.split("."), name.split(".")
    shared = next((at for at, (one, two) in enumerate(zip(theirs, ours, strict=False)) if one != two), None)
    if shared is None:
        return len(theirs) > len(ours)  # an __init__ imports from its folder, no module from the __init__ above it
    order = lines["/".join(ours[:shared])]
    return order.index(theirs[shared]) < order.index(ours[shared])


def test_imports_come_from_above():
    assert violations(FILES, ORDER) == []


def test_imports_for_type_checkers_make_no_circle_either():
    graph = {
        name: {module for module, _ in inner_imports(path, FILES, for_types=True)} - {name}
        for name, path in FILES.items()
    }
    assert list(TopologicalSorter(graph).static_order())


def test_the_table_of_what_is_below_a_report_names_what_is_there():
    lines = {folder: text.split() for folder, text in ORDER.items()}
    for name, target in report.BELOW.items():
        module, _, function = target.removeprefix("actdiag.").partition(":")
        assert not is_above(module, "report", lines), name
        assert callable(getattr(import_module(f"actdiag.{module}"), function))


def test_modules_are_imported_by_name_where_it_is_allowed():
    assert {
        path.relative_to(ROOT).as_posix()
        for path in ROOT.rglob("*.py")
        if "import_module" in path.read_text(encoding="utf-8")
    } == BY_NAME


SMALL = {
    "low.py": "",
    "room/__init__.py": "from actdiag.room.two import x",
    "room/one.py": "",
    "room/two.py": "from actdiag.room.one import x",
    "report.py": "",
    "shown.py": "import actdiag.report",
}
SMALL_ORDER = {"": "low room report shown", "room": "one two"}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, []),
        ({"room/two.py": "from actdiag.low import x\nimport numpy"}, []),
        ({"low.py": "if TYPE_CHECKING:\n    from actdiag.report import x"}, []),
        ({"low.py": "import actdiag.report"}, ["low imports report from below"]),
        ({"low.py": "from actdiag.room.one import x"}, ["low imports room.one from below"]),
        ({"low.py": "def f():\n    from actdiag import room"}, ["low imports room from below"]),
        (
            {"low.py": "if TYPE_CHECKING:\n    pass\nelse:\n    import actdiag.report"},
            ["low imports report from below"],
        ),
        (
            {"room/one.py": "from actdiag.room import two"},
            ["room.one imports room.two from below", "circle: room.two -> room.one -> room.two"],
        ),
        (
            {"room/one.py": "from actdiag.room import x"},
            ["room.one imports room from below", "circle: room -> room.two -> room.one -> room"],
        ),
        (
            {"report.py": "def show():\n    from actdiag.shown import x"},
            ["report imports shown from below", "circle: report -> shown -> report"],
        ),
        ({"new.py": ""}, ["actdiag: the order does not know new"]),
        ({"room/new.py": ""}, ["room: the order does not know new"]),
        (
            {"room/inner/__init__.py": "", "room/inner/new.py": ""},
            ["room: the order does not know inner", "room/inner: the order does not know new"],
        ),
        ({"room/two.py": None}, ["room: the order names two, which is not there"]),
    ],
)
def test_the_order_is_held(tmp_path, changed, expected):
    for name, text in (SMALL | changed).items():
        if text is not None:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text, encoding="utf-8")
    assert violations(modules_of(tmp_path), SMALL_ORDER) == expected


@pytest.mark.parametrize("name", FILES)
def test_heavy_libraries_stay_in_their_rooms(name):
    own = FILES[name].relative_to(ROOT).as_posix()
    for module, function in imports_of(FILES[name]):
        library = module.split(".")[0]
        if library == "rich":
            assert own.startswith(("render/terminal/", "cli/")), f"{own} imports rich"
        if library == "matplotlib":
            assert own.startswith("render/figures/") or (own == "cli/pictures.py" and function)
            assert "pyplot" not in module
        if library in ("scipy", "sklearn", "autograd"):
            assert function, f"{own} imports {library} at the top"
        assert library != "torch", f"{own} imports torch"


def loaded_by(*arguments):
    code = (
        "import sys; from actdiag.cli.command import run; run(sys.argv[1:]); "
        "print('\\n'.join(sorted({name for name in sys.modules})), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


def test_help_loads_neither_numpy_nor_tables():
    commands = ("propagate", "grad-flow", "compare", "train", "gain", "activations", "initializers", "explain")
    for arguments in (["--help"], ["--version"], *([command, "--help"] for command in commands)):
        assert not {"numpy", "rich.table", "scipy", "matplotlib"} & loaded_by(*arguments)


def test_default_run_loads_neither_scipy_nor_matplotlib():
    modules = loaded_by("propagate", "--batch", "100")
    assert "numpy" in modules
    assert not {"scipy", "matplotlib", "numpy.ma"} & modules


def test_a_registered_name_loads_nothing_that_only_own_functions_need():
    modules = loaded_by("propagate", "--batch", "100", "--act", "gelu_tanh")
    own = {f"actdiag.activations.{name}" for name in ("probing", "searching", "dual", "expressions", "custom")}
    assert not {"autograd", *own} & modules


def test_public_names_are_there():
    for name in actdiag.__all__:
        assert getattr(actdiag, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = actdiag.nonsense
