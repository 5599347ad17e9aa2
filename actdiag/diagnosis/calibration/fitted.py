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
        "intercept": 6.634,
        "falling": -0.3812,
        "growing": -0.1326,
        "slowness": -0.3287,
        "excess": -0.3411,
        "roughness": -0.4051,
        "loudness": -0.6195,
        "narrowness": -1.142,
        "layers": -2.007,
        "shortness": -0.8378,
    },
    "momentum": {
        "intercept": 3.992,
        "falling": -0.108,
        "growing": 0,
        "slowness": -0.2118,
        "excess": 0,
        "roughness": -0.5466,
        "loudness": -0.8463,
        "narrowness": -0.7804,
        "layers": -1.773,
        "shortness": -0.1829,
    },
    "adam": {
        "intercept": 4.036,
        "falling": -0.1339,
        "growing": -0.1088,
        "slowness": -0.1018,
        "excess": -0.0002756,
        "roughness": -0.3685,
        "loudness": -0.1993,
        "narrowness": -0.9271,
        "layers": -0.5016,
        "shortness": -0.4603,
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
        "narrowness": 0.1255,
        "layers": 0.04139,
        "shortness": 1.198,
    },
    "momentum": {
        "falling": 1.271,
        "growing": 0.2758,
        "slowness": 2.06,
        "excess": 0.1816,
        "roughness": 0.6993,
        "loudness": 0.1565,
        "narrowness": 0.4333,
        "layers": 0.0224,
        "shortness": 0.8453,
    },
    "adam": {
        "falling": 1.965,
        "growing": 0.3204,
        "slowness": 0.1768,
        "excess": 0.07189,
        "roughness": 0.6765,
        "loudness": 0.3185,
        "narrowness": 0.3925,
        "layers": 0.0419,
        "shortness": 0.9664,
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
