"""Does `trainer find-step-size` find it? Its answer for eight configs beside the best of a fine grid of whole runs.

The grid has ten sizes to a decade, each trained to the end with five seeds, and the loss is the median: where training
breaks down some seeds are lucky. Where runs of other steps end as well as the best (within a
hundredth), the factor is to the nearest of those, for which of them is least is chance.
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
from trainer.explaining.step_size import NEAR, search, with_step_size
from trainer.training import Training
from trainer.training.threads import pinned

CONFIGS = {
    "mlp": 8, "wine": 20, "moons": 30, "logistic_regression": 15, "diabetes": 30, "adamw": 8, "snake": 20,
    "linear_regression": 30,
}  # fmt: skip
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
    """One line a config; 1 where a factor is above two."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5, help="of the grid; the answer is that of seed 0")
    seeds, far = parser.parse_args().seeds, 0
    for name, epochs in CONFIGS.items():
        file = Path(__file__).parent.parent / f"configs/{name}.yaml"
        drawn = [build(load(file, [f"epochs={epochs}", f"seed={seed}"])) for seed in range(seeds)]
        with pinned(1):
            began = time.process_time()
            found = search(drawn[0]).best
            took = time.process_time() - began
            losses = {size: median([reached(with_step_size(each, size)) for each in drawn]) for size in GRID}
        least = min(losses.values())
        near = [size for size, loss in losses.items() if loss <= least * (1 + NEAR)]
        factor = min(max(found / size, size / found) for size in near)
        best = min(losses, key=losses.__getitem__)
        far += factor > 2
        print(
            f"{name:<20} found {found:<6g} best {best:<7.3g} ({least:.4g}) factor {factor:.2f}, {took:.1f} s",
            flush=True,
        )
    print(f"{len(CONFIGS) - far} of {len(CONFIGS)} within a factor of two")
    return 1 if far else 0


if __name__ == "__main__":
    sys.exit(main())
