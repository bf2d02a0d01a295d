"""What it costs to write a run down: python -m benchmarks.recording [CONFIG]

A long training with every step logged and a checkpoint every ten seconds, against the same one that writes neither.
Processor time of pairs that follow one another, in turns, so that what else the machine does meets both.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time

import trainer
from trainer.config import load
from trainer.runs.folder import RunFolder

PAIRS, EPOCHS = 7, 300


def _seconds(config: str, overrides: list[str]) -> float:
    with tempfile.TemporaryDirectory() as out:
        loaded = load(config, [f"epochs={EPOCHS}", *overrides])
        began = time.process_time()
        trainer.train(loaded, out=out)
        return time.process_time() - began


def main() -> int:
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
