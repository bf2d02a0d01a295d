"""How much is another row worth?

The error on digits that nobody trained on, by the number of rows that were trained on: five draws of the rows each, as
many of every digit. On logarithmic axes a power law is a straight line.
"""

import tempfile
from pathlib import Path

import numpy as np
from common import asked, curve, interval, picture, reached
from label_noise import CONFIG, digits


def main() -> None:
    given = asked(__doc__, __file__)
    counts, seeds, steps = ([40, 160], range(2), 50) if given.quick else ([20, 50, 100, 200, 400, 800], range(5), 1500)
    x, y = digits()
    errors = []
    with tempfile.TemporaryDirectory() as folder:
        np.savez(Path(folder) / "test.npz", inputs=x[-800:], targets=y[-800:])
        for rows in counts:
            found = []
            for seed in seeds:
                order = np.random.default_rng(seed).permutation(len(y) - 800)
                chosen = np.concatenate([order[y[order] == digit][: rows // 10] for digit in range(10)])
                path = Path(folder) / f"train{seed}.npz"
                np.savez(path, inputs=x[chosen], targets=y[chosen])
                data = {"path": str(path), "test_path": str(Path(folder) / "test.npz")}
                epochs = max(1, steps // -(-rows // 32))
                found.append(1 - reached(CONFIG, [seed], dataset=data, epochs=epochs)[0])
            errors.append(np.array(found))
    slopes = np.array([np.polyfit(np.log(counts), np.log(each), 1)[0] for each in np.transpose(errors)])
    with picture(given.out, "rows that were trained on", "error on test rows") as axes:
        curve(axes, counts, errors, "", "#2563eb")
        axes.set(xscale="log", yscale="log")
        axes.minorticks_off()
        axes.set_xticks(counts, [str(rows) for rows in counts])
        axes.set_yticks([0.02, 0.05, 0.1, 0.2, 0.5], ["2 %", "5 %", "10 %", "20 %", "50 %"])
    mean, half = interval(slopes)
    print(f"the error falls as the rows to the power {mean:.2f} ± {half:.2f}: twice the rows leave {2**mean:.0%} of it")


if __name__ == "__main__":
    main()
