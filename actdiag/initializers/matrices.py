"""Initializers that shape the matrix as a whole: orthogonal, sparse, identity, constant."""

import math

import numpy as np

from actdiag.arrays import Array
from actdiag.errors import check_real
from actdiag.initializers.draws import draw_normal
from actdiag.initializers.entry import LARGEST_SCALE, Initializer, check_scale, register


def _sample_orthogonal(rng: np.random.Generator, fan_in: int, fan_out: int, dtype: str) -> Array:
    tall = draw_normal(rng, (max(fan_in, fan_out), min(fan_in, fan_out)), dtype)
    q, r = np.linalg.qr(tall)
    # QR leaves the signs to the routine; R's diagonal made positive gives the uniform (Haar) distribution.
    q *= np.where(np.diagonal(r) < 0, -1, 1).astype(q.dtype)
    return np.ascontiguousarray(q if fan_in >= fan_out else q.T)


@register("jax_orthogonal", "keras_orthogonal")
def orthogonal() -> Initializer:
    """A random matrix with orthonormal rows or columns, whichever are fewer."""
    return Initializer(
        name="orthogonal",
        sample=_sample_orthogonal,
        variance=lambda fan_in, fan_out: 1 / max(fan_in, fan_out),
        distribution="orthogonal",
        family="orthogonal",
        copies=13,
        source="Saxe, McClelland & Ganguli 2013, arXiv:1312.6120",
    )


@register()
def lsuv() -> Initializer:
    """Orthogonal, then scaled layer by layer until the pre-activations of the batch have a std of 1."""
    return Initializer(
        name="lsuv",
        sample=_sample_orthogonal,
        variance=lambda fan_in, fan_out: 1 / max(fan_in, fan_out),
        distribution="orthogonal, scaled on the batch",
        family="orthogonal",
        source="Mishkin & Matas 2016, arXiv:1511.06422",
        fits_batch=True,
        copies=13,
    )


@register("eye", "keras_identity")
def identity() -> Initializer:
    """Ones on the diagonal: every unit copies one input."""
    return Initializer(
        name="identity",
        sample=lambda rng, fan_in, fan_out, dtype: np.eye(fan_in, fan_out, dtype=dtype),
        variance=lambda fan_in, fan_out: 1 / max(fan_in, fan_out) - 1 / max(fan_in, fan_out) ** 2,
        distribution="fixed",
        family="fixed",
        source="Le, Jaitly & Hinton 2015, arXiv:1504.00941",
        mean_field=False,
    )


@register()
def sparse(sparsity: float = 0.9, std: float = 0.01) -> Initializer:
    """N(0, std^2) with a share `sparsity` of every input's outgoing weights (rounded up) set to zero."""
    check_real("sparsity", sparsity, 0.0, 1.0)
    check_scale("std", std)

    def zeros_of(fan_out: int) -> int:
        return math.ceil(sparsity * fan_out)

    def sample(rng: np.random.Generator, fan_in: int, fan_out: int, dtype: str) -> Array:
        weights = draw_normal(rng, (fan_in, fan_out), dtype)
        weights *= std
        order = rng.permuted(np.broadcast_to(np.arange(fan_out), (fan_in, fan_out)), axis=1)
        np.put_along_axis(weights, order[:, : zeros_of(fan_out)], 0, axis=1)
        return weights

    return Initializer(
        name="sparse",
        sample=sample,
        variance=lambda fan_in, fan_out: std**2 * (1 - zeros_of(fan_out) / fan_out),
        distribution="sparse normal",
        family="sparse",
        copies=6,
        source="Martens 2010, ICML / PyTorch, torch.nn.init.sparse_",
    )


def _constant(value: float, source: str) -> Initializer:
    return Initializer(
        name="constant",
        sample=lambda rng, fan_in, fan_out, dtype: np.full((fan_in, fan_out), value, dtype=dtype),
        variance=lambda fan_in, fan_out: 0.0,
        distribution="fixed",
        family="fixed",
        source=source,
        mean_field=False,
    )


@register("jax_constant", "keras_constant")
def constant(value: float) -> Initializer:
    """Every weight the same, so that all units of a layer stay copies of each other."""
    check_real("value", value, -LARGEST_SCALE, LARGEST_SCALE)
    return _constant(value, "folklore")


@register("jax_ones", "keras_ones")
def ones() -> Initializer:
    """Every weight 1."""
    return _constant(1.0, "folklore")


@register("jax_zeros", "keras_zeros")
def zeros() -> Initializer:
    """Every weight 0: nothing passes."""
    return _constant(0.0, "folklore")
