"""A hundred thousand steps on every executor, with flat memory.

Prints the resident memory after 2 %, 20 %, 60 % and all of the steps, and fails where it grew by more than a megabyte.
Reads /proc, so it runs on Linux.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from trainer.compiler.executors import native_available
from trainer.config import load
from trainer.experiment import build
from trainer.training.threads import pinned

CONFIG = Path(__file__).parent.parent / "configs" / "moons.yaml"


def resident_kib() -> int:
    """Resident memory of this process."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4


def main() -> int:
    """Run and print; 1 where memory grew."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("steps", metavar="STEPS", nargs="?", type=int, default=100_000, help="how many (%(default)s)")
    steps = parser.parse_args().steps
    marks = [steps * share // 100 for share in (2, 20, 60, 100)]
    grew = False
    for executor in ("native", "numpy", "eager") if native_available() else ("numpy", "eager"):
        with pinned(1):
            training = build(load(CONFIG, [f"compute.executor={executor}", f"epochs={steps}"]))
            seen = []
            for count, _ in enumerate(training.records(), start=1):
                if count in marks:
                    seen.append(resident_kib())
                if count == steps:
                    break
        grew |= seen[-1] - seen[0] > 1024
        print(f"{executor:<8}" + "".join(f"{kib:>12,} KiB" for kib in seen), flush=True)
    return int(grew)


if __name__ == "__main__":
    sys.exit(main())
