"""The numbers of the fit, written by `python -m benchmarks.fitting`."""

LABELS_SHA256 = "de42bddd2f6320a89158dcfabf49424ad218449e24ae4eecfa8a0d927b9ec225"
"""Of the labels that they were fitted to: benchmarks/labels/fit.jsonl, benchmarks/labels/fit_rates.jsonl."""

INTERCEPT = 5.986
WEIGHTS = {"falling": -0.4953, "growing": -0.7481, "slowness": -0.3699, "excess": -0.5487}
TYPICAL = {"falling": 1.478, "growing": 0.4449, "slowness": 2.386, "excess": 0.26}
RATE_INTERCEPT, RATE_SLOPE, RATE_MOST = -0.3, -0.35, 0.1
