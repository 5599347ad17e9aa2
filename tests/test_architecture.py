"""The house: a module imports only from what stands above it, and a start loads only what it needs."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import actdiag

ROOT = Path(actdiag.__file__).parent
ORDER = (
    "errors registry arrays formats streams activations initializers datasets model engine measure external theory "
    "diagnosis report repeats experiments view api render cli"
).split()
WITHIN = {
    "activations": (
        "entry traits sigmoidal rectifiers smooth piecewise gated "
        "probing searching deriving dual terms expressions custom"
    ).split(),
    "initializers": ["draws", "entry", "scaling", "unscaled", "matrices", "frameworks"],
    "datasets": ("random_inputs files inputs parts entry scaling digits synthetic idx numpy_files catalogue").split(),
    "model": "site stack".split(),
    "engine": "blocks workers memory parameters propagation losses".split(),
    "measure": "pooled moments bins histograms statistics forward gradients".split(),
    "theory": (
        "types gaussian tables pairs regions fluctuations seen onestep flow prediction meanfield summary beside "
        "critical recommendation gains automatic"
    ).split(),
    "external": "charges evidence sagemaker deepdiagnosis autotrainer torchmortem collecting panel".split(),
    "diagnosis": (
        "findings run expectations wording calibration rule scale units dead inputs numerics readout "
        "steps outlook rules verdict"
    ).split(),
    "experiments": ["run", "fix", "verify", "train"],
    "render": ["figures", "terminal"],
    "view": ["selection", "words", "training"],
    "cli": (
        "output gate options extras watching propagate grad_flow compare train gain activations initializers explain"
    ).split(),
}
FILES = sorted(path for path in ROOT.rglob("*.py") if path not in (ROOT / "__init__.py", ROOT / "__main__.py"))


def imports(path):
    """Yield (module, whether at the top level, whether only for types) for every import of a file."""
    tree = ast.parse(path.read_text())
    for_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [node.module] + [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            yield name, node in tree.body, id(node) in for_types


def room(module):
    return module.split(".")[1] if module.startswith("actdiag.") else None


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_come_from_above(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    own = parts[0]
    assert own in ORDER
    for module, _, for_types in imports(path):
        above = room(module)
        if above is None or for_types or above.startswith("_"):
            continue
        if own == "report" and above == "render":
            continue  # Report.figure and its rich display: the only imports from below
        assert ORDER.index(above) <= ORDER.index(own), f"{own} imports {module} from below"
        if above == own and own in WITHIN and len(parts) > 1 and parts[1] != "__init__" and module.count(".") >= 2:
            inner = module.split(".")[2]
            if inner in WITHIN[own] and parts[1] in WITHIN[own]:
                assert WITHIN[own].index(inner) <= WITHIN[own].index(parts[1]), f"{parts} imports {module}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_heavy_libraries_stay_in_their_rooms(path):
    own = path.relative_to(ROOT).as_posix()
    for module, at_top, for_types in imports(path):
        library = module.split(".")[0]
        if for_types:
            continue
        if library == "rich":
            assert own.startswith(("render/terminal/", "cli/")), f"{own} imports rich"
        if library == "matplotlib":
            assert own.startswith("render/figures/") or (own == "cli/output.py" and not at_top)
            assert "pyplot" not in module
        if library in ("scipy", "sklearn"):
            assert not at_top, f"{own} imports {library} at the top"


def loaded_by(*arguments):
    code = (
        "import sys; from actdiag.cli import run; run(sys.argv[1:]); "
        "print('\\n'.join(sorted({name for name in sys.modules})), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


def test_help_loads_neither_numpy_nor_tables():
    for arguments in (["--help"], ["propagate", "--help"], ["compare", "--help"], ["--version"]):
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
