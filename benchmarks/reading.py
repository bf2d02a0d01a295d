"""How long a CSV file takes to be read for training, and how much memory, beside what pandas, polars and pyarrow take.

python -m benchmarks.reading

A file of 200,000 rows of 50 numbers, each with all its digits. Every reading is a process of its own, timed within,
without its imports, and they take turns; memory is the process's largest above what it had before. Ratios are of the
times of one round, their median with the smallest and largest, of the seconds that pass and of the processors'.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

from benchmarks.processes import taken, write_numbers

ROUNDS, ROWS, COLUMNS = 9, 200_000, 50
ARRAY = ROWS * COLUMNS * 8 / 2**20  # MB
OURS = "from trainer.data.readers.csv_file import read_csv"
PREPARED = "from trainer.data.prepared import prepare"
WORK = {
    "trainer, read": (OURS, "data = read_csv('rows.csv')"),
    "trainer, read and standardised": (
        f"{OURS}; {PREPARED}",
        "data = prepare(read_csv('rows.csv'), targets='values', standardize=True)",
    ),
    "pandas, read": ("import pandas", "data = pandas.read_csv('rows.csv')"),
    "polars, read": ("import polars", "data = polars.read_csv('rows.csv')"),
    "pyarrow, read": ("import pyarrow.csv", "data = pyarrow.csv.read_csv('rows.csv')"),
}


def measured(name: str, folder: Path) -> tuple[float, float, float]:
    """Wall seconds, processor seconds and MB of one process, above what its imports took."""
    found = taken(*WORK[name], folder)
    return found.wall, found.busy, found.largest - found.before


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_numbers(folder / "rows.csv", ROWS, COLUMNS)
        rounds = [{name: measured(name, folder) for name in WORK} for _ in range(ROUNDS)]
    ours = "trainer, read"
    for name in WORK:
        wall, busy, memory = (statistics.median(each[name][i] for each in rounds) for i in range(3))
        told = []
        for i, what in enumerate(("time", "processor time")):
            ratios = sorted(each[ours][i] / each[name][i] for each in rounds)
            told.append(f"{statistics.median(ratios):.2f} × its {what} ({ratios[0]:.2f} to {ratios[-1]:.2f})")
        print(f"{name:<31} {wall:5.2f} s, {busy:5.2f} s of processors, {memory / ARRAY:4.1f} arrays of memory")
        print(f"{'':<31} {ours} takes {', '.join(told)}" if name != ours else "")


if __name__ == "__main__":
    main()
