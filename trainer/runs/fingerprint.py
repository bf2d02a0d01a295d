"""What the bits of a training depend on, so short that two of them can be compared at a glance.

A run that goes on with other data is another run, and is refused. One that goes on with another NumPy, BLAS or
processor is the same run with other last bits, and is told so.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trainer.runs.digests import digest
from trainer.types import Array

if TYPE_CHECKING:
    from trainer.data import Prepared

__all__ = ["changed", "code_fingerprint", "data_fingerprint", "file_fingerprint", "numerics"]

_SOURCES = (".py", ".c", ".h")
_BLOCK = 1 << 24  # bytes of an array that are looked at together: a mapped one never lies in memory whole


def data_fingerprint(data: Prepared) -> str:
    """The SHA-256 of every number that is trained on or tested with, in their order, with shapes, dtypes and names.

    Prepared data are a function of the file, the split, the preprocessing and the seed, so a change of any of them
    shows. Mapped arrays are read once, in blocks.
    """
    found = sha256()
    found.update(json.dumps([data.task, data.class_names, data.feature_names]).encode())
    for rows in data.divided.values():
        for array in rows.arrays:
            found.update(f"{array.dtype.str} {array.shape};".encode())
            for block in _blocks(array):
                found.update(np.ascontiguousarray(block).data)
    return found.hexdigest()


def file_fingerprint(path: Path, length: int | None = None) -> dict[str, Any]:
    """How long a file is, and the SHA-256 of its first `length` bytes; one that is not there is empty.

    >>> file_fingerprint(Path("nothing.csv"))["bytes"]
    0
    """
    found, left = sha256(), length
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK if left is None else min(left, _BLOCK)):
                found.update(block)
                left = None if left is None else left - len(block)
            return {"bytes": file.tell(), "sha256": found.hexdigest()}
    except FileNotFoundError:
        return {"bytes": 0, "sha256": found.hexdigest()}


def code_fingerprint(packages: Mapping[str, str | None], files: Iterable[str]) -> str:
    """The SHA-256 of versions, and of the sources of whole packages, or of single files, that some files are of.

    A package's are those at the first look of a process: what it has imported does not change with them.
    """
    roots = sorted({_root(Path(file).resolve()) for file in files})
    sources = {root.name: _package(root) if root.is_dir() else file_fingerprint(root)["sha256"] for root in roots}
    return digest({"packages": dict(packages), "sources": sources})


def _root(file: Path) -> Path:
    """The folder of the outermost package that a file is in; the file where it is in none."""
    inside = [folder for folder in file.parents if (folder / "__init__.py").exists()]
    return inside[-1] if inside else file


@cache
def _package(root: Path) -> str:
    found = {}
    for folder, _, names in os.walk(root):  # paths as texts: of hundreds, objects take longer than their contents
        for name in names:
            if name.endswith(_SOURCES):
                file = os.path.join(folder, name)
                with open(file, "rb") as source:
                    found[file[len(os.fspath(root)) + 1 :].replace(os.sep, "/")] = sha256(source.read()).hexdigest()
    return digest(found)


def _blocks(array: Array) -> Iterable[Array]:
    if not array.size:
        return ()
    rows = max(1, _BLOCK // max(array[:1].nbytes, 1))
    return (array[start : start + rows] for start in range(0, len(array), rows))


def numerics(executor: str) -> dict[str, Any]:
    """What decides the last bits besides config and data: NumPy, the BLAS and its kernels, the executor.

    >>> about = numerics("numpy")
    >>> about["numpy"] == np.__version__, about["executor"]
    (True, 'numpy')
    """
    import platform

    from threadpoolctl import threadpool_info

    blas = [library for library in threadpool_info() if library["user_api"] == "blas"]
    simd = np.show_config(mode="dicts")
    return {
        "numpy": np.__version__,
        "blas": sorted(f"{b['internal_api']} {b['version']} {b.get('architecture', '')}".strip() for b in blas),
        "simd": list(simd.get("SIMD Extensions", {}).get("found", [])),
        "machine": platform.machine(),
        "executor": executor,
    }


def changed(before: Mapping[str, object], now: Mapping[str, object]) -> list[str]:
    """What differs between two of `numerics`, a phrase each.

    >>> changed({"numpy": "2.3.0", "executor": "native"}, {"numpy": "2.4.6", "executor": "native"})
    ['numpy was 2.3.0 and is 2.4.6']
    """
    return [
        f"{name} was {_plain(before.get(name))} and is {_plain(now.get(name))}"
        for name in sorted({*before, *now})
        if before.get(name) != now.get(name)
    ]


def _plain(value: object) -> str:
    return ", ".join(map(str, value)) or "none" if isinstance(value, list) else str(value)
