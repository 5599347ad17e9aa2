"""Threads over blocks: results in order, BLAS held to one thread, overflow and NaN as data."""

import os
import threading
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
    from concurrent.futures import Future

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST_THREADS = 1024

BYTES_OF_A_THREAD = 48 * 2**20
"""Its stack, and what OpenBLAS multiplies in."""

_LOOK = 1.0
"""Seconds between two looks at whether the threads that are waited for are alive."""


def available_threads() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController()  # finds the libraries in memory, which takes longer than a small run


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


class _Pool:
    """Threads for work. Where memory ends one of them, what waits for its work is told."""

    def __init__(self, threads: int) -> None:
        from concurrent.futures import ThreadPoolExecutor

        self._begun: list[threading.Thread] = []
        self._threads = threads
        self._executor = ThreadPoolExecutor(threads, initializer=self._begin)

    def _begin(self) -> None:
        np.seterr(all="ignore")
        self._begun.append(threading.current_thread())

    def start_all(self) -> None:
        """Start all threads, each of which would be started for the first work that finds none idle.

        Raises:
            InvalidField: The system starts fewer.
            MemoryError: A thread has ended.
        """
        started = threading.Event()
        try:
            waiting = [self.submit(started.wait) for _ in range(self._threads)]
        finally:
            started.set()
        for future in waiting:
            self.result(future)

    def submit(self, work: Callable[..., Result], *arguments: Any) -> "Future[Result]":
        """Hand work to the threads, of which one may be started for it.

        Raises:
            InvalidField: The system starts no more.
        """
        try:
            return self._executor.submit(work, *arguments)
        except RuntimeError:
            problem = "must be as few as the system starts, such as 1, got one more than that"
            raise InvalidField(field="threads", problem=problem) from None

    def result(self, future: "Future[Result]") -> Result:
        """Wait for work and return its result.

        Raises:
            MemoryError: A thread has ended, which only a lack of memory brings about.
        """
        while True:
            try:
                return future.result(_LOOK)
            except TimeoutError:
                if future.done():  # meanwhile, or the work has raised it
                    return future.result()
            if not all(thread.is_alive() for thread in self._begun):
                message = "a thread ran out of it"
                raise MemoryError(message)

    def follow(self, work: Callable[[Item], Result], item: Item, before: "Future[Any] | None") -> Result:
        """Work on an item once its counterpart is done."""
        if before is not None:
            self.result(before)
        return work(item)

    def close(self) -> None:
        """Stop the threads, and drop work that none has begun."""
        self._executor.shutdown(cancel_futures=True)


class Ahead(Iterator[Result], Generic[Item, Result]):
    """`work(item)` for each item, in order; where there are threads, some are computed before they are asked for."""

    def __init__(self, work: Callable[[Item], Result], items: Iterable[Item], pool: _Pool | None, most: int) -> None:
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
        return self._pool.result(self._pending.popleft())

    def top_up(self) -> None:
        """Queue as much work as may be ahead."""
        while self._pool is not None and len(self._pending) < self._most:
            try:
                item = next(self._items)
            except StopIteration:
                return
            self._pending.append(self._pool.submit(self._work, item))


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
    """A context in which work runs on `threads` threads (where None, all processors, or one if no more can be started).

    The results do not depend on the number of threads: what is worked on is cut beforehand, each piece is worked on
    by one thread with a single-threaded BLAS, and the results come back in the order of the pieces. Within the context
    overflow, underflow and NaN are data: nothing warns of them.
    """

    def __init__(self, threads: int | None = None) -> None:
        self.threads = available_threads() if threads is None else check_integer("threads", threads, 1, MOST_THREADS)
        self._asked = threads is not None
        self._pool: _Pool | None = None

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
                self._pool = self._begun_pool(exits)
            self._exits = exits.pop_all()
        return self

    def _begun_pool(self, exits: ExitStack) -> _Pool | None:
        """Return a pool that is closed at the exit; None where the system starts fewer threads and none was asked for.

        Under a limit on memory the threads are started at once, while there is room for them: Python waits forever for
        a thread that cannot begin for lack of it.
        """
        pool = _Pool(self.threads)
        exits.callback(pool.close)
        if self._asked and left_of_limits() is None:
            return pool
        try:
            pool.start_all()
        except InvalidField:
            if self._asked:
                raise
            self.threads = 1
            return None
        return pool

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
        pool = self._pool
        if pool is None:

            def in_turn() -> list[Result]:
                if after is not None:
                    after.results()
                return [work(item) for item in items]

            return Started(in_turn)
        # Threads take work in the order that it was started, so that what an item waits for never waits behind it.
        before = after.futures if after is not None and after.futures else [None] * len(items)
        pairs = zip(items, before, strict=True)
        futures = [pool.submit(pool.follow, work, item, other) for item, other in pairs]
        if meanwhile is not None:
            meanwhile.top_up()
        return Started(lambda: [pool.result(future) for future in futures], futures)

    def ahead(self, work: Callable[[Item], Result], items: Iterable[Item], most: int) -> Ahead[Item, Result]:
        """Return an iterator over `work(item)`, in order, that idle threads compute up to `most` items ahead."""
        return Ahead(work, items, self._pool, min(self.threads, most))
