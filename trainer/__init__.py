"""A neural-network training service whose every operation is a plugin.

Write an op once, in plain NumPy, with its vector-Jacobian products, and everything else follows: gradients of any
order, a name in YAML, a place in a trained network. The names below load when they are first used, so that importing
this package costs little more than importing NumPy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from trainer.engine.provider import provided_by as _provided_by

if TYPE_CHECKING:
    from trainer.checker import check as check
    from trainer.compiler.compiled import compile as compile
    from trainer.engine.debugging import debug as debug
    from trainer.engine.dispatch import structural as structural
    from trainer.engine.op import REQUIRED as REQUIRED
    from trainer.engine.op import Op as Op
    from trainer.engine.op import op as op
    from trainer.engine.tape import Tape as Tape
    from trainer.engine.tape import tape as tape
    from trainer.engine.tensor import Tensor as Tensor
    from trainer.engine.transforms import checkpoint as checkpoint
    from trainer.engine.transforms import grad as grad
    from trainer.engine.transforms import hessian as hessian
    from trainer.engine.transforms import hvp as hvp
    from trainer.engine.transforms import jacobian as jacobian
    from trainer.engine.transforms import jvp as jvp
    from trainer.engine.transforms import stop_gradient as stop_gradient
    from trainer.engine.transforms import value_and_grad as value_and_grad
    from trainer.engine.transforms import vjp as vjp
    from trainer.estimators.classifier import TrainerClassifier as TrainerClassifier
    from trainer.estimators.regressor import TrainerRegressor as TrainerRegressor
    from trainer.experiment.execution import train as train
    from trainer.experiment.model import load as load
    from trainer.experiment.overfitting import overfit as overfit
    from trainer.experiment.run import Run as Run
    from trainer.experiment.run import run as run
    from trainer.plugins.hookspecs import hookimpl as hookimpl
    from trainer.plugins.manager import Plugins as _Plugins
    from trainer.sweeps.comparing import compare as compare
    from trainer.sweeps.sweep import sweep as sweep

_HOME = {
    "trainer.checker": ("check",),
    "trainer.compiler.compiled": ("compile",),
    "trainer.engine.debugging": ("debug",),
    "trainer.engine.dispatch": ("structural",),
    "trainer.engine.op": ("REQUIRED", "Op", "op"),
    "trainer.engine.tape": ("Tape", "tape"),
    "trainer.engine.tensor": ("Tensor",),
    "trainer.estimators.classifier": ("TrainerClassifier",),
    "trainer.estimators.regressor": ("TrainerRegressor",),
    "trainer.experiment.execution": ("train",),
    "trainer.experiment.model": ("load",),
    "trainer.experiment.overfitting": ("overfit",),
    "trainer.experiment.run": ("Run", "run"),
    "trainer.plugins.hookspecs": ("hookimpl",),
    "trainer.sweeps.comparing": ("compare",),
    "trainer.sweeps.sweep": ("sweep",),
    "trainer.engine.transforms": (
        "checkpoint", "grad", "hessian", "hvp", "jacobian", "jvp", "stop_gradient", "value_and_grad", "vjp",
    ),
}  # fmt: skip
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

__all__ = [
    "REQUIRED", "Op", "Run", "Tape", "Tensor", "TrainerClassifier", "TrainerRegressor", "check", "checkpoint",
    "compare", "compile", "debug", "grad", "hessian", "hookimpl", "hvp", "jacobian", "jvp", "load", "op", "overfit",
    "run", "stop_gradient", "structural", "sweep", "tape", "train", "value_and_grad", "vjp",
]  # fmt: skip
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'trainer' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_MODULE_OF[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _plugins() -> _Plugins:
    """Who brings the engine its ops, when it first asks."""
    from trainer.plugins.manager import shared

    return shared()


_provided_by(_plugins)
