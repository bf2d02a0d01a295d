"""From a config to a training, and from a training to a run.

    training = build(load("configs/mlp.yaml"))          # at step 0
    outcome = execute(load("configs/mlp.yaml"), "runs")  # trained, with a folder of its own in runs/

The names load when they are first used: an `Observer` is written without the engine.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trainer.experiment.builder import build, load_data
    from trainer.experiment.components import built
    from trainer.experiment.execution import Outcome, execute
    from trainer.experiment.layers import LayerRow, layer_table
    from trainer.experiment.observer import Observer
    from trainer.experiment.resuming import resume

__all__ = ["LayerRow", "Observer", "Outcome", "build", "built", "execute", "layer_table", "load_data", "resume"]

_HOME = {
    "build": "builder",
    "load_data": "builder",
    "built": "components",
    "Outcome": "execution",
    "execute": "execution",
    "LayerRow": "layers",
    "layer_table": "layers",
    "Observer": "observer",
    "resume": "resuming",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
