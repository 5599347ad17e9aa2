"""Threads: order, what waits for what, what is computed ahead, and what the context leaves behind."""

import threading
from concurrent.futures import thread as futures_thread
from contextlib import suppress
from itertools import islice
from threading import Barrier, Event, Semaphore, get_ident

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from actdiag.engine import workers as workers_module
from actdiag.engine.workers import MOST_THREADS, Started, Workers, _blas, available_threads
from actdiag.errors import InvalidField

PATIENCE = 60  # seconds, after which a thread that others wait for counts as stuck
"""Seconds after which a thread gives up, so that a test fails and never hangs."""


class Broken(Exception):
    pass


def wait_for(event):
    assert event.wait(PATIENCE)


def break_at(item):
    def work(other):
        if other == item:
            raise Broken(item)
        return other

    return work


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_map_is_a_list_of_results(threads):
    with Workers(threads) as workers:
        assert workers.map(lambda item: item**2, range(7)) == [0, 1, 4, 9, 16, 25, 36]
        assert workers.map(lambda item: item, []) == []


def test_all_processors_by_default():
    assert Workers().threads == available_threads()
    for threads in (0, MOST_THREADS + 1):
        with pytest.raises(InvalidField, match=r"^threads must be"):
            Workers(threads)


def test_results_are_in_order_whatever_ends_first():
    ended = [Event() for _ in range(4)]
    ended[3].set()
    order = []

    def work(item):
        wait_for(ended[item + 1])
        order.append(item)
        ended[item].set()
        return item

    with Workers(3) as workers:
        assert workers.map(work, range(3)) == [0, 1, 2]
    assert order == [2, 1, 0]


def test_without_threads_work_is_done_by_the_caller():
    with Workers(1) as workers:
        started = workers.start(lambda item: get_ident(), range(3))
        assert not started.futures
        assert started.results() == [get_ident()] * 3


@pytest.mark.parametrize("threads", [1, 2])
def test_work_is_done_once_however_often_its_results_are_asked_for(threads):
    done = []
    with Workers(threads) as workers:
        started = workers.start(lambda item: done.append(item) or item, range(4))
        assert started.results() == started.results() == [0, 1, 2, 3]
    assert sorted(done) == [0, 1, 2, 3]
    assert Started().results() == []


def test_threads_work_at_the_same_time():
    barrier = Barrier(3)
    with Workers(3) as workers:
        assert sorted(workers.map(lambda item: barrier.wait(PATIENCE), range(3))) == [0, 1, 2]


def test_an_item_waits_for_its_counterpart_and_overtakes_the_others():
    begun = [Event(), Event()]

    def earlier(item):
        if item == 0:
            wait_for(begun[1])
            assert not begun[0].wait(0.05)

    def later(item):
        begun[item].set()
        return item

    with Workers(3) as workers:
        first = workers.start(earlier, range(2))
        assert workers.start(later, range(2), after=first).results() == [0, 1]
        assert first.results() == [None, None]


@pytest.mark.parametrize("threads", [2, 3])
def test_a_chain_of_works_follows_item_by_item(threads):
    seen = [[] for _ in range(9)]

    def work(turn):
        return lambda item: seen[item].append(turn)

    with Workers(threads) as workers:
        started = Started()
        for turn in range(20):
            started = workers.start(work(turn), range(9), after=started)
        assert started.results() == [None] * 9
    assert seen == [list(range(20))] * 9


def test_what_is_waited_for_has_as_many_items_or_none():
    with Workers(2) as workers:
        first = workers.start(break_at(None), range(3))
        with pytest.raises(ValueError, match="zip"):
            workers.start(break_at(None), range(2), after=first)
        assert workers.start(break_at(None), range(2), after=Started()).results() == [0, 1]


@pytest.mark.parametrize("threads", [1, 2])
def test_an_exception_comes_out(threads):
    with Workers(threads) as workers, pytest.raises(Broken, match="2"):
        workers.map(break_at(2), range(4))


def test_an_exception_comes_out_of_the_results():
    with Workers(2) as workers:
        started = workers.start(break_at(2), range(4))
        with pytest.raises(Broken, match="2"):
            started.results()


def test_an_exception_stops_what_waits_for_it():
    worked = []
    with Workers(2) as workers:
        first = workers.start(break_at(1), range(3))
        second = workers.start(worked.append, range(3), after=first)
        third = workers.start(worked.append, range(3), after=second)
        with pytest.raises(Broken, match="1"):
            third.results()
    assert sorted(worked) == [0, 0, 2, 2]


# Ahead


def counted(total, taken):
    for item in range(total):
        taken.append(item)
        yield item


@pytest.mark.parametrize(
    ("threads", "allowed", "most"), [(1, 4, 0), (2, 4, 2), (3, 4, 3), (9, 4, 4), (9, 1, 1), (2, 1, 1)]
)
def test_ahead_is_in_order_and_no_further_than_it_may_be(threads, allowed, most):
    taken = []
    with Workers(threads) as workers:
        results = workers.ahead(lambda item: item**2, counted(20, taken), allowed)
        assert len(taken) == most
        for item in range(20):
            assert next(results) == item**2
            assert len(taken) == max(item + 1, min(most + item, 20))
            workers.start(break_at(None), range(2), meanwhile=results).results()
            assert len(taken) == min(item + 1 + most, 20)
        assert next(results, "none left") == "none left"


@pytest.mark.parametrize("threads", [1, 2, 9])
def test_ahead_goes_on_without_a_start(threads):
    with Workers(threads) as workers:
        assert list(islice(workers.ahead(lambda item: item + 1, range(11), 3), 20)) == list(range(1, 12))
        assert next(workers.ahead(lambda item: item, [], 3), "none left") == "none left"


def test_threads_compute_before_they_are_asked():
    computed = Semaphore(0)
    with Workers(2) as workers:
        results = workers.ahead(lambda item: (computed.release(), get_ident())[1], range(5), 4)
        assert all(computed.acquire(timeout=PATIENCE) for _ in range(2))
        assert get_ident() not in [next(results), next(results)]
        workers.start(break_at(None), [], meanwhile=results)
        assert all(computed.acquire(timeout=PATIENCE) for _ in range(2))


def test_without_threads_nothing_is_computed_before_it_is_asked_for():
    computed = []
    with Workers(1) as workers:
        results = workers.ahead(computed.append, range(3), 4)
        for asked in range(3):
            assert len(computed) == asked
            workers.start(break_at(None), range(2), meanwhile=results)
            next(results)
    assert computed == [0, 1, 2]


def test_ahead_is_in_order_whatever_ends_first():
    later = Event()

    def work(item):
        if item == 0:
            wait_for(later)
        later.set()
        return item

    with Workers(2) as workers:
        assert list(islice(workers.ahead(work, range(3), 4), 9)) == [0, 1, 2]


@pytest.mark.parametrize("threads", [1, 3])
def test_an_exception_comes_out_when_its_turn_comes(threads):
    with Workers(threads) as workers:
        results = workers.ahead(break_at(1), range(3), 4)
        assert next(results) == 0
        with pytest.raises(Broken):
            next(results)
        assert next(results) == 2


# The context


def leave(threads, within, broken):
    with suppress(Broken), Workers(threads) as workers:
        within(workers)
        if broken:
            raise Broken


@pytest.mark.parametrize("broken", [False, True])
@pytest.mark.parametrize("threads", [1, 2])
def test_overflow_and_nan_are_silent_within_and_what_they_were_afterwards(threads, broken):
    barrier, huge = Barrier(threads), np.full(3, 1e300)

    def work(item):
        barrier.wait(PATIENCE)
        assert np.isnan(huge * huge - huge * huge).all()
        return np.geterr()

    def within(workers):
        settings = [np.geterr(), *workers.map(work, range(threads))]
        assert {value for setting in settings for value in setting.values()} == {"ignore"}

    with np.errstate(over="raise", invalid="print", divide="warn", under="ignore"):
        before = np.geterr()
        leave(threads, within, broken)
        assert np.geterr() == before


@pytest.mark.parametrize("broken", [False, True])
@pytest.mark.parametrize("threads", [1, 2])
def test_blas_has_one_thread_within_and_what_it_had_afterwards(threads, broken):
    def blas():
        return {library["num_threads"] for library in _blas().info() if library["user_api"] == "blas"}

    within = []
    with threadpool_limits(2, user_api="blas"):
        before = blas()
        leave(threads, lambda workers: within.extend(workers.map(lambda item: blas(), range(3))), broken)
        assert blas() == before != {1}
    assert within == [{1}] * 3


def test_an_exception_leaves_queued_work_undone():
    running, cancelled, begun = Barrier(3), Event(), []

    def work(item):
        begun.append(item)
        running.wait(PATIENCE)
        wait_for(cancelled)

    def within(workers):
        started = workers.start(work, range(6))
        workers.start(begun.append, range(6), after=started).futures[-1].add_done_callback(lambda _: cancelled.set())
        running.wait(PATIENCE)

    leave(2, within, broken=True)
    assert sorted(begun) == [0, 1]


@pytest.mark.parametrize("at", [0, 3])
def test_a_thread_that_memory_ends_is_told(monkeypatch, at):
    """Nothing waits forever for what it would have done, not even what another thread was to do after it."""
    run, taken = futures_thread._WorkItem.run, iter(range(100))

    def fails(item):
        if next(taken) == at:
            raise MemoryError
        run(item)

    monkeypatch.setattr(futures_thread._WorkItem, "run", fails)
    monkeypatch.setattr(workers_module, "_LOOK", 0.01)
    with Workers(2) as workers:
        first = workers.start(break_at(None), range(4))
        second = workers.start(break_at(None), range(4), after=first)
        with pytest.raises(MemoryError, match="a thread ran out of it"):
            second.results()


def test_work_that_takes_longer_than_a_look_is_waited_for(monkeypatch):
    monkeypatch.setattr(workers_module, "_LOOK", 0.001)
    slow = Event()
    with Workers(2) as workers:
        assert workers.map(lambda item: slow.wait(0.05) or item, range(3)) == [0, 1, 2]


def test_a_timeout_of_the_work_comes_out():
    def late(item):
        raise TimeoutError(item)

    with Workers(2) as workers, pytest.raises(TimeoutError, match="0"):
        workers.map(late, range(3))


def test_threads_are_started_at_once_where_memory_is_limited(monkeypatch):
    before = threading.active_count()
    monkeypatch.setattr(workers_module, "left_of_limits", lambda: 2**40)
    with Workers(3) as workers:
        assert threading.active_count() == before + 3
        assert workers.map(break_at(None), range(4)) == [0, 1, 2, 3]
    assert threading.active_count() == before


def test_one_thread_where_the_system_starts_no_more_and_none_was_asked_for(monkeypatch):
    def refused(thread):
        raise RuntimeError

    monkeypatch.setattr(threading.Thread, "start", refused)
    monkeypatch.setattr(workers_module, "available_threads", lambda: 2)
    with Workers() as workers:
        assert (workers.threads, workers.map(break_at(None), range(3))) == (1, [0, 1, 2])
    with pytest.raises(InvalidField, match=r"^threads must be as few"), Workers(2) as workers:
        workers.map(break_at(None), range(3))
