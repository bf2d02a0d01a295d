"""Data sets: from a plugin, from a file, and to the arrays that training reads.

The names load when they are first used: a run reads one kind of file, if any.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trainer.data.cache import cache_folder, cached
    from trainer.data.dataset import Dataset, Facts
    from trainer.data.loading import facts_of, load
    from trainer.data.prepared import Prepared, Rows, TargetKind, prepare
    from trainer.data.preprocessing.pipeline import Preprocessing
    from trainer.data.preprocessing.scaling import Scaling
    from trainer.data.readers.array_file import read_npy, read_npz
    from trainer.data.readers.csv_file import read_csv
    from trainer.data.readers.image_folder import read_images
    from trainer.data.readers.text_file import read_text
    from trainer.data.split import Split

_HOME = {
    "cache_folder": "cache",
    "cached": "cache",
    "Dataset": "dataset",
    "Facts": "dataset",
    "facts_of": "loading",
    "load": "loading",
    "Prepared": "prepared",
    "Rows": "prepared",
    "TargetKind": "prepared",
    "prepare": "prepared",
    "Preprocessing": "preprocessing.pipeline",
    "Scaling": "preprocessing.scaling",
    "read_npy": "readers.array_file",
    "read_npz": "readers.array_file",
    "read_csv": "readers.csv_file",
    "read_images": "readers.image_folder",
    "read_text": "readers.text_file",
    "Split": "split",
}

__all__ = [
    "Dataset",
    "Facts",
    "Prepared",
    "Preprocessing",
    "Rows",
    "Scaling",
    "Split",
    "TargetKind",
    "cache_folder",
    "cached",
    "facts_of",
    "load",
    "prepare",
    "read_csv",
    "read_images",
    "read_npy",
    "read_npz",
    "read_text",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
