"""The training: what a step minimises and how it runs, the loop that yields records, schedules and stopping."""

from trainer.training.loop import Callback, Training
from trainer.training.records import Best, Epoch, Step
from trainer.training.state import TrainingState

__all__ = ["Best", "Callback", "Epoch", "Step", "Training", "TrainingState"]
