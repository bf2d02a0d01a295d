"""How long a person waits before anything happens, as whole processes.

python -m benchmarks.startup

`import trainer` is given as a ratio to `import numpy`, pair by pair in turns; the commands as seconds from command to
prompt. The run is the second one, with the data set and the fonts cached.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPETITIONS = 15
CONFIG = Path(__file__).parent.parent / "configs" / "mlp.yaml"


def seconds(*arguments: str, folder: str | None = None) -> float:
    """Wall time of one Python process."""
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True, cwd=folder)
    return time.perf_counter() - start


def main() -> None:
    """Measure and print."""
    nothing, imports = [], []
    for _ in range(REPETITIONS):
        start, numpy, trainer = (seconds("-c", code) for code in ("", "import numpy", "import trainer"))
        nothing.append(start)
        imports.append((numpy, trainer, trainer / numpy, (trainer - start) / (numpy - start)))
    numpy, trainer, whole, net = (statistics.median(column) for column in zip(*imports, strict=True))
    print(f"an interpreter               {statistics.median(nothing):.3f} s")
    print(f"import numpy                 {numpy:.3f} s")
    print(
        f"import trainer               {trainer:.3f} s, {whole:.2f} × import numpy ({net:.2f} without the interpreter)"
    )
    with tempfile.TemporaryDirectory() as folder:
        for name, arguments in {
            "trainer --help": ["--help"],
            "trainer run configs/mlp.yaml": ["run", str(CONFIG)],
        }.items():
            times = [seconds("-m", "trainer", *arguments, folder=folder) for _ in range(REPETITIONS + 1)][1:]
            low, middle, high = statistics.quantiles(times, n=4)
            print(f"{name:<28} {middle:.3f} s, quartiles {low:.3f} to {high:.3f}")


if __name__ == "__main__":
    main()
