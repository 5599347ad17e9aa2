"""Threads over blocks: results in block order, BLAS held to one thread, overflow and NaN as data."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from types import TracebackType
from typing import TypeVar

import numpy as np
from threadpoolctl import threadpool_limits

from actdiag.errors import check_integer

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST_THREADS = 1024


def available_threads() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Workers:
    """A context in which `map` runs on `threads` threads (all processors where None).

    The results do not depend on the number of threads: what is mapped over is cut beforehand, each piece is worked on
    by one thread with a single-threaded BLAS, and the results come back in the order of the pieces. Within the context
    overflow, underflow and NaN are data: nothing warns of them.
    """

    def __init__(self, threads: int | None = None) -> None:
        self.threads = available_threads() if threads is None else check_integer("threads", threads, 1, MOST_THREADS)
        self._pool: ThreadPoolExecutor | None = None

    def __enter__(self) -> "Workers":
        """Start the threads and hold BLAS to one thread each."""
        with ExitStack() as exits:
            exits.enter_context(threadpool_limits(1, user_api="blas"))
            exits.enter_context(np.errstate(all="ignore"))
            if self.threads > 1:
                self._pool = ThreadPoolExecutor(self.threads)
                exits.callback(self._pool.shutdown, cancel_futures=True)
            self._exits = exits.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the threads and give BLAS back."""
        self._exits.__exit__(kind, error, trace)

    def map(self, work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        """Return `[work(item) for item in items]`, with floating-point events silent."""
        if self._pool is None or len(items) == 1:
            return [work(item) for item in items]

        def quietly(item: Item) -> Result:
            with np.errstate(all="ignore"):  # the setting is a thread's own, so each piece sets it
                return work(item)

        return list(self._pool.map(quietly, items))
