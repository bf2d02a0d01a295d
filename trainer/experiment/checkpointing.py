"""The observer that writes checkpoints.

Ctrl-C may come between any two instructions, in the middle of a step's bookkeeping too. So what is written at a stop is
not where the training stands then, but where it stood when its last record had been told to everybody. Signals wait
for that; where a listener's own error cuts a run short among the records of steps that are done, what they have written
over is gone, and the checkpoint before is the last.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.experiment.observer import Observer
from trainer.runs.checkpoint import FOLDER, Checkpoints
from trainer.runs.fingerprint import numerics
from trainer.runs.folder import LOG, METRICS, STEPS

if TYPE_CHECKING:
    from trainer.config.schema import CheckpointConfig
    from trainer.runs.appended import Mark
    from trainer.runs.folder import RunFolder
    from trainer.training import Epoch, Step, Training, TrainingState

__all__ = ["RECORDS", "Checkpointer"]

RECORDS = {"metrics": METRICS, "steps": STEPS, "log": LOG}  # whose lengths a checkpoint knows, by what it calls them


class Checkpointer(Observer):
    """Writes the state of a training into its run folder, now and then and at the end, however that comes.

    Args:
        folder: the run's; whoever writes its metrics is told before this one.
        when: how often.
        facts: what the state belongs to; numerics and the lengths of the records are added.
    """

    def __init__(self, folder: RunFolder, when: CheckpointConfig, facts: Mapping[str, object]) -> None:
        self._folder, self._when, self._facts = folder, when, facts
        self._checkpoints = Checkpoints(folder.path / FOLDER, when.keep)

    def began(self, training: Training, folder: Path | None) -> None:
        self._checkpoints.tidy()
        self._training = training
        self._about: dict[str, Any] = {}
        self._reached: tuple[TrainingState, dict[str, Mark]] | None = None
        self._saved, self._piece_ends = training.step, training.step + 1
        self._set_clock()

    def step(self, record: Step) -> None:
        # A program takes many steps at once, and θ is that of the last: the records before it cost a comparison.
        if record.step < self._piece_ends:
            return
        state = self._training.now
        if record.step < state.step:
            self._piece_ends = state.step
            return
        self._piece_ends = record.step + 1
        self._reached = state, self._folder.marks
        if state.batches < self._training.steps_per_epoch:  # else the epoch's record comes next, of the same step
            every = self._when.steps
            if self._is_time() or (every is not None and state.step // every > self._saved // every):
                self._save()

    def epoch(self, record: Epoch) -> None:
        state, when = self._training.now, self._when
        self._reached = state, self._folder.marks
        steps = when.steps is not None and state.step // when.steps > self._saved // when.steps
        if self._is_time() or steps or (when.epochs is not None and record.epoch % when.epochs == 0):
            self._save()

    def ended(self) -> None:
        if self._reached is not None and not self._training.moved(self._reached[0].step):
            self._save()

    def _is_time(self) -> bool:
        return time.monotonic() >= self._next

    def _set_clock(self) -> None:
        self._next = math.inf if self._when.seconds is None else time.monotonic() + self._when.seconds

    def _save(self) -> None:
        assert self._reached is not None
        state, marks = self._reached
        training = self._training
        self._about = self._about or {"numerics": numerics(training.runs_on)}
        self._folder.sync()
        records = {key: marks[name].facts for key, name in RECORDS.items() if name in marks}
        arrays, values = state.to_arrays()
        self._checkpoints.save(state.step, arrays, values, {**self._facts, **self._about, **records})
        self._folder.beat()
        self._saved, self._reached = state.step, None
        self._set_clock()
