"""Momentum or Adam?

Each at its own best step size, of a grid of factors of about three, on digits; the training loss after ten epochs. Two
seeds choose the step size, and eight others compare.
"""

import numpy as np
from common import asked, picture, reached, told

OPTIMIZERS = {"sgd": "#9aa5b1", "momentum": "#ea580c", "adam": "#2563eb"}
SIZES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
CONFIG = {
    "dataset": {"name": "digits", "standardize": True},
    "network": [{"dense": 64}, "relu", {"dense": 64}, "relu", {"dense": 10}],
    "cost": "softmax_cross_entropy",
    "evaluate": {"every": 10**9},
}


def main() -> None:
    given = asked(__doc__, __file__)
    choosing, seeds, epochs = (range(1), range(1, 3), 1) if given.quick else (range(2), range(2, 10), 10)
    found = {}
    with picture(given.out, "step size", f"training loss after {epochs} epochs") as axes:
        for name, colour in OPTIMIZERS.items():
            tried = [
                np.nan_to_num(
                    reached(CONFIG, choosing, "loss", "train", optimizer=name, step_size=e, epochs=epochs), nan=10.0
                )
                for e in SIZES
            ]
            means = [float(each.mean()) for each in tried]
            axes.plot(SIZES, np.minimum(means, 10.0), "o-", markersize=3, color=colour, label=name)
            best = SIZES[int(np.argmin(means))]
            found[name] = best, reached(CONFIG, seeds, "loss", "train", optimizer=name, step_size=best, epochs=epochs)
        axes.set(xscale="log", yscale="log")
    for name, (best, values) in found.items():
        print(f"{name} at {best:g}: {told(1000 * values, 2)} thousandths")


if __name__ == "__main__":
    main()
