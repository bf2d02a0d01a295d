"""Ten thousand flips: one bit of one file of a run at a time, wherever it is, and then everything of the run is read.

Whatever is read is what was written, or the reading is refused with an error that names the file; a damaged checkpoint
may also be passed over for the one before, and is then told. Files that nobody vouches for are named: nothing is read
from them but who holds the run.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import trainer
from trainer.errors import TrainerError
from trainer.runs.checkpoint import Checkpoints
from trainer.runs.digests import FILES, STATUS, read, read_mapping
from trainer.runs.listing import Summary
from trainer.runs.loading import load

CONFIG: dict[str, Any] = {
    "name": "flipped",
    "dataset": {"name": "iris", "standardize": True, "validation_fraction": 0.2},
    "network": [{"dense": 4}, "relu", {"dense": 3}],
    "cost": "softmax_cross_entropy",
    "optimizer": "adam",
    "metrics": ["accuracy", "confusion_matrix"],
    "step_size": {"plateau": {"start": 0.1, "patience": 0}},
    "stop": {"patience": 9},
    "epochs": 6,
    "checkpoint": {"epochs": 1},
    "log": {"steps": 1},
}
TOLD = ("DataError", "ConfigError")


def plain(value: Any) -> Any:
    """A value that can be compared, whatever it is made of; nan equals nan."""
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    return repr(value) if isinstance(value, float) else value


def part(folder: Path, name: str) -> Any:
    """A part of a run, by its name."""
    return getattr(load(folder), name)


def saved(checkpoints: Checkpoints, step: int) -> Any:
    """A checkpoint."""
    return vars(checkpoints.load(step))


def newest(folder: Path) -> Any:
    """The newest checkpoint; of one that is passed over, an error."""
    checkpoints = Checkpoints(folder / "checkpoints")
    found = checkpoints.newest()
    if checkpoints.damaged:
        raise trainer.errors.DataError(checkpoints.damaged[0])
    assert found is not None, "no checkpoint is there, and none is said to be damaged"
    return found.step, found.arrays, found.values, found.facts


def summary(folder: Path) -> Any:
    """What a list of runs shows; of a run that it calls damaged, an error."""
    run = Summary(folder)
    if run.status in ("damaged", "unreadable"):
        raise trainer.errors.DataError(run.status)
    return run.status, run.last, run.about


def readings(folder: Path) -> dict[str, Callable[[], Any]]:
    """Every way in which something of a run is read."""
    x = np.linspace(0.1, 7, 40).reshape(10, 4)
    parts = ("about", "config", "config_text", "environment", "metrics", "steps", "findings", "log")
    ways: dict[str, Callable[[], Any]] = {name: partial(part, folder, name) for name in parts}
    ways |= {f"file {name}": partial(read, folder / name) for name in read_mapping(folder / STATUS)[FILES]}
    ways["parameters"] = lambda: (vars(load(folder).saved)["parameters"], load(folder).saved.metadata)
    ways["scaling"] = lambda: vars(load(folder).scaling)
    ways["model"] = lambda: trainer.load(folder).predict_proba(x)
    ways["checkpoint"] = lambda: newest(folder)
    checkpoints = Checkpoints(folder / "checkpoints")
    ways |= {f"step {step}": partial(saved, checkpoints, step) for step in checkpoints.steps()}
    ways["listed"] = lambda: summary(folder)
    return ways


def main() -> int:
    """Flip and read; 1 where something was read that was never written."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("flips", metavar="FLIPS", nargs="?", type=int, default=10_000, help="how many (%(default)s)")
    arguments = parser.parse_args()
    chance = random.Random(0)  # noqa: S311  places, no secrets
    outcomes, unseen, wrong = Counter[str](), Counter[str](), 0
    with tempfile.TemporaryDirectory() as name:
        folder = trainer.train(CONFIG, out=name).folder
        assert folder is not None
        ways = readings(folder)
        written = {what: plain(way()) for what, way in ways.items()}
        files = sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size)
        kept = shutil.copytree(folder, Path(name, "kept"))
        for i in range(arguments.flips):
            path = files[i % len(files)]
            content = bytearray(path.read_bytes())
            place, bit = chance.randrange(len(content)), chance.randrange(8)
            content[place] ^= 1 << bit
            path.write_bytes(content)
            refused = 0
            for what, way in ways.items():
                try:
                    found = plain(way())
                except TrainerError as error:
                    if type(error).__name__ not in TOLD:
                        raise
                    refused += 1
                else:
                    if found != written[what]:
                        wrong += 1
                        print(
                            f"{path.relative_to(folder)}: bit {bit} of byte {place}: {what} is read wrong", flush=True
                        )
            outcomes[path.name if path.parent == folder else path.parent.name] += 1
            unseen[path.name if path.parent == folder else path.parent.name] += not refused
            path.write_bytes((kept / path.relative_to(folder)).read_bytes())
    for file, count in sorted(outcomes.items()):
        harmless = f", {unseen[file]:,} that changed nothing that is read" if unseen[file] else ""
        print(f"{file}: {count:,} flips, {count - unseen[file]:,} refused{harmless}")
    print(f"{sum(outcomes.values()):,} flips, {wrong:,} read wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
