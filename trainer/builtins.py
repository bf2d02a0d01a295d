"""The layers, optimizers, schedules and metrics that come with the package, through the hooks that everyone uses."""

from __future__ import annotations

from trainer import metrics
from trainer.nn.layers import Dense, Flatten
from trainer.optimizers import Sgd
from trainer.plugins.hookspecs import Register, hookimpl
from trainer.schedules import Constant

__all__: list[str] = []


@hookimpl
def register_layers(register: Register) -> None:
    register(Dense)
    register(Flatten)


@hookimpl
def register_optimizers(register: Register) -> None:
    register(Sgd)


@hookimpl
def register_schedules(register: Register) -> None:
    register(Constant)


@hookimpl
def register_metrics(register: Register) -> None:
    register(metrics.accuracy)
    register(metrics.r2)
    register(metrics.mean_absolute_error)
