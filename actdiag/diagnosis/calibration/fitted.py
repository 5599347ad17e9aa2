"""The numbers of the fit, written by `python -m benchmarks.fitting`."""

from collections.abc import Mapping

LABELS_SHA256 = "f1756090255c71244986c47942585c37faed22cde7253b6fcc716c81f92c3d91"
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
        "falling": -0.3525,
        "growing": -0.3602,
        "slowness": -0.3363,
        "excess": -0.2484,
        "roughness": -0.3161,
        "loudness": -0.5197,
        "narrowness": -0.8175,
        "layers": -1.826,
    },
    "momentum": {
        "intercept": 3.799,
        "falling": -0.1099,
        "growing": 0,
        "slowness": -0.2106,
        "excess": 0,
        "roughness": -0.5285,
        "loudness": -0.858,
        "narrowness": -0.671,
        "layers": -1.68,
    },
    "adam": {
        "intercept": 3.573,
        "falling": -0.1364,
        "growing": -0.1195,
        "slowness": -0.09789,
        "excess": -0.01045,
        "roughness": -0.3501,
        "loudness": -0.1864,
        "narrowness": -0.8514,
        "layers": -0.3782,
    },
}
"""The log odds of training by each optimizer: an intercept, and a weight for each feature."""

TYPICAL: Mapping[str, Mapping[str, float]] = {
    "sgd": {
        "falling": 1.424,
        "growing": 0.4238,
        "slowness": 2.413,
        "excess": 0.2752,
        "roughness": 0.7671,
        "loudness": 0.2698,
        "narrowness": 0.1651,
        "layers": 0.04139,
    },
    "momentum": {
        "falling": 1.271,
        "growing": 0.2758,
        "slowness": 2.06,
        "excess": 0.1816,
        "roughness": 0.6993,
        "loudness": 0.1565,
        "narrowness": 0.569,
        "layers": 0.0224,
    },
    "adam": {
        "falling": 1.965,
        "growing": 0.3204,
        "slowness": 0.1768,
        "excess": 0.07189,
        "roughness": 0.6765,
        "loudness": 0.3185,
        "narrowness": 0.5393,
        "layers": 0.0419,
    },
}
"""The mean features of the networks that train."""

RATES: Mapping[str, tuple[float, float, float, float]] = {
    "sgd": (-1.75, -0.3, 0.3, 2.0),
    "momentum": (-1.75, -0.4, 0.2, 0.3),
    "adam": (-4.25, -2.22e-16, 0.03, 0.03),
}
"""Of the recommended learning rates: intercept and slope of their logarithm in that of the curvature, the largest, and
the largest product with the depth."""
