"""Initializers whose std is given as a number, whatever the fans."""

import math
from dataclasses import replace

import numpy as np

from actdiag.arrays import Array
from actdiag.errors import InvalidField, check_real
from actdiag.initializers.draws import CUT, STD_OF_CUT_NORMAL, draw_cut_normal, draw_normal, draw_uniform
from actdiag.initializers.entry import LARGEST_SCALE, Initializer, check_scale, register


@register()
def std(std: float) -> Initializer:
    """N(0, std^2), whatever the fans."""
    check_scale("std", std)

    def sample(rng: np.random.Generator, fan_in: int, fan_out: int, dtype: str) -> Array:
        weights = draw_normal(rng, (fan_in, fan_out), dtype)
        weights *= std
        return weights

    return Initializer(
        name="std",
        sample=sample,
        variance=lambda fan_in, fan_out: std**2,
        distribution="normal",
        family="normal",
        source="folklore",
    )


_std = std


@register()
def normal(mean: float, std: float | None = None) -> Initializer:
    """N(mean, std^2), whatever the fans; of one value alone N(0, value^2), which is std=value.

    Theory takes weights of mean 0.
    """
    if std is None:
        return _std(mean)
    check_real("mean", mean, -LARGEST_SCALE, LARGEST_SCALE)
    centred = _std(std)

    def sample(rng: np.random.Generator, fan_in: int, fan_out: int, dtype: str) -> Array:
        weights = centred.sample(rng, fan_in, fan_out, dtype)
        weights += mean
        return weights

    return replace(centred, sample=sample, mean_field=mean == 0)


@register()
def gpt2() -> Initializer:
    """N(0, 0.02^2): the transformer's habit."""
    return replace(std(0.02), source="Radford et al. 2019 (GPT-2), released code")


@register()
def uniform(limit: float, high: float | None = None) -> Initializer:
    """U(-limit, limit), or of two values U(limit, high), whatever the fans.

    jax.nn.initializers.uniform(scale) is another, U(0, scale), whose weights are all positive: jax_uniform. Theory
    takes weights of mean 0.
    """
    if high is not None:
        return _between(limit, high)
    check_scale("limit", limit)
    return Initializer(
        name="uniform",
        sample=lambda rng, fan_in, fan_out, dtype: draw_uniform(rng, (fan_in, fan_out), limit, dtype),
        variance=lambda fan_in, fan_out: limit**2 / 3,
        distribution="uniform",
        family="uniform",
        source="folklore",
    )


def _between(low: float, high: float) -> Initializer:
    """Return U(low, high)."""
    check_real("limit", low, -LARGEST_SCALE, LARGEST_SCALE)
    check_real("high", high, -LARGEST_SCALE, LARGEST_SCALE)
    if low >= high:
        raise InvalidField(field="init", problem=f"'uniform:{low:g}:{high:g}': the first must be less than the second")
    middle, half = (low + high) / 2, (high - low) / 2

    def sample(rng: np.random.Generator, fan_in: int, fan_out: int, dtype: str) -> Array:
        weights = draw_uniform(rng, (fan_in, fan_out), half, dtype)
        weights += middle
        return weights

    return Initializer(
        name="uniform",
        sample=sample,
        variance=lambda fan_in, fan_out: half**2 / 3,
        distribution="uniform",
        family="uniform",
        mean_field=middle == 0,
        source="folklore",
    )


@register("trunc_normal")
def truncated_normal(std: float = 1.0) -> Initializer:
    """N(0, std^2) cut at -2 and 2, absolute, as torch.nn.init.trunc_normal_ does: hardly a cut for a small std.

    Keras and JAX cut theirs at two of its std: keras_truncated_normal, jax_truncated_normal.
    """
    check_scale("std", std)
    cut = min(CUT / std, 40.0)  # further out nothing is cut to the last bit, and the square may overflow
    if cut < 1e-2:  # flat to 5e-5, where the closed form below cancels
        variance = CUT**2 / 3
    else:
        density = math.exp(-(cut**2) / 2) / math.sqrt(2 * math.pi)
        variance = std**2 * (1 - 2 * cut * density / math.erf(cut / math.sqrt(2)))
    return Initializer(
        name="truncated_normal",
        sample=lambda rng, fan_in, fan_out, dtype: draw_cut_normal(rng, (fan_in, fan_out), std, CUT, dtype),
        variance=lambda fan_in, fan_out: variance,
        distribution="normal cut at +-2",
        family="truncated_normal",
        copies=6,
        source="PyTorch, torch.nn.init.trunc_normal_",
    )


def cut_at_two_std(std: float, source: str) -> Initializer:
    """Return N(0, std^2) cut at +-2 std, whose own std is then less."""
    check_scale("std", std)
    return Initializer(
        name="",
        sample=lambda rng, fan_in, fan_out, dtype: draw_cut_normal(rng, (fan_in, fan_out), std, CUT * std, dtype),
        variance=lambda fan_in, fan_out: (STD_OF_CUT_NORMAL * std) ** 2,
        distribution="normal cut at 2 std",
        family="truncated_normal",
        copies=6,
        source=source,
    )
