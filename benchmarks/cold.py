"""Cold start: from the command to the first step, and to the end of what configs/mlp.yaml trains.

Ours is `trainer run`, with its checks, its lines, its run folder and its plots, and a script without the command around
it. The command itself tells no step: it is timed to its end as it is, and to the first step in `cold/run_script.py`,
which adds a line to it. A peer's is a minimal script that trains the same network on the same rows for as many epochs,
and prints the loss and the accuracy of every epoch. Peers read the rows from a file made before, so that no data set's
import is counted.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from benchmarks.measure import spread
from benchmarks.report import grid

__all__ = ["measure_cold", "table_cold"]

HERE = Path(__file__).parent
CONFIG = HERE.parent / "configs" / "mlp.yaml"
FIRST, END = "first step", "end"
SCRIPTS = {"torch": "torch", "jax": "jax", "sklearn": "sklearn", "keras": "keras"}  # script, and what it needs


def measure_cold(rounds: int) -> dict[str, dict[str, list[float]]]:
    """Seconds to the first step and to the end, by system, one a round, in turns."""
    times: dict[str, dict[str, list[float]]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write_rows(folder / "digits.npz")
        commands = [
            ("trainer run", (FIRST,), _script("run")),
            ("trainer run", (END,), [sys.executable, "-m", "trainer", "run", str(CONFIG)]),
        ]
        for script in ("trainer", *(s for s, need in SCRIPTS.items() if find_spec(need))):
            commands.append((f"{script} script", (FIRST, END), _script(script)))
        for turn in range(rounds + 1):
            for system, wanted, command in commands:
                seconds = _seconds(command, folder)
                if turn:  # the first fills the caches of files
                    for what in wanted:
                        times.setdefault(system, {}).setdefault(what, []).append(seconds[what])
    return times


def _script(name: str) -> list[str]:
    return [sys.executable, str(HERE / "cold" / f"{name}_script.py"), str(CONFIG)]


def table_cold(times: dict[str, dict[str, list[float]]]) -> str:
    """Medians and quartiles in seconds."""
    rows = [["cold start, seconds (quartiles)", "to the first step", "to the end"]]
    for system, taken in times.items():
        spreads = [spread(taken[what]) for what in (FIRST, END)]
        rows.append([system, *(f"{s.median:.2f} ({s.low:.2f}–{s.high:.2f})" for s in spreads)])
    return grid(rows)


def _seconds(command: list[str], folder: Path) -> dict[str, float]:
    """From the start of the process to the line that says `first step`, if it comes, and to its end.

    Raises RuntimeError for a process that fails.
    """
    start, found = time.perf_counter(), {}
    environment = {**os.environ, "KERAS_BACKEND": "jax" if find_spec("jax") else "torch"}
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.strip() == FIRST:
                found[FIRST] = time.perf_counter() - start
        error = process.stderr.read() if process.stderr else ""
    found[END] = time.perf_counter() - start
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{error}")
    return found


def _write_rows(path: Path) -> None:
    """The rows of the config, split and encoded, for those who cannot read a config."""
    from trainer.config import load
    from trainer.experiment import load_data

    data = load_data(load(CONFIG))
    arrays = {
        "train_inputs": data.train.inputs, "train_targets": data.train.targets,
        "test_inputs": data.test.inputs, "test_targets": data.test.targets,
    }  # fmt: skip
    np.savez(path, **arrays)
