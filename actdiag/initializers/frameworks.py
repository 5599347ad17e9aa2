"""What the frameworks have, and do by default, under the names that they use."""

from dataclasses import replace

import numpy as np

from actdiag.arrays import Array
from actdiag.errors import check_choice
from actdiag.initializers.draws import draw_uniform
from actdiag.initializers.entry import Initializer, check_scale, register
from actdiag.initializers.scaling import scaled
from actdiag.initializers.unscaled import cut_at_two_std, normal, uniform

_KERAS_DISTRIBUTIONS = {
    "truncated_normal": "truncated_normal",
    "normal": "truncated_normal",
    "untruncated_normal": "normal",
    "uniform": "uniform",
}


def _source(name: str) -> str:
    return f"Keras 3 and JAX, initializers.{name}"


@register()
def keras_dense() -> Initializer:
    """Keras Dense by default: Glorot's uniform, zero biases."""
    return scaled("Keras 3, keras.layers.Dense", 1.0, "fan_avg", "uniform")


@register("jax_glorot_normal", "jax_xavier_normal")
def keras_glorot_normal() -> Initializer:
    """Glorot's normal of Keras and JAX: cut at two std, widened to keep Glorot's variance."""
    return scaled(_source("glorot_normal"), 1.0, "fan_avg", "truncated_normal")


@register("jax_glorot_uniform", "jax_xavier_uniform")
def keras_glorot_uniform() -> Initializer:
    """Glorot's uniform of Keras and JAX: xavier_uniform."""
    return scaled(_source("glorot_uniform"), 1.0, "fan_avg", "uniform")


@register("jax_he_normal", "jax_kaiming_normal")
def keras_he_normal() -> Initializer:
    """He's normal of Keras and JAX: cut at two std, widened to keep He's variance."""
    return scaled(_source("he_normal"), 2.0, "fan_in", "truncated_normal")


@register("jax_he_uniform", "jax_kaiming_uniform")
def keras_he_uniform() -> Initializer:
    """He's uniform of Keras and JAX: he_uniform."""
    return scaled(_source("he_uniform"), 2.0, "fan_in", "uniform")


@register("jax_lecun_normal")
def keras_lecun_normal() -> Initializer:
    """LeCun's normal of Keras and JAX: cut at two std, widened to keep 1/fan_in."""
    return scaled(_source("lecun_normal"), 1.0, "fan_in", "truncated_normal")


@register("jax_lecun_uniform")
def keras_lecun_uniform() -> Initializer:
    """LeCun's uniform of Keras and JAX: lecun_uniform."""
    return scaled(_source("lecun_uniform"), 1.0, "fan_in", "uniform")


@register()
def keras_variance_scaling(
    scale: float = 1.0, mode: str = "fan_in", distribution: str = "truncated_normal"
) -> Initializer:
    """Keras VarianceScaling: its `normal` too is cut at two std; `untruncated_normal` is not."""
    distribution = check_choice("distribution", distribution, tuple(_KERAS_DISTRIBUTIONS))
    return scaled("Keras 3, keras.initializers.VarianceScaling", scale, mode, _KERAS_DISTRIBUTIONS[distribution])


@register("random_normal")
def keras_random_normal(mean: float = 0.05, std: float | None = None) -> Initializer:
    """Keras RandomNormal: N(mean, std^2), of one value alone N(0, value^2), whatever the fans."""
    return replace(normal(mean, std), source="Keras 3, keras.initializers.RandomNormal")


@register("random_uniform")
def keras_random_uniform(limit: float = 0.05, high: float | None = None) -> Initializer:
    """Keras RandomUniform: U(-limit, limit), or of two values U(limit, high), whatever the fans."""
    return replace(uniform(limit, high), source="Keras 3, keras.initializers.RandomUniform")


@register("tf_truncated_normal")
def keras_truncated_normal(std: float = 0.05) -> Initializer:
    """Keras TruncatedNormal: N(0, std^2) cut at two std and not widened, so 12 % short of it."""
    return cut_at_two_std(std, "Keras 3, keras.initializers.TruncatedNormal")


@register()
def jax_normal(std: float = 0.01) -> Initializer:
    """jax.nn.initializers.normal: N(0, std^2), whatever the fans."""
    return replace(normal(std), source="JAX, jax.nn.initializers.normal")


@register()
def jax_truncated_normal(std: float = 0.01) -> Initializer:
    """jax.nn.initializers.truncated_normal: N(0, std^2) cut at two std and not widened, so 12 % short of it."""
    return cut_at_two_std(std, "JAX, jax.nn.initializers.truncated_normal")


@register()
def jax_uniform(scale: float = 0.01) -> Initializer:
    """jax.nn.initializers.uniform: U(0, scale), all positive, whatever the fans.

    torch.nn.init.uniform_ draws U(0, 1) by default: jax_uniform:1. U(-limit, limit) is uniform:limit.
    """
    check_scale("scale", scale)

    def sample(rng: np.random.Generator, fan_in: int, fan_out: int, dtype: str) -> Array:
        weights = rng.random((fan_in, fan_out), dtype=np.dtype(dtype).type)
        weights *= scale
        return weights

    return Initializer(
        name="jax_uniform",
        sample=sample,
        variance=lambda fan_in, fan_out: scale**2 / 12,
        distribution="uniform from 0",
        family="uniform",
        mean_field=False,
        source="JAX, jax.nn.initializers.uniform",
    )


@register()
def flax_dense() -> Initializer:
    """Flax Dense by default: lecun_normal cut at two std and widened, zero biases."""
    return scaled("Flax, flax.linen.Dense", 1.0, "fan_in", "truncated_normal")


@register()
def haiku_linear() -> Initializer:
    """Haiku Linear by default: 1/sqrt(fan_in) cut at two std and not widened, so 12 % short of it."""
    return scaled("Haiku, haiku.Linear", 1.0, "fan_in", "truncated_normal", compensate=0)


@register()
def torch_linear() -> Initializer:
    """PyTorch Linear by default: weights and biases from U(+-1/sqrt(fan_in))."""
    return replace(
        scaled("PyTorch, torch.nn.Linear.reset_parameters", 1 / 3, "fan_in", "uniform"),
        sample_bias=lambda rng, fan_in, fan_out, dtype: draw_uniform(rng, fan_out, fan_in**-0.5, dtype),
        bias_variance=lambda fan_in, fan_out: 1 / (3 * fan_in),
    )
