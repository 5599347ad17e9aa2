"""How peak memory grows with depth, measured in processes of their own."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from benchmarks.processes import peak_memory
from benchmarks.runs import Run
from benchmarks.timing import Result

MIB = 2**20


def growth(deep: Run, shallow: Run, rounds: int = 1) -> Result:
    """Return how many MiB the peak of `deep` is over that of `shallow`; one round says it all."""
    peaks = {run.depth: peak_memory(run) / MIB for run in (shallow, deep)}
    return Result(peaks[deep.depth] - peaks[shallow.depth], details={"peak MiB": peaks})


def exponent(base: Run, depths: Sequence[int], beyond: int, statistics: tuple[Run, Run], rounds: int = 1) -> Result:
    """Return the power of the depth with which the peak grows, over that of `base`.

    Args:
        base: The run whose peak is taken off, and which is run at the other depths.
        depths: The depths.
        beyond: Only depths over this one count for the exponent.
        statistics: A deep and a shallow run that differ in memory by the statistics of their layers alone.
        rounds: Of no use here: one says it all.
    """
    floor = peak_memory(base)
    over = {depth: (peak_memory(replace(base, depth=depth)) - floor) / MIB for depth in depths}
    deep, shallow = statistics
    a_layer = growth(deep, shallow).measured / (deep.depth - shallow.depth)
    without = {depth: value - a_layer * depth for depth, value in over.items()}
    details = {
        "depths beyond": beyond,
        "peak MiB over base": over,
        "without statistics": without,
        "exponent without statistics": fitted_exponent(without, beyond),
        "statistics KiB a layer": 1024 * a_layer,
    }
    return Result(fitted_exponent(over, beyond), details=details)


def fitted_exponent(points: Mapping[int, float], beyond: int) -> float:
    """Return the slope of log value over log depth for depths beyond some: 0.5 where values grow as the root of depth.

    It is NaN where a value is not above zero.
    """
    depths, values = np.array([point for point in points.items() if point[0] > beyond]).T
    if (values <= 0).any():
        return float("nan")
    return float(np.polyfit(np.log(depths), np.log(values), 1)[0])
