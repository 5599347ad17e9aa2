"""The numbers of the fit, written by `python -m benchmarks.fitting`."""

from collections.abc import Mapping

LABELS_SHA256 = "1423288d511820418f95d6e2e8e0306464b1fea05fbc215bc82a3fe100355000"
"""Of the labels that they were fitted to, in benchmarks/labels: cases_* of stacks, fit, fit_deep and
rates_* of stacks, fit, fit_deep."""

RANGES: Mapping[str, tuple[int, int]] = {
    "depth": (1, 200),
    "width": (2, 1024),
    "features": (2, 3072),
    "classes": (2, 100),
    "iterations": (250, 1000),
}
"""The ranges that the networks were drawn from."""

FITS: Mapping[str, Mapping[str, float]] = {
    "sgd": {
        "intercept": 6.635,
        "falling": -0.402,
        "growing": -0.2801,
        "slowness": -0.3275,
        "excess": 0,
        "roughness": -0.5634,
        "loudness": -0.9499,
        "narrowness": -0.9808,
        "layers": -2.373,
        "shortness": -0.6594,
    },
    "momentum": {
        "intercept": 4.869,
        "falling": -0.1591,
        "growing": 0,
        "slowness": -0.2536,
        "excess": 0,
        "roughness": -0.3735,
        "loudness": -0.9488,
        "narrowness": -0.9842,
        "layers": -1.919,
        "shortness": -0.1486,
    },
    "adam": {
        "intercept": 4.088,
        "falling": -0.1422,
        "growing": -0.002859,
        "slowness": -0.08409,
        "excess": 0,
        "roughness": -0.3781,
        "loudness": -0.3329,
        "narrowness": -0.9281,
        "layers": -0.8287,
        "shortness": -0.4009,
    },
}
"""The log odds of training by each optimizer: an intercept, and a weight for each feature."""

TYPICAL: Mapping[str, Mapping[str, float]] = {
    "sgd": {
        "falling": 1.392,
        "growing": 0.4202,
        "slowness": 2.38,
        "excess": 0.2813,
        "roughness": 0.769,
        "loudness": 0.2735,
        "narrowness": 0.1481,
        "layers": 0.05234,
        "shortness": 1.156,
    },
    "momentum": {
        "falling": 1.136,
        "growing": 0.299,
        "slowness": 1.952,
        "excess": 0.1817,
        "roughness": 0.813,
        "loudness": 0.2041,
        "narrowness": 0.4097,
        "layers": 0.1309,
        "shortness": 0.8231,
    },
    "adam": {
        "falling": 1.906,
        "growing": 0.3233,
        "slowness": 0.1508,
        "excess": 0.06578,
        "roughness": 0.7997,
        "loudness": 0.2899,
        "narrowness": 0.3563,
        "layers": 0.1506,
        "shortness": 0.9415,
    },
}
"""The mean features of the networks that train."""

RATES: Mapping[str, tuple[float, float, float, float]] = {
    "sgd": (-2.0, -0.3, 0.3, 2.0),
    "momentum": (-2.5, -0.4, 0.1, 0.3),
    "adam": (-5.25, -0.1, 0.01, 0.03),
}
"""Of the recommended learning rates: intercept and slope of their logarithm in that of the curvature, the largest, and
the largest product with the depth."""
