"""Lines of code that draw the weights and biases of a stack in PyTorch, Keras and JAX."""

from math import sqrt

from actdiag.model.stack import Stack

_INDENT = "    "
PYTORCH, KERAS, JAX = "PyTorch, of every layer", "Keras, in Dense(...)", "JAX and Flax, in Dense(...)"


def code_of(stack: Stack) -> dict[str, list[str]]:
    """Return lines to paste for each framework; none for weights that they have no function for.

    There are some for orthogonal weights, and for normal weights by fan_in or by the mean of both fans.
    """
    if stack.weights is not None or stack.init.fits_batch or stack.bias_spread(1)[0]:
        return {}
    biases = stack.bias_spread(1)[1]
    if stack.init.name == "orthogonal" and stack.target_gain is None:
        return _with_biases(_orthogonal(stack.gain), biases)
    if stack.init.name in ("lecun", "he", "auto"):
        stds = [stack.weight_std(layer) * sqrt(stack.fan_in(layer)) for layer in stack.weight_layers]
        return normal_code(float(f"{stds[0]:.15g}"), biases)
    if stack.init.name == "xavier":
        return _with_biases(_by_both_fans(stack.gain if stack.target_gain is None else stack.target_gain), biases)
    return {}


def normal_code(gain: float, bias_std: float) -> dict[str, list[str]]:
    """Return lines that draw weights of std gain / sqrt(fan_in), normal and uncut, and biases."""
    scale = float(f"{gain**2:.15g}")  # the square of a rounded root reads 2.0000000000000004
    # Broken where a terminal of 80 columns would break them, but so that they can be pasted.
    lines = {
        PYTORCH: ["torch.nn.init.normal_(", f"{_INDENT}layer.weight, std={gain!r} / layer.in_features**0.5", ")"],
        KERAS: [
            "kernel_initializer=keras.initializers.VarianceScaling(",
            f'{_INDENT}scale={scale!r}, mode="fan_in",',
            f'{_INDENT}distribution="untruncated_normal",',
            "),",
        ],
        JAX: ["kernel_init=jax.nn.initializers.variance_scaling(", f'{_INDENT}{scale!r}, "fan_in", "normal"', "),"],
    }
    return _with_biases(lines, bias_std)


def _by_both_fans(gain: float) -> dict[str, list[str]]:
    scale = float(f"{gain**2:.15g}")
    return {
        PYTORCH: [f"torch.nn.init.xavier_normal_(layer.weight, gain={gain!r})"],
        KERAS: [
            "kernel_initializer=keras.initializers.VarianceScaling(",
            f'{_INDENT}scale={scale!r}, mode="fan_avg",',
            f'{_INDENT}distribution="untruncated_normal",',
            "),",
        ],
        JAX: ["kernel_init=jax.nn.initializers.variance_scaling(", f'{_INDENT}{scale!r}, "fan_avg", "normal"', "),"],
    }


def _orthogonal(gain: float) -> dict[str, list[str]]:
    return {
        PYTORCH: [f"torch.nn.init.orthogonal_(layer.weight, gain={gain!r})"],
        KERAS: [f"kernel_initializer=keras.initializers.Orthogonal(gain={gain!r}),"],
        JAX: [f"kernel_init=jax.nn.initializers.orthogonal({gain!r}),"],
    }


def _with_biases(lines: dict[str, list[str]], std: float) -> dict[str, list[str]]:
    biases = {
        PYTORCH: [f"torch.nn.init.normal_(layer.bias, std={std!r})" if std else "torch.nn.init.zeros_(layer.bias)"],
        KERAS: ["bias_initializer=keras.initializers.RandomNormal(", f"{_INDENT}stddev={std!r}", "),"] if std else [],
        JAX: [f"bias_init=jax.nn.initializers.normal({std!r}),"] if std else [],
    }
    return {framework: [*own, *biases[framework]] for framework, own in lines.items()}
