"""Initializers that scale with the fans: all of them are variance_scaling."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from actdiag.arrays import Array
from actdiag.errors import check_choice
from actdiag.initializers.draws import CUT, STD_OF_CUT_NORMAL, draw_cut_normal, draw_normal, draw_uniform
from actdiag.initializers.entry import Family, Initializer, check_scale, register

_FANS: dict[str, Callable[[int, int], float]] = {
    "fan_in": lambda fan_in, fan_out: fan_in,
    "fan_out": lambda fan_in, fan_out: fan_out,
    "fan_avg": lambda fan_in, fan_out: (fan_in + fan_out) / 2,
    "fan_geo_avg": lambda fan_in, fan_out: math.sqrt(fan_in * fan_out),
}


@register("jax_variance_scaling")
def variance_scaling(
    scale: float = 1.0, mode: str = "fan_in", distribution: str = "truncated_normal", compensate: int = 1
) -> Initializer:
    """Weights of variance scale/fan, from a normal, a uniform or a normal cut at two of its std.

    In Keras distribution=normal is the cut one: keras_variance_scaling.

    Args:
        scale: fan times the variance of a weight, above 0.
        mode: Which fan: `fan_in`, `fan_out`, their mean `fan_avg` or their geometric mean `fan_geo_avg`.
        distribution: `normal`, `uniform` or `truncated_normal`.
        compensate: 1 to widen the cut normal so that its variance is scale/fan after the cut, 0 to leave it short.
    """
    check_scale("scale", scale)
    mode = check_choice("mode", mode, tuple(_FANS))
    distribution = check_choice("distribution", distribution, ("truncated_normal", "normal", "uniform"))
    check_choice("compensate", str(compensate), ("0", "1"))
    lost = 1.0 if compensate or distribution != "truncated_normal" else STD_OF_CUT_NORMAL**2

    def variance(fan_in: int, fan_out: int) -> float:
        return lost * scale / _FANS[mode](fan_in, fan_out)

    def sample(rng: np.random.Generator, fan_in: int, fan_out: int, dtype: str) -> Array:
        std = math.sqrt(variance(fan_in, fan_out))
        if distribution == "uniform":
            return draw_uniform(rng, (fan_in, fan_out), math.sqrt(3) * std, dtype)
        if distribution == "truncated_normal":
            uncut = std / STD_OF_CUT_NORMAL
            return draw_cut_normal(rng, (fan_in, fan_out), uncut, CUT * uncut, dtype)
        weights = draw_normal(rng, (fan_in, fan_out), dtype)
        weights *= std
        return weights

    families: dict[str, tuple[Family, str]] = {
        "truncated_normal": ("truncated_normal", "normal cut at 2 std"),
        "normal": ("normal", "normal"),
        "uniform": ("uniform", "uniform"),
    }
    family, words = families[distribution]
    return Initializer(
        name="variance_scaling",
        sample=sample,
        variance=variance,
        distribution=words,
        family=family,
        averages_fans=mode in ("fan_avg", "fan_geo_avg"),
        copies=6 if distribution == "truncated_normal" else 3,
        source="Szegedy et al. 2015 / JAX, jax.nn.initializers.variance_scaling",
    )


def scaled(source: str, scale: float, mode: str, distribution: str, compensate: int = 1) -> Initializer:
    """Return variance_scaling under another source: what most initializers are."""
    return replace(variance_scaling(scale, mode, distribution, compensate), source=source)


_GLOROT = "Glorot & Bengio 2010, AISTATS"
_HE = "He, Zhang, Ren & Sun 2015, arXiv:1502.01852"
_LECUN = "LeCun, Bottou, Orr & Mueller 1998, doi:10.1007/3-540-49430-8_2"


@register("he", "kaiming", "kaiming_normal")
def he_normal(mode: str = "fan_in") -> Initializer:
    """N(0, 2/fan): keeps the second moment through a ReLU.

    Not cut, as in PyTorch. he_normal of Keras and JAX, the same variance, is cut at two std: keras_he_normal.
    """
    return scaled(_HE, 2.0, mode, "normal")


@register("kaiming_uniform")
def he_uniform(mode: str = "fan_in") -> Initializer:
    """U(+-sqrt(6/fan)): he_normal's variance."""
    return scaled(_HE, 2.0, mode, "uniform")


@register("xavier", "glorot", "glorot_normal")
def xavier_normal(mode: str = "fan_avg") -> Initializer:
    """N(0, 2/(fan_in + fan_out)): halfway between keeping the signal and keeping the gradient of a linear layer.

    Not cut, as in PyTorch. glorot_normal of Keras and JAX, the same variance, is cut at two std: keras_glorot_normal.
    """
    return scaled(_GLOROT, 1.0, mode, "normal")


@register("glorot_uniform")
def xavier_uniform(mode: str = "fan_avg") -> Initializer:
    """U(+-sqrt(6/(fan_in + fan_out))): xavier_normal's variance, the paper's own form."""
    return scaled(_GLOROT, 1.0, mode, "uniform")


@register("lecun")
def lecun_normal(mode: str = "fan_in") -> Initializer:
    """N(0, 1/fan): keeps the second moment through a linear layer.

    Not cut. lecun_normal of Keras and JAX, the same variance, is cut at two std: keras_lecun_normal.
    """
    return scaled(_LECUN, 1.0, mode, "normal")


@register()
def lecun_uniform(mode: str = "fan_in") -> Initializer:
    """U(+-sqrt(3/fan)): lecun_normal's variance."""
    return scaled(_LECUN, 1.0, mode, "uniform")


@register()
def book_xavier() -> Initializer:
    """N(0, 1/fan_in): what textbooks call Xavier when they write std = 1/sqrt(n)."""
    return scaled("Saito 2016, Deep Learning from Scratch (O'Reilly Japan), ch. 6", 1.0, "fan_in", "normal")
