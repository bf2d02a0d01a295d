"""The memory of a whole run at its most, beside that of a PyTorch script that does and saves the same.

python -m benchmarks.peak                      7000 × 7000, sgd and Adam
python -m benchmarks.peak --torch PYTHON       with the interpreter of an environment that has PyTorch

One dense layer, two epochs of batches of eight: initial values, steps, the losses after each epoch, a checkpoint and
the parameters. Both read the same file of rows and standardise it. What is told is the process's largest resident
memory, imports and all, and that in units of θ; ours has a picture of the curve besides.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from benchmarks.report import environment, grid

ROWS, BATCH, EPOCHS = 60, 8, 2
SCRIPT = Path(__file__).parent / "whole" / "torch_script.py"


def peak(command: list[str], folder: Path) -> int:
    """Bytes of a command's process at its most. Raises CalledProcessError where it fails."""
    with (folder / "output").open("w+") as output:
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, command, (folder / "output").read_text())
    return int(usage.ru_maxrss) * (1 if sys.platform == "darwin" else 1024)


def write(folder: Path, width: int, optimizer: str) -> Path:
    """The rows, and a config for them."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((ROWS, width), np.float32)
    np.savez(folder / "rows.npz", inputs=x, targets=np.tanh(x[:, ::-1]))
    config = {
        "dataset": {"path": "rows.npz", "test_fraction": 0.2, "standardize": True},
        "network": [{"dense": width}],
        "cost": "mean_squared_error",
        "optimizer": optimizer,
        "batch_size": BATCH,
        "step_size": 1e-4,
        "epochs": EPOCHS,
    }
    path = folder / f"{optimizer}.yaml"
    path.write_text(json.dumps(config))
    return path


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peak", description=__doc__.partition("\n")[0])
    parser.add_argument("--width", type=int, default=7000, help="of the layer (7000)")
    parser.add_argument("--torch", metavar="PYTHON", default=sys.executable if find_spec("torch") else None)
    arguments = parser.parse_args()
    width = arguments.width
    theta = 4 * (width * width + width)
    rows = [[f"{width} × {width}, θ of {theta / 2**20:.0f} MiB", "trainer run", "PyTorch", "÷ PyTorch"]]
    for optimizer in ("sgd", "adam"):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            config = write(folder, width, optimizer)
            ours = peak([sys.executable, "-m", "trainer", "run", str(config)], folder)
            cells = [optimizer, _told(ours, theta), "—", "—"]
            if arguments.torch is not None:
                given = [str(folder), optimizer, str(width), str(BATCH), str(EPOCHS)]
                theirs = peak([arguments.torch, str(SCRIPT), *given], folder)
                cells[2:] = [_told(theirs, theta), f"{ours / theirs:.2f}"]
            rows.append(cells)
    about = environment()
    print(grid(rows))
    print(f"\n{about['processor']}, {about['cores']} cores, Python {about['python']}; {about['date'][:10]}")


def _told(nbytes: int, theta: int) -> str:
    return f"{nbytes / 2**20:,.0f} MiB, {nbytes / theta:.2f} θ"


if __name__ == "__main__":
    main()
