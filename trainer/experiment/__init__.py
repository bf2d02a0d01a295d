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
    from trainer.experiment.ranks import follow
    from trainer.experiment.resuming import follow_run, resume

__all__ = [
    "LayerRow", "Observer", "Outcome", "build", "built", "execute", "follow", "follow_run", "layer_table", "load_data",
    "resume",
]  # fmt: skip

_HOME = {
    "build": "builder",
    "load_data": "builder",
    "built": "components",
    "Outcome": "execution",
    "execute": "execution",
    "LayerRow": "layers",
    "layer_table": "layers",
    "Observer": "observer",
    "follow": "ranks",
    "follow_run": "resuming",
    "resume": "resuming",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
