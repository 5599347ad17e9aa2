"""Threads over blocks: results in order, BLAS held to one thread, overflow and NaN as data."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from functools import cache
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
from threadpoolctl import ThreadpoolController

from actdiag.arrays import left_of_limits, readable_size
from actdiag.engine.blocks import release
from actdiag.errors import InvalidField, check_integer

if TYPE_CHECKING:  # a run on one thread does without
    from concurrent.futures import Future, ThreadPoolExecutor

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST_THREADS = 1024

BYTES_OF_A_THREAD = 48 * 2**20
"""Its stack, and what OpenBLAS multiplies in."""


def available_threads() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController()  # finds the libraries in memory, which takes longer than a small run


def _silence() -> None:
    np.seterr(all="ignore")


def _check_room(threads: int) -> None:
    """Refuse more threads than there is room for under a limit of memory: OpenBLAS would end the process."""
    left = left_of_limits()
    if left is None or threads * BYTES_OF_A_THREAD <= left:
        return
    each, room = readable_size(BYTES_OF_A_THREAD), readable_size(max(left, 0))
    if threads == 1:
        message = f"a thread takes {each}, and {room} is left"
        raise MemoryError(message)
    raise InvalidField(field="threads", problem=f"must be fewer, each takes {each} and {room} is left, got {threads}")


def _submitted(pool: "ThreadPoolExecutor", work: Callable[..., Result], *arguments: Any) -> "Future[Result]":
    """Hand work to the threads, of which one may be started for it.

    Raises:
        InvalidField: The system starts no more.
    """
    try:
        return pool.submit(work, *arguments)
    except RuntimeError:
        problem = "must be as few as the system starts, such as 1, got one more than that"
        raise InvalidField(field="threads", problem=problem) from None


def _follow(work: Callable[[Item], Result], item: Item, before: "Future[Any] | None") -> Result:
    if before is not None:
        before.result()
    return work(item)


class Ahead(Iterator[Result], Generic[Item, Result]):
    """`work(item)` for each item, in order; where there are threads, some are computed before they are asked for."""

    def __init__(
        self, work: Callable[[Item], Result], items: Iterable[Item], pool: "ThreadPoolExecutor | None", most: int
    ) -> None:
        self._work = work
        self._items = iter(items)
        self._pool = pool
        self._most = most
        self._pending: deque[Future[Result]] = deque()
        self.top_up()

    def __next__(self) -> Result:
        """Return the next result, waiting for it where need be."""
        if self._pool is None:
            return self._work(next(self._items))
        if not self._pending:
            self.top_up()
        if not self._pending:
            raise StopIteration
        return self._pending.popleft().result()

    def top_up(self) -> None:
        """Queue as much work as may be ahead."""
        while self._pool is not None and len(self._pending) < self._most:
            try:
                item = next(self._items)
            except StopIteration:
                return
            self._pending.append(_submitted(self._pool, self._work, item))


class Started(Generic[Result]):
    """Work that was started on some items, or on none; without threads it is done once its results are asked for."""

    def __init__(self, wait: Callable[[], list[Result]] = list, futures: "Sequence[Future[Result]]" = ()) -> None:
        self._wait = wait
        self._results: list[Result] | None = None
        self.futures = futures

    def results(self) -> list[Result]:
        """Return the results in the order of the items, waiting for them where need be."""
        if self._results is None:
            self._results = self._wait()
            self._wait = list  # lets go of what the work holds
        return self._results


class Workers:
    """A context in which work runs on `threads` threads (all processors where None).

    The results do not depend on the number of threads: what is worked on is cut beforehand, each piece is worked on
    by one thread with a single-threaded BLAS, and the results come back in the order of the pieces. Within the context
    overflow, underflow and NaN are data: nothing warns of them.
    """

    def __init__(self, threads: int | None = None) -> None:
        self.threads = available_threads() if threads is None else check_integer("threads", threads, 1, MOST_THREADS)
        self._pool: ThreadPoolExecutor | None = None

    def __enter__(self) -> "Workers":
        """Start the threads and hold BLAS to one thread each.

        Raises:
            InvalidField: There is no room for so many.
        """
        _check_room(self.threads)
        with ExitStack() as exits:
            exits.enter_context(_blas().limit(limits=1, user_api="blas"))
            exits.enter_context(np.errstate(all="ignore"))
            exits.callback(release)
            if self.threads > 1:
                from concurrent.futures import ThreadPoolExecutor

                self._pool = ThreadPoolExecutor(self.threads, initializer=_silence)
                exits.callback(self._pool.shutdown, cancel_futures=True)
            self._exits = exits.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the threads and give BLAS back."""
        self._exits.__exit__(kind, error, trace)

    def map(self, work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        """Return `[work(item) for item in items]`."""
        return self.start(work, items).results()

    def start(
        self,
        work: Callable[[Item], Result],
        items: Sequence[Item],
        after: "Started[Any] | None" = None,
        meanwhile: Ahead[Any, Any] | None = None,
    ) -> "Started[Result]":
        """Start `work` on each of `items`.

        Args:
            work: What to do.
            items: With what.
            after: Work on as many items, or none; each waits for its counterpart there.
            meanwhile: What threads go on with that have no item left.
        """
        if self._pool is None:

            def in_turn() -> list[Result]:
                if after is not None:
                    after.results()
                return [work(item) for item in items]

            return Started(in_turn)
        # Threads take work in the order that it was started, so that what an item waits for never waits behind it.
        before = after.futures if after is not None and after.futures else [None] * len(items)
        pairs = zip(items, before, strict=True)
        futures = [_submitted(self._pool, _follow, work, item, other) for item, other in pairs]
        if meanwhile is not None:
            meanwhile.top_up()
        return Started(lambda: [future.result() for future in futures], futures)

    def ahead(self, work: Callable[[Item], Result], items: Iterable[Item], most: int) -> Ahead[Item, Result]:
        """Return an iterator over `work(item)`, in order, that idle threads compute up to `most` items ahead."""
        return Ahead(work, items, self._pool, min(self.threads, most))
