"""The layers, optimizers, schedules and metrics that come with the package, through the hooks that everyone uses."""

from __future__ import annotations

from trainer import metrics, optimizers, schedules
from trainer.nn.layers import Dense, Flatten
from trainer.plugins.hookspecs import Register, hookimpl

__all__: list[str] = []


@hookimpl
def register_layers(register: Register) -> None:
    register(Dense)
    register(Flatten)


@hookimpl
def register_optimizers(register: Register) -> None:
    register(optimizers.Sgd)
    register(optimizers.Momentum)
    register(optimizers.Nesterov)
    register(optimizers.Adagrad)
    register(optimizers.RmsProp, name="rmsprop")
    register(optimizers.Adadelta)
    register(optimizers.Adam)
    register(optimizers.AdamW, name="adamw")
    register(optimizers.AmsGrad, name="amsgrad")
    register(optimizers.NAdam, name="nadam")
    register(optimizers.Adamax)
    register(optimizers.Lion)
    register(optimizers.Lamb)
    register(optimizers.Lbfgs)


@hookimpl
def register_schedules(register: Register) -> None:
    register(schedules.Constant)
    register(schedules.Staircase, name="step")
    register(schedules.Milestones)
    register(schedules.Exponential)
    register(schedules.Polynomial)
    register(schedules.Cosine)
    register(schedules.WarmRestarts)
    register(schedules.OneCycle)
    register(schedules.Plateau)


@hookimpl
def register_metrics(register: Register) -> None:
    register(metrics.accuracy, task="classification")
    register(metrics.r2, task="regression")
    register(metrics.mean_absolute_error, task="regression")
