"""Early stopping or weight decay?

A wide network on 150 noisy rows of a regression: trained to the end, stopped where the validation rows are predicted
best, with a penalty on the weights, and with both. Fifteen seeds, of which each draws data of its own; what counts is
the difference to training to the end, on 200 test rows.
"""

import numpy as np
from common import asked, interval, picture, reached

CONFIG = {
    "network": [{"dense": 64}, "relu", {"dense": 1}],
    "cost": "mean_squared_error",
    "optimizer": "adam",
    "step_size": 0.005,
    "metrics": ["r2"],
    "evaluate": {"train": "off", "every": 5},
}
DATA = {
    "name": "friedman1",
    "rows": 400,
    "noise": 2.0,
    "standardize": True,
    "standardize_targets": True,
    "test_fraction": 0.5,
}
DATA |= {"validation_fraction": 0.25}
WAYS = {
    "to the end": {},
    "stopping": {"stop": {"patience": 10}},
    "penalty": {"penalty": {"l2": 0.03, "parameters": "*.weights"}},
    "both": {"stop": {"patience": 10}, "penalty": {"l2": 0.03, "parameters": "*.weights"}},
}


def main() -> None:
    given = asked(__doc__, __file__)
    seeds, epochs = (range(2), 10) if given.quick else (range(15), 300)
    found = {name: reached(CONFIG, seeds, "r2", dataset=DATA, epochs=epochs, **way) for name, way in WAYS.items()}
    gains = {name: values - found["to the end"] for name, values in found.items() if name != "to the end"}
    with picture(given.out, "r² on test rows, less that of training to the end", "") as axes:
        for row, values in enumerate(gains.values()):
            axes.plot(values, [row + 0.15] * len(values), ".", color="#9aa5b1")
            axes.errorbar(interval(values)[0], row, xerr=interval(values)[1], fmt="o", capsize=3, color="#2563eb")
        axes.axvline(0, color="#7b8794", linestyle=":")
        axes.set_yticks(range(len(gains)), list(gains))
        axes.set_ylim(-0.5, len(gains) - 0.5)
    print(f"to the end: r2 {np.mean(found['to the end']):.3f}; gained by")
    for name, values in gains.items():
        print("  {}: {:+.3f} ± {:.3f}".format(name, *interval(values)))


if __name__ == "__main__":
    main()
