"""How does the best step size grow with the batch?

Digits, plain gradient descent, the same five epochs for every batch: the step size with the lowest training loss, on a
grid of factors of √2, for each of six seeds. A rule of thumb says that it grows with the batch; another, with its
square root.
"""

import numpy as np
from common import asked, curve, interval, picture, reached

EXPONENTS = np.arange(-2, 4.5, 0.5)
CONFIG = {
    "dataset": {"name": "digits", "standardize": True},
    "network": [{"dense": 32}, "tanh", {"dense": 10}],
    "cost": "softmax_cross_entropy",
    "evaluate": {"every": 10**9},
}


def main() -> None:
    given = asked(__doc__, __file__)
    batches, seeds, epochs = ([32, 256], range(2), 1) if given.quick else ([16, 32, 64, 128, 256], range(6), 5)
    best = [lowest(batch, seeds, epochs) for batch in batches]
    slopes = np.array([np.polyfit(np.log2(batches), column, 1)[0] for column in np.transpose(best)])
    with picture(given.out, "rows of a batch", "step size with the lowest loss") as axes:
        curve(axes, batches, best, "found", "#2563eb")
        doublings = np.log2(np.array(batches) / batches[0])
        for power, style, label in ((1.0, ":", "in proportion"), (0.5, "--", "with the square root")):
            axes.plot(batches, np.mean(best[0]) + power * doublings, style, color="#7b8794", label=label)
        axes.set_xscale("log", base=2)
        axes.set_xticks(batches, [str(batch) for batch in batches])
        axes.set_yticks(range(-1, 5), [f"{2.0**e:g}" for e in range(-1, 5)])
    mean, half = interval(slopes)
    print(f"the best step size grows with the batch to the power {mean:.2f} ± {half:.2f}")
    for batch, exponents in zip(batches, best, strict=True):
        print(f"  {batch}: " + ", ".join(f"{2.0**e:.3g}" for e in exponents))


def lowest(batch: int, seeds: range, epochs: int) -> np.ndarray:
    """The exponent of the best step size for each seed; an end of the grid is refused, for the best lies beyond it."""
    losses = [
        reached(CONFIG, seeds, "loss", "train", batch_size=batch, step_size=float(2.0**e), epochs=epochs)
        for e in EXPONENTS
    ]
    best = EXPONENTS[np.nanargmin(losses, axis=0)]
    if not np.isin(best, EXPONENTS[1:-1]).all():
        raise SystemExit(f"with {batch} rows of a batch the grid of step sizes ends before the best of them")
    return best


if __name__ == "__main__":
    main()
