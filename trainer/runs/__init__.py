"""What a run leaves on disk, and how to read it back.

    runs/20260131-174502-mlp/
        config.yaml               as given, byte for byte
        resolved.yaml             as used: with overrides and every default
        metrics.csv               a row per epoch, while it goes on
        loss.svg, loss.png        the loss curve, training and test
        parameters.safetensors    the final parameters, the data's scaling, and all else that predicting takes;
                                  .sha256 beside it
        environment.json          versions, processor, threads, revision
        log.txt                   what happened, with times
        status.json               running, finished, interrupted, diverged or failed, and why

`RunFolder` writes one, `load` reads one.
"""

from trainer.files import atomic_write
from trainer.runs.environment import describe_environment
from trainer.runs.folder import RunFolder
from trainer.runs.loading import Run, load
from trainer.runs.metrics import read_metrics
from trainer.runs.parameters import load_parameters, save_parameters

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
