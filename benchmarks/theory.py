"""What theory costs where nothing is remembered: in a run, and by itself against a fixed piece of NumPy's work."""

import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from actdiag import make_stack
from actdiag.activations import resolve
from actdiag.theory.flow import sample_of_input
from actdiag.theory.gains import gains
from actdiag.theory.prediction import predict
from benchmarks import peers, timing
from benchmarks.runs import Run
from benchmarks.timing import Result, Work

_REMEMBERED = ("actdiag.activations", "actdiag.theory", "actdiag.diagnosis")


def gain(act: str, rounds: int) -> Result:
    """Return the milliseconds that all gains of an activation take."""
    return timing.milliseconds(forgetful(partial(gains, resolve(act))), peers.fixed_work, rounds)


def prediction(run: Run, rounds: int) -> Result:
    """Return the milliseconds that the prediction of every layer of a run takes, its input given."""
    options = run.options()
    stack = make_stack(options.pop("act"), options.pop("init"), **options)
    sample = sample_of_input(stack)
    return timing.milliseconds(forgetful(partial(predict, stack, sample)), peers.fixed_work, rounds)


def ratio(run: Run, rounds: int) -> Result:
    """Return the ratio of the time of a run to that of the same run without theory."""
    without = partial(run, theory=False)
    return timing.compare(forgetful(run), [forgetful(without)], rounds)


def forgetful(work: Work) -> Work:
    """Return `work` as a process that has just started does it: after imports, nothing worked out before."""

    def anew() -> object:
        for forget in _forgetting():
            forget()
        return work()

    return anew


def _forgetting() -> Iterator[Callable[[], Any]]:
    """Yield what empties each cache of actdiag's functions; entries of the registries are looked up in no time."""
    for name, module in list(sys.modules.items()):
        if name.startswith(_REMEMBERED):
            for value in list(vars(module).values()):
                if hasattr(value, "cache_clear") and value.__module__.startswith(_REMEMBERED):
                    yield value.cache_clear
