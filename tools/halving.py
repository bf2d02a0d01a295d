"""Successive halving beside the whole grid: the same winner, how many steps it took, and the bytes of the survivors.

For each of ten seeds 27 configs are trained to the end, and by halving: which config is best in either, how many
steps halving took of those of the grid, and whether the runs that came through have the bytes of those that were never
paused.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # whoever imports this keeps the threads of their own
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import trainer
from tools.kills import remains
from trainer.sweeps.sweeping import Plan, planned, train

CONFIG: dict[str, Any] = {
    "name": "halved",
    "dataset": {"name": "digits", "standardize": True, "validation_fraction": 0.2},
    "network": [{"dense": 32}, "tanh", {"dense": 10}],
    "cost": "softmax_cross_entropy",
    "epochs": 18,
    "step_size": 0.1,
}
PARAMETERS = {"step_size": [0.01, 0.1, 1.0], "network.0.dense": [4, 16, 64], "batch_size": [16, 64, 256]}


def steps(plan: Plan) -> int:
    """Taken by all runs together."""
    paths = [member.path for trial in plan.trials for member in trial.members if member.path is not None]
    return sum(int(trainer.Run(path).metrics["step"][-1]) for path in paths if len(trainer.Run(path).metrics))


def main() -> int:
    """Try seeds; 1 where bytes differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10, help="(%(default)s)")
    arguments = parser.parse_args()
    agreed, differing = 0, 0
    for seed in range(arguments.seeds):
        with tempfile.TemporaryDirectory() as name:
            grid = train(planned(CONFIG, PARAMETERS, [f"seed={seed}"]), Path(name, "grid"))
            halved = train(
                planned(CONFIG, PARAMETERS, [f"seed={seed}"], pruner="successive_halving"), Path(name, "halved")
            )
            best, found = str(grid.ranked()[0]), str(halved.ranked()[0])
            agreed += best == found
            whole = {str(trial): trial.members[0].path for trial in grid.trials}
            survivors = [trial for trial in halved.trials if trial.given_up is None]
            for trial in survivors:
                path, other = trial.members[0].path, whole[str(trial)]
                assert path is not None
                assert other is not None
                differing += remains(path) != remains(other)
            share = steps(halved) / steps(grid)
            print(
                f"seed {seed}: {found}{'' if best == found else f', the grid {best}'}; {share:.0%} of the steps; "
                f"{len(survivors)} came through, {differing} with other bytes so far",
                flush=True,
            )
    print(f"the same winner in {agreed} of {arguments.seeds} seeds")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
