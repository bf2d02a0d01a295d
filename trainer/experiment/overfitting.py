"""Can what a config declares learn one batch? The answer, for the command and for scripts."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from trainer.config.loader import LoadedConfig, load
from trainer.experiment.execution import checked_training
from trainer.explaining.overfit import STEPS, Overfit
from trainer.explaining.overfit import overfit as of_training
from trainer.plugins.faults import naming_plugins
from trainer.runs.config import config_of
from trainer.training.threads import pinned

__all__ = ["overfit"]


def overfit(
    config: str | os.PathLike[str] | Mapping[str, object] | LoadedConfig,
    overrides: Sequence[str] = (),
    *,
    steps: int = STEPS,
) -> Overfit:
    """Train on one batch alone, and say what stops it where it is not learnt; nothing is written.

    Args:
        config: a YAML file, a run's folder, a mapping of the same keys, or what `trainer.config.load` gave.
        overrides: `key=value`, as on the command line.
        steps: at most.

    An op of others whose derivative is wrong is a finding here, and no error. Raises ConfigError and DataError.

    >>> import trainer
    >>> iris = {"dataset": {"name": "iris", "standardize": True}, "cost": "softmax_cross_entropy", "step_size": 0.1}
    >>> found = trainer.overfit({**iris, "network": [{"dense": 16}, "relu", {"dense": 3}]})
    >>> found.learnt, found.rows, found.findings
    (True, 32, ())
    """
    loaded = config if isinstance(config, LoadedConfig) else load(config_of(config), overrides)
    wrong, training = checked_training(loaded, allow_unchecked=True)
    with pinned(loaded.config.compute.threads), naming_plugins(loaded.plugins):
        return of_training(loaded, training, wrong, steps)
