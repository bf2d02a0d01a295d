"""Data sets kept on disk, so that whatever was slow to make them is not imported a second time.

An entry is one file: the SHA-256 of everything behind it, then NumPy's own npz. The digest is checked before a byte is
parsed, so a truncated, damaged or foreign file can only ever be made again; there is no pickle in it. The cache is a
convenience: where it can be neither read nor written, the data set is made each time. What is mapped lies on disk
already and is never copied here.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from trainer.data.dataset import Dataset

__all__ = ["cache_folder", "cached"]

VARIABLE = "TRAINER_CACHE"
FORMAT = 2  # raise it when the arrays of an entry change: entries of other formats are not read
ARRAYS = ("inputs", "targets", "groups", "weights")
FACTS = (
    "name", "task", "class_names", "feature_names", "description", "parts", "categories", "has_missing", "narrow",
    "divisor", "target_names", "dates", "booleans",
)  # fmt: skip
DIGEST_SIZE = hashlib.sha256().digest_size


def cache_folder() -> Path:
    """The folder named by the environment variable TRAINER_CACHE, or this system's place for caches.

    A user whom the system does not know and who has no home has none: the path is one that cannot be written to.
    """
    if folder := os.environ.get(VARIABLE):
        return Path(os.path.expanduser(folder))
    from platformdirs import user_cache_path

    try:
        return user_cache_path("tape-trainer", appauthor=False)
    except RuntimeError:  # a shared place, such as /tmp, is one where somebody else may write
        return Path(os.devnull, "tape-trainer")


def cached(key: str, make: Callable[[], Dataset]) -> Dataset:
    """What `make()` returns, from disk when it was made before under the same `key`.

    key: letters, digits, dots, dashes and underscores; the version of whatever makes the data belongs in it, as in
        "iris-scikit-learn-1.5.2".

        from trainer.data import Dataset, cached

        def penguins() -> Dataset:
            return cached("penguins-1", download_penguins)
    """
    path = cache_folder() / f"{key}.v{FORMAT}.dataset"
    dataset = _read(path)
    if dataset is None:
        dataset = make()
        if not dataset.mapped:
            _write(path, _to_bytes(dataset))
    return dataset


def _read(path: Path) -> Dataset | None:
    try:
        content = path.read_bytes()
    except OSError:
        return None
    digest, payload = content[:DIGEST_SIZE], content[DIGEST_SIZE:]
    return _from_bytes(payload) if hashlib.sha256(payload).digest() == digest else None


def _write(path: Path, payload: bytes) -> None:
    from trainer.files import atomic_write  # here, because reading an entry is the usual case

    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, hashlib.sha256(payload).digest() + payload)


def _to_bytes(dataset: Dataset) -> bytes:
    arrays = {name: array for name in ARRAYS if (array := getattr(dataset, name)) is not None}
    # As JSON rather than arrays of text, from which NumPy strips a null character at the end.
    facts = json.dumps({name: getattr(dataset, name) for name in FACTS})
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, facts=np.frombuffer(facts.encode(), dtype=np.uint8), **arrays)
    return buffer.getvalue()


def _from_bytes(payload: bytes) -> Dataset:
    with np.load(io.BytesIO(payload), allow_pickle=False) as loaded:
        arrays: dict[str, Any] = dict(loaded)
    facts = json.loads(arrays.pop("facts").tobytes())
    for name in ("class_names", "feature_names"):
        facts[name] = tuple(facts[name])
    return Dataset(**facts, **arrays)
