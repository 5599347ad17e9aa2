"""What the frameworks do by default, under the names that they use."""

from dataclasses import replace

from actdiag.initializers.draws import draw_uniform
from actdiag.initializers.entry import Initializer, register
from actdiag.initializers.scaling import scaled


@register()
def keras_dense() -> Initializer:
    """Keras Dense by default: Glorot's uniform, zero biases."""
    return scaled("Keras 3, keras.layers.Dense", 1.0, "fan_avg", "uniform")


@register()
def keras_glorot_normal() -> Initializer:
    """Keras GlorotNormal: cut at two std, widened to keep Glorot's variance."""
    return scaled("Keras 3, keras.initializers.GlorotNormal", 1.0, "fan_avg", "truncated_normal")


@register()
def keras_he_normal() -> Initializer:
    """Keras HeNormal: cut at two std, widened to keep He's variance."""
    return scaled("Keras 3, keras.initializers.HeNormal", 2.0, "fan_in", "truncated_normal")


@register()
def keras_lecun_normal() -> Initializer:
    """Keras LecunNormal: cut at two std, widened to keep 1/fan_in."""
    return scaled("Keras 3, keras.initializers.LecunNormal", 1.0, "fan_in", "truncated_normal")


@register()
def flax_dense() -> Initializer:
    """Flax Dense by default: lecun_normal cut at two std and widened, zero biases."""
    return scaled("Flax, flax.linen.Dense", 1.0, "fan_in", "truncated_normal")


@register()
def jax_he_normal() -> Initializer:
    """jax.nn.initializers.he_normal: cut at two std, widened to keep He's variance."""
    return scaled("JAX, jax.nn.initializers.he_normal", 2.0, "fan_in", "truncated_normal")


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
