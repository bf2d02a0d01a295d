"""What a run leaves on disk, and how to read it back.

    runs/20260131-174502-mlp/
        config.yaml               as given, byte for byte
        resolved.yaml             as used: with overrides and every default
        metrics.csv               a row per epoch, while it goes on; step_size is that of the step after it
        metrics.jsonl             a line per logged step, where the config has `log: {steps: N}`
        loss.svg, loss.png        the loss curve, training and test
        parameters.safetensors    the final parameters, the data's scaling, and all else that predicting takes;
                                  .sha256 beside it
        environment.json          versions, processor, threads, revision
        findings.json             what was found to be wrong with the training, if anything was
        log.txt                   what happened, with times
        status.json               running, finished, interrupted, diverged or failed, and why; who trains, and when it
                                  was last seen; the length and the SHA-256 of every file above

`RunFolder` writes one, `load` reads one.

The names load when they are first used: who only asks whether a run is being trained needs no NumPy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trainer.files import atomic_write
    from trainer.runs.environment import describe_environment
    from trainer.runs.folder import RunFolder
    from trainer.runs.loading import Run, load
    from trainer.runs.metrics import read_metrics
    from trainer.runs.parameters import load_parameters, save_parameters

_HOME = {
    "Run": "runs.loading",
    "RunFolder": "runs.folder",
    "atomic_write": "files",
    "describe_environment": "runs.environment",
    "load": "runs.loading",
    "load_parameters": "runs.parameters",
    "read_metrics": "runs.metrics",
    "save_parameters": "runs.parameters",
}

__all__ = [
    "Run",
    "RunFolder",
    "atomic_write",
    "describe_environment",
    "load",
    "load_parameters",
    "read_metrics",
    "save_parameters",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"trainer.{_HOME[name]}"), name)
