"""How long a file of rows takes to predict, beside how long it takes to be read.

python -m benchmarks.predicting

A CSV file of a million rows and 20 columns goes through a network of 20-64-64-3, and by turns through the readers of
pyarrow and polars alone: each time a process of its own, timed within, without its imports. Memory is the process's
largest. A busy machine counts for both, so the ratio is that of a pair's two times, and its median is what is said:
of the seconds that pass, and of the processors', which others on the machine lengthen less.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.processes import taken, write_numbers

ROUNDS, ROWS, COLUMNS = 5, 1_000_000, 20
CONFIG = """\
dataset: {path: small.csv, standardize: true}
network: [dense: 64, relu, dense: 64, relu, dense: 3]
cost: softmax_cross_entropy
step_size: 0.1
epochs: 2
"""
WORK = {
    "trainer predict": (
        """\
import trainer, pyarrow.csv; from pathlib import Path; import trainer.experiment.predicting as predicting
trainer.load(*Path('runs').iterdir())  # which imports what the network is made of""",
        "predicting.write_predictions(trainer.load(*Path('runs').iterdir()), Path('rows.csv'), Path('out.csv'), print)",
    ),
    "pyarrow, read": ("import pyarrow.csv", "table = pyarrow.csv.read_csv('rows.csv')"),
    "polars, read": ("import polars", "frame = polars.read_csv('rows.csv')"),
}


def write_rows(folder: Path) -> None:
    """The file that is predicted, a small one with classes to learn from, and a run."""
    rng = np.random.default_rng(0)
    header = ",".join(f"x{i}" for i in range(COLUMNS))
    write_numbers(folder / "rows.csv", ROWS, COLUMNS)
    classes = rng.choice(["low", "middle", "high"], 300)
    rows = rng.normal(size=(300, COLUMNS)).tolist()
    lines = [",".join([*map(repr, row), kind]) for row, kind in zip(rows, classes, strict=True)]
    (folder / "small.csv").write_text("\n".join([f"{header},kind", *lines]) + "\n")
    (folder / "mlp.yaml").write_text(CONFIG)
    subprocess.run([sys.executable, "-m", "trainer", "run", "mlp.yaml", "-q"], cwd=folder, check=True)


def measured(name: str, folder: Path) -> tuple[float, float, float]:
    """Wall seconds, processor seconds and MB of one process."""
    found = taken(*WORK[name], folder)
    return found.wall, found.busy, found.largest


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_rows(folder)
        rounds = [{name: measured(name, folder) for name in WORK} for _ in range(ROUNDS)]
    for name in WORK:
        wall, busy, memory = (statistics.median(each[name][i] for each in rounds) for i in range(3))
        ratios = [statistics.median(each["trainer predict"][i] / each[name][i] for each in rounds) for i in range(2)]
        print(
            f"{name:<16} {wall:6.2f} s, {busy:6.2f} s of processors, {memory:5.0f} MB; predicting takes "
            f"{ratios[0]:.2f} ×, {ratios[1]:.2f} × of processors"
        )


if __name__ == "__main__":
    main()
