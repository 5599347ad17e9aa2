"""The rows of the table: what is measured, against what, and how much it may cost."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from actdiag.experiments.fix import MOST_TRIED
from benchmarks import memory, peers, theory, timing
from benchmarks.processes import python
from benchmarks.runs import Run
from benchmarks.timing import Result, Work


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    Attributes:
        name: What `--only` calls it.
        work: What is measured, in words.
        against: What it is compared with, in words.
        target: What the measured number may be at most.
        hoped: What it would better be; None where there is no such wish.
        measure: Called with `rounds`, returns the Result.
        profiled: The run whose phases say where the time goes; None where there is none.
        needs: A module without which the row is skipped.
        unit: Of the measured number; empty for a ratio. Under `ms` stands the ratio to what is timed with it.
    """

    name: str
    work: str
    against: str
    target: float
    hoped: float | None
    measure: Callable[..., Result]
    profiled: Run | None = None
    needs: str | None = None
    unit: str = ""


def timed(
    name: str,
    run: Run,
    peer: Callable[[int, int, int], object],
    against: str,
    target: float,
    hoped: float,
    needs: str | None = None,
    repeats: int = 1,
) -> Row:
    """Return the row of a run against a peer that is given its depth, its width and its batch."""
    theirs = partial(peer, run.depth, run.width, run.batch)
    measure = partial(timing.compare, run, [theirs], repeats=repeats, layers=run.depth)
    return Row(name, str(run), against, target, hoped, measure, profiled=run, needs=needs)


def bare(name: str, run: Run, target: float, hoped: float, repeats: int = 1) -> Row:
    """Return the row of a run against its draws and matrix products alone, in both variants: BLAS on one thread or all.

    Up to width 512 the variant that counts is the one thread.
    """
    backward = run.command == "grad_flow"
    work: Work = partial(peers.bare_backward if backward else peers.bare_forward, run.depth, run.width, run.batch)
    variants: dict[str, Work] = {ONE_THREAD: timing.on_one_thread(work), ALL_CORES: work}
    counted = ONE_THREAD if run.width <= _WIDEST_ON_ONE_THREAD else ALL_CORES
    measure = partial(timing.compare_variants, run, variants, counted, repeats=repeats, layers=run.depth)
    against = f"{'3 matmuls' if backward else 'matmul'} + draw, BLAS on {counted}"
    return Row(name, str(run), against, target, hoped, measure, profiled=run)


def theory_share(name: str, run: Run, repeats: int = 1) -> Row:
    """Return the row of the share of theory in the time of a run."""
    measure = partial(timing.share, run, partial(run, theory=False), repeats=repeats)
    return Row(name, f"share of theory in {run}", "theory=False", 0.10, 0.05, measure)


def elementwise(act: str, init: str, target: float) -> Row:
    """Return the row of an activation against ReLU and the bare value and derivative of that activation."""
    run = replace(FORWARD, act=act, init=init)
    ways = peers.evaluations(act, run.depth, (run.batch, run.width))
    measure = partial(timing.compare_with_fastest, run, FORWARD, ways)
    return Row(act, str(run), "relu + bare value and derivative", target, None, measure, profiled=run)


def gain(act: str) -> Row:
    """Return the row of the gains of an activation."""
    measure = partial(theory.gain, act)
    return Row(f"gain-{act}", f"all gains of {act}, nothing remembered", _FIXED, 150, None, measure, unit="ms")


def predict(act: str, init: str) -> Row:
    """Return the row of the prediction of a deep stack."""
    run = replace(PREDICTED, act=act, init=init)
    work = f"predict {act} {init}, {run.depth:,}x{run.width}, batch {run.batch}, nothing remembered"
    return Row(f"predict-{act}", work, _FIXED, 100, None, partial(theory.prediction, run), unit="ms")


def with_theory(act: str) -> Row:
    """Return the row of a run against the same run without theory; its profile is warm, its time is not."""
    run = replace(FORWARD, act=act)
    work = f"{run}, nothing remembered"
    return Row(f"theory-{act}", work, "theory=False", 1.10, None, partial(theory.ratio, run), profiled=run)


def advice(name: str, run: Run, target: float, hoped: float, repeats: int = 1) -> Row:
    """Return the row of a run of a stack that is not healthy against the same run without advice."""
    measure = partial(timing.compare, theory.forgetful(run), [theory.forgetful(run.without_advice)], repeats=repeats)
    return Row(name, f"{run}, with advice, nothing remembered", "without advice", target, hoped, measure)


def vain_advice(name: str, run: Run, target: float, hoped: float, repeats: int = 1) -> Row:
    """Return the row of the most that advice costs: of a run in which no change helps, against that without advice."""
    ours, theirs = theory.forgetful(run.with_vain_advice), theory.forgetful(run.without_advice)
    measure = partial(timing.compare, ours, [theirs], repeats=repeats)
    work = f"{run}, {MOST_TRIED} changes in vain, nothing remembered"
    return Row(name, work, "without advice", target, hoped, measure)


FORWARD = Run("propagate", "relu", "he", depth=20, width=1024, batch=1024)
BACKWARD = replace(FORWARD, command="grad_flow")
BOOK = Run("propagate", "relu", "he", depth=5, width=100, batch=1000)
DEEP = Run("propagate", "relu", "he", depth=10_000, width=256, batch=256)
SHALLOW = replace(DEEP, depth=10)
PREDICTED = Run("propagate", "relu", "he", depth=1000, width=256, batch=64)
SICK = Run("propagate", "sigmoid", "xavier", depth=20, width=100, batch=1000)
BOUNDED = Run("grad_flow", "relu", "he", depth=2, width=256, batch=256, memory="64MiB")
BOUNDED_DEPTHS = tuple(2**power for power in range(6, 13))
BOUNDED_HOLDS = 256
"""The layers of `BOUNDED` whose activations its memory holds."""

_FIXED = "1500 products of 64x64, a tanh of each"
_IMPORTS = "import click, numpy, rich.table"

ONE_THREAD, ALL_CORES = "one thread", "all cores"
_WIDEST_ON_ONE_THREAD = 512


def _of_width(run: Run, width: int) -> Run:
    return replace(run, width=width)


def _against_torch(name: str, run: Run, target: float, hoped: float, repeats: int = 1) -> Row:
    peer, what = {
        "propagate": (peers.torch_forward, "PyTorch, hooks"),
        "grad_flow": (peers.torch_backward, "PyTorch autograd, hooks"),
    }[run.command]
    return timed(name, run, peer, what, target, hoped, needs="torch", repeats=repeats)


_ROWS = (
    bare("propagate-100", _of_width(FORWARD, 100), 4.0, 2.5, repeats=3),
    bare("propagate-256", _of_width(FORWARD, 256), 1.6, 1.3),
    bare("propagate-512", _of_width(FORWARD, 512), 0.95, 0.85),
    bare("propagate-1024", FORWARD, 1.00, 0.90),
    bare("grad-flow-1024", BACKWARD, 1.10, 1.00),
    timed("book", BOOK, peers.book, "textbook script", 0.70, 0.50, repeats=10),
    _against_torch("torch-forward-book", BOOK, 1.20, 0.90, repeats=10),
    _against_torch("torch-forward-256", _of_width(FORWARD, 256), 0.80, 0.60),
    _against_torch("torch-forward-512", _of_width(FORWARD, 512), 0.65, 0.60),
    _against_torch("torch-forward-1024", FORWARD, 0.70, 0.60),
    _against_torch("torch-backward-book", replace(BOOK, command="grad_flow"), 1.20, 0.60, repeats=10),
    _against_torch("torch-backward-256", _of_width(BACKWARD, 256), 0.75, 0.60),
    _against_torch("torch-backward-512", _of_width(BACKWARD, 512), 0.70, 0.60),
    _against_torch("torch-backward-1024", BACKWARD, 0.70, 0.60),
    theory_share("theory-share-book", BOOK, repeats=10),
    theory_share("theory-share-256", _of_width(FORWARD, 256)),
    theory_share("theory-share-512", _of_width(FORWARD, 512)),
    theory_share("theory-share-1024", FORWARD),
    advice("advice-100", SICK, 2.0, 1.5, repeats=3),
    advice("advice-1024", replace(SICK, width=1024, batch=1024), 1.6, 1.4),
    advice("advice-grad-flow", replace(SICK, command="grad_flow", width=256), 1.8, 1.5),
    vain_advice("vain-advice-100", SICK, 4.0, 3.0, repeats=3),
    vain_advice("vain-advice-1024", replace(SICK, width=1024, batch=1024), 3.0, 2.5),
    vain_advice("vain-advice-gradient", replace(SICK, command="grad_flow", width=256), 3.0, 2.5),
    elementwise("gelu", "he", 1.15),
    elementwise("tanh", "xavier", 1.15),
    elementwise("sigmoid", "xavier", 1.15),
    with_theory("relu"),
    with_theory("gelu"),
    gain("gelu"),
    gain("tanh"),
    predict("relu", "he"),
    predict("tanh", "xavier"),
    Row(
        name="memory-propagate",
        work=f"peak memory of {DEEP}",
        against=f"depth {SHALLOW.depth}",
        target=48,
        hoped=None,
        measure=partial(memory.growth, DEEP, SHALLOW),
        unit="MiB",
    ),
    Row(
        name="memory-grad-flow",
        work=f"peak memory of {BOUNDED.command}, {BOUNDED_DEPTHS[0]} to {BOUNDED_DEPTHS[-1]:,}x{BOUNDED.width}, "
        f"within {BOUNDED.memory}",
        against=f"depth to a power, fitted over {BOUNDED_HOLDS}",
        target=0.5,
        hoped=None,
        measure=partial(memory.exponent, BOUNDED, BOUNDED_DEPTHS, BOUNDED_HOLDS, (DEEP, SHALLOW)),
        unit="power",
    ),
    Row(
        name="start",
        work="python -m actdiag propagate",
        against=_IMPORTS,
        target=2.0,
        hoped=None,
        measure=partial(
            timing.compare, partial(python, ["-m", "actdiag", "propagate"]), [partial(python, ["-c", _IMPORTS])]
        ),
    ),
)
ROWS = {row.name: row for row in _ROWS}
