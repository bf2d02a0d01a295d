"""Is the program of a step the step? Two steps of both, from the same θ, held against each other to the bit.

A program is recorded on the first rows, with the first draw. What stood still in it would show on other rows alone, so
these steps are on shuffled ones, and the second has other parameters and another draw as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from trainer.compiler.surroundings import same_bits
from trainer.errors import Hint, OpError
from trainer.nn.network import Network
from trainer.training.runners import Runner
from trainer.training.state import TrainingState
from trainer.training.step import Carried
from trainer.types import Array

__all__ = ["compare_with_tape"]

STEPS = 2


def compare_with_tape(
    runner: Runner, tape: Runner, network: Network, state: TrainingState, batches: Array, step_sizes: Sequence[float]
) -> None:
    """Take these steps with a runner and on the tape.

    Args:
        network: knows the parameters' names.
        batches: row numbers (k, m), a row per step.

    Raises OpError where they differ in one bit.
    """
    with np.errstate(all="ignore"):
        found = [w.run(state.theta, state.carried, batches, step_sizes, state.step) for w in (runner, tape)]
    (theta, carried, losses), (want, kept, true) = found
    named = dict(_named(network, theta, carried))
    differs = [name for name, value in _named(network, want, kept) if not same_bits(named[name], value)]
    if not differs and same_bits(losses, true):
        return
    loss = next((n for n, (a, b) in enumerate(zip(losses, true, strict=False)) if not same_bits(a, b)), None)
    what = "another loss" if loss == 0 or (loss and not differs) else f"other numbers for {', '.join(differs[:3])}"
    raise OpError(
        f"a step gives {what} as a program than on the tape: something that it reads was taken down once, when the "
        "program was recorded. Whatever changes from step to step has to reach an op, a layer or a cost as an argument "
        "(predictions, targets, x, parameters, draw), and only NumPy's functions and ops may compute with it",
        hints=[Hint("executor", "eager", "the tape, which records every step anew")],
    )


def _named(network: Network, theta: Array, carried: Carried) -> Iterator[tuple[str, Array]]:
    yield from network.named(theta).items()
    for part, values in zip(("optimizer", "layers"), carried, strict=True):
        for name, value in values.items():
            yield f"{part}.{name}" if part == "optimizer" else name, value
