"""Whether every activation and initializer of PyTorch, JAX and Keras has its like here, under its name and defaults.

`python -m benchmarks.frameworks [FRAMEWORK ...]` compares all that a framework lists with the entry of that name:
values of activations to 1e-6, variances of initializers to 3 %, their distributions by Kolmogorov and Smirnov. It
prints what differs, what is not here and why, and returns 1 where something differs or is missing without a reason.
A framework that is not installed is refused. Keras runs on the backend that `KERAS_BACKEND` names.
"""

import argparse
import importlib
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ks_2samp

from actdiag.activations import ACTIVATIONS
from actdiag.initializers import INITIALIZERS

Doubles = NDArray[np.float64]
Kind = Literal["activation", "initializer"]

_FAN_IN, _FAN_OUT = 300, 400
_VALUES, _VARIANCES, _LEAST_CHANCE = 1e-6, 0.03, 1e-3
_SEED = 0

_REDUCES = "gives one number for many"
_IMAGES = "weights of convolutions, of three dimensions or more"

LEFT_OUT: dict[str, dict[str, str]] = {
    "torch": {
        "MultiheadAttention": "a layer with weights of its own",
        "Softmax2d": "over the channels of images",
        "dirac_": _IMAGES,
        "normal_": "its default std of 1 is a number to say: std=1",
        "uniform_": "jax_uniform:1; uniform here is U(-limit, limit)",
    },
    "jax": {
        "delta_orthogonal": _IMAGES,
        "dot_product_attention": "takes queries, keys and values",
        "get_scaled_dot_general_config": "no function of activations",
        "log1mexp": "defined above 0 alone",
        "logmeanexp": _REDUCES,
        "logsumexp": _REDUCES,
        "one_hot": "takes class numbers",
        "scaled_dot_general": "a product of matrices",
        "scaled_matmul": "a product of matrices",
        "standardize": "a normalization",
    },
    "keras": {
        "sparsemax": "its rows do not add up to 1 (3.15: it takes the sum of all sums that it keeps for the last one)",
        "stft": "weights of short-time Fourier transforms",
    },
}
"""What has no like here, and why."""

SPELLED: dict[str, dict[str, str]] = {
    "torch": {
        "Threshold": "threshold:1:value=0",
        "constant_": "constant:0.3",
        "trunc_normal_": "truncated_normal",
    },
    "jax": {
        "gelu": "jax_gelu",
        "variance_scaling": "jax_variance_scaling",
        "constant": "jax_constant:0.3",
        **{
            name: f"jax_{name}"
            for name in (
                *(f"{who}_{how}" for who in ("glorot", "xavier", "he", "kaiming") for how in ("normal", "uniform")),
                *("lecun_normal", "lecun_uniform", "normal", "truncated_normal", "uniform", "orthogonal"),
            )
        },
    },
    "keras": {
        "leaky_relu": "keras_leaky_relu",
        "threshold": "threshold:1:value=0",
        "constant": "keras_constant:0.3",
        **{
            name: f"keras_{name}"
            for name in (
                *(f"{who}_{how}" for who in ("glorot", "he", "lecun") for how in ("normal", "uniform")),
                *("random_normal", "random_uniform", "truncated_normal", "variance_scaling", "orthogonal", "identity"),
            )
        },
    },
}
"""Names of entries, with parameters, where they are not those of the framework."""

PARAMETERS: dict[str, dict[str, tuple[Any, ...]]] = {
    "torch": {"Threshold": (1, 0), "constant_": (0.3,), "sparse_": (0.9,)},
    "jax": {"variance_scaling": (1.0, "fan_in", "truncated_normal"), "constant": (0.3,)},
    "keras": {"threshold": (1, 0), "constant": (0.3,)},
}
"""Arguments of what takes some that have no default."""


VARIANTS: dict[str, tuple[tuple[str, dict[str, Any], str], ...]] = {
    "torch": (
        ("GELU", {"approximate": "tanh"}, "gelu_tanh"),
        ("Hardtanh", {"min_val": -2.0, "max_val": 3.0}, "hardtanh:-2:max=3"),
        ("LeakyReLU", {"negative_slope": 0.3}, "leaky_relu:0.3"),
        ("Softplus", {"beta": 0.5}, "softplus:0.5"),
        ("Softshrink", {"lambd": 1.5}, "softshrink:1.5"),
    ),
    "jax": (
        ("gelu", {"approximate": False}, "gelu"),
        ("celu", {"alpha": 0.5}, "celu:0.5"),
        ("elu", {"alpha": 2.0}, "elu:2"),
        ("leaky_relu", {"negative_slope": 0.3}, "leaky_relu:0.3"),
        ("squareplus", {"b": 1.0}, "squareplus:1"),
    ),
    "keras": (
        ("gelu", {"approximate": True}, "gelu_tanh"),
        ("relu", {"negative_slope": 0.1}, "relu:negative_slope=0.1"),
        ("relu", {"max_value": 4.0, "threshold": 0.5}, "relu:4:threshold=0.5"),
        (
            "relu",
            {"max_value": 4.0, "threshold": 0.5, "negative_slope": 0.1},
            "relu:4:threshold=0.5:negative_slope=0.1",
        ),
        ("hard_shrink", {"threshold": 1.5}, "hardshrink:1.5"),
        ("leaky_relu", {"negative_slope": 0.3}, "leaky_relu:0.3"),
    ),
}
"""Activations under other parameters: the name, the arguments, and the entry."""


class Theirs(NamedTuple):
    """An activation or initializer of a framework.

    Attributes:
        kind: Which of the two.
        name: Its name there, with arguments where it takes other ones than by default.
        spec: The entry that is its like.
        compute: Pre-activations, shape (rows, units), to activations; nothing to weights, shape (fan_in, fan_out).
    """

    kind: Kind
    name: str
    spec: str
    compute: Callable[..., Doubles]


class Answer(NamedTuple):
    """What a comparison found: `same`, `differs`, `missing` or `left out`, and more of it in words."""

    theirs: Theirs
    found: Literal["same", "differs", "missing", "left out"]
    words: str


def of_torch() -> Iterator[Theirs]:
    """Yield what PyTorch has: the classes of torch.nn.modules.activation, the functions of torch.nn.init."""
    torch = importlib.import_module("torch")
    torch.manual_seed(_SEED)
    given = PARAMETERS["torch"]

    def compute(z: Doubles, name: str, *arguments: Any, **options: Any) -> Doubles:
        dimensions = {"dim": 1} if "oftm" in name else {}
        layer = getattr(torch.nn, name)(*arguments, **options, **dimensions).double().eval()
        with torch.no_grad():
            return np.asarray(layer(torch.from_numpy(z)))

    yield from _activations("torch", importlib.import_module("torch.nn.modules.activation").__all__, compute)
    for name in sorted(vars(torch.nn.init)):
        if name.endswith("_") and not name.startswith("_"):

            def initializer(name: str = name) -> Doubles:
                weights = torch.empty(_FAN_OUT, _FAN_IN, dtype=torch.float64)
                return np.asarray(getattr(torch.nn.init, name)(weights, *given.get(name, ()))).T

            yield Theirs("initializer", name, _spec("torch", name), initializer)


def of_jax() -> Iterator[Theirs]:
    """Yield what JAX has: the functions of jax.nn and of jax.nn.initializers."""
    jax = importlib.import_module("jax")
    jax.config.update("jax_enable_x64", True)
    given = PARAMETERS["jax"]

    def compute(z: Doubles, name: str, *arguments: Any, **options: Any) -> Doubles:
        return np.asarray(getattr(jax.nn, name)(jax.numpy.asarray(z), *arguments, **options))

    yield from _activations("jax", [name for name, _ in _functions(jax.nn)], compute)
    key, shape = jax.random.key(_SEED), (_FAN_IN, _FAN_OUT)
    for name, function in _functions(jax.nn.initializers):

        def initializer(name: str = name, function: Callable[..., Any] = function) -> Doubles:
            draw = function if name in ("ones", "zeros") else function(*given.get(name, ()))
            return np.asarray(draw(key, shape, jax.numpy.float64))

        yield Theirs("initializer", name, _spec("jax", name), initializer)


def of_keras() -> Iterator[Theirs]:
    """Yield what Keras has: the functions of keras.activations, and keras.initializers under their names as text."""
    keras = importlib.import_module("keras")
    keras.utils.set_random_seed(_SEED)
    given = PARAMETERS["keras"]

    def compute(z: Doubles, name: str, *arguments: Any, **options: Any) -> Doubles:
        tensor = keras.ops.convert_to_tensor(z, dtype="float64")
        found = getattr(keras.activations, name)(tensor, *arguments, **options)
        return np.asarray(keras.ops.convert_to_numpy(found))

    helpers = ("get", "serialize", "deserialize")
    names = [name for name, _ in _functions(keras.activations) if name not in helpers]
    yield from _activations("keras", names, compute)
    for name in sorted(vars(keras.initializers)):
        if name.islower() and inspect.isclass(getattr(keras.initializers, name)):

            def initializer(name: str = name) -> Doubles:
                draw = getattr(keras.initializers, name)(*given.get(name, ()))
                return np.asarray(keras.ops.convert_to_numpy(draw((_FAN_IN, _FAN_OUT))), dtype=float)

            yield Theirs("initializer", name, _spec("keras", name), initializer)


FRAMEWORKS: Mapping[str, Callable[[], Iterator[Theirs]]] = {"torch": of_torch, "jax": of_jax, "keras": of_keras}


def _activations(framework: str, names: Iterable[str], compute: Callable[..., Doubles]) -> Iterator[Theirs]:
    """Yield activations of a framework by default, then under other parameters, given (z, name, ...) to values."""
    for name in names:
        given = PARAMETERS[framework].get(name, ())

        def by_default(z: Doubles, name: str = name, given: tuple[Any, ...] = given) -> Doubles:
            return compute(z, name, *given)

        yield Theirs("activation", name, _spec(framework, name), by_default)
    for name, options, spec in VARIANTS[framework]:

        def variant(z: Doubles, name: str = name, options: dict[str, Any] = options) -> Doubles:
            return compute(z, name, **options)

        written = ", ".join(f"{key}={value}" for key, value in options.items())
        yield Theirs("activation", f"{name}({written})", spec, variant)


def _spec(framework: str, name: str) -> str:
    """Return how the entry is spelled that is like one of a framework."""
    return SPELLED[framework].get(name, name)


def _functions(module: Any) -> Iterator[tuple[str, Callable[..., Any]]]:
    for name in sorted(vars(module)):
        function = getattr(module, name)
        if name.islower() and not name.startswith("_") and callable(function):
            yield name, function


def compared(framework: str, theirs: Theirs) -> Answer:
    """Compare one of a framework's with the entry of its name."""
    if theirs.name in LEFT_OUT[framework]:
        return Answer(theirs, "left out", LEFT_OUT[framework][theirs.name])
    registry: Any = ACTIVATIONS if theirs.kind == "activation" else INITIALIZERS
    if registry.found(theirs.spec.split(":")[0]) is None:
        return Answer(theirs, "missing", f"no {theirs.spec}")
    entry = registry.resolve(theirs.spec)
    off = _values_off(entry, theirs) if theirs.kind == "activation" else _weights_off(entry, theirs)
    return Answer(theirs, "differs" if off else "same", f"{entry.name}{off and f': {off}'}")


def _values_off(act: Any, theirs: Theirs) -> str:
    """Return in words how far the values are apart; nothing where they are the same."""
    z = np.random.default_rng(_SEED).normal(0, 3, (64, 12))
    ours, other = act.value(z), theirs.compute(z)
    if ours.shape != other.shape:
        return f"shape {ours.shape}, there {other.shape}"
    off = float(np.max(np.abs(ours - other) / (1 + np.abs(other))))
    return "" if off < _VALUES else f"{off:.2g} apart"


def _weights_off(init: Any, theirs: Theirs) -> str:
    """Return in words how the weights differ; nothing where they may be of one distribution."""
    other = theirs.compute()
    ours = init.sample(np.random.default_rng(_SEED), _FAN_IN, _FAN_OUT, "float64")
    if init.family == "fixed":
        return "" if np.allclose(ours, other) else "other weights"
    variance = init.variance(_FAN_IN, _FAN_OUT)
    if abs(other.var() / variance - 1) > _VARIANCES:
        return f"variance {variance:.4g}, there {other.var():.4g}"
    chance = float(ks_2samp(ours.ravel(), other.ravel()).pvalue)
    return "" if chance > _LEAST_CHANCE else f"another distribution (p = {chance:.1g})"


def main(arguments: list[str] | None = None) -> int:
    """Compare frameworks, print what was found and return 1 where something differs or is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("framework", nargs="*", help="torch, jax or keras; all by default")
    chosen = parser.parse_args(arguments).framework or list(FRAMEWORKS)
    bad = 0
    for framework in chosen:
        if framework not in FRAMEWORKS:
            parser.error(f"FRAMEWORK must be torch, jax or keras, got {framework!r}")
        try:
            importlib.import_module(framework)
        except ImportError as error:
            parser.error(f"{framework} does not import: {error}")
        answers = [compared(framework, theirs) for theirs in FRAMEWORKS[framework]()]
        same = [answer for answer in answers if answer.found == "same"]
        print(f"{framework}: {len(same)} of {len(answers)} are the same here")
        for answer in answers:
            if answer.found != "same":
                bad += answer.found != "left out"
                print(f"  {answer.found:8} {answer.theirs.kind} {answer.theirs.name}: {answer.words}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
