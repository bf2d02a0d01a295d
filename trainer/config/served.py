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

__all__ = ["FOLDERS", "VARIABLE", "named", "place", "told", "without_paths"]

VARIABLE = "TRAINER_SERVED"  # the folder of the service, or of what there is of it here
FOLDERS = {"upload": "uploads", "run": "runs"}
_NAME = re.compile(r"(upload|run):(\w[\w.-]*)")
# An absolute path has two parts at least: the slash of "and/or" and of a unit, m/s, is none, nor is an address.
_PATH = re.compile(r"(?<![\w/.:~-])(?:[A-Za-z]:\\(?:[^\s\\:*?\"'<>|]+\\)*|/(?:[^\s/:\"'<>|,;()]+/)+)(?=[^\s/])")
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


def told(text: str) -> str:
    """What a run says of itself in its files: in a process that a service has begun nothing of where anything lies."""
    return without_paths(text) if VARIABLE in os.environ else text


def without_paths(text: str, names: Mapping[str, str] | None = None) -> str:
    """A text in which files are called by their last names alone.

    names: what is called otherwise, by its path: an upload, as the config calls it.

    >>> without_paths("ValueError: /srv/runs/01J/x.npy and /srv/up/9f.csv: 3 m/s", {"/srv/up/9f.csv": "upload:01K"})
    'ValueError: x.npy and upload:01K: 3 m/s'
    """
    for path, name in (names or {}).items():
        text = text.replace(path, name)
    return _PATH.sub("", text)


def _name(root: str, is_path: bool, value: Any) -> Any:
    for kind, folder in FOLDERS.items() if is_path and isinstance(value, str) else ():
        if Path(value).parent == Path(root, folder):
            return f"{kind}:{Path(value).name}"
    return value
