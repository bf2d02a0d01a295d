"""What does batch normalisation change?

A network of six hidden layers on digits, with it and without, at step sizes a factor of two apart, eight epochs and
three seeds each: which step sizes lead to an accuracy of nine in ten?
"""

import numpy as np
from common import asked, picture, reached

CONFIG = {
    "dataset": {"name": "digits", "standardize": True, "test_fraction": 0.3},
    "cost": "softmax_cross_entropy",
    "batch_size": 32,
}
SIZES = 2.0 ** np.arange(-9, 2)


def main() -> None:
    given = asked(__doc__, __file__)
    seeds, epochs, sizes = (range(2), 1, SIZES[5:7]) if given.quick else (range(3), 8, SIZES)
    spans = {}
    with picture(given.out, "step size", "accuracy on test rows: mean, each seed") as axes:
        for label, between, colour in (("without", [], "#7b8794"), ("with batch_norm", ["batch_norm"], "#2563eb")):
            hidden = [{"dense": {"units": 32, "initial": "he"}}, *between, "relu"] * 6
            found = [
                np.nan_to_num(
                    reached(CONFIG, seeds, network=[*hidden, {"dense": 10}], step_size=float(e), epochs=epochs), nan=0.1
                )
                for e in sizes
            ]
            axes.plot(sizes, found, ".", color=colour, alpha=0.6)
            axes.plot(sizes, np.mean(found, axis=1), color=colour, label=label)
            spans[label] = [float(e) for e, values in zip(sizes, found, strict=True) if values.mean() > 0.9]
        axes.set(xscale="log", ylim=(0, 1.02))
    for label, good in spans.items():
        reach = (
            f"from {min(good):.3g} to {max(good):.3g}, a factor of {max(good) / min(good):.0f}" if good else "nowhere"
        )
        print(f"{label}: above 0.9 {reach}")


if __name__ == "__main__":
    main()
