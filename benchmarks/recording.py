"""What it costs to write a run down: python -m benchmarks.recording [CONFIG [FOLDER]]

A long training with every step logged and a checkpoint every ten seconds, against the same one that writes neither:
processor time of pairs that follow one another, in turns, so that what else the machine does meets both. And a
checkpoint of 50 MB against a file of 50 MB that is written and forced to the disk of FOLDER, by the clock.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import trainer
from trainer.config import load
from trainer.runs.checkpoint import Checkpoints
from trainer.runs.folder import RunFolder

PAIRS, EPOCHS, BYTES = 7, 300, 50_000_000


def _seconds(config: str, overrides: list[str]) -> float:
    with tempfile.TemporaryDirectory() as out:
        loaded = load(config, [f"epochs={EPOCHS}", *overrides])
        began = time.process_time()
        trainer.train(loaded, out=out)
        return time.process_time() - began


def _checkpoint(root: str | None) -> list[float]:
    """How many times as long as writing so many bytes and forcing them to the disk."""
    arrays = {"theta": np.random.default_rng(0).random(BYTES // 16), "optimizer.m": np.ones(BYTES // 16)}
    content, ratios = np.random.default_rng(1).bytes(BYTES), []
    with tempfile.TemporaryDirectory(dir=root) as name:
        checkpoints = Checkpoints(Path(name, "checkpoints"))
        for i in range(2 * PAIRS):
            began = time.perf_counter()
            with Path(name, "plain").open("wb", buffering=0) as file:
                file.write(content)
                os.fsync(file.fileno())
            plain = time.perf_counter() - began
            began = time.perf_counter()
            checkpoints.save(i + 1, arrays, {"step": i + 1}, {})
            ratios.append((time.perf_counter() - began) / plain)
    return ratios


def main() -> int:
    ratios = _checkpoint(sys.argv[2] if len(sys.argv) > 2 else None)
    low, high = min(ratios), max(ratios)
    print(f"a checkpoint of 50 MB: {statistics.median(ratios):.2f} x writing 50 MB ({low:.2f} to {high:.2f})")
    config = sys.argv[1] if len(sys.argv) > 1 else "configs/mlp.yaml"
    setattr(RunFolder, "save_loss", lambda run: None)  # noqa: B010  drawing at the end is no part of a step
    ways = {
        "every step logged, checkpoints": ["log.steps=1"],
        "every 10th step logged, checkpoints": ["log.steps=10"],
        "checkpoints alone": [],
    }
    plain = ["checkpoint=false"]
    _seconds(config, plain)
    for name, overrides in ways.items():
        shares = []
        for pair in range(PAIRS):
            both = [plain, overrides] if pair % 2 else [overrides, plain]
            taken = [_seconds(config, each) for each in both]
            without, written = taken if pair % 2 else reversed(taken)
            shares.append(written / without - 1)
        low, high = min(shares), max(shares)
        print(
            f"{name}: {100 * statistics.median(shares):+.1f} % ({100 * low:+.1f} to {100 * high:+.1f}), {PAIRS} pairs"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
