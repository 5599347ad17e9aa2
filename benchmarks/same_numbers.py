"""Whether two commits give the same numbers: many commands run on both, their JSON compared leaf by leaf.

`python -m benchmarks.same_numbers BASE [NEW]` checks BASE out into a temporary work tree (NEW too; without it the
present files are used) and lists every number that differs. Under `--close` numbers may differ by what work on speed
may change: 1e-12 of a layer's rms in float64, 1e-5 of it in float32, 3e-4 of fractions and cosines, 1e-9 of
predictions.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from math import isclose
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

ROOT = Path(__file__).parent.parent

COMMANDS = (
    "propagate",
    "propagate --act relu --init std=0.01",
    "propagate --act sigmoid --init std=1 --depth 8",
    "propagate --act tanh --init xavier --depth 50",
    "propagate --act gelu --init he --depth 30 --dtype float64",
    "propagate --act gelu --init auto --depth 12 --width 64",
    "propagate --act selu --init lecun --depth 20 --width 300 --batch 1500",
    "propagate --act maxout:3 --init he --depth 6",
    "propagate --act softmax --init lecun --depth 4",
    "propagate --act swiglu --init xavier --depth 5 --width 40",
    "propagate --act x*tanh(softplus(x)) --gain auto --depth 10",
    "propagate --act leaky_relu:0.2 --init orthogonal --widths 512,256,64,16 --input-width 30",
    "propagate --act relu --init lsuv --depth 10 --width 60",
    "propagate --act tanh --init lsuv --depth 6 --bias-std 0.3",
    "propagate --act relu --init torch_linear --depth 10",
    "propagate --act sigmoid --init identity --depth 5",
    "propagate --act relu --init ones --depth 6",
    "propagate --act exponential --init lecun --depth 3",
    "propagate --act sin --init std=1 --depth 5",
    "propagate --act hardshrink --init he --depth 20 --bias-mean 0.1 --bias-std 0.2",
    "propagate --act relu --init he --depth 50 --repeats 5 --width 40",
    "propagate --act gelu_tanh --init keras_dense --input uniform --bins 12 --range -1 3",
    "propagate --act relu --init he --input x.npy --scale feature",
    "propagate --act tanh --init xavier --input xy.npz:x --batch 70 --width 50",
    "propagate --act relu --init he --no-theory --threads 2 --batch 2000 --width 700 --depth 4",
    "propagate --act relu --init std=1e30 --depth 3",
    "propagate --act gelu --init xavier --depth 30 --bias-mean -0.5 --fix",
    "propagate --act relu --init std=0.01 --judge sagemaker,deepdiagnosis,autotrainer,torchmortem",
    "grad-flow",
    "grad-flow --act sigmoid --init xavier --depth 20",
    "grad-flow --act tanh --init he --depth 40 --memory 6MB",
    "grad-flow --act gelu --init he --depth 30 --batch 777 --width 130 --loss cross-entropy",
    "grad-flow --act prelu --init he --depth 9 --loss mse --classes 7",
    "grad-flow --act maxout:2 --init lecun --depth 8 --dtype float64",
    "grad-flow --act relu --init lsuv --depth 9 --loss cross-entropy",
    "grad-flow --act elu --init lecun --widths 100,80,60,40 --loss cross-entropy --input xy.npz:x --labels xy.npz:y",
    "grad-flow --act selu --init lecun --depth 12 --repeats 4 --width 64",
    "grad-flow --act silu --init orthogonal --depth 16 --bias-std 0.1 --seed 7",
    "grad-flow --act relu --init he --depth 6 --width 800 --batch 1100 --threads 2",
    "grad-flow --act hardtanh --init std=0.05 --depth 10 --fix",
    "grad-flow --act relu --init truncated_normal:0.05 --depth 300 --width 20 --memory 3MB",
    "compare",
    "compare --act gelu,sin,relu --init he,lsuv --depth 8 --width 50 --loss cross-entropy",
    "compare --act tanh,selu --init lecun,sparse --repeats 3 --depth 4 --width 30",
    "train --act relu --init std=0.01,he --iterations 60 --data synthetic:rows=2000",
    "train --act prelu,rrelu --init lsuv,torch_linear --iterations 40 --optimizer adam --lr 0.001,0.01 --depth 3",
    "train --act tanh --init xavier --iterations 50 --optimizer momentum --clip-norm 1 --data xtrain.npy,ytrain.npy "
    "--batch 32",
    "train --act sigmoid --init auto --iterations 30 --lr auto --width 30 --depth 3 --dtype float64 --scale unit",
    "gain relu tanh selu gelu --bias-std 0.2",
    "gain x*sigmoid(1.7*x) softplus sin",
    "gain elu --verify --depth 10 --width 64",
)

LOOSE = {"float64": 1e-12, "float32": 1e-5}
_SHARES, _PREDICTIONS = 3e-4, 1e-9
_SHARE_KEYS = ("fraction", "cosine", "ratio")
_PREDICTED = ("predicted", "expected", "theory", "activations")


class Difference(NamedTuple):
    """A leaf of a document that is not the same, and both values."""

    path: str
    base: Any
    new: Any


def main() -> int:
    """Compare two commits and return 1 where anything differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base", help="the commit to compare with")
    parser.add_argument("new", nargs="?", help="the other commit; the present files where it is left out")
    parser.add_argument("--close", action="store_true", help="allow what work on speed may change")
    parser.add_argument("--only", default="", help="commands that contain this text")
    parser.add_argument("--jobs", type=int, default=2, help="commands at once")
    given = parser.parse_args()
    chosen = [command for command in COMMANDS if given.only in command]
    with ExitStack() as exits:
        base = exits.enter_context(work_tree(given.base))
        new = ROOT if given.new is None else exits.enter_context(work_tree(given.new))
        folder = Path(exits.enter_context(tempfile.TemporaryDirectory()))
        write_data(folder)
        pool = exits.enter_context(ThreadPoolExecutor(given.jobs))

        def both(command: str) -> tuple[str, list[Difference]]:
            documents = [run(tree, command, folder) for tree in (base, new)]
            return command, list(differences(*documents, close=given.close))

        bad = 0
        for command, found in pool.map(both, chosen):
            bad += bool(found)
            print(f"{'differs' if found else 'same':8}{command}")
            for one in found[:8]:
                print(f"        {one.path}: {one.base!r} -> {one.new!r}")
            if len(found) > 8:
                print(f"        and {len(found) - 8} more")
    print(f"{len(chosen) - bad} of {len(chosen)} commands give the same {'numbers' if given.close else 'bits'}")
    return 1 if bad else 0


@contextmanager
def work_tree(commit: str) -> Iterator[Path]:
    """Give a temporary checkout of a commit."""
    with tempfile.TemporaryDirectory() as folder:
        git("worktree", "add", "--quiet", "--detach", folder, commit)
        try:
            yield Path(folder)
        finally:
            git("worktree", "remove", "--force", folder)


def git(*arguments: str) -> None:
    """Run git on this repository."""
    subprocess.run(["git", "-C", str(ROOT), *arguments], check=True)


def write_data(folder: Path) -> None:
    """Write the files that the commands read."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(3, 2, size=(300, 6, 5)), rng.integers(0, 10, size=300)
    np.save(folder / "x.npy", x)
    np.savez(folder / "xy.npz", x=x.reshape(300, 30).astype(np.float32), y=y)
    np.save(folder / "xtrain.npy", x.reshape(300, 30))
    np.save(folder / "ytrain.npy", y)


def run(tree: Path, command: str, folder: Path) -> Any:
    """Return the JSON of a command under the package of a tree.

    Raises:
        RuntimeError: The command fails.
    """
    arguments = [sys.executable, "-m", "actdiag", *command.split(" "), "--json", "-"]
    done = subprocess.run(
        arguments, cwd=folder, env={**os.environ, "PYTHONPATH": str(tree)}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        message = f"{command}: exit {done.returncode}: {done.stderr}"
        raise RuntimeError(message)
    return json.loads(done.stdout)


def differences(base: Any, new: Any, path: str = "", *, close: bool, scale: float = 0.0) -> Iterator[Difference]:
    """Yield the leaves of a document that differ in another; keys that only the other one has are left out."""
    if isinstance(base, dict) and isinstance(new, dict):
        for key, value in base.items():
            if key == "versions":
                continue
            here = f"{path}.{key}" if path else key
            if key not in new:
                yield Difference(here, value, "missing")
                continue
            yield from differences(value, new[key], here, close=close, scale=_rms(base) or scale)
    elif isinstance(base, list) and isinstance(new, list) and len(base) == len(new):
        for place, (one, other) in enumerate(zip(base, new, strict=True)):
            yield from differences(one, other, f"{path}[{place}]", close=close, scale=scale)
    elif not (_alike(path, base, new, scale) if close else base == new):
        yield Difference(path, base, new)


def _rms(document: dict[str, Any]) -> float:
    rms = document.get("rms")
    return abs(rms) if isinstance(rms, float) else 0.0


def _alike(path: str, base: Any, new: Any, scale: float) -> bool:
    """Return whether two leaves agree within what work on speed may change."""
    if base == new or not (_is_number(base) and _is_number(new)):
        return bool(base == new) or path.endswith(("summary", "advice"))
    if "measured" not in path and any(part in path for part in _PREDICTED):
        rounding = _PREDICTIONS if path.endswith("cosine.sd") else 1e-12  # of cosines near 1 it is the root of rounding
        return isclose(base, new, rel_tol=_PREDICTIONS * 1e3 if path.endswith("sd") else _PREDICTIONS, abs_tol=rounding)
    if any(part in path for part in _SHARE_KEYS):
        return bool(abs(base - new) <= _SHARES)
    if "histogram" in path or "magnitude" in path:
        return isclose(base, new, rel_tol=LOOSE["float32"], abs_tol=max(3.0, _SHARES * abs(base)))
    return isclose(base, new, rel_tol=LOOSE["float32"], abs_tol=LOOSE["float32"] * scale)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


if __name__ == "__main__":
    sys.exit(main())
