"""What a piece of work takes in a process of its own, and the file of numbers that readers are given."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np

__all__ = ["Taken", "taken", "write_numbers"]

TIMED = """\
import resource, time
def largest(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
{imports}
before = largest()
start, busy = time.perf_counter(), time.process_time()
{work}
print(time.perf_counter() - start, time.process_time() - busy, before, largest())
"""


class Taken(NamedTuple):
    """Seconds that passed and seconds of processors, and MB at most, before the work and in all."""

    wall: float
    busy: float
    before: float
    largest: float


def taken(imports: str, work: str, folder: Path) -> Taken:
    """What some work takes in `folder`, timed within a process of its own, without its imports."""
    script = TIMED.format(imports=imports, work=work)
    result = subprocess.run([sys.executable, "-c", script], cwd=folder, check=True, capture_output=True, text=True)
    return Taken(*map(float, result.stdout.split()))


def write_numbers(path: Path, rows: int, columns: int) -> None:
    """A CSV file of that many numbers with all their digits; `rows` are a multiple of 10,000."""
    rng = np.random.default_rng(0)
    with path.open("w") as file:
        file.write(",".join(f"x{i}" for i in range(columns)) + "\n")
        for _ in range(rows // 10_000):
            some = rng.normal(size=(10_000, columns)).tolist()
            file.writelines(",".join(map(repr, row)) + "\n" for row in some)
