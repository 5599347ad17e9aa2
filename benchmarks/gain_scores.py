"""Scores of recommended gains: the loss under them beside the best of all gains and of the initializers people know.

Run as `python -m benchmarks.gain_scores`, after `python -m benchmarks.gain_labels`.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from benchmarks.gain_labels import MAIN, NAMED, SEEDS, SHAPES, Case, Trained, read, recommended

WITHIN, BESIDE = 1.25, 0.05
"""A recommended gain is as good as the best if its loss is at most so many times the best, and a little."""

CHANCE = math.log(10)
TRAINS = 0.43
"""Under this share of chance a stack trains; where none does there is nothing to recommend."""

_WORST = 10.0
"""The loss that a run which diverged counts as."""

Setting = tuple[str, float, float | None]
"""Initializer, gain and std of the biases."""


class Score(NamedTuple):
    """How the recommended gain of an activation does at a depth and a width.

    Attributes:
        act: The activation.
        depth: The number of layers.
        width: Units per layer.
        recommended: The loss under the recommended gain.
        best: The loss under the best setting, chosen on the other seeds.
        named: The least loss under an initializer that people know.
        setting: What the best setting is.
    """

    act: str
    depth: int
    width: int
    recommended: float
    best: float
    named: float
    setting: Setting

    @property
    def trains(self) -> bool:
        """Whether any setting trains."""
        return min(self.best, self.named) < TRAINS * CHANCE

    @property
    def is_as_good(self) -> bool:
        """Whether the recommended gain is as good as the best setting."""
        return self.recommended <= WITHIN * self.best + BESIDE

    @property
    def is_beaten(self) -> bool:
        """Whether a named initializer is twice as good."""
        return self.named < self.recommended / 2


def scores(labels: Sequence[Trained]) -> list[Score]:
    """Return the score of each activation, depth and width of which the recommended gain was trained at every seed."""
    groups: dict[tuple[str, int, int], dict[Setting, dict[int, float]]] = defaultdict(lambda: defaultdict(dict))
    for one in labels:
        case = one.case
        groups[case.act, case.depth, case.width][_setting(case)][case.seed] = math.log(min(one.best, _WORST))
    found = []
    for (act, depth, width), settings in groups.items():
        seeds = SEEDS if act in MAIN else SEEDS[:1]
        take: Setting = ("lecun", *recommended(act, depth))
        known = {setting: losses for setting, losses in settings.items() if set(losses) >= set(seeds)}
        if take in known and len(known) > len(NAMED):
            found.append(Score(act, depth, width, *_scored(known, take, seeds)))
    return sorted(found, key=lambda score: (SHAPES.index((score.depth, score.width)), score.act))


def _setting(case: Case) -> Setting:
    return case.init, case.gain, case.bias_std


def _scored(
    known: Mapping[Setting, Mapping[int, float]], take: Setting, seeds: Sequence[int]
) -> tuple[float, float, float, Setting]:
    """Return the losses of a Score, by means of logarithms; the best is chosen without the seed that it scores on."""

    def mean(setting: Setting, over: Sequence[int]) -> float:
        return float(np.mean([known[setting][seed] for seed in over]))

    best = []
    for seed in seeds:
        others = [other for other in seeds if other != seed] or [seed]
        best.append(known[min(known, key=lambda setting: mean(setting, others))][seed])
    named = min(mean(setting, seeds) for setting in known if setting[0] in NAMED and setting[2] is None)
    whole = min(known, key=lambda setting: mean(setting, seeds))
    return math.exp(mean(take, seeds)), math.exp(float(np.mean(best))), math.exp(named), whole


def main() -> None:
    """Print a line for each score, and how many are as they should be."""
    found = scores(read())
    print(f"{'act':14}{'depth':>6}{'width':>6}{'taken':>8}{'best':>8}{'named':>8}  best setting")
    for one in found:
        mark = "" if not one.trains else " missed" if not one.is_as_good else ""
        mark += " beaten" if one.trains and one.is_beaten else ""
        print(
            f"{one.act:14}{one.depth:6}{one.width:6}{one.recommended:8.3f}{one.best:8.3f}{one.named:8.3f}  "
            f"{one.setting[0]} {one.setting[1]:g} {'' if one.setting[2] is None else one.setting[2]}{mark}"
            f"{'' if one.trains else ' none trains'}"
        )
    training = [one for one in found if one.trains]
    good, beaten = sum(one.is_as_good for one in training), sum(one.is_beaten for one in training)
    print(f"{good} of {len(training)} as good as the best; {beaten} beaten by a named initializer")


if __name__ == "__main__":
    main()
