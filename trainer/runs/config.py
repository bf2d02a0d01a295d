"""The config of a run, by which it is the same run again."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import overload

from trainer.errors import DataError, UsageError
from trainer.files import expanded
from trainer.runs import digests

__all__ = ["RESOLVED", "config_of"]

GIVEN, RESOLVED = "config.yaml", "resolved.yaml"


@overload
def config_of(config: str | os.PathLike[str]) -> Path: ...
@overload
def config_of(config: str | os.PathLike[str] | Mapping[str, object]) -> Path | Mapping[str, object]: ...


def config_of(config: str | os.PathLike[str] | Mapping[str, object]) -> Path | Mapping[str, object]:
    """The config that is meant: of a run, by its folder or by the config.yaml in it, that of the same run again.

    What a run was given lacks what the command line added, and its name; so it is never trained as it stands there.

    Raises DataError for a resolved.yaml that is not the one which the run left, and UsageError where somebody has
    changed its config.yaml.
    """
    if isinstance(config, Mapping):
        return config
    path = expanded(config)
    if path.name == GIVEN and all(path.with_name(name).is_file() for name in (GIVEN, RESOLVED, digests.STATUS)):
        try:
            digests.read(path)
        except DataError:
            raise UsageError(
                f"{path} was changed since its run was given it; copy it out of the run's folder to train what it says "
                f"now, or name {path.parent} to train what the run trained"
            ) from None
        path = path.parent
    if path.is_dir() and (path / RESOLVED).is_file():
        path /= RESOLVED
    return digests.checked(path) if path.name == RESOLVED else path
