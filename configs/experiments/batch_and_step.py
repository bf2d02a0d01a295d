"""How does the best step size grow with the batch?

Digits, plain gradient descent, the same five epochs for every batch: the step size with the lowest training loss, on a
grid of factors of two, for each of three seeds. A rule of thumb says that it grows with the batch; another, with its
square root.
"""

import numpy as np
from common import asked, curve, interval, picture, reached

SIZES = 2.0 ** np.arange(-7, 3)
CONFIG = {
    "dataset": {"name": "digits", "standardize": True},
    "network": [{"dense": 32}, "tanh", {"dense": 10}],
    "cost": "softmax_cross_entropy",
    "evaluate": {"every": 10**9},
}


def main() -> None:
    given = asked(__doc__, __file__)
    batches, seeds, epochs = ([32, 256], range(2), 1) if given.quick else ([16, 32, 64, 128, 256], range(3), 5)
    best = []
    for batch in batches:
        losses = [
            reached(CONFIG, seeds, "loss", "train", batch_size=batch, step_size=float(e), epochs=epochs) for e in SIZES
        ]
        best.append(np.log2(SIZES[np.nanargmin(losses, axis=0)]))
    slopes = np.array([np.polyfit(np.log2(batches), column, 1)[0] for column in np.transpose(best)])
    with picture(given.out, "rows of a batch", "step size with the lowest loss") as axes:
        curve(axes, batches, best, "found", "#2563eb")
        start = np.mean(best[0])
        for power, style in ((1.0, ":"), (0.5, "--")):
            axes.plot(
                batches,
                start + power * np.log2(np.array(batches) / batches[0]),
                style,
                color="#7b8794",
                label=f"batch^{power:g}",
            )
        axes.set_xscale("log", base=2)
        axes.set_xticks(batches, [str(batch) for batch in batches])
        axes.set_yticks(range(-5, 3), [f"{2.0**e:g}" for e in range(-5, 3)])
    mean, half = interval(slopes)
    print(f"the best step size grows with the batch to the power {mean:.2f} ± {half:.2f}")


if __name__ == "__main__":
    main()
