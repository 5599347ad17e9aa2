"""The numbers of the fit, written by `python -m benchmarks.fitting`."""

from collections.abc import Mapping

LABELS_SHA256 = "e47a95978e8334050566d67b714a78b61a57349147945088a50e4afee0b31afa"
"""Of the labels that they were fitted to, in benchmarks/labels: cases_stacks.jsonl, cases_fit.jsonl."""

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
        "intercept": 5.439,
        "falling": -0.3851,
        "growing": -0.3591,
        "slowness": -0.3216,
        "excess": -0.3112,
        "roughness": -0.2737,
        "loudness": -0.4221,
        "narrowness": -0.8537,
        "layers": -1.813,
    },
    "momentum": {
        "intercept": 3.789,
        "falling": -0.1295,
        "growing": 0,
        "slowness": -0.192,
        "excess": 0,
        "roughness": -0.5192,
        "loudness": -0.7767,
        "narrowness": -0.6773,
        "layers": -1.957,
    },
    "adam": {
        "intercept": 3.835,
        "falling": -0.1414,
        "growing": -0.02939,
        "slowness": -0.1186,
        "excess": 0,
        "roughness": -0.486,
        "loudness": -0.2447,
        "narrowness": -0.947,
        "layers": -0.6552,
    },
}
"""The log odds of training by each optimizer: an intercept, and a weight for each feature."""

TYPICAL: Mapping[str, Mapping[str, float]] = {
    "sgd": {
        "falling": 1.438,
        "growing": 0.4307,
        "slowness": 2.419,
        "excess": 0.2822,
        "roughness": 0.7728,
        "loudness": 0.2723,
        "narrowness": 0.1418,
        "layers": 0.04245,
    },
    "momentum": {
        "falling": 1.198,
        "growing": 0.2935,
        "slowness": 1.972,
        "excess": 0.1959,
        "roughness": 0.7192,
        "loudness": 0.1689,
        "narrowness": 0.5885,
        "layers": 0.01117,
    },
    "adam": {
        "falling": 1.966,
        "growing": 0.3202,
        "slowness": 0.167,
        "excess": 0.07633,
        "roughness": 0.6802,
        "loudness": 0.2988,
        "narrowness": 0.5097,
        "layers": 0.04449,
    },
}
"""The mean features of the networks that train."""

RATES: Mapping[str, tuple[float, float, float, float]] = {
    "sgd": (-1.75, -0.3, 0.3, 2.0),
    "momentum": (-1.75, -0.4, 0.2, 0.3),
    "adam": (-4.25, -2.22e-16, 0.03, 0.1),
}
"""Of the recommended learning rates: intercept and slope of their logarithm in that of the curvature, the largest, and
the largest product with the depth."""
