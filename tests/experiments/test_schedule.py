"""Schedules of the learning rate, warmup, epochs, and stopping at a score."""

from itertools import pairwise

import pytest

from actdiag import InvalidField, train
from actdiag.experiments.train.schedule import checked_schedule, factor_of

SMALL = {"data": "synthetic:rows=500:features=8:classes=3", "depth": 2, "width": 16, "lr": 0.1}


def factors(schedule, warmup=0, iterations=10):
    return [factor_of(schedule, warmup, iteration, iterations) for iteration in range(1, iterations + 1)]


def test_a_constant_rate_stays():
    assert factors("constant") == [1.0] * 10
    assert factors("constant", warmup=4)[:5] == [0.25, 0.5, 0.75, 1.0, 1.0]


def test_a_cosine_ends_at_zero():
    found = factors("cosine")
    assert (found[0], found[-1]) == (1.0, 0.0)
    assert all(before > after for before, after in pairwise(found))
    assert factors("cosine", iterations=1) == [1.0]
    assert factors("cosine", warmup=3)[2:4] == [1.0, 1.0]
    assert factors("cosine", warmup=9)[-1] == 1.0


def test_steps_multiply_the_rate():
    assert factors("step:4:0.5") == [1.0] * 4 + [0.5] * 4 + [0.25] * 2
    assert factors("step:4:0.5", warmup=2) == [0.5, 1.0] + [1.0] * 4 + [0.5] * 4


@pytest.mark.parametrize(
    "schedule", ["linear", "cosine:1", "step", "step:5", "step:0:0.1", "step:5:0", "step:5:2", "step:a:b", "", None, 3]
)
def test_other_schedules_are_refused(schedule):
    with pytest.raises(InvalidField, match=r"^schedule must be constant, cosine or step:EVERY:FACTOR") as raised:
        checked_schedule(schedule)
    assert raised.value.problem.endswith(f"got {schedule!r}")


def test_epochs_are_iterations_over_all_rows():
    (run,) = train("relu", "he", **SMALL, epochs=2, batch=64)
    assert run.recipe.iterations == len(run.loss) == 2 * (400 // 64)
    (run,) = train("relu", "he", **SMALL, epochs=0.01, batch=64)
    assert run.recipe.iterations == 1


def test_training_stops_at_a_score():
    (whole,) = train("relu", "he", **SMALL, iterations=600, batch=64)
    assert whole.test_accuracy > 0.7
    (run,) = train("relu", "he", **SMALL, iterations=600, batch=64, stop_at=0.6)
    assert run.stopped_at == len(run.loss) < 600
    assert run.stopped_at % 10 == 0
    assert run.test_accuracy >= 0.6
    assert run.loss == whole.loss[: run.stopped_at]
    (never,) = train("relu", "he", **SMALL, iterations=30, batch=64, stop_at=1.0)
    assert (never.stopped_at, len(never.loss)) == (None, 30)


def test_weight_decay_is_that_of_pytorch_unless_it_is_given():
    for optimizer, usual in (("sgd", 0.0), ("adamw", 0.01)):
        (run,) = train("relu", "he", **SMALL, iterations=1, optimizer=optimizer)
        assert run.recipe.decay == usual
    (run,) = train("relu", "he", **SMALL, iterations=1, optimizer="adamw", weight_decay=0)
    assert run.recipe.decay == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"warmup": 100, "iterations": 50}, "warmup must be less than the 50 iterations, got 100"),
        ({"warmup": -1}, "warmup must be at least 0, got -1"),
        ({"weight_decay": -0.1}, "weight_decay must be at least 0"),
        ({"stop_at": 1.5}, "stop_at must be above 0 and at most 1"),
        ({"stop_at": 0}, "stop_at must be"),
        ({"epochs": 0}, "epochs must be"),
    ],
)
def test_what_is_refused(options, said):
    with pytest.raises(InvalidField, match=said):
        train("relu", "he", **SMALL, **options)
