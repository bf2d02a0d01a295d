"""Optimisers: pure functions of the gradient g, their own state and θ. All are vectors, or dicts of arrays.

Where the families of software differ (where eps stands, what is corrected, whether a weight decay passes through the
moments), these do as PyTorch does, and each docstring says what that is. ε is the step size, as in (2), so the small
number in a denominator is called eps. L-BFGS wants full batches; all others are for mini-batches.
"""

from __future__ import annotations

from trainer.optimizers.adam import Adam, Adamax, AdamW, AmsGrad, NAdam
from trainer.optimizers.adaptive import Adadelta, Adagrad, RmsProp
from trainer.optimizers.base import Averaging, Finishing, Optimizer, PerParameter, State, averaged, finished, prepared
from trainer.optimizers.descent import Momentum, Nesterov, Sgd
from trainer.optimizers.large_batch import Lamb, Lion
from trainer.optimizers.quasi_newton import Lbfgs
from trainer.optimizers.wrappers import Accumulate, Average, ClipNorm, ClipParameterNorm, ClipValue

__all__ = [
    "Accumulate",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "AmsGrad",
    "Average",
    "Averaging",
    "ClipNorm",
    "ClipParameterNorm",
    "ClipValue",
    "Finishing",
    "Lamb",
    "Lbfgs",
    "Lion",
    "Momentum",
    "NAdam",
    "Nesterov",
    "Optimizer",
    "PerParameter",
    "RmsProp",
    "Sgd",
    "State",
    "averaged",
    "finished",
    "prepared",
]
