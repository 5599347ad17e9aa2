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
    """Run stacks under the gain and the biases that `gain` recommends, compare them with theory, and train one.

    The one that is trained has 100 units a layer and as many layers as the others. `progress` is called with (steps
    done, steps in all) over all stacks.

    Raises:
        InvalidField: A ValueError that names the field, what it accepts and what it got.

    Example:
        >>> found = verify("tanh", depth=3, width=64)
        >>> [layer.layer for layer in found.layers], found.seeds
        ([1, 2, 3], (0, 1, 2, 3, 4))
    """
    from actdiag.experiments.trained_gain import ITERATIONS, train_under
    from actdiag.experiments.verify import SEEDS
    from actdiag.experiments.verify import verify as run_stacks
    from actdiag.theory.gains import gains

    entry = activations.resolve(act)
    take = gains(entry, bias_std, depth).recommended
    runs = 2 * depth * SEEDS

    def ran(done: int, total: int) -> None:
        if progress is not None:
            progress(done, runs + ITERATIONS)

    def trained(done: int, total: int) -> None:
        ran(runs + done, total)

    checked = run_stacks(
        entry, take.gain, take.bias_std, depth=depth, width=width, seed=seed, threads=threads, progress=ran
    )
    return checked._replace(trained=train_under(entry, take.gain, take.bias_std, depth, seed, trained))
