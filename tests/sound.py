"""A network with which nothing is wrong, as the fit sees it."""

from actdiag.diagnosis.calibration.domain import Task
from actdiag.diagnosis.calibration.signals import Signals

SOUND = Signals(
    gradient=0.0,
    typical=0.0,
    information=-0.3,
    roughness=0.0,
    output=-0.5,
    curvature=4.0,
    learning=6.0,
    estimated=False,
)
TASK = Task(optimizer="sgd", iterations=1000, mse=False, classes=10, depth=1, width=100, weights=50_000)
