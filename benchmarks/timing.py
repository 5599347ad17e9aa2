"""Timing of work against other work: in turns, so that a machine that slows down slows both sides down."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

Work = Callable[[], object]

# After a parallel product idle threads go on spinning for up to 40 milliseconds, at the cost of whoever comes next.
_PAUSE = 0.06
_TRIALS = 3


@dataclass(frozen=True, slots=True)
class Result:
    """What was measured of a row.

    Attributes:
        measured: The number that the target bounds from above.
        quartiles: Of that number over the rounds; None where there is but one.
        ratio: Of a time, that to the time of what is timed in the same rounds; None where there is no such thing, or
            where that is the measured number itself.
        details: What else the JSON says.
    """

    measured: float
    quartiles: tuple[float, float] | None = None
    ratio: float | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def spread(self) -> float | None:
        """The distance between the quartiles of the rounds' ratios over their median; None where there are none."""
        if "ratios" not in self.details:
            return None
        lower, median, upper = np.quantile(self.details["ratios"], (0.25, 0.5, 0.75))
        return float((upper - lower) / median)


def compare(ours: Work, theirs: Sequence[Work], rounds: int, repeats: int = 1, layers: int | None = None) -> Result:
    """Return the ratio of the time of `ours` to that of `theirs`, one after the other, over some rounds.

    Where the number of layers is given, the details have the milliseconds that `ours` takes for each.
    """
    found = ratio_result([(mine, sum(others)) for mine, *others in alternate([ours, *theirs], rounds, repeats)])
    return found if layers is None else _with_layers(found, layers)


def _with_layers(result: Result, layers: int) -> Result:
    own = {"milliseconds a layer": 1000 * result.details["seconds"]["ours"] / layers}
    return replace(result, details={**result.details, **own})


def compare_variants(
    ours: Work, variants: Mapping[str, Work], counted: str, rounds: int, repeats: int = 1, layers: int = 1
) -> Result:
    """Return the ratio of the time of `ours` to that of one of `variants` of the same work, all timed in turns.

    Args:
        ours: What is measured.
        variants: What it is compared with, by name.
        counted: The variant whose ratio is the result; the ratios of the others are details.
        rounds: How many rounds count.
        repeats: How many times a part runs in a round.
        layers: How many layers a run has.
    """
    taken = alternate([ours, *variants.values()], rounds, repeats)
    results = {
        name: ratio_result([(mine, others[place]) for mine, *others in taken]) for place, name in enumerate(variants)
    }
    chosen = results[counted]
    described = {
        name: {"ratio": result.measured, "milliseconds a layer": 1000 * result.details["seconds"]["theirs"] / layers}
        for name, result in results.items()
    }
    return _with_layers(replace(chosen, details={**chosen.details, "variants": described}), layers)


def share(whole: Work, without: Work, rounds: int, repeats: int = 1) -> Result:
    """Return the share of the time of `whole` that goes when it is run `without` a part: (whole - without)/whole."""
    found = ratio_result([(all_of_it, rest) for all_of_it, rest in alternate([whole, without], rounds, repeats)])
    shares = [1 - 1 / ratio for ratio in found.details["ratios"]]
    lower, median, upper = (float(part) for part in np.quantile(shares, (0.25, 0.5, 0.75)))
    return Result(median, (lower, upper), found.measured, found.details)


def compare_with_fastest(ours: Work, base: Work, ways: Mapping[str, Work], rounds: int) -> Result:
    """Return the ratio of the time of `ours` to that of `base` and the fastest of `ways` together."""
    chosen = fastest(ways)
    result = compare(ours, [base, ways[chosen]], rounds)
    return replace(result, details={**result.details, "fastest way": chosen})


def milliseconds(ours: Work, other: Work, rounds: int) -> Result:
    """Return the milliseconds that `ours` takes, and the ratio of them to what `other` takes in the same rounds."""
    pairs = [(mine, others) for mine, others in alternate([ours, other], rounds)]
    found = ratio_result(pairs)
    lower, median, upper = (
        float(taken) for taken in 1000 * np.quantile([mine for mine, _ in pairs], (0.25, 0.5, 0.75))
    )
    return Result(median, (lower, upper), found.measured, found.details)


def ratio_result(pairs: Sequence[tuple[float, float]]) -> Result:
    """Return the median and the quartiles of ours/theirs, given the seconds (ours, theirs) of each round."""
    seconds = np.array(pairs)
    ratios = seconds[:, 0] / seconds[:, 1]
    lower, median, upper = (float(ratio) for ratio in np.quantile(ratios, (0.25, 0.5, 0.75)))
    ours, theirs = (float(middle) for middle in np.median(seconds, axis=0))
    details = {"ratios": ratios.tolist(), "seconds": {"ours": ours, "theirs": theirs}, "rounds": len(pairs)}
    return Result(median, (lower, upper), details=details)


def on_one_thread(work: Work) -> Work:
    """Return `work` with BLAS held to one thread."""

    def held() -> object:
        with _libraries().limit(limits=1, user_api="blas"):
            return work()

    return held


@cache
def _libraries() -> ThreadpoolController:
    return ThreadpoolController()


def alternate(parts: Sequence[Work], rounds: int, repeats: int = 1) -> list[tuple[float, ...]]:
    """Return the seconds that each part took in each round, after a round that does not count.

    Args:
        parts: What is timed, in turns; every other round goes through them backwards.
        rounds: How many rounds count.
        repeats: How many times a part runs in a round, for parts that are short. The seconds are those of one.
    """
    taken: list[tuple[float, ...]] = []
    for number in range(rounds + 1):
        order = list(range(len(parts)))[:: 1 if number % 2 else -1]
        seconds = {part: _seconds(parts[part], repeats) for part in order}
        taken.append(tuple(seconds[part] for part in range(len(parts))))
    return taken[1:]


def fastest(candidates: Mapping[str, Work]) -> str:
    """Return the name of the candidate whose best time of a few is the least."""
    trials = np.array(alternate(list(candidates.values()), _TRIALS))
    return list(candidates)[int(trials.min(axis=0).argmin())]


def _seconds(work: Work, repeats: int) -> float:
    time.sleep(_PAUSE)
    start = time.perf_counter()
    for _ in range(repeats):
        work()
    return (time.perf_counter() - start) / repeats
