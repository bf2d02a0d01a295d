"""What runs report of labels that are drawn by chance: with a third part that chooses the epoch, what chance reaches.

Every seed draws 150 rows and their labels, and trains with early stopping on the best accuracy. Where the test rows
choose the epoch as well (`--without`), what is reported of them is more than chance. Exit code 1 where the mean is two
standard errors or more from chance; within one it is expected of two in three lists of seeds.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from trainer import train

ROWS = 150


def reported(seed: int, folder: Path, validation: float | None = 0.25) -> tuple[float, int]:
    """The test accuracy at the end of a run, and of how many rows it is."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(ROWS) % 2)
    np.savez(folder / "rows.npz", inputs=rng.normal(size=(ROWS, 10)).astype(np.float32), targets=labels)
    config = {
        "seed": seed,
        "dataset": {"path": str(folder / "rows.npz")} | ({"validation_fraction": validation} if validation else {}),
        "network": [{"dense": 16}, "tanh", {"dense": 2}],
        "cost": "softmax_cross_entropy",
        "metrics": ["accuracy"],
        "optimizer": "adam",
        "step_size": 0.01,
        "stop": {"patience": 5, "watched": "accuracy"},
        "epochs": 50,
        "checkpoint": False,
    }
    outcome = train(config, out=folder)
    assert outcome.epoch is not None
    return outcome.epoch.test["accuracy"], len(outcome.training.data.test or ())


def against_chance(seeds: Sequence[int], validation: float | None = 0.25) -> tuple[float, float, float]:
    """The mean accuracy, the share that one gets right by naming any class, and the standard error of the mean."""
    with tempfile.TemporaryDirectory() as folder:
        found = [reported(seed, Path(folder), validation) for seed in seeds]
    rows = sum(count for _, count in found)
    mean = sum(accuracy * count for accuracy, count in found) / rows
    return mean, 0.5, 0.5 / math.sqrt(rows)


def main() -> int:
    """Train, and print how far from chance what is reported is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="how many runs (200)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (0)")
    parser.add_argument("--without", action="store_true", help="without validation rows: the test rows choose")
    arguments = parser.parse_args()
    seeds = range(arguments.first, arguments.first + arguments.seeds)
    mean, chance, error = against_chance(seeds, None if arguments.without else 0.25)
    print(
        f"{len(seeds)} runs: test accuracy {mean:.4f}, chance {chance}, standard error {error:.4f}: "
        f"{(mean - chance) / error:+.2f} of them"
    )
    return int(abs(mean - chance) >= 2 * error)


if __name__ == "__main__":
    sys.exit(main())
