"""What a rule needs to know of a network, and whether a run provides it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from actdiag.diagnosis.calibration.trainability import rate_of
from actdiag.measurements import Measurements

Need = Literal["gradient", "recipe", "runs", "steps", "theory"]
"""`gradient`: a backward pass. `recipe`: the stack, for how its weights and biases are drawn.
Those that are given are not. `runs`: several runs.
`steps`: what a training step takes, a loss on labels and a learning rate. `theory`: the predictions of theory."""

MISSING: Mapping[Need, str] = MappingProxyType(
    {
        "gradient": "no backward pass was run",
        "recipe": "how weights and biases are drawn is not known",
        "runs": "there is one run only",
        "steps": "no training step is known: it takes a loss on labels and a learning rate",
        "theory": "theory was not asked",
    }
)
"""Why something that a rule needs is not there."""


def available(measurements: Measurements) -> frozenset[Need]:
    """Return what a run provides of what rules need."""
    labelled = measurements.loss is not None and measurements.loss.name != "random"
    provided: dict[Need, bool] = {
        "gradient": measurements.has_gradient,
        "recipe": measurements.recipe is not None and measurements.recipe.weights is None,
        "runs": measurements.runs is not None,
        "steps": labelled and rate_of(measurements) is not None,
        "theory": measurements.theory is not None,
    }
    return frozenset(need for need, is_there in provided.items() if is_there)
