"""How often the interval of a paired comparison holds the true difference, for few seeds and many shapes of numbers.

Differences within a seed are drawn of each shape, some thousand comparisons of 5, 10 and 30 seeds. Numbers that both
configs have of one skewed shape differ by a symmetric one. The last shapes are so skewed that
Student's t does not hold for few seeds: how far it is off is printed, and nothing is asked of it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping

import numpy as np

from trainer.rng import generator
from trainer.sweeps.paired import paired
from trainer.types import Array

Draw = Callable[[np.random.Generator, int], Array]

# What each of two configs reaches over so many seeds, and the true mean difference.
SHAPES: Mapping[str, tuple[Draw, float]] = {
    "normal": (lambda rng, n: rng.normal(0.1, 1, n), 0.1),
    "uniform": (lambda rng, n: rng.uniform(-1, 1.2, n), 0.1),
    "Laplace": (lambda rng, n: rng.laplace(0.1, 1, n), 0.1),
    "logistic": (lambda rng, n: rng.logistic(0.1, 1, n), 0.1),
    "Student's t of 5 degrees": (lambda rng, n: rng.standard_t(5, n) + 0.1, 0.1),
    "two modes": (lambda rng, n: rng.choice([-1.0, 1.0], n) + 0.7 * rng.normal(size=n) + 0.1, 0.1),
    "two heaps apart": (lambda rng, n: rng.choice([-1.0, 1.0], n) + 0.3 * rng.normal(size=n) + 0.1, 0.1),
    "triangular": (lambda rng, n: rng.triangular(-1, 0, 1, n) + 0.1, 0.1),
    "skewed losses": (lambda rng, n: rng.gamma(2.0, 0.1, n) + 0.1 - rng.gamma(2.0, 0.1, n), 0.1),
    "accuracies on 100 rows": (lambda rng, n: (rng.binomial(100, 0.93, n) - rng.binomial(100, 0.92, n)) / 100, 0.01),
    "mildly skewed (gamma of 6)": (lambda rng, n: rng.gamma(6.0, 1.0, n), 6.0),
}
BEYOND: Mapping[str, tuple[Draw, float]] = {
    "exponential": (lambda rng, n: rng.exponential(1.0, n), 1.0),
    "lognormal of σ = 1": (lambda rng, n: rng.lognormal(0.0, 1.0, n), float(np.exp(0.5))),
}


def covered(draw: Draw, truth: float, seeds: int, comparisons: int, name: str) -> float:
    """The share of intervals that hold the truth."""
    hits = 0
    rng = generator(0, f"intervals {name}", seeds)
    for _ in range(comparisons):
        found = paired(draw(rng, seeds).tolist(), [0.0] * seeds)
        assert found is not None
        hits += found.low <= truth <= found.high
    return hits / comparisons


def main() -> int:
    """Print a table; 1 where a share is outside of 93 to 97 of 100."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--comparisons", type=int, default=4000, help="of each shape (%(default)s)")
    arguments = parser.parse_args()
    outside = 0
    for name, (draw, truth) in {**SHAPES, **BEYOND}.items():
        shares = [covered(draw, truth, seeds, arguments.comparisons, name) for seeds in (5, 10, 30)]
        if name in SHAPES:
            outside += sum(not 0.93 <= share <= 0.97 for share in shares)
        print(f"{name:<28}" + "".join(f"{share:8.1%}" for share in shares), flush=True)
    return 1 if outside else 0


if __name__ == "__main__":
    sys.exit(main())
