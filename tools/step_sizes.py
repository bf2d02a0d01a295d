"""Does `trainer find-step-size` find it? Its answers beside the best of a fine grid of whole runs.

The grid has ten sizes to a decade, each trained to the end with five seeds, and the loss is the median: where training
breaks down some seeds are lucky. The search is asked twice, with seeds of the grid and with three others. Two factors
are told: to the size whose loss is least, and to the nearest of those that end as well (within a hundredth), for which
of these is least is chance; the second is judged. `--more` measures four configs that the search is not held to.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from pathlib import Path
from statistics import median

from trainer.config import load
from trainer.errors import DivergedError
from trainer.experiment import build
from trainer.explaining.step_size import NEAR, SEEDS, search, with_step_size
from trainer.training import Training
from trainer.training.threads import pinned

CONFIGS = {
    "mlp": 8, "wine": 20, "moons": 30, "logistic_regression": 15, "diabetes": 30, "adamw": 8, "snake": 20,
    "linear_regression": 30,
}  # fmt: skip
MORE = {"several_outputs": 10, "embedding": 10, "spirals": 40, "autoencoder": 6}
GRID = tuple(10 ** (exponent / 10) for exponent in range(-35, 14))


def reached(training: Training) -> float:
    """The training loss at the end of a run; inf where it diverged."""
    try:
        for _ in training.records():
            pass
        return training.evaluate("train")["loss"]
    except DivergedError:
        return math.inf


def main() -> int:
    """One line an answer; 1 where a factor is above two."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5, help="of the grid")
    parser.add_argument("--more", action="store_true", help="the other configs")
    arguments, far = parser.parse_args(), 0
    for name, epochs in (MORE if arguments.more else CONFIGS).items():
        file, seeds = Path(__file__).parent.parent / f"configs/{name}.yaml", arguments.seeds
        drawn = [build(load(file, [f"epochs={epochs}", f"seed={seed}"])) for seed in range(seeds + SEEDS)]
        with pinned(1):
            losses = {size: median([reached(with_step_size(each, size)) for each in drawn[:seeds]]) for size in GRID}
        best = min(losses, key=losses.__getitem__)
        near = [size for size, loss in losses.items() if loss <= losses[best] * (1 + NEAR)]
        for first in (0, seeds):
            began = time.process_time()
            with pinned(1):
                found = search(drawn[first], others=drawn[first + 1 : first + SEEDS]).best
            took = time.process_time() - began
            factor = min(_factor(found, size) for size in near)
            far += factor > 2
            print(
                f"{name:<20} seeds {first} to {first + SEEDS - 1}: found {found:<6g} best {best:<7.3g} "
                f"({losses[best]:.4g}) factor {_factor(found, best):.2f}, to one as good {factor:.2f}, {took:.1f} s",
                flush=True,
            )
    print("all within a factor of two" if not far else f"{far} not within a factor of two")
    return 1 if far else 0


def _factor(one: float, other: float) -> float:
    return max(one / other, other / one)


if __name__ == "__main__":
    sys.exit(main())
