"""Random numbers of the distributions that weights come from, drawn in the precision asked for."""

import numpy as np

from actdiag.arrays import Array

CUT = 2.0
"""Where truncated normals are cut, in std or absolute."""

STD_OF_CUT_NORMAL = 0.8796256610342398
"""The std of a standard normal cut at +-2: sqrt(1 - 4 phi(2) / (2 Phi(2) - 1))."""


def draw_normal(rng: np.random.Generator, shape: int | tuple[int, ...], dtype: str) -> Array:
    """Return standard normal numbers, drawn in the precision of `dtype`."""
    return rng.standard_normal(shape, dtype=np.dtype(dtype).type)


def draw_uniform(rng: np.random.Generator, shape: int | tuple[int, ...], limit: float, dtype: str) -> Array:
    """Return numbers from U(-limit, limit), drawn in the precision of `dtype`."""
    u = rng.random(shape, dtype=np.dtype(dtype).type)
    u *= 2
    u -= 1
    u *= limit
    return u


def draw_cut_normal(rng: np.random.Generator, shape: tuple[int, int], std: float, cut: float, dtype: str) -> Array:
    """Return numbers from N(0, std^2) conditioned on |x| <= cut, by rejection.

    The proposal is the normal itself where that is mostly kept, else the uniform on [-cut, cut].
    """
    kind = np.dtype(dtype).type
    size = shape[0] * shape[1]
    kept = np.empty(size, dtype=kind)
    filled = 0
    while filled < size:
        missing = size - filled
        if std < cut:
            proposal = rng.standard_normal(missing, dtype=kind) * kind(std)
            accepted = proposal[np.abs(proposal) <= cut]
        else:
            proposal = draw_uniform(rng, missing, cut, dtype)
            chance = np.exp(-np.square(proposal / std) / 2)
            accepted = proposal[rng.random(missing, dtype=kind) < chance]
        kept[filled : filled + len(accepted)] = accepted
        filled += len(accepted)
    return kept.reshape(shape)
