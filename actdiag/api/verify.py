"""verify: whether the recommended gain does what theory predicts."""

from typing import TYPE_CHECKING

from actdiag import activations
from actdiag.activations import Activation
from actdiag.api.signatures import takes
from actdiag.experiments.run import Progress
from actdiag.options import VerifyOptions

if TYPE_CHECKING:
    from actdiag.experiments.verify import Verification


@takes(VerifyOptions)
def verify(
    act: str | Activation,
    bias_std: float = VerifyOptions.bias_std,
    *,
    depth: int = VerifyOptions.depth,
    width: int = VerifyOptions.width,
    seed: int = VerifyOptions.seed,
    threads: int | None = VerifyOptions.threads,
    progress: Progress | None = None,
) -> "Verification":
    """Run stacks under the gain and the biases that `gain` recommends, and compare them with theory.

    `progress` is called with (steps done, steps in all) over all stacks.

    Raises:
        InvalidField: A ValueError that names the field, what it accepts and what it got.

    Example:
        >>> found = verify("tanh", depth=3, width=64)
        >>> [layer.layer for layer in found.layers], found.seeds
        ([1, 2, 3], (0, 1, 2, 3, 4))
    """
    from actdiag.experiments.verify import verify as run_stacks
    from actdiag.theory.gains import gains

    entry = activations.resolve(act)
    take = gains(entry, bias_std, depth).recommended
    return run_stacks(
        entry,
        take.gain,
        take.bias_std,
        depth=depth,
        width=width,
        seed=seed,
        threads=threads,
        progress=progress,
    )
