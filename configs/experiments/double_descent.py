"""Does the test error come down again where a network has more parameters than rows?

Random features: a first layer that stays as it was drawn, and a linear layer on 60 rows of a regression with noise.
The last layer learns by quasi-Newton steps until the training error is next to nothing, or cannot be.
"""

import numpy as np
from common import asked, picture, reached

ROWS = 60
CONFIG = {
    "dataset": {"name": "friedman1", "rows": 4 * ROWS, "noise": 2.0, "standardize": True, "standardize_targets": True,
                "test_fraction": 0.75},
    "cost": "mean_squared_error",
    "optimizer": {"lbfgs": {"history": 30}},
    "freeze": ["0.*"],
    "batch_size": "all",
    "compute": {"dtype": "float64"},
    "metrics": ["r2"],
}  # fmt: skip


def main() -> None:
    given = asked(__doc__, __file__)
    widths = [20, 60, 120] if given.quick else [10, 20, 40, 60, 80, 120, 300, 1000]
    seeds, epochs = (range(2), 100) if given.quick else (range(6), 400)
    found = []
    for width in widths:
        initial = {"normal": 0.5}
        network = [{"dense": {"units": width, "initial": initial}}, "relu", {"dense": {"units": 1, "initial": "zeros"}}]
        found.append(1 - reached(CONFIG, seeds, "r2", network=network, step_size=0.5, epochs=epochs))
    medians = [float(np.nanmedian(each)) for each in found]
    with picture(given.out, "units, of which only the last layer learns", "1 − r² on test rows") as axes:
        low, high = np.nanquantile(found, (0.25, 0.75), axis=1)
        axes.fill_between(widths, low, high, alpha=0.2, color="#2563eb", linewidth=0)
        axes.plot(widths, medians, "o-", markersize=3, color="#2563eb", label="median of six draws, and half of them")
        axes.axvline(ROWS, color="#7b8794", linestyle=":", label=f"{ROWS} training rows")
        axes.set(xscale="log", yscale="log")
        axes.minorticks_off()
        axes.set_xticks([10, 30, ROWS, 100, 300, 1000], ["10", "30", str(ROWS), "100", "300", "1,000"])
        axes.set_yticks([0.5, 1, 2, 5, 10], ["0.5", "1", "2", "5", "10"])
    worst = int(np.nanargmax(medians))
    print(
        f"1 - r2 is {min(medians[: worst + 1]):.2f} at its lowest below {widths[worst]} units, "
        f"{medians[worst]:.1f} there, and {medians[-1]:.2f} with {widths[-1]:,}"
    )


if __name__ == "__main__":
    main()
