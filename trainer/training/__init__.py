"""The training: what a step minimises and how it runs, the loop that yields records, schedules and stopping."""

from trainer.training.loop import Best, Callback, Epoch, Step, Training

__all__ = ["Best", "Callback", "Epoch", "Step", "Training"]
