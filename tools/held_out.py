"""What the configs reach on rows that they were not trained on: the mean of five seeds.

Exit code 1 where a config stays below its figure.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

from trainer.config import load
from trainer.experiment import build
from trainer.training import Epoch
from trainer.training.threads import pinned

CONFIGS = Path(__file__).parent.parent / "configs"
SEEDS = range(5)

# Config, metric, and what the mean over five seeds of everything random (split, initial values, shuffles) has to reach.
FIGURES = {
    "mlp": ("accuracy", 0.975),
    "logistic_regression": ("accuracy", 0.965),
    "wine": ("accuracy", 0.97),
    "diabetes": ("r2", 0.45),
    "spirals": ("accuracy", 0.99),
    "convolution": ("accuracy", 0.985),
    "batch_norm": ("accuracy", 0.975),
    "residual": ("accuracy", 0.99),
    "embedding": ("r2", 0.93),
    "autoencoder": ("r2", 0.45),
    "lstm": ("r2", 0.99),
    "characters": ("accuracy", 0.795),
}


def held_out(name: str, metric: str, overrides: tuple[str, ...] = ()) -> tuple[list[float], float]:
    """The metric on the test rows for each seed, and the seconds that a run took on average."""
    start, values = time.perf_counter(), []
    for seed in SEEDS:
        training = build(load(CONFIGS / f"{name}.yaml", [f"seed={seed}", *overrides]))
        epochs = [record for record in training.records() if isinstance(record, Epoch)]
        values.append((training.best.epoch if training.best else epochs[-1]).test[metric])
    return values, (time.perf_counter() - start) / len(SEEDS)


def main() -> int:
    """Print a line per config; 1 where a figure is not reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", metavar="NAME", nargs="*", help="a config; else all of them")
    names = parser.parse_args().names
    if unknown := set(names) - set(FIGURES):
        parser.error(f"no figure for {', '.join(sorted(unknown))}; there are {', '.join(FIGURES)}")
    missed = 0
    with pinned(1):
        for name in names or FIGURES:
            metric, figure = FIGURES[name]
            values, seconds = held_out(name, metric)
            mean = float(np.mean(values))
            missed += mean < figure
            spread = f"{min(values):.4f} to {max(values):.4f}"
            verdict = "" if mean >= figure else "  too low"
            print(f"{name:<22}{metric} {mean:.4f} ({spread}), asked {figure:g}; {seconds:.1f} s each{verdict}")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
