"""The numbers of the fit, written by `python -m benchmarks.fitting`."""

INTERCEPT = 5.0
WEIGHTS = {"falling": -1.2, "growing": -0.7, "slowness": -0.3, "excess": -0.7}
TYPICAL = {"falling": 1.5, "growing": 0.5, "slowness": 1.0, "excess": 0.1}
RATE_INTERCEPT, RATE_SLOPE, RATE_MOST = 1.8, -0.55, 0.1
RATE_MARGIN_BELOW, RATE_MARGIN_ABOVE = 10.0, 3.0
