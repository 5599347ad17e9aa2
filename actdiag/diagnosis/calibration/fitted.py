"""The numbers of the fit, written by `python -m benchmarks.fitting`."""

INTERCEPT = 5.986
WEIGHTS = {"falling": -0.4953, "growing": -0.7481, "slowness": -0.3699, "excess": -0.5487}
TYPICAL = {"falling": 1.478, "growing": 0.4449, "slowness": 2.386, "excess": 0.26}
RATE_INTERCEPT, RATE_SLOPE, RATE_MOST = -0.3, -0.35, 0.1
