"""How long a person waits before anything happens, as whole processes.

python -m benchmarks.startup
python -m benchmarks.startup --against FOLDER     beside the run of another checkout, with its machine compiled

`import trainer` is given as a ratio to `import numpy`, pair by pair in turns; the commands as seconds from command to
prompt, and as seconds of processors, which others at work lengthen less. The run is the second one, with the data set
and the fonts cached, and all modules compiled to bytecode, as those of an installed package are.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
RUN = ("run", "configs/mlp.yaml", "epochs=30")


class Taken(NamedTuple):
    """Seconds that passed, and of processors."""

    wall: float
    busy: float


def seconds(*arguments: str, folder: Path | None = None, checkout: Path = ROOT) -> Taken:
    """What one Python process takes, with the packages and a cache of a checkout. Raises CalledProcessError where it
    fails."""
    ours = os.pathsep.join(str(checkout / part) for part in (".", "ops", "datasets"))
    environment = os.environ | {
        "PYTHONPATH": ours,
        "PYTHONSAFEPATH": "1",
        "TRAINER_CACHE": str(checkout / "runs" / "cache"),
    }
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *arguments], cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, arguments)
    return Taken(wall, usage.ru_utime + usage.ru_stime)


def command(*arguments: str, checkout: Path = ROOT) -> Taken:
    """What `trainer ARGUMENTS` takes, in a folder that has no runs."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(checkout / "configs", folder / "configs")
        return seconds("-m", "trainer", *arguments, folder=folder, checkout=checkout)


def imports(turns: int) -> None:
    """Print what an interpreter takes, and what it takes to import NumPy and this package, of processors."""
    rows = []
    for _ in range(turns):
        start, numpy, trainer = (seconds("-c", code).busy for code in ("", "import numpy", "import trainer"))
        rows.append((start, numpy, trainer, trainer / numpy, (trainer - start) / (numpy - start)))
    start, numpy, trainer, whole, net = (statistics.median(column) for column in zip(*rows, strict=True))
    print(f"an interpreter               {start:.3f} s of processors")
    print(f"import numpy                 {numpy:.3f} s")
    print(
        f"import trainer               {trainer:.3f} s, {whole:.2f} × import numpy ({net:.2f} without the interpreter)"
    )


def told(what: str, times: Sequence[Taken]) -> None:
    """Print the medians, and the quartiles."""
    wall, busy = (statistics.quantiles(column, n=4) for column in zip(*times, strict=True))
    print(
        f"{what:<40} {wall[1]:.3f} s, quartiles {wall[0]:.3f} to {wall[2]:.3f}; "
        f"of processors {busy[1]:.3f} s, {busy[0]:.3f} to {busy[2]:.3f}"
    )


def compare(other: Path, turns: int) -> None:
    """Print what the run takes here and there, in turns."""
    checkouts = (ROOT, other)
    times: dict[Path, list[Taken]] = {checkout: [] for checkout in checkouts}
    for turn in range(turns + 1):
        for checkout in checkouts if turn % 2 else checkouts[::-1]:
            taken = command(*RUN, checkout=checkout)
            if turn:  # the first fills what is cached
                times[checkout].append(taken)
    for checkout in checkouts:
        told(f"trainer {' '.join(RUN)}", times[checkout])
    ratios = [(a.wall / b.wall, a.busy / b.busy) for a, b in zip(times[ROOT], times[other], strict=True)]
    wall, busy = (statistics.median(column) for column in zip(*ratios, strict=True))
    print(f"here {wall:.2f} × as long as there, of processors {busy:.2f} ×; load {os.getloadavg()[0]:.1f}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=15, help="how often each is measured (%(default)s)")
    parser.add_argument("--against", type=Path, metavar="FOLDER", help="another checkout, whose run is measured beside")
    arguments = parser.parse_args()
    if arguments.against is not None:
        compare(arguments.against.absolute(), arguments.turns)
        return
    imports(arguments.turns)
    for given in (("--help",), RUN):
        told(f"trainer {' '.join(given)}", [command(*given) for _ in range(arguments.turns + 1)][1:])


if __name__ == "__main__":
    main()
