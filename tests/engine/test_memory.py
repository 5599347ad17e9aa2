"""Memory: sizes in words, refusals before anything is allocated, and a peak that does not follow the depth."""

import subprocess
import sys
import tracemalloc
from math import ceil, sqrt

import numpy as np
import pytest

from actdiag import compare, grad_flow, make_stack, propagate
from actdiag.arrays import available_memory, readable_size
from actdiag.engine import memory
from actdiag.engine.memory import Plan, need_of, parse_size, plan_backward
from actdiag.errors import InvalidField

MIB = 2**20


@pytest.mark.parametrize(
    ("text", "size"),
    [
        (1, 1),
        (123456789, 123456789),
        ("1", 1),
        ("1000000", 10**6),
        ("64MiB", 64 * MIB),
        ("64mib", 64 * MIB),
        ("64Mi", 64 * MIB),
        ("2GB", 2 * 10**9),
        ("1.5GB", 1_500_000_000),
        ("1.5 GiB", 3 * 2**29),
        (" 2 kb ", 2000),
        (".5k", 500),
        ("3.K", 3000),
        ("7b", 7),
        ("1TiB", 2**40),
        ("2T", 2 * 10**12),
    ],
)
def test_sizes_are_read(text, size):
    assert parse_size("memory", text) == size


@pytest.mark.parametrize(
    "text",
    [0, -1, "0", "-1", "0.5", ".1b", "", " ", "MiB", "1e3", "1.5.2", "64MiBs", "64 M i B", "1,5GB", "nan", "inf",
     "2EiB", "2000000TiB", 2**60, True, 1.5, None, [1], "0x10"],
)  # fmt: skip
def test_other_sizes_are_refused(text):
    with pytest.raises(InvalidField, match=r"^memory must be a size") as caught:
        parse_size("memory", text)
    assert caught.value.field == "memory"
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (64 * MIB, "64.0 MiB"),
        (1.5 * 2**40, "1.5 TiB"),
        (2**62, "4096.0 PiB"),
    ],
)
def test_sizes_are_written(count, text):
    assert readable_size(count) == text


def test_there_is_memory():
    assert available_memory() is None or available_memory() > MIB


STACK = {"depth": 10, "width": 20, "batch": 30}
Z, W = 4 * 30 * 20, 4 * 20 * 20  # bytes of a layer's pre-activations and weights


@pytest.mark.parametrize(
    ("budget", "plan", "kept"),
    [
        (2**30, Plan(True, 1), 10 * (Z + W)),
        (10 * (Z + W), Plan(True, 1), 10 * (Z + W)),
        (10 * (Z + W) - 1, Plan(False, 1), 10 * Z),
        (10 * Z, Plan(False, 1), 10 * Z),
        (10 * Z - 1, Plan(False, 4), 7 * Z),  # the inputs of layers 1, 5 and 9, and four layers at a time
        (7 * Z, Plan(False, 4), 7 * Z),
    ],
)
def test_plans_keep_what_fits(budget, plan, kept):
    assert plan_backward(make_stack("relu", "he", **STACK), budget) == (plan, kept)


def test_float64_and_pieces_take_twice_as_much():
    plans = [plan_backward(make_stack(act, "he", dtype=dtype, **STACK), 2**30)[1] for act, dtype in (
        ("relu", "float32"), ("relu", "float64"), ("swiglu", "float32")
    )]  # fmt: skip
    assert plans == [10 * (Z + W), 20 * (Z + W), 20 * (Z + W)]


@pytest.mark.parametrize("depth", [1, 2, 3, 5, 10, 100])
def test_the_least_memory_named_is_enough_and_the_least(depth):
    """Under any plan's need the refusal names what is needed, rounded to a tenth of a unit."""
    stack = make_stack("relu", "he", depth=depth, width=20, batch=30)
    stride = ceil(sqrt(depth))
    least = min(depth, ceil(depth / stride) + stride) * Z
    assert plan_backward(stack, least)[1] == least
    with pytest.raises(InvalidField, match=r"^memory must be at least") as caught:
        plan_backward(stack, least - 1)
    assert f"at least {readable_size(least)} for" in str(caught.value)
    assert readable_size(least - 1) in str(caught.value)


def test_grad_flow_refuses_too_small_a_memory():
    with pytest.raises(InvalidField, match=r"^memory must be at least"):
        grad_flow("relu", "he", memory="1kB")


@pytest.mark.parametrize("run", [propagate, grad_flow])
@pytest.mark.parametrize(
    ("options", "field", "got"),
    [
        ({"width": 1_000_000, "depth": 2, "batch": 1}, "width", 1_000_000),
        ({"widths": [10, 2_000_000, 900_000], "batch": 1}, "width", 2_000_000),
        ({"width": 10, "depth": 1, "batch": 10**8}, "batch", 10**8),
        ({"width": 1, "depth": 1_000_000, "batch": 1}, "depth", 10**6),
    ],
)
def test_what_does_not_fit_is_refused_before_it_is_allocated(monkeypatch, run, options, field, got):
    monkeypatch.setattr(memory, "available_memory", lambda: 2**30)
    memory_option = {"memory": "1TiB"} if run is grad_flow else {}
    with pytest.raises(
        InvalidField, match=rf"must be smaller.*needs about .*1\.0 GiB is available, got {got}$"
    ) as caught:
        run("relu", "he", **options, **memory_option)
    assert caught.value.field == field


def test_what_the_backward_pass_keeps_counts(monkeypatch):
    stack = make_stack("relu", "he", depth=50, width=100, batch=1000)
    monkeypatch.setattr(memory, "available_memory", lambda: 16 * MIB)
    need_of(stack).check()
    with pytest.raises(InvalidField, match="batch must be smaller"):
        need_of(stack, kept=16 * MIB).check()


def test_an_unknown_amount_of_memory_refuses_nothing(monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: None)
    need_of(make_stack("relu", "he", depth=1, width=1_000_000, batch=1)).check()


def test_what_nobody_can_change_is_not_to_blame():
    stack = make_stack("relu", "he", depth=50, width=100, batch=100_000)
    assert need_of(stack).field == "batch"
    assert need_of(stack, fixed=("batch", "classes")).field == "depth"


@pytest.mark.parametrize(("left", "threads"), [(None, None), (100 * MIB, 1), (200 * MIB, 3), (2**40, 8)])
def test_as_many_threads_as_fit_beside_what_is_needed(monkeypatch, left, threads):
    monkeypatch.setattr(memory, "left_of_limits", lambda: left)
    monkeypatch.setattr(memory, "available_threads", lambda: 8)
    need = need_of(make_stack("relu", "he", depth=2, width=800, batch=2000))._replace(total=40 * MIB)
    with need.met() as found:
        assert found == threads
    with need.met(1) as found:
        assert found == 1


BATCH, UNITS, LAYERS = 2000, 60, 6
ARRAY = 4 * BATCH * UNITS


def traced(call):
    """Return what a call returns, the bytes that it leaves behind and those that it takes at most."""
    tracemalloc.start()
    try:
        found = call()
        return found, *tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()


def compared(count, **options):
    acts = [f"leaky_relu:0.{slope}" for slope in range(1, count + 1)]
    return compare(
        acts, ["he"], **{"depth": LAYERS, "width": UNITS, "batch": BATCH, "threads": 1, "theory": False} | options
    )


@pytest.mark.parametrize("options", [{}, {"repeats": 2}, {"loss": "mse", "memory": "5MB"}])
def test_compare_keeps_reports_and_no_arrays(options):
    compared(8, **options)  # what is kept for all runs, as tables of theory are
    _, kept_of_two, most_of_two = traced(lambda: compared(2, **options))
    _, kept_of_eight, most_of_eight = traced(lambda: compared(8, **options))
    assert kept_of_eight - kept_of_two < 6 * ARRAY / 4
    assert most_of_eight - most_of_two < kept_of_eight - kept_of_two + ARRAY / 4


def test_compare_reads_its_data_once():
    rows = np.random.default_rng(0).standard_normal((BATCH, 10 * UNITS)).astype(np.float32)
    compared(8, input=rows)
    _, kept, _ = traced(lambda: compared(8, input=rows))
    assert kept < 1.5 * rows.nbytes
    first, *others = (report.stack.data for report in compared(3, input=rows))
    assert all(data is first for data in others)


# A peak is a process's own. The high-water mark of /proc is read because ru_maxrss starts from the parent's size.
SCRIPT = """
from pathlib import Path
from actdiag import grad_flow, propagate
{call}
status = Path("/proc/self/status").read_text()
print(int(status.split("VmHWM:")[1].split()[0]) * 1024)
"""
SIZE = "width=256, batch=256, threads=1"
CALLS = {
    "shallow": f"propagate('relu', 'he', depth=10, {SIZE})",
    "deep": f"propagate('relu', 'he', depth=2000, {SIZE})",
    "backward": f"grad_flow('relu', 'he', depth=2000, memory='64MiB', {SIZE})",
}


@pytest.fixture(scope="module")
def peaks():
    """Return the peak memory of each call, run side by side; up to a minute on two processors."""
    command = [sys.executable, "-c"]
    started = {
        name: subprocess.Popen([*command, SCRIPT.format(call=call)], stdout=subprocess.PIPE, text=True)
        for name, call in CALLS.items()
    }
    try:
        return {name: int(process.communicate(timeout=600)[0]) for name, process in started.items()}
    finally:
        for process in started.values():
            process.kill()
            process.wait()


linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.mark.slow
@linux
def test_forward_memory_does_not_grow_with_depth(peaks):
    assert abs(peaks["deep"] - peaks["shallow"]) < 16 * MIB


@pytest.mark.slow
@linux
def test_backward_memory_keeps_to_its_budget(peaks):
    # 2000 layers of pre-activations alone are 500 MiB.
    assert peaks["backward"] < 350 * MIB
    assert peaks["backward"] < peaks["shallow"] + 64 * MIB
