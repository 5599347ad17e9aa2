import dataclasses
import inspect
import math

import numpy as np
import pytest
from scipy import stats

from actdiag.errors import InvalidField
from actdiag.initializers import INITIALIZERS, resolve

FANS = [(300, 200), (200, 300), (64, 512)]
DTYPES = ["float32", "float64"]

# Parameters away from their defaults, tested along with every registered name.
VARIANTS = [
    "he_normal:fan_out",
    "he_uniform:fan_avg",
    "xavier_normal:fan_in",
    "lecun_uniform:fan_out",
    "variance_scaling:compensate=0",
    "variance_scaling:scale=2:mode=fan_out:distribution=uniform",
    "variance_scaling:3:distribution=normal",
    "variance_scaling:mode=fan_geo_avg",
    "he_normal:fan_geo_avg",
    "keras_variance_scaling:2:mode=fan_avg:distribution=normal",
    "keras_variance_scaling:distribution=untruncated_normal",
    "keras_truncated_normal:3",
    "jax_truncated_normal:1e-4",
    "jax_uniform:1",
    "sparse:0.333:std=2",
    "truncated_normal:0.02",
    "truncated_normal:1.99",
    "truncated_normal:2.01",
    "truncated_normal:5",
    "truncated_normal:199",
    "truncated_normal:1e4",
    "constant:-2",
]


def with_required_values(name):
    required = [p for p in inspect.signature(INITIALIZERS[name]).parameters.values() if p.default is p.empty]
    return ":".join([name, *["0.3"] * len(required)])


SPECS = [*map(with_required_values, INITIALIZERS), *VARIANTS]
RANDOM = [spec for spec in SPECS if resolve(spec).family != "fixed"]
FIXED = [spec for spec in SPECS if spec not in RANDOM]
POSITIVE = ["jax_uniform", "jax_uniform:1"]
ORTHOGONAL = [spec for spec in SPECS if resolve(spec).family == "orthogonal"]
BIASED = [spec for spec in SPECS if resolve(spec).sample_bias]


def draw(spec, fan_in=200, fan_out=300, dtype="float64", seed=11):
    return resolve(spec).sample(np.random.default_rng(seed), fan_in, fan_out, dtype)


def assert_moments(sample, variance):
    """The mean is 0 and the second moment `variance`, within 5 standard errors (1 in 2 million by chance)."""
    sample = sample.astype(float).ravel()
    squares = np.square(sample)
    assert abs(sample.mean()) <= 5 * sample.std() / math.sqrt(sample.size)
    # The spread of the squares carries the kurtosis: no distribution is assumed.
    assert abs(squares.mean() - variance) <= 5 * squares.std() / math.sqrt(sample.size)


# What every initializer keeps


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("fan_in", "fan_out"), [*FANS, (1, 1), (1, 7), (7, 1)])
@pytest.mark.parametrize("spec", SPECS)
def test_shape_and_dtype(spec, fan_in, fan_out, dtype):
    weights = draw(spec, fan_in, fan_out, dtype)
    assert weights.shape == (fan_in, fan_out)
    assert weights.dtype == dtype
    assert weights.flags.c_contiguous
    assert np.isfinite(weights).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("fan_in", "fan_out"), FANS)
@pytest.mark.parametrize("spec", [spec for spec in RANDOM if spec not in POSITIVE])
def test_variance_of_the_sample(spec, fan_in, fan_out, dtype):
    variance = resolve(spec).variance(fan_in, fan_out)
    assert variance > 0
    assert_moments(draw(spec, fan_in, fan_out, dtype), variance)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("spec", "scale"), [("jax_uniform", 0.01), ("jax_uniform:1", 1)])
def test_positive_weights_are_drawn_evenly(spec, scale, dtype):
    entry, weights = resolve(spec), draw(spec, dtype=dtype).astype(float)
    assert stats.kstest(weights.ravel(), stats.uniform(0, scale).cdf).pvalue > 1e-3
    assert (weights >= 0).all()
    assert entry.variance(200, 300) == pytest.approx(scale**2 / 12, rel=1e-15)
    assert not entry.mean_field


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("fan_in", "fan_out"), FANS)
@pytest.mark.parametrize("spec", FIXED)
def test_variance_of_fixed_weights(spec, fan_in, fan_out, dtype):
    entry = resolve(spec)
    assert not entry.mean_field
    sample = draw(spec, fan_in, fan_out, dtype).astype(float)
    assert sample.var() == pytest.approx(entry.variance(fan_in, fan_out), rel=1e-12, abs=1e-25)


@pytest.mark.parametrize("spec", SPECS)
def test_std_is_the_root_of_the_variance(spec):
    entry = resolve(spec)
    assert entry.std(30, 50) ** 2 == pytest.approx(entry.variance(30, 50), rel=1e-14)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("spec", BIASED)
def test_biases(spec, dtype):
    entry = resolve(spec)
    biases = entry.sample_bias(np.random.default_rng(12), 9, 40_000, dtype)
    assert biases.shape == (40_000,)
    assert biases.dtype == dtype
    assert_moments(biases, entry.bias_variance(9, 40_000))


@pytest.mark.parametrize("spec", [spec for spec in SPECS if spec not in BIASED])
def test_no_bias_has_no_variance(spec):
    assert resolve(spec).bias_variance(30, 50) == 0


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("spec", SPECS)
def test_the_seed_decides_the_bytes(spec, dtype):
    first = draw(spec, 30, 50, dtype, seed=1).tobytes()
    assert draw(spec, 30, 50, dtype, seed=1).tobytes() == first
    assert (draw(spec, 30, 50, dtype, seed=2).tobytes() == first) == (spec in FIXED)


# Against PyTorch. Its weight is (fan_out, fan_in), ours (fan_in, fan_out): 200 inputs and 300 outputs in both.


@pytest.fixture
def torch():
    torch = pytest.importorskip("torch")
    torch.manual_seed(13)
    return torch


TORCH = {
    "std=0.3": lambda init, w: init.normal_(w, std=0.3),
    "gpt2": lambda init, w: init.normal_(w, std=0.02),
    "uniform:0.3": lambda init, w: init.uniform_(w, -0.3, 0.3),
    "truncated_normal": lambda init, w: init.trunc_normal_(w),
    "truncated_normal:0.02": lambda init, w: init.trunc_normal_(w, std=0.02),
    "truncated_normal:5": lambda init, w: init.trunc_normal_(w, std=5),
    "xavier_normal": lambda init, w: init.xavier_normal_(w),
    "xavier_uniform": lambda init, w: init.xavier_uniform_(w),
    "he_normal": lambda init, w: init.kaiming_normal_(w, nonlinearity="relu"),
    "he_normal:fan_out": lambda init, w: init.kaiming_normal_(w, mode="fan_out", nonlinearity="relu"),
    "he_uniform": lambda init, w: init.kaiming_uniform_(w, nonlinearity="relu"),
    "he_uniform:fan_out": lambda init, w: init.kaiming_uniform_(w, mode="fan_out", nonlinearity="relu"),
    "lecun_normal": lambda init, w: init.kaiming_normal_(w, nonlinearity="linear"),
    "orthogonal": lambda init, w: init.orthogonal_(w),
}


@pytest.mark.torch
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("spec", TORCH)
def test_pytorch_draws_from_the_same_distribution(spec, dtype, torch):
    theirs = TORCH[spec](torch.nn.init, torch.empty(300, 200, dtype=torch.float64))
    assert stats.ks_2samp(draw(spec, dtype=dtype).ravel(), theirs.numpy().ravel()).pvalue > 1e-3


@pytest.mark.torch
def test_torch_linear_is_what_linear_starts_with(torch):
    layers = [torch.nn.Linear(200, 300) for _ in range(50)]
    weights = layers[0].weight.detach().numpy()
    biases = np.concatenate([layer.bias.detach().numpy() for layer in layers])
    ours = resolve("torch_linear").sample_bias(np.random.default_rng(14), 200, biases.size, "float32")
    assert stats.ks_2samp(draw("torch_linear").ravel(), weights.ravel()).pvalue > 1e-3
    assert stats.ks_2samp(ours, biases).pvalue > 1e-3


@pytest.mark.torch
@pytest.mark.parametrize(("sparsity", "zeros"), [(0.9, 271), (0.333, 101)])
def test_pytorch_places_zeros_the_same_way(sparsity, zeros, torch):
    theirs = torch.nn.init.sparse_(torch.empty(301, 200), sparsity).numpy().T
    ours = draw(f"sparse:{sparsity}", 200, 301)
    for weights in (ours, theirs):
        assert set((weights == 0).sum(axis=1)) == {zeros}
    assert stats.ks_2samp(ours[ours != 0], theirs[theirs != 0]).pvalue > 1e-3
    assert stats.ks_2samp(np.nonzero(ours == 0)[1], np.nonzero(theirs == 0)[1]).pvalue > 1e-3


@pytest.mark.torch
def test_pytorch_has_the_same_identity(torch):
    np.testing.assert_array_equal(draw("identity"), torch.nn.init.eye_(torch.empty(300, 200)).numpy().T)


# Truncated normals

# The std of a standard normal cut at +-2, by scipy: what the frameworks divide by.
LOST = stats.truncnorm(-2, 2).std()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("spec", "uncut_std"),
    [
        ("keras_glorot_normal", math.sqrt(2 / (200 + 300)) / LOST),
        ("keras_he_normal", math.sqrt(2 / 200) / LOST),
        ("keras_lecun_normal", math.sqrt(1 / 200) / LOST),
        ("jax_he_normal", math.sqrt(2 / 200) / LOST),
        ("jax_glorot_normal", math.sqrt(2 / (200 + 300)) / LOST),
        ("jax_kaiming_normal", math.sqrt(2 / 200) / LOST),
        ("jax_lecun_normal", math.sqrt(1 / 200) / LOST),
        ("flax_dense", math.sqrt(1 / 200) / LOST),
        ("keras_truncated_normal", 0.05),
        ("keras_truncated_normal:3", 3),
        ("jax_truncated_normal", 0.01),
        ("keras_variance_scaling", math.sqrt(1 / 200) / LOST),
        ("keras_variance_scaling:2:mode=fan_avg:distribution=normal", math.sqrt(2 / 250) / LOST),
        ("jax_variance_scaling", math.sqrt(1 / 200) / LOST),
        ("variance_scaling:mode=fan_geo_avg", 60_000**-0.25 / LOST),
        ("variance_scaling", math.sqrt(1 / 200) / LOST),
        ("variance_scaling:2:mode=fan_out", math.sqrt(2 / 300) / LOST),
        ("variance_scaling:compensate=0", math.sqrt(1 / 200)),
        ("haiku_linear", math.sqrt(1 / 200)),
    ],
)
def test_normals_cut_at_two_std(spec, uncut_std, dtype):
    sample = draw(spec, dtype=dtype).astype(float).ravel()
    assert np.abs(sample).max() <= 2 * uncut_std * (1 + 1e-6)
    assert stats.kstest(sample, stats.truncnorm(-2, 2, scale=uncut_std).cdf).pvalue > 1e-3
    assert resolve(spec).variance(200, 300) == pytest.approx((uncut_std * LOST) ** 2, rel=1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("std", [0.02, 0.7, 1, 1.99, 2.01, 5, 100])
def test_normals_cut_at_two(std, dtype):
    exact = stats.truncnorm(-2 / std, 2 / std, scale=std)
    sample = draw(f"truncated_normal:{std}", dtype=dtype).ravel()
    assert np.abs(sample).max() <= 2
    assert stats.kstest(sample, exact.cdf).pvalue > 1e-3


@pytest.mark.parametrize("std", [1e-3, 0.02, 0.7, 1, 5, 100, 199, 201, 1e4])
def test_variance_of_normals_cut_at_two(std):
    # Gauss-Legendre over +-2, or over +-10 std where the cut lies further out than that.
    nodes, weights = np.polynomial.legendre.leggauss(60)
    x = min(2, 10 * std) * nodes
    density = weights * np.exp(-np.square(x / std) / 2)
    variance = resolve(f"truncated_normal:{std}").variance(1, 1)
    # Beyond std 200 the entry calls the density flat, which is 2/15 (2/std)^2 = 1.33e-5 off at worst.
    assert variance == pytest.approx((density @ np.square(x)) / density.sum(), rel=1e-8 if std < 200 else 1.34e-5)


@pytest.mark.parametrize("std", ["1e-160", "1e-300", "5e-324"])
def test_the_smallest_std_is_not_cut(std):
    assert resolve(f"truncated_normal:{std}").variance(1, 1) == float(std) ** 2


# Orthogonal


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-12)])
@pytest.mark.parametrize(("fan_in", "fan_out"), [*FANS, (200, 200), (1, 7)])
@pytest.mark.parametrize("spec", ORTHOGONAL)
def test_the_fewer_of_rows_and_columns_are_orthonormal(spec, fan_in, fan_out, dtype, tolerance):
    w = draw(spec, fan_in, fan_out, dtype).astype(float)
    gram = w.T @ w if fan_in >= fan_out else w @ w.T
    np.testing.assert_allclose(gram, np.eye(min(fan_in, fan_out)), rtol=0, atol=tolerance)
    # So the second moment is no estimate: every draw has it to rounding.
    assert np.square(w).mean() == pytest.approx(resolve(spec).variance(fan_in, fan_out), rel=tolerance)


@pytest.mark.parametrize("spec", ORTHOGONAL)
def test_orthogonal_matrices_are_uniform(spec):
    rng = np.random.default_rng(15)
    matrices = np.array([resolve(spec).sample(rng, 8, 8, "float64") for _ in range(200)])
    trace = np.trace(matrices, axis1=1, axis2=2)
    # Under the Haar measure the trace has mean 0 and second moment 1, nearly normal, and half the matrices reflect.
    assert abs(trace.mean()) < 4 / math.sqrt(200)
    assert abs(np.square(trace).mean() - 1) < 4 * math.sqrt(2 / 200)
    assert abs((np.linalg.det(matrices) < 0).mean() - 0.5) < 4 * 0.5 / math.sqrt(200)


def test_only_lsuv_fits_the_batch():
    assert [spec for spec in SPECS if resolve(spec).fits_batch] == ["lsuv"]


# Named relations


@pytest.mark.parametrize(("fan_in", "fan_out"), FANS)
def test_std_by_name(fan_in, fan_out):
    std_by_name = {
        "he": math.sqrt(2 / fan_in),
        "he:fan_out": math.sqrt(2 / fan_out),
        "he:fan_avg": math.sqrt(4 / (fan_in + fan_out)),
        "he_uniform": math.sqrt(2 / fan_in),
        "he:fan_geo_avg": math.sqrt(2) / (fan_in * fan_out) ** 0.25,
        "xavier": math.sqrt(2 / (fan_in + fan_out)),
        "xavier:fan_in": math.sqrt(1 / fan_in),
        "xavier_uniform": math.sqrt(2 / (fan_in + fan_out)),
        "lecun": math.sqrt(1 / fan_in),
        "lecun:fan_out": math.sqrt(1 / fan_out),
        "lecun_uniform": math.sqrt(1 / fan_in),
        "book_xavier": 1 / math.sqrt(fan_in),
        "keras_dense": math.sqrt(2 / (fan_in + fan_out)),
        "torch_linear": math.sqrt(1 / (3 * fan_in)),
        "haiku_linear": LOST / math.sqrt(fan_in),
        "keras_glorot_normal": math.sqrt(2 / (fan_in + fan_out)),
        "keras_glorot_uniform": math.sqrt(2 / (fan_in + fan_out)),
        "keras_he_normal": math.sqrt(2 / fan_in),
        "keras_he_uniform": math.sqrt(2 / fan_in),
        "keras_lecun_normal": math.sqrt(1 / fan_in),
        "keras_lecun_uniform": math.sqrt(1 / fan_in),
        "keras_random_normal": 0.05,
        "random_normal:0.3": 0.3,
        "keras_random_uniform": 0.05 / math.sqrt(3),
        "random_uniform:0.3": 0.3 / math.sqrt(3),
        "keras_truncated_normal": 0.05 * LOST,
        "keras_variance_scaling:distribution=untruncated_normal": math.sqrt(1 / fan_in),
        "jax_normal": 0.01,
        "jax_truncated_normal": 0.01 * LOST,
        "jax_glorot_uniform": math.sqrt(2 / (fan_in + fan_out)),
        "jax_xavier_uniform": math.sqrt(2 / (fan_in + fan_out)),
        "jax_he_uniform": math.sqrt(2 / fan_in),
        "jax_lecun_uniform": math.sqrt(1 / fan_in),
        "orthogonal": math.sqrt(1 / max(fan_in, fan_out)),
        "std=0.3": 0.3,
        "gpt2": 0.02,
        "uniform:0.3": 0.3 / math.sqrt(3),
    }
    found = {name: resolve(name).std(fan_in, fan_out) for name in std_by_name}
    assert found == pytest.approx(std_by_name, rel=1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("spec", "limit"),
    [
        ("torch_linear", 1 / math.sqrt(200)),
        ("he_uniform", math.sqrt(6 / 200)),
        ("he_uniform:fan_out", math.sqrt(6 / 300)),
        ("xavier_uniform", math.sqrt(6 / 500)),
        ("keras_dense", math.sqrt(6 / 500)),
        ("lecun_uniform", math.sqrt(3 / 200)),
        ("keras_glorot_uniform", math.sqrt(6 / 500)),
        ("keras_he_uniform", math.sqrt(6 / 200)),
        ("keras_lecun_uniform", math.sqrt(3 / 200)),
        ("keras_random_uniform", 0.05),
        ("uniform:0.3", 0.3),
    ],
)
def test_uniform_ones_reach_their_limit_and_no_further(spec, limit, dtype):
    largest = np.abs(draw(spec, dtype=dtype)).max()
    # The largest of 60000 numbers falls short of the limit by 1 in 60000 on average; by 20 times that, 1 in e^20.
    assert limit * (1 - 20 / 60_000) < largest <= limit * (1 + 1e-6)


def test_sparse_rounds_the_zeros_of_every_row_up():
    assert set((draw("sparse:0.333", 40, 10) == 0).sum(axis=1)) == {4}
    assert not draw("sparse:1", 40, 10).any()
    assert draw("sparse:0", 40, 10).all()


def test_fixed_weights():
    np.testing.assert_array_equal(draw("identity", 2, 3), [[1, 0, 0], [0, 1, 0]])
    np.testing.assert_array_equal(draw("constant:-2", 2, 3), np.full((2, 3), -2))
    np.testing.assert_array_equal(draw("ones", 2, 3), np.ones((2, 3)))
    np.testing.assert_array_equal(draw("zeros", 2, 3), np.zeros((2, 3)))


# Names


@pytest.mark.parametrize("spec", SPECS)
def test_a_name_resolves_to_its_own_entry(spec):
    entry = resolve(spec)
    assert resolve(entry) is entry
    assert resolve(entry.name).name == entry.name
    assert draw(entry.name, 30, 50).tobytes() == draw(spec, 30, 50).tobytes()


@pytest.mark.parametrize("name", list(INITIALIZERS))
def test_every_entry_says_what_it_is(name):
    entry = resolve(with_required_values(name))
    assert entry.name.startswith(name)
    assert entry.distribution
    assert entry.source


@pytest.mark.parametrize("spec", ["std=0.01", "std:0.01", "std:std=0.01", "0.01", ".01", "1e-2", " STD = 0.010 "])
def test_the_ways_to_write_a_std(spec):
    assert resolve(spec).name == "std=0.01"
    assert resolve(spec).variance(30, 50) == 0.01**2


@pytest.mark.parametrize(
    ("name", "alias"), [(name, alias) for name in INITIALIZERS for alias in INITIALIZERS.aliases(name)]
)
def test_an_alias_draws_the_same_numbers_under_its_own_name(name, alias):
    ours, theirs = with_required_values(name), with_required_values(alias)
    assert resolve(theirs).name.startswith(alias)
    assert draw(theirs, 30, 50).tobytes() == draw(ours, 30, 50).tobytes()


@pytest.mark.parametrize(
    ("spec", "same"),
    [
        ("keras_random_normal:0.3", "std=0.3"),
        ("jax_normal:0.3", "std=0.3"),
        ("keras_random_uniform:0.3", "uniform:0.3"),
        ("keras_glorot_uniform", "xavier_uniform"),
        ("keras_variance_scaling:2:distribution=untruncated_normal", "he_normal"),
        ("keras_variance_scaling:2:distribution=normal", "keras_he_normal"),
        ("jax_variance_scaling:2:distribution=normal", "he_normal"),
    ],
)
def test_what_the_frameworks_call_otherwise(spec, same):
    assert draw(spec, 30, 50).tobytes() == draw(same, 30, 50).tobytes()


@pytest.mark.parametrize("name", ["he_normal", "xavier_normal", "lecun_normal"])
def test_normals_of_the_papers_are_not_cut(name):
    assert np.abs(draw(name)).max() > 4 * resolve(name).std(200, 300)


def test_he_has_three_names():
    assert len({draw(name, 30, 50).tobytes() for name in ("he", "he_normal", "kaiming_normal")}) == 1
    assert [resolve(name).name for name in ("he", "kaiming:fan_out")] == ["he", "kaiming:fan_out"]


def test_variance_scaling_takes_all_its_parameters():
    entry = resolve("variance_scaling:scale=2:mode=fan_out:distribution=uniform")
    assert entry.name == "variance_scaling:2:mode=fan_out:distribution=uniform"
    assert entry.variance(200, 300) == pytest.approx(2 / 300, rel=1e-14)
    assert draw(entry.name).tobytes() == draw("he_uniform:fan_out").tobytes()


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("std=0", ["'std=0'", "std must be above 0", "got 0"]),
        ("std=-1", ["std must be above 0", "got -1"]),
        ("-1", ["'-1'", "std must be above 0", "got -1"]),
        ("std=nan", ["std must be a finite number above 0", "got nan"]),
        ("std=inf", ["std must be a finite number above 0", "got inf"]),
        ("std=abc", ["std must be a number", "'abc'"]),
        ("std=1e31", ["at most 1e+30", "got 1e+31"]),
        ("1e31", ["'1e31'", "at most 1e+30", "got 1e+31"]),
        ("std", ["std needs a value", "std=STD"]),
        ("he:fan", ["'he:fan'", "mode must be one of fan_in, fan_out, fan_avg, fan_geo_avg", "got 'fan'"]),
        ("hee", ["must name an initializer", "'hee'", "did you mean he"]),
        ("", ["must name an initializer", "''", "actdiag initializers"]),
        ("constant", ["constant needs a value", "constant:value"]),
        ("constant:nan", ["value must be a finite number", "got nan"]),
        ("uniform:0", ["limit must be above 0", "got 0"]),
        ("sparse:2", ["sparsity must be at least 0 and at most 1", "got 2"]),
        ("sparse:std=0", ["std must be above 0", "got 0"]),
        ("truncated_normal:0", ["std must be above 0", "got 0"]),
        ("gpt2:0.1", ["gpt2 takes no parameters", "got '0.1'"]),
        ("variance_scaling:scale=0", ["scale must be above 0", "got 0"]),
        ("variance_scaling:distribution=cauchy", ["distribution must be one of truncated_normal, normal", "'cauchy'"]),
        ("keras_truncated_normal:0", ["std must be above 0", "got 0"]),
        ("keras_variance_scaling:distribution=cauchy", ["distribution must be one of truncated_normal, normal, untr"]),
        ("variance_scaling:compensate=2", ["compensate must be one of 0, 1", "got '2'"]),
    ],
)
def test_what_is_said_of_a_bad_name(spec, said):
    with pytest.raises(InvalidField) as caught:
        resolve(spec)
    assert isinstance(caught.value, ValueError)
    assert caught.value.field == "init"
    message = str(caught.value)
    assert message.startswith("init ")
    for words in said:
        assert words in message


@pytest.mark.parametrize("spec", SPECS)
def test_the_family_is_that_of_the_weights(spec):
    entry = resolve(spec)
    drawn = [entry.sample(np.random.default_rng(seed), 60, 40, "float64") for seed in (0, 1)]
    same = np.array_equal(*drawn)
    gram = drawn[0].T @ drawn[0]
    orthogonal = np.allclose(gram, gram[0, 0] * np.eye(40), atol=1e-9)
    assert (entry.family == "fixed") == same == (not entry.mean_field and spec not in POSITIVE)
    if same:
        return
    nonzero = np.abs(drawn[0][drawn[0] != 0])
    reach = nonzero.max() / np.sqrt(np.mean(nonzero**2))
    assert entry.family != "other"
    assert (entry.family == "orthogonal") == orthogonal
    assert (entry.family == "sparse") == (nonzero.size < 0.8 * drawn[0].size)
    assert entry.family != "uniform" or reach < 1.8
    assert entry.family not in {"normal", "sparse"} or reach > 2.5
    assert entry.family != "truncated_normal" or reach < 2.4 or nonzero.max() <= 2


def test_a_family_is_no_matter_of_display_text():
    flat = dataclasses.replace(resolve("orthogonal"), distribution="a rotation")
    assert flat.family == "orthogonal"
    assert dataclasses.replace(resolve("he"), distribution="orthogonal in name").family == "normal"
