"""Files of a service in a config: `upload:NAME` and `run:ID`, wherever the service's folder lies.

A run of a service goes on on another computer, or after that folder was moved. So what its resolved.yaml and its
checkpoints say of its data is a name, and where that leads the process is told that trains.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["FOLDERS", "VARIABLE", "named", "place"]

VARIABLE = "TRAINER_SERVED"  # the folder of the service, or of what there is of it here
FOLDERS = {"upload": "uploads", "run": "runs"}
_NAME = re.compile(r"(upload|run):(\w[\w.-]*)")
_PATHS = {"dataset": ("path", "validation_path", "test_path"), "start_from": ("path",)}


def place(text: str) -> Path | None:
    """Where a name leads; None for what is none, and where no service has begun this process.

    >>> os.environ[VARIABLE] = "/srv"
    >>> str(place("upload:0a1b.csv")), place("flowers.csv"), place("upload:../token")
    ('/srv/uploads/0a1b.csv', None, None)
    >>> del os.environ[VARIABLE]
    """
    root, found = os.environ.get(VARIABLE), _NAME.fullmatch(text)
    return Path(root, FOLDERS[found[1]], found[2]) if root and found else None


def named(config: Mapping[str, Any]) -> dict[str, Any]:
    """A resolved config with names in the place of paths into the service's folder.

    >>> os.environ[VARIABLE] = "/srv"
    >>> named({"dataset": {"path": "/srv/uploads/0a1b.csv"}, "start_from": {"path": "/home/ada/run"}})
    {'dataset': {'path': 'upload:0a1b.csv'}, 'start_from': {'path': '/home/ada/run'}}
    >>> del os.environ[VARIABLE]
    """
    root, result = os.environ.get(VARIABLE), dict(config)
    for section, keys in _PATHS.items() if root else ():
        if isinstance(result.get(section), Mapping):
            result[section] = {key: _name(root or "", key in keys, item) for key, item in result[section].items()}
    return result


def _name(root: str, is_path: bool, value: Any) -> Any:
    for kind, folder in FOLDERS.items() if is_path and isinstance(value, str) else ():
        if Path(value).parent == Path(root, folder):
            return f"{kind}:{Path(value).name}"
    return value
